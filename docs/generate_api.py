"""Text of docs/api.md and of a page for each public function, from signatures and docstrings; see generate.py."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dqt_edge
from dqt_edge.system.show import Shown

DOCS = Path(__file__).parent
HEADINGS = ("Args", "Returns", "Raises", "Example", "Attributes")
ALIASES = """| in a signature | what may be given |
|---|---|
| `FilePath` | text, or a `pathlib.Path` |
| `Model` | a graph, or the path of its checkpoint |
| `Data` | a named data set, the path of a file or folder, or NumPy arrays: `x`, `(x, y)`, `(x, y, x_test, y_test)` |
| `Array` | a NumPy array |
| `Pair` | `(weight bits, activation bits)` |
| `Policy` | `"dynamic"`, `"dynamic:0.4"`, `"4x4"`, `"8x8,4x4,2x4"`, or pairs |
| `Budget` | a number, several, or text such as `"0.8,0.5"` |
| `Progress` | a function that is called with what is being done, how much of it is done, and how much there is |
"""
INTRODUCTION = """# Python

<!-- Written by docs/generate.py; `make docs` after a change of a docstring. -->

`import dqt_edge as dqt` gives every step of the work as a function, on arrays as on files. The
[tutorial](tutorial.md) walks through them. The commands are thin over the same functions, so a script fails with the
same [errors](profiling.md#exit-codes), which name the parameter where a command names the option. Nothing is imported
before it is used: `plan` needs no TensorFlow.

What the functions return is small and frozen, shows itself in a few lines, and in a notebook as a table.

"""


def sections(doc: str) -> dict[str, str]:
    """A Google docstring's text by heading; the first has none."""
    parts = re.split(rf"^({'|'.join(HEADINGS)}):\n", inspect.cleandoc(doc), flags=re.MULTILINE)
    found = {"": parts[0].strip()}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        found[heading] = inspect.cleandoc(text)
    return found


def plain(text: str) -> str:
    """Markdown of a docstring's words."""
    text = re.sub(r":\w+:`(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def rows(text: str) -> list[tuple[str, str]]:
    """Names and their descriptions, of a section."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        match = re.match(r"([\w, ]+): (.*)", line)
        if match and not line.startswith(" "):
            found.append((match[1], match[2]))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def table(head: str, text: str) -> str:
    """A section as a table."""
    cells = [f"| {', '.join(f'`{n}`' for n in name.split(', '))} | {plain(what)} |" for name, what in rows(text)]
    return "\n".join([f"| {head} | |", "|---|---|", *(cell.replace("\\|", "|") for cell in cells)]) + "\n"


def signature(function: Callable[..., Any], name: str) -> str:
    """A call as code, one parameter a line."""
    lines, starred = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        default = parameter.default
        value = "" if default is parameter.empty else " = ..." if callable(default) else f" = {default!r}"
        lines.append(f"    {parameter.name}: {parameter.annotation}{value},")
    returns = inspect.signature(function).return_annotation
    return "\n".join([f"{name}(", *lines, f") -> {returns}"])


def result(kind: type[Any]) -> str:
    """What a class of results holds and can do."""
    parts = sections(kind.__doc__ or "")
    text = [f"## `{kind.__name__}`", plain(parts[""])]
    members: list[tuple[str, str]] = rows(parts.get("Attributes", ""))
    for name, member in vars(kind).items():
        if name.startswith("_") or name in ("facts", "close"):
            continue
        if isinstance(member, property):
            members.append((name, sections(member.fget.__doc__ or "")[""]))
        elif inspect.isfunction(member):
            given = [p for p in inspect.signature(member).parameters if p != "self"]
            members.append((f"{name}({', '.join(given)})", sections(member.__doc__ or "")[""]))
    lines = [f"| {', '.join(f'`{n}`' for n in re.split(r', (?![^(]*[)])', name))} | {plain(' '.join(what.split()))} |"
             for name, what in members]  # fmt: skip
    return "\n\n".join([*text, "\n".join(["| | |", "|---|---|", *lines])]) + "\n"


def page(name: str) -> str:
    """The page of a public function."""
    function = getattr(dqt_edge, name)
    parts = sections(function.__doc__)
    text = [
        f"# `dqt.{name}`",
        "<!-- Written by docs/generate.py. -->",
        plain(parts[""]),
        f"```python\n{signature(function, f'dqt.{name}')}\n```",
    ]
    if "Args" in parts:
        text.append(table("parameter", parts["Args"]))
    if "Returns" in parts:
        text += ["Returns", plain(parts["Returns"])]
        text[-2:] = [f"**Returns** {text[-1][0].lower()}{text[-1][1:]}"]
    if "Raises" in parts:
        text.append(table("raises", parts["Raises"]))
    text += ["## Example", parts["Example"]]
    kind = typing.get_type_hints(function, include_extras=True).get("return")
    if isinstance(kind, type) and issubclass(kind, Shown):
        text.append(result(kind))
    if name == "connect":
        text.append(result(sys.modules[function.__module__].Answer))
    return "\n\n".join(part.strip() for part in text) + "\n"


def api_pages() -> dict[Path, str]:
    """Every page with its text."""
    found = {DOCS / "api" / f"{name}.md": page(name) for name in dqt_edge.__all__}
    lines = []
    for name in dqt_edge.__all__:
        first = sections(getattr(dqt_edge, name).__doc__)[""].split("\n\n")[0]
        lines.append(f"| [`{name}`](api/{name}.md) | {plain(' '.join(first.split()))} |")
    overview = "\n".join(["| function | what it does |", "|---|---|", *lines])
    found[DOCS / "api.md"] = f"{INTRODUCTION}{overview}\n\n{ALIASES}"
    return found
