"""What lies where in the arena while each layer runs: a drawing, and how full it is."""

from __future__ import annotations

from ..lowering.memory import Region
from ..lowering.plan import Plan
from .canvas import Canvas, short, ticks
from .parts import Cell, Drawing, Part, Table, number

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 354, 8, 184
NAMED_MAX = 12
"""Layers that have their numbers below the drawing, at most; else every n-th."""


def memory_map(plan: Plan) -> list[Part]:
    """The arena of a plan over its layers."""
    ends = [max((region.offset + region.size for region in live), default=0) for live in plan.regions]
    rows = tuple(
        (
            number(str(i + 1)),
            Cell(layer.name),
            number(f"{end:,}", bar=end / plan.memory_size if plan.memory_size else 0.0),
            Cell(", ".join(f"{region.what} {region.size:,}" for region in live)),
        )
        for i, (layer, live, end) in enumerate(zip(plan.layers, plan.regions, ends, strict=True))
    )
    caption = (
        f"The arena while each layer runs, {plan.board.id}: {plan.memory_size:,} bytes when it is fullest, during "
        f"layer {plan.peak}. Tensors may overlap where an output takes over its input."
    )
    legend = (("tensor", "tensor"), ("scratch", "scratch"))
    note = "Planned before anything is compiled; tests compare sizes with the ELF's. Stack and buffers are not in it."
    columns = ("", "layer", "bytes in use, to", "what lies there, bytes")
    return [Drawing(_draw(plan), caption, legend), Table(f"Arena by layer, {plan.board.id}", columns, rows, note)]


def spans(plan: Plan) -> list[tuple[Region, int, int]]:
    """Each region with the first and the last layer while which it is in use without a gap."""
    open_spans: dict[Region, int] = {}
    found = []
    for i, live in enumerate((*plan.regions, ())):
        for region in [r for r in open_spans if r not in live]:
            found.append((region, open_spans.pop(region), i - 1))
        for region in live:
            open_spans.setdefault(region, i)
    return found


def _draw(plan: Plan) -> str:
    count, size = len(plan.regions), plan.memory_size or 1
    canvas = Canvas(WIDTH, HEIGHT, f"Memory of {plan.board.id}: {size:,} bytes over {count} layers")
    step = (RIGHT - LEFT) / max(count, 1)

    def y(offset: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * offset / size

    for tick in ticks(0, size):
        canvas.line(LEFT, y(tick), RIGHT, y(tick))
        canvas.text(LEFT - 5, y(tick) + 4, short(tick), anchor="end")
    for region, first, last in spans(plan):
        top = y(region.offset + region.size)
        title = f"{region.what}: {region.size:,} bytes from {region.offset:,}, layers {first + 1} to {last + 1}"
        mark = "scratch" if region.what == "scratch" else "tensor"
        canvas.area(LEFT + step * first, top, step * (last - first + 1), y(region.offset) - top, mark, title)
    for i in range(0, count, -(-count // NAMED_MAX)):
        canvas.text(LEFT + step * (i + 0.5), BOTTOM + 14, str(i + 1), anchor="middle")
    canvas.line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis")
    canvas.text((LEFT + RIGHT) / 2, BOTTOM + 30, "layer, in the order of execution", anchor="middle")
    canvas.text(10, (TOP + BOTTOM) / 2, "offset, bytes", anchor="middle", turn=-90)
    return canvas.svg()
