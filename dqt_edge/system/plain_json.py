"""JSON of files as it should be read: one meaning, whoever reads it."""

from __future__ import annotations

import json
from typing import Any


def read_json(content: bytes | str) -> Any:  # noqa: ANN401 - JSON
    """What JSON text says.

    An object with a key twice is refused: readers differ in which of them counts, so that what one has checked another
    does not use.

    Args:
        content: Text, or bytes of UTF-8.

    Raises:
        ValueError: It is no JSON, nested too deep, or has a key twice; the text says where.
    """
    try:
        return json.loads(content.decode() if isinstance(content, bytes) else content, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has {twice[:80]!r} twice")
    return made
