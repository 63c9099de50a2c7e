"""What --json printed, held against the description of its keys."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dqt_edge.cli.keys import OBJECTS, check

SEEN: set[tuple[str, str]] = set()
"""Objects and keys that any command of this process printed."""


def told(kind: str, out: str, whole: Iterable[str] = ()) -> dict[str, Any]:
    """The one JSON object of a standard output, which must have no key that is not described.

    Args:
        kind: Name of the object, see ``dqt_edge.cli.keys``.
        out: Standard output.
        whole: Names of objects, all of whose keys must be there.
    """
    found = json.loads(out)
    assert isinstance(found, dict)
    seen: set[tuple[str, str]] = set()
    wrong = check(found, kind, kind, lambda owner, key: seen.add((owner, key)))
    assert not wrong, wrong[:5]
    missing = [(name, key.name) for name in whole for key in OBJECTS[name] if (name, key.name) not in seen]
    assert not missing, f"no command printed {missing}"
    SEEN.update(seen)
    return found
