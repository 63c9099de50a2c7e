"""What made the numbers of a page: model, data, tools, versions, date; and what none of the numbers is."""

from __future__ import annotations

import datetime
import functools
import platform
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ToolchainError
from ..graph import Graph
from ..graph.checkpoint import model_hash
from ..measure.session import Session
from ..system.tools import ARM_GCC, compiler_version, find_tool
from .parts import Facts, Section, Text, section
from .texts import samples_text

NOT_MEASURED = (
    "Modelled cycles and milliseconds come from a model of the core and its flash, never from silicon. Instructions "
    "are counted in QEMU. Sizes of flash and RAM are of the whole image with the compiler named here. How good the "
    "answers are holds for the samples named here, and for others only as far as they are like these."
)
QEMU = "qemu-system-arm"
SECONDS = 20


def provenance_sections(sessions: Sequence[Session], more: Sequence[tuple[str, str]] = ()) -> list[Section]:
    """What made sessions, with facts that the caller knows."""
    graph = next((s.each.graph for s in sessions if s.each is not None and s.each.graph is not None), None)
    devices = ", ".join(dict.fromkeys(s.board for s in sessions))
    policies = "; ".join(dict.fromkeys(s.policy for s in sessions))
    samples = ", ".join(dict.fromkeys(map(samples_text, sessions)))
    rows = [*more, ("devices", devices), ("policies", policies), ("samples of a session", samples)]
    return provenance(rows, graph)


def provenance(rows: Sequence[tuple[str, str]], graph: Graph | None) -> list[Section]:
    """The section of some facts, of a graph and of this computer."""
    found = [*rows, *(() if graph is None else graph_facts(graph)), *machine_facts()]
    table = Facts("What made this page", tuple((name, text, "") for name, text in found))
    return section("Provenance", [table, Text(NOT_MEASURED)])


def graph_facts(graph: Graph) -> list[tuple[str, str]]:
    """Of a model: its hash, and what its checkpoint says of its origin in plain words."""
    rows = [("model", graph.name), ("SHA-256 of the model", model_hash(graph).hex())]
    kept: Mapping[str, Any] = graph.provenance
    for name in ("made_by", "source", "source_sha256", "data", "calibration", "versions"):
        if name in kept:
            value = kept[name]
            text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
            rows.append((name.replace("_", " "), text))
    return rows


@functools.cache
def machine_facts() -> tuple[tuple[str, str], ...]:
    """Versions and date."""
    rows = [
        ("dqt-edge", __version__),
        ("Python, NumPy", f"{platform.python_version()}, {np.__version__}"),
        ("compiler for boards", f"{ARM_GCC} {_compiler()}"),
        ("emulator", _emulator()),
        ("computer", f"{platform.system()} {platform.machine()}"),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    return tuple(rows)


def _compiler() -> str:
    try:
        return compiler_version()
    except ToolchainError:
        return "is not installed"


def _emulator() -> str:
    try:
        path = find_tool(QEMU, QEMU)
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (ToolchainError, OSError, subprocess.TimeoutExpired):
        return f"{QEMU} is not installed"
    return (done.stdout.splitlines() or [QEMU])[0]
