"""What a page says of the image that ran: sizes, arena over the layers, board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Graph
from ..lowering.plan import Plan
from ..project.manifest import Project
from ..project.optimize import plans_for
from ..system import elf


@dataclass(frozen=True)
class Context:
    """What stands behind sessions.

    Attributes:
        plans: Whose arenas are drawn.
        rows: Facts for the provenance.
    """

    plans: tuple[Plan, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()


def image_context(project: Project, graph: Graph, rows: Sequence[tuple[str, str]] = ()) -> Context:
    """Of a built project and one of its models; ``rows`` come first."""
    board, found = project.board, [*rows]
    clock = f", {board.cpu.hz / 1e6:g} MHz" if board.cpu.hz else ""
    emulated = f", emulated by QEMU's {board.qemu.machine}" if board.qemu else ""
    found.append(("board", f"{board.name} ({board.cpu.core}{clock}{emulated})"))
    if not board.is_host:
        flash, ram = elf.occupied(project.elf)
        predicted = project.manifest["predicted"]
        said = f"{flash:,} bytes of flash, {ram:,} of RAM; predicted {predicted['flash']:,} and {predicted['ram']:,}"
        found.append(("image (ELF)", said))
        found.append(("compiler of the prediction", str(predicted["compiler"])))
    plans = plans_for([graph], board) if _planned_for_speed(project, graph) else ()
    return Context(tuple(plans), tuple(found))


def _planned_for_speed(project: Project, graph: Graph) -> bool:
    """Whether the project's arena is the one that planning for speed gives; another one is not drawn."""
    peaks = (project.manifest.get("predicted") or {}).get("peaks", [])
    known = [peak["tensors"] + peak["scratch"] for peak in peaks if peak["model"] == graph.name]
    return bool(known) and plans_for([graph], project.board)[0].memory_size == known[0]
