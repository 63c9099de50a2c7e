"""Looks at the weights of a Keras file before they are loaded: only arrays of the file, no more than it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from .config import bad

VALUES_MAX = 1 << 28
"""Most values of all arrays together."""
FREE_BYTES = 64 << 20
"""What arrays may unpack to, however small the file is."""
RATIO_MAX = 64
"""How many times the file's size they may unpack to beyond that."""
OBJECTS_MAX = 100_000
SLACK = 4096
"""Values that a model may have without the file: counters and the like."""


class WeightsError(ValueError):
    """A model asks for more weights than its file holds."""


def count_values(file: Any, size: int, shown: Path) -> int:  # noqa: ANN401 - an HDF5 file
    """Number of values in all arrays of an HDF5 file.

    Args:
        file: Open, as h5py has it.
        size: Its bytes.
        shown: For messages.

    Raises:
        BadFileError: It links to other files or to itself, an array is virtual or stored elsewhere, or the arrays
            unpack to far more than the file is large.
    """
    values = unpacked = 0
    for name, dataset in _datasets(file, shown):
        if dataset.is_virtual or dataset.external:
            raise bad(f"its array {name[:80]!r} lies in another file", shown)
        values += dataset.size or 0
        unpacked += dataset.nbytes
    if values > VALUES_MAX or unpacked > FREE_BYTES + RATIO_MAX * size:
        raise bad(f"its arrays unpack to {unpacked:,} bytes, and the file has {size:,}", shown)
    return values


def _datasets(file: Any, shown: Path) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - an HDF5 file
    """Arrays of the file by their names; refuses every link that is not the one name of an object."""
    import h5py  # noqa: PLC0415 - comes with Keras

    seen = {h5py.h5o.get_info(file.id).addr}
    waiting = [("", file)]
    while waiting:
        prefix, group = waiting.pop()
        for key in group:
            name = f"{prefix}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise bad(f"its part {name[:80]!r} is a link", shown)
            part = group[key]
            address = h5py.h5o.get_info(part.id).addr
            if address in seen or len(seen) > OBJECTS_MAX:
                raise bad(f"its part {name[:80]!r} is there twice, or there are too many", shown)
            seen.add(address)
            if isinstance(part, h5py.Group):
                waiting.append((name, part))
            elif isinstance(part, h5py.Dataset):
                yield name, part


@contextmanager
def weights_within(most: int) -> Iterator[None]:
    """While the body loads a model, refuse to make more weights than its file holds, before memory is taken for them.

    Args:
        most: Number of values in the file.

    Raises:
        WeightsError: From within Keras.
    """
    from keras.layers import Layer  # noqa: PLC0415 - TensorFlow is large

    left, original = most + SLACK, Layer.add_weight

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as Keras has it
        nonlocal left
        shape = kwargs.get("shape", args[0] if args else None) or ()
        left -= prod(int(n) for n in shape) if isinstance(shape, list | tuple) else int(shape)
        if left < 0:
            raise WeightsError("its layers have more weights than the file holds")
        return original(self, *args, **kwargs)

    Layer.add_weight = counted
    try:
        yield
    finally:
        Layer.add_weight = original
