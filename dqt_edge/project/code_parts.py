"""Compiled code as sizes: sections, what they refer to, and the files that hold them.

An image's code comes in two parts. The *core* part is firmware, kernels and what all ports share; it depends on the
core and on the compiler's flags and version. The *port* part is one port's own code; it depends on the board's clock
and baud rate besides. Each refers to the other by symbols, which :func:`joined` resolves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ToolchainError

FOLDER = Path(__file__).with_name("code_sizes")
"""The shipped tables, a file for each core, float ABI and compiler version."""

GENERATED = re.compile(r"dqt_app|__(stack|image|data|bss)_[a-z]+")
"""Symbols of the generated sources, whose size follows from the plan, and of the linker script."""


@dataclass(frozen=True)
class Part:
    """Sections by name, ``unit:section`` (size, kind, stack, references), and symbols (name -> section).

    A reference is the name of a section of the part, or a symbol that another part defines.
    """

    sections: Mapping[str, Mapping[str, Any]]
    symbols: Mapping[str, str]


@dataclass(frozen=True)
class PortSizes:
    """A port's code, and the constants of the board that it was compiled with."""

    port: str
    hz: int
    baud: int
    part: Part
    constants: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        """What decides the code, compiler and flags apart."""
        return (self.port, self.hz, self.baud, dict(self.constants))


@dataclass(frozen=True)
class CodeSizes:
    """One file: the core part of a core under one compiler, and the ports that were measured with it."""

    compiler: str
    core: str
    flags: tuple[str, ...]
    part: Part
    ports: tuple[PortSizes, ...] = field(default=())

    @property
    def file_name(self) -> str:
        """Core, float ABI and compiler, such as ``cortex-m4-soft-gcc-12.2.1.json``."""
        return f"{self.core}-{float_abi(self.flags)}-gcc-{self.compiler}.json"

    def fits(self, core: str, flags: Sequence[str]) -> bool:
        """Whether a board with that core and those flags gets the same code."""
        return core == self.core and sorted(flags) == sorted(self.flags)


def float_abi(flags: Sequence[str]) -> str:
    """``soft``, ``softfp`` or ``hard``, as the compiler's flags say."""
    stated = [flag.removeprefix("-mfloat-abi=") for flag in flags if flag.startswith("-mfloat-abi=")]
    return stated[-1] if stated else "soft"


def as_json(sizes: CodeSizes | Part) -> str:
    """Text of a file, one section a line."""
    if isinstance(sizes, Part):
        return _text(_part_lines(sizes)) + "\n"
    facts = {"compiler": sizes.compiler, "core": sizes.core, "flags": list(sizes.flags)}
    ports = [
        "{" + ", ".join([f'"port": {json.dumps(p.port)}', *_numbers(p), '"part": '])
        + _text(_part_lines(p.part)) + "}"
        for p in sizes.ports
    ]  # fmt: skip
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items()]
    lines += ['"part": ' + _text(_part_lines(sizes.part)), '"ports": [\n' + ",\n".join(ports) + "\n]"]
    return _text(lines) + "\n"


def _numbers(port: PortSizes) -> list[str]:
    constants = [f'"constants": {json.dumps(dict(port.constants))}'] if port.constants else []
    return [f'"hz": {port.hz}', f'"baud": {port.baud}', *constants]


def _part_lines(part: Part) -> list[str]:
    tables = {"sections": part.sections, "symbols": part.symbols}
    return [
        f"{json.dumps(name)}: "
        + _text([f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(table.items())])
        for name, table in tables.items()
    ]


def _text(lines: Sequence[str]) -> str:
    return "{\n" + ",\n".join(lines) + "\n}"


def part_from_json(body: Any) -> Part:  # noqa: ANN401 - JSON
    """The part that a file holds; raises KeyError, TypeError or ValueError."""
    return Part(dict(body["sections"]), dict(body["symbols"]))


def read_sizes(path: Path) -> CodeSizes:
    """A shipped table."""
    body = json.loads(path.read_text(encoding="utf-8"))
    ports = (
        PortSizes(p["port"], p["hz"], p["baud"], part_from_json(p["part"]), p.get("constants", {}))
        for p in body["ports"]
    )
    return CodeSizes(
        body["compiler"], body["core"], tuple(body["flags"]), part_from_json(body["part"]), tuple(ports)
    )  # fmt: skip


def joined(core: Part, port: Part, where: str) -> Part:
    """Both parts, every reference the name of a section. A unit of the port takes the place of a shared one.

    Args:
        core: Firmware, kernels and what all ports share.
        port: The port's own code.
        where: The port, for messages.

    Raises:
        ToolchainError: A symbol is defined in neither.
    """
    replaced = {_unit(name) for name in port.sections}
    sections = {name: s for name, s in core.sections.items() if _unit(name) not in replaced} | dict(port.sections)
    symbols = {name: s for name, s in core.symbols.items() if s in sections} | dict(port.symbols)
    resolved = {}
    for name, section in sections.items():
        refs = set()
        for ref in section["refs"]:
            if ref in sections:
                refs.add(ref)
            elif ref in symbols:
                refs.add(symbols[ref])
            else:
                raise ToolchainError(
                    f"{_unit(name)} needs {ref!r}, which no source defines",
                    where=where,
                    next_step="define it in the port; docs/boards.md lists what a port must define",
                )
        resolved[name] = {**section, "refs": sorted(refs - {name})}
    return Part(resolved, symbols)


def _unit(section: str) -> str:
    return section.partition(":")[0]
