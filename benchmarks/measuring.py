"""One network measured on one emulated core: instructions and modelled cycles of each layer, flash, RAM.

Every output is compared with the interpreter's, and every count with the device's own counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dqt_edge.boards import Board, Flash, Memory, load_board
from dqt_edge.errors import MismatchError
from dqt_edge.graph import Graph
from dqt_edge.graph.policy import Policy
from dqt_edge.measure.counting import CountedDevice
from dqt_edge.measure.cycles.model import model_of, title, why_none
from dqt_edge.measure.modelled import mean_cycles
from dqt_edge.measure.session import Codes, run_session
from dqt_edge.project.build import build
from dqt_edge.project.export import export


@dataclass(frozen=True)
class Roomy:
    """Memory that a machine of QEMU can be given, and the arguments that give it."""

    memory: tuple[Memory, ...]
    options: tuple[str, ...]


ROOMY = {
    "m0": Roomy(
        (Memory("flash", "flash", 0, 0x10_0000), Memory("ram", "ram", 0x2000_0000, 0x4_0000)),
        ("-global", "nrf51-soc.flash-size=0x100000", "-global", "nrf51-soc.sram-size=0x40000"),
    )
}
"""Cores whose board is too small for these networks, and the same machine with more memory."""
SAMPLES = 2

Facts = dict[str, Any]


L4R5 = Flash(wait_states=5, line=8, prefetch=True, code_cache=1024, data_cache=256)
"""STM32L4R5 at 120 MHz, flash in two banks as it is delivered: ST RM0432, embedded flash memory, read access latency
(range 1 boost) and adaptive real-time memory accelerator: 32 and 8 lines of 4 x 64 bits."""

FLASHES = {"m4-l4r5": ("m4", L4R5)}
"""Cores with flash that keeps them waiting: the core, and its flash."""

SIBLINGS = {"m0plus": "m0"}
"""Cores that QEMU does not know: one with the same instructions, which runs in their place."""


def machine(core: str) -> tuple[Board, tuple[str, ...]]:
    """The board that networks are measured on, and arguments of its QEMU."""
    name, flash = FLASHES.get(core, (core, None))
    emulated = SIBLINGS.get(name, name)
    board = replace(load_board(f"qemu-{emulated}"), flash=flash)
    if name != emulated:
        cpu, model = board.cpu, f"cortex-{name}"
        flags = tuple(flag.replace(cpu.core, model) for flag in cpu.flags)
        board = replace(board, cpu=replace(cpu, core=model, flags=flags))
    roomy = ROOMY.get(emulated)
    return (replace(board, memory=roomy.memory), roomy.options) if roomy else (board, ())


def sample_codes(graph: Graph) -> Codes:
    """The inputs of every measurement."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (SAMPLES, *graph.tensor(graph.input).shape)).astype(np.uint8)


def measure(
    graph: Graph, core: str, folder: Path, policies: Mapping[str, Policy], codes: Codes | None = None
) -> dict[str, Facts]:
    """Facts of one network on one core, by policy.

    Args:
        graph: The network.
        core: Such as ``m4``.
        folder: For its project.
        policies: Widths to run it at, by a name; see ``dqt_edge.graph.policy``.
        codes: Inputs; random ones unless given.

    Returns:
        By policy: ``instructions`` and ``layers`` (name, kernel, macs, instructions, cycles), the mean over the
        inputs; ``cycles`` with ``cycles_model``, what they are; or None, and why; ``flash``, ``arena``, ``scratch``
        and ``stack`` in bytes.

    Raises:
        MismatchError: An output differs from the interpreter's.
    """
    board, options = machine(core)
    made, plan, footprint = export(graph, board, folder)
    assert footprint is not None
    image = build(made.folder, cross=True)
    codes = sample_codes(graph) if codes is None else codes
    missing = why_none(board.cpu.core)
    model = None if missing else model_of(board.cpu.core, made.elf)
    facts: dict[str, Facts] = {}
    with CountedDevice(made, histogram=model is not None, options=options) as device:
        for name, policy in policies.items():
            device.history.clear()
            session = run_session(device, graph, board, codes, None, policy)
            if session.mismatches:
                raise MismatchError(
                    f"{graph.name} at {name}: {session.first_difference}",
                    where=f"board {board.id!r}",
                    next_step="report this",
                )
            cycles = mean_cycles(model, device.history) if model else [None] * len(plan.layers)
            facts[name] = {
                "instructions": round(session.count or 0),
                "cycles": round(sum(c for c in cycles if c is not None)) if model else None,
                "cycles_model": title(model, board.flash) if model else missing,
                "layers": [
                    {
                        "name": layer.name,
                        "kernel": planned.kernel,
                        "macs": layer.macs,
                        "instructions": layer.count,
                        "cycles": count,
                    }
                    for layer, planned, count in zip(session.layers, plan.layers, cycles, strict=True)
                ],
                "flash": image.flash,
                "arena": plan.tensors_size,
                "scratch": plan.scratch_size,
            }
        stack = device.client.stats().stack_used
    return {name: {**values, "stack": stack} for name, values in facts.items()}
