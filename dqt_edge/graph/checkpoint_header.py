"""The header of a ``.safetensors`` file, looked at before the package that reads its tensors.

What the package refuses it refuses in words of its own, often without a name; and its reader of JSON is another one
than Python's. What passes here says the same to both.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

from ..system.plain_json import read_json

KEY = "dqt_edge"
"""Of the manifest, in the metadata."""
_METADATA = "__metadata__"
_SIZES = {"I8": 1, "U8": 1, "I32": 4, "I16": 2, "U16": 2, "U32": 4, "I64": 8, "U64": 8, "F32": 4, "F64": 8, "BOOL": 1}
"""Bytes of an element, by the name of its type. Which of them a field may have, the field says."""
_FIELDS = {"dtype", "shape", "data_offsets"}


def manifest_text(content: bytes, most: int) -> str:
    """Text of the manifest in a checkpoint whose header is in order.

    Args:
        content: The file.
        most: Bytes that the header may have.

    Raises:
        ValueError: The header is cut off, larger, or no header of ours; or a tensor's bytes are not where it says.
    """
    if len(content) < 8:
        raise ValueError("it is shorter than a header")
    length = int.from_bytes(content[:8], "little")
    if length > most or 8 + length > len(content):
        raise ValueError(f"the header claims {length} bytes")
    try:
        header = read_json(content[8 : 8 + length])
    except ValueError as error:
        raise ValueError(f"the header is no JSON, so that it has no {KEY} manifest ({str(error)[:200]})") from error
    metadata = header.get(_METADATA) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ValueError(f"it has no {KEY} manifest")
    text = metadata[KEY]
    if not isinstance(text, str):
        raise ValueError(f"its {KEY} manifest is no text")
    _check_places({name: item for name, item in header.items() if name != _METADATA}, len(content) - 8 - length)
    return text


def _check_places(tensors: dict[str, Any], size: int) -> None:
    """Refuse unless the tensors fill the ``size`` bytes behind the header, one behind the other."""
    spans = sorted((*_span(name, item), f"tensor {name[:80]!r}") for name, item in tensors.items())
    behind = next((span for span in spans if span[1] > size), None)
    if behind is not None:
        raise ValueError(f"{behind[2]} ends at byte {behind[1]}, and there are {size}")
    for (_, end, before), (start, _, name) in pairwise([(0, 0, "the header"), *spans, (size, size, "the end")]):
        if start != end:
            raise ValueError(f"{name} begins at byte {start}, and {before} ends at {end}")


def _span(name: str, item: Any) -> tuple[int, int]:  # noqa: ANN401 - JSON
    """First byte of a tensor, and the first one behind it."""
    where = f"tensor {name[:80]!r}"
    if not isinstance(item, dict) or set(item) != _FIELDS:
        raise ValueError(f"{where} is no object of {', '.join(sorted(_FIELDS))}")
    kind, shape, places = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(kind, str) or kind not in _SIZES:
        raise ValueError(f"{where} has elements of type {str(kind)[:20]!r}")
    if not _is_sizes(shape) or not _is_sizes(places) or len(places) != 2:
        raise ValueError(f"{where} has shape {str(shape)[:60]} at {str(places)[:60]}, which are no sizes")
    if places[1] - places[0] != prod(shape) * _SIZES[kind]:
        raise ValueError(f"{where} has shape {str(shape)[:60]} of {kind}, and {places[1] - places[0]} bytes")
    return places[0], places[1]


def _is_sizes(values: object) -> bool:
    return isinstance(values, list) and len(values) <= 8 and all(type(n) is int and 0 <= n < 1 << 32 for n in values)
