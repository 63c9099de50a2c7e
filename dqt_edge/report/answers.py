"""How answers compare with targets: a confusion matrix, or a picture of the task's own; and telling samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..measure.session import Inferences, Session
from ..tasks import inputs_of, task_of
from ..tasks.kinds import Map, Reconstruction
from .canvas import Canvas, short, ticks
from .choices import bits
from .examples import picture
from .parts import Cell, Drawing, Gallery, Part, Table

CONFUSION_MAX = 40
"""Classes of a confusion matrix."""
SHOWN = 8
"""Pictures of a kind."""
BINS = 24
DOTS_MAX = 600
WIDTH, HEIGHT, LEFT, BOTTOM = 360, 240, 48, 200
Reals = npt.NDArray[np.float64]


def answer_parts(session: Session) -> list[Part]:
    """What targets and outputs show together; nothing without targets, and for tasks that have no picture."""
    each = session.each
    if each is None or each.graph is None or each.outputs is None or each.inputs is None:
        return []
    task = task_of(each.graph)
    if isinstance(task, Reconstruction):
        errors = task.errors(each.outputs, inputs_of(each.graph, each.inputs[: len(each.outputs)], None))
        return [_histogram(errors, each.targets)]
    if each.targets is None:
        return []
    if each.answers is not None and each.targets.ndim == 1:
        return _confusion(each, list(getattr(task, "names", ())))
    if isinstance(task, Map):
        return [_maps(each, task)]
    return [_scatter(each.targets, each.outputs)] if each.targets.shape == each.outputs.shape else []


def _confusion(each: Inferences, names: Sequence[str]) -> list[Part]:
    assert each.targets is not None
    assert each.answers is not None
    if not 2 <= len(names) <= CONFUSION_MAX:
        return []
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (each.targets, each.answers), 1)
    rows = []
    for k, name in enumerate(names):
        total = int(counts[k].sum())
        cells = [Cell(str(n) if n else "", heat=n / total if total else 0.0) for n in counts[k]]
        recall = f"{100 * counts[k, k] / total:.1f} %" if total else "-"
        rows.append((Cell(name), *cells, Cell(recall, number=True)))
    columns = ("right class", *names, "recall")
    note = "Rows are right classes, columns the device's answers. Few samples of a class make a rough recall."
    return [Table("Confusion matrix", columns, tuple(rows), note)]


def _maps(each: Inferences, task: Map) -> Gallery:
    """The first inputs, each with its right map and the answered one."""
    assert each.graph is not None
    assert each.inputs is not None
    assert each.outputs is not None
    assert each.targets is not None
    height, width, _ = task.head.shape
    answers, shape = task.answers(each.outputs), each.graph.tensor(each.graph.input).shape
    pictures: list[tuple[str, str, bool | None]] = []
    for i in range(min(len(answers), SHOWN // 2)):
        right = float((answers[i] == each.targets[i]).mean())
        pictures.append((picture(each.inputs[i].reshape(shape)), f"input {i + 1}", None))
        pictures.append((picture(each.targets[i].reshape(height, width, 1)), "right classes", None))
        pictures.append((picture(answers[i].reshape(height, width, 1)), f"answered, {100 * right:.1f} % right", None))
    return Gallery(
        "Inputs, right classes and answered ones; from dark to light the classes that a picture has.", tuple(pictures)
    )


def _scatter(targets: Reals, outputs: Reals) -> Drawing:
    """Outputs against targets; on the line they are equal."""
    x, y = targets.astype(np.float64).ravel(), outputs.astype(np.float64).ravel()
    step = -(-len(x) // DOTS_MAX)
    x, y = x[::step], y[::step]
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    span = high - low or 1.0
    canvas = Canvas(WIDTH, HEIGHT, f"{len(x)} outputs against their targets, from {low:.4g} to {high:.4g}")

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * (value - low) / span

    def up(value: float) -> float:
        return BOTTOM - (BOTTOM - 10) * (value - low) / span

    for tick in ticks(low, high):
        canvas.line(LEFT, up(tick), WIDTH - 10, up(tick))
        canvas.text(LEFT - 5, up(tick) + 4, short(tick), anchor="end")
        canvas.text(across(tick), BOTTOM + 16, short(tick), anchor="middle")
    canvas.path([(across(low), up(low)), (across(high), up(high))], "line full-line")
    for target, output in zip(x.tolist(), y.tolist(), strict=True):
        canvas.area(across(target) - 1.5, up(output) - 1.5, 3, 3, "fixed")
    canvas.text((LEFT + WIDTH) / 2, BOTTOM + 32, "target", anchor="middle")
    canvas.text(10, BOTTOM / 2, "output", anchor="middle", turn=-90)
    return Drawing(canvas.svg(), "Each output against its target; on the line they are equal.")


def _histogram(errors: Reals, targets: npt.NDArray[np.int64] | None) -> Drawing:
    """How many inputs are how far off, normal ones and others."""
    kinds = [("fixed", "all inputs", np.ones(len(errors), bool))]
    if targets is not None:
        kinds = [("fixed", "normal", targets == 0), ("dynamic", "others", targets != 0)]
    edges = np.linspace(0, float(errors.max()) or 1.0, BINS + 1)
    counts = [np.histogram(errors[chosen], edges)[0] for _, _, chosen in kinds]
    most = max(int(c.max()) for c in counts) or 1
    canvas = Canvas(WIDTH, HEIGHT, f"Mean squared errors of {len(errors)} reconstructions")
    wide = (WIDTH - LEFT - 10) / BINS
    for tick in ticks(0, most):
        canvas.line(LEFT, BOTTOM - (BOTTOM - 10) * tick / most, WIDTH - 10, BOTTOM - (BOTTOM - 10) * tick / most)
        canvas.text(LEFT - 5, BOTTOM + 4 - (BOTTOM - 10) * tick / most, f"{tick:g}", anchor="end")
    for i, (mark, name, _) in enumerate(kinds):
        for k, count in enumerate(counts[i].tolist()):
            height = (BOTTOM - 10) * count / most
            left = LEFT + wide * k + i * wide / len(kinds)
            title = f"{name}: {count} from {edges[k]:.4g} to {edges[k + 1]:.4g}"
            canvas.area(left, BOTTOM - height, wide / len(kinds), height, mark, title)
    for tick in ticks(0, float(edges[-1])):
        canvas.text(LEFT + wide * BINS * tick / float(edges[-1]), BOTTOM + 16, short(tick), anchor="middle")
    canvas.text((LEFT + WIDTH) / 2, BOTTOM + 32, "mean squared error of an input", anchor="middle")
    legend = tuple((mark, name) for mark, name, _ in kinds)
    return Drawing(canvas.svg(), "How many inputs are how far off their reconstruction.", legend)


def sample_parts(session: Session) -> list[Part]:
    """Pictures of the inputs that were easiest, hardest, and took the most; nothing where inputs are not known."""
    each = session.each
    if each is None or each.graph is None or each.inputs is None or each.answers is None or each.graph.more_inputs:
        return []
    margins = _margins(each)
    easy, hard = np.argsort(-margins, kind="stable"), np.argsort(margins, kind="stable")
    found: list[Part] = [
        _gallery("Easiest: the largest distance between the first and the second output.", each, easy),
        _gallery("Hardest: the smallest distance.", each, hard),
    ]
    widths = np.nan_to_num(bits(each.graph, each.choices).prod(axis=2)).sum(axis=1)
    if len(widths) and widths.max() > widths.min():
        found.append(_gallery("Widest: the most BitOPs.", each, np.argsort(-widths, kind="stable")))
    return found


def _margins(each: Inferences) -> Reals:
    """Distance of the two largest outputs; of a single output from the threshold."""
    assert each.outputs is not None
    assert each.graph is not None
    if each.outputs.shape[1] == 1:
        threshold = getattr(task_of(each.graph), "threshold", 0.0)
        return np.asarray(np.abs(each.outputs[:, 0] - threshold), np.float64)
    two = np.sort(each.outputs, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0], np.float64)


def _gallery(caption: str, each: Inferences, order: npt.NDArray[np.int64]) -> Gallery:
    assert each.graph is not None
    assert each.inputs is not None
    assert each.answers is not None
    names = list(getattr(task_of(each.graph), "names", ()))
    shape = each.graph.tensor(each.graph.input).shape
    pictures = []
    for i in order[:SHOWN].tolist():
        answer = names[int(each.answers[i])]
        text, right = f"answered {answer}", None
        if each.targets is not None and each.targets.ndim == 1:
            label = names[int(each.targets[i])]
            right = label == answer
            text = label if right else f"{label}, answered {answer}"
        pictures.append((picture(each.inputs[i].reshape(shape)), text, right))
    return Gallery(caption, tuple(pictures))
