"""What was decided for which inputs: widths of each layer and the point that answered, by class and by sample."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..graph import Graph
from ..graph.values import FULL
from ..measure.session import Inferences, Session
from ..tasks import task_of
from .canvas import Canvas
from .parts import Cell, Drawing, Part, Table

CLASSES_MAX = 24
"""Columns of a heat map."""
WIDTH, LEFT, ROW = 360, 86, 16
SAMPLES_MAX = 400
"""Columns of the drawing of samples; of more, every n-th is drawn."""
Reals = npt.NDArray[np.float64]


def choice_parts(session: Session) -> list[Part]:
    """Heat maps and a drawing; nothing where the same was done with every input."""
    each = session.each
    if each is None or each.graph is None or not len(each.choices):
        return []
    same = (each.choices == each.choices[0]).all() and (each.points == each.points[0]).all()
    if same and (each.passes == each.passes[0]).all():
        return []
    graph, what = each.graph, f"{session.board}, policy {session.policy}"
    found: list[Part] = []
    groups = _groups(each, graph)
    if graph.adaptive and (each.choices != each.choices[0]).any():
        found += [_widths_by_class(graph, each, groups, what), _samples(graph, each, what)]
    if graph.points:
        found.append(_points_by_class(graph, each, groups, what))
    return found


def bits(graph: Graph, choices: npt.NDArray[np.int64]) -> Reals:
    """Weight and activation bits of each choice, [samples, adaptive layers, 2]; NaN where a layer did not run."""
    found = np.full((*choices.shape, 2), np.nan)
    for i, layer in enumerate(graph.adaptive):
        pairs = np.array(layer.options, np.float64)
        ran = choices[:, i] >= 0
        found[ran, i] = pairs[choices[ran, i]]
    return found


def _groups(each: Inferences, graph: Graph) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """Samples by their right class, by the answered one without labels, or all of them together."""
    task, classes = task_of(graph), each.answers
    if each.targets is not None and each.targets.ndim == 1 and each.answers is not None:
        classes = each.targets
    everything = [("all", np.ones(len(each.choices), bool))]
    if classes is None:
        return everything
    names: Sequence[str] = getattr(task, "names", ())
    known = [(names[int(k)] if k < len(names) else str(k), classes == k) for k in np.unique(classes)]
    return everything + (known if len(known) <= CLASSES_MAX else [])


def _widths_by_class(
    graph: Graph, each: Inferences, groups: Sequence[tuple[str, npt.NDArray[np.bool_]]], what: str
) -> Table:
    found = bits(graph, each.choices)
    rows = []
    for i, layer in enumerate(graph.adaptive):
        cells = [Cell(layer.name)]
        for _, chosen in groups:
            pairs = found[chosen, i]
            pairs = pairs[~np.isnan(pairs[:, 0])]
            if not len(pairs):
                cells.append(Cell("-", heat=0.0))
                continue
            w, a = pairs.mean(axis=0)
            cost = float(np.prod(pairs, axis=1).mean()) / (FULL[0] * FULL[1])
            cells.append(Cell(f"{w:.1f}x{a:.1f}", heat=cost))
        rows.append(tuple(cells))
    kind = "right class" if each.targets is not None else "answer"
    note = (
        "Mean bits of weights x activations; the stronger the colour, the more BitOPs, and 8x8 has all of it. Layers "
        "behind an early answer are left out of its mean. Widths are what the device chose and the interpreter "
        "confirmed; they are no time."
    )
    columns = ("layer", *(name for name, _ in groups))
    return Table(f"Widths of each layer by {kind}: {what}", columns, tuple(rows), note)


def _points_by_class(
    graph: Graph, each: Inferences, groups: Sequence[tuple[str, npt.NDArray[np.bool_]]], what: str
) -> Table:
    names = [*(point.name for point in graph.points), "end"]
    rows = []
    for i, name in enumerate(names):
        shares = [float((each.points[chosen] == i).mean()) for _, chosen in groups]
        rows.append((Cell(name), *(Cell(f"{100 * share:.0f} %", heat=share) for share in shares)))
    if (each.passes == 2).any():
        shares = [float((each.passes[chosen] == 2).mean()) for _, chosen in groups]
        rows.append((Cell("second pass"), *(Cell(f"{100 * share:.0f} %", heat=share) for share in shares)))
    columns = ("answered at", *(name for name, _ in groups))
    kind = "right class" if each.targets is not None else "answer"
    return Table(f"Where answers came from, by {kind}: {what}", columns, tuple(rows))


def _samples(graph: Graph, each: Inferences, what: str) -> Drawing:
    """A column for each sample, the cheapest first; a row for each layer."""
    found = bits(graph, each.choices)
    costs = np.nan_to_num(found.prod(axis=2) / (FULL[0] * FULL[1]))
    order = np.lexsort((each.points, costs.sum(axis=1)))
    order = order[:: -(-len(order) // SAMPLES_MAX)]
    height = ROW * len(graph.adaptive) + 26
    canvas = Canvas(WIDTH, height, f"Widths of {len(graph.adaptive)} layers for {len(order)} samples, cheapest first")
    step = (WIDTH - LEFT - 4) / len(order)
    for i, layer in enumerate(graph.adaptive):
        name = layer.name if len(layer.name) <= 13 else f"{layer.name[:12]}\u2026"
        canvas.text(LEFT - 5, ROW * i + 12, name, anchor="end")
        for start, end in _stretches(costs[order, i]):
            style = f"--v:{costs[order[start], i]:.3f}"
            canvas.area(LEFT + step * start, ROW * i + 1, step * (end - start), ROW - 2, "cell", style=style)
    canvas.text((LEFT + WIDTH) / 2, height - 8, "samples, the cheapest first", anchor="middle")
    caption = f"Widths of each layer for each sample, {what}: the stronger the colour, the more BitOPs."
    return Drawing(canvas.svg(), caption)


def _stretches(values: Reals) -> list[tuple[int, int]]:
    """First and behind the last of each stretch of equal values."""
    ends = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(start, end) for start, end in itertools.pairwise(ends) if end > start]
