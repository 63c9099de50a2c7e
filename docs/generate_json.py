"""The page of JSON keys, from the same description as the tests hold the commands against."""

from __future__ import annotations

from dqt_edge.cli.keys import COMMANDS, OBJECTS, PLAIN, Key


def json_keys() -> str:
    """A section for each command, and one for each object within these."""
    text = []
    roots = [name for names in COMMANDS.values() for name in names]
    for name in roots:
        text.append(_section(name, 2))
    text.append("\n## Objects\n\nWhat stands in the objects above, by the name of the object.\n")
    text += [_section(name, 3) for name in sorted(OBJECTS) if name not in roots]
    return "".join(text)


def _section(name: str, level: int) -> str:
    rows = "".join(f"| `{key.name}` | {_kind(key)} | {key.unit} | {key.meaning} |\n" for key in OBJECTS[name])
    return f"\n{'#' * level} {name}\n\n| key | holds | unit | meaning |\n|---|---|---|---|\n{rows}"


def _kind(key: Key) -> str:
    """What a key holds, in words, with a link to an object of the page."""
    kind = key.kind
    null = " or null" if kind.endswith("?") else ""
    kind = kind.removesuffix("?")
    lists = ""
    while kind[0] in "[{":
        lists += "list of " if kind[0] == "[" else "by name: "
        kind = kind[1:-1]
    if kind.endswith("?"):
        kind, null = kind[:-1], null or " or null"
    plain = kind if kind in PLAIN else f"[{kind}](#{_anchor(kind)})"
    return f"{lists}{plain}{null}"


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
