"""Every key that --json prints: what it holds, in which unit, and what it means.

One description drives the page docs/json.md, which is made of it, and the tests, which hold what the commands print
against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import choosing, making, measuring

PLAIN: dict[str, Any] = {"text": str, "number": int | float, "integer": int, "boolean": bool, "object": dict}
"""Kinds of values that are no objects of this page; an ``object`` is described on the page that is named."""


@dataclass(frozen=True)
class Key:
    """A key of an object.

    Attributes:
        name: As it is printed; what stands in angle brackets differs.
        kind: ``text``, ``number``, ``integer``, ``boolean``, ``object``, or the name of an object of this page;
            ``[kind]`` is a list, ``{kind}`` an object whose keys are names, ``kind?`` may be null.
        unit: Of a number.
        meaning: In words.
    """

    name: str
    kind: str
    unit: str
    meaning: str

    def is_named(self, name: str) -> bool:
        """Whether a printed key is this one."""
        return re.fullmatch(re.sub(r"<.*?>", ".+", self.name), name) is not None

    @property
    def base(self) -> str:
        """The innermost kind: without lists, names and null."""
        return self.kind.replace("?", "").strip("[]{}")


def _read(text: str) -> tuple[Key, ...]:
    """Keys of lines ``name | kind | unit | meaning``."""
    keys = []
    for line in text.strip().splitlines():
        name, kind, unit, meaning = (part.strip() for part in line.split(" | "))
        keys.append(Key(name, kind, unit.removeprefix("-"), meaning))
    return tuple(keys)


OBJECTS: dict[str, tuple[Key, ...]] = {
    name: _read(text) for part in (making.OBJECTS, choosing.OBJECTS, measuring.OBJECTS) for name, text in part.items()
}
"""Objects by name; those of a command have its name, ``check`` with a second one for several boards."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "try": ("try",),
    "train": ("train", "train --heads-only"),
    "import": ("import",),
    "compare": ("compare",),
    "search": ("search",),
    "tune": ("tune",),
    "evaluate": ("evaluate",),
    "cost": ("cost",),
    "check": ("check", "check of several boards"),
    "export": ("export", "export --as"),
    "build": ("build",),
    "flash": ("flash",),
    "profile": ("profile",),
    "compare-sessions": ("compare-sessions",),
    "boards": ("boards",),
    "doctor": ("doctor",),
}
"""What each command prints."""


def check(value: Any, kind: str, where: str, seen: Callable[[str, str], None]) -> list[str]:  # noqa: ANN401 - JSON
    """What is wrong with a value, in words; nothing where it is as described.

    Args:
        value: What was printed.
        kind: See :class:`Key`.
        where: Its place, for the words.
        seen: Called with the object and the key of everything that is found.
    """
    if kind.endswith("?"):
        return [] if value is None else check(value, kind[:-1], where, seen)
    if kind in PLAIN:
        fits = isinstance(value, PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))
        return [] if fits else [f"{where} is no {kind}: {value!r}"]
    found: list[str] = []
    listed = kind.startswith("[")
    wanted: type[Any] = list if listed else dict
    if not isinstance(value, wanted):
        return [f"{where} is no {'list' if listed else 'object'}"]
    items = [(str(i), item) for i, item in enumerate(value)] if listed else [*value.items()]
    for name, item in items:
        if kind[0] in "[{":
            found += check(item, kind[1:-1], f"{where}.{name}", seen)
            continue
        key = next((key for key in OBJECTS[kind] if key.is_named(name)), None)
        if key is None:
            found.append(f"{where}.{name} is not described")
            continue
        seen(kind, key.name)
        found += check(item, key.kind, f"{where}.{name}", seen)
    return found
