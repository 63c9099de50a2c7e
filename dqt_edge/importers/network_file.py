"""A Network as bytes: how one process gives it to another. Numbers and text, no code, each of its field's type."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph.checkpoint_fields import build
from .network import Network

_KEY = "network"


def encode(network: Network) -> bytes:
    """Bytes from which :func:`decode` makes the same Network."""
    from safetensors.numpy import save  # noqa: PLC0415 - keeps the command line's start fast

    arrays: dict[str, npt.NDArray[Any]] = {}

    def plain(item: Any) -> Any:  # noqa: ANN401 - any field
        if isinstance(item, np.ndarray):
            key = str(len(arrays))
            arrays[key] = np.array(item, order="C")  # a copy: safetensors takes no two views of one memory
            return {"array": key}
        if is_dataclass(item):
            return {f.name: plain(getattr(item, f.name)) for f in fields(item)}
        if isinstance(item, dict):
            return {name: plain(part) for name, part in item.items()}
        if isinstance(item, tuple | list):
            return [plain(part) for part in item]
        return item.item() if isinstance(item, np.generic) else item

    body = json.dumps(plain(network))
    return bytes(save(arrays, {_KEY: body}))


def decode(content: bytes) -> Network:
    """The Network of such bytes.

    Raises:
        ValueError: They are of something else; the text names the field.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - keeps the command line's start fast
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        body = json.loads(header["__metadata__"][_KEY])
    except (SafetensorError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"no network ({type(error).__name__}: {error})") from error
    made = build(Network, body, arrays, _KEY)
    assert isinstance(made, Network)
    return made
