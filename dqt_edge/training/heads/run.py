"""Heads from data: places, features, learning, and what came of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ... import __version__
from ...data.choose import choose
from ...data.dataset import Dataset, require_training
from ...data.sources import Source, has_targets
from ...errors import MismatchError, UsageError
from ...graph import DecisionPoint, Graph, Tensor
from ...precision.candidates import widest
from ...tasks import Task, reals, task_of
from ...tasks.kinds import CHANCE_MIN
from ..losses import class_weights
from .attach import point_names, require_fit, with_points, without_points
from .features import (
    RANGE_SAMPLES,
    Codes,
    Features,
    Inputs,
    Spot,
    Vector,
    collect,
    find_spots,
    vectors_for,
)
from .figures import head_logits, point_figures
from .learn import Head, Lessons, Row, learn, predict, targets_of
from .options import HeadOptions
from .places import choose_places
from .shape import head_shapes

Progress = Callable[[str, int, int], None]
SAME_ANSWERS = 0.98
"""Least share of validation features on which Keras and the integers answer alike: ties and roundings differ."""


@dataclass(frozen=True, eq=False)
class Part:
    """Features of one part of the data set.

    Attributes:
        by_width: At each width vector, by its pair; ``copy`` are those of the varied copies.
        outputs: Codes of the full network's output, uint8 [samples, classes]; of the copies behind them.
        labels: Class indices [samples], or None.
    """

    by_width: Mapping[str, Features]
    outputs: Codes
    labels: npt.NDArray[np.int64] | None


def train_heads(
    graph: Graph,
    dataset: Dataset,
    options: HeadOptions,
    *,
    progress: Progress,
    on_stage: Callable[[str], None],
    on_epoch: Callable[[Row], None],
) -> tuple[Graph, list[Row]]:
    """Give a finished network decision points; its own layers stay what they are.

    Args:
        graph: The network. Points that it has are replaced.
        dataset: What to learn from; see ``HeadOptions.labels``.
        options: How.
        progress: Called as samples run through the network.
        on_stage: Called with what begins.
        on_epoch: Called with each epoch of each head.

    Returns:
        The network with points and with ``provenance["heads"]``; and the epochs.

    Raises:
        UnsupportedError: A network that can have no heads, or no place for one.
        UsageError: Layers that it does not have, or labels that it cannot answer.
        BadFileError: The data has nothing to train with, or another shape.
        MismatchError: A head's integers answer otherwise than what was trained.
    """
    require_fit(graph)
    graph = without_points(graph)
    places = choose_places(graph, options.points)
    shapes = head_shapes(graph, places, options.head_grid, options.head_hidden)
    vectors = vectors_for(graph, options.widths, places[-1].after)
    require_training(dataset)
    task, names = task_of(graph), point_names(graph, len(places))
    chosen = choose(len(dataset.train.labels), options.samples, dataset.train.labels, seed=options.seed)
    labels = _labels(dataset.train, task, options)
    judging = _labels(dataset.validation, task, options)
    on_stage("features")
    some = Inputs(graph, dataset.train, chosen[choose(len(chosen), RANGE_SAMPLES, seed=options.seed)])
    spots = find_spots(graph, places, shapes, some, list(vectors.values()), names)
    inputs = Inputs(graph, dataset.train, chosen, options.varied, options.shift, options.flip, options.seed)
    train = _part(spots, vectors, inputs, None if labels is None else labels[chosen], progress, "training samples")
    others = Inputs(graph, dataset.validation, np.arange(len(dataset.validation.labels)))
    validation = _part(spots, vectors, others, judging, progress, "validation samples")
    weights = _class_weights(graph, train, options)
    heads, rows = [], []
    for index, (name, spot) in enumerate(zip(names, spots, strict=True)):
        on_stage(name)
        lessons = [_lessons(graph, part, index, weights, options) for part in (train, validation)]
        head, found = learn(name, spot, lessons[0], lessons[1], options, on_epoch)
        heads.append(head)
        rows += found
    made = _attached(graph, heads)
    facts = _facts(made, heads, validation, task, [row for row in rows if row["best"]])
    provenance = {
        "made_by": f"dqt-edge {__version__} train, heads only",
        "options": {**options.as_json(), "data": dataset.name},
        "data": {
            "name": dataset.name,
            "train": len(chosen),
            "copies": int(options.varied),
            "validation": len(others),
        },
        "widths": list(vectors),
        "macs_share": sum(shape.macs for shape in shapes) / max(graph.total_macs, 1),
        **facts,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
    return with_points(made, made.points, (), provenance), rows


def _labels(source: Source, task: Task, options: HeadOptions) -> npt.NDArray[np.int64] | None:
    """Class indices of a part, if it has any and they are the network's.

    Raises:
        UsageError: They are to be learned from, and are missing, or no classes of the network.
    """
    if has_targets(source.labels):
        return np.asarray(task.targets(source.labels), np.int64)
    if options.labels == "given":
        raise UsageError(
            "the data has no labels to learn from",
            where="parameter `labels`",
            next_step="give data with labels, or `labels` none: the full network's answers teach the heads",
        )
    return None


def _part(
    spots: Sequence[Spot], vectors: Mapping[str, Vector], inputs: Inputs, labels: npt.NDArray[np.int64] | None,
    progress: Progress, what: str,
) -> Part:  # fmt: skip
    """Features of inputs, and of their copy if there is one, which has the same labels."""
    graph, labels = inputs.graph, np.tile(labels, 1 + inputs.copy) if labels is not None else None
    full = tuple(widest(layer) for layer in graph.adaptive)
    runs = list(vectors.items()) if full in vectors.values() else [("", full), *vectors.items()]
    total = len(runs) * len(inputs)
    found, outputs = {}, None
    for index, (pair, vector) in enumerate(runs):

        def done(count: int, before: int = index) -> None:
            progress(what, before * len(inputs) + count, total)

        made = collect(graph, spots, inputs, vector, to_end=vector == full, done=done)
        outputs = made.outputs if made.outputs is not None else outputs
        if pair:
            found[pair] = made
    assert outputs is not None
    return Part(found, outputs, labels)


def _chances(graph: Graph, outputs: Codes) -> npt.NDArray[np.float64]:
    """Chances of the classes by the full network, [samples, classes]."""
    values = reals(graph, outputs)
    if task_of(graph).head.chances:
        values = np.log(np.maximum(values, CHANCE_MIN))
    found = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _class_weights(graph: Graph, train: Part, options: HeadOptions) -> npt.NDArray[np.float32]:
    """Weight of each class's samples: of its labels, or of the full network's answers."""
    classes = graph.tensor(graph.output).size
    known = options.labels == "given" and train.labels is not None
    kinds = train.labels if known else train.outputs.argmax(axis=1)
    return class_weights(np.bincount(np.asarray(kinds), minlength=classes).tolist(), options.balance)


def _lessons(graph: Graph, part: Part, index: int, weights: npt.NDArray[np.float32], options: HeadOptions) -> Lessons:
    """What one head learns from, at all widths."""
    labels = part.labels if options.labels == "given" else None
    kinds = part.outputs.argmax(axis=1) if labels is None else labels
    pooled = [features.pooled[index] for features in part.by_width.values()]
    return Lessons(
        np.concatenate(pooled),
        np.tile(np.arange(len(part.outputs)), len(pooled)),
        targets_of(_chances(graph, part.outputs), labels),
        weights[kinds],
    )


def _attached(graph: Graph, heads: Sequence[Head]) -> Graph:
    """The network with the heads' integers."""
    points: list[DecisionPoint] = []
    tensors: list[Tensor] = []
    for head in heads:
        layers, made = head.layers()
        points.append(DecisionPoint(head.name, head.spot.place.after, layers))
        tensors += made
    return with_points(graph, points, tensors, {})


def _facts(graph: Graph, heads: Sequence[Head], validation: Part, task: Task, best: Sequence[Row]) -> dict[str, Any]:
    """Figures of each point and of the full network on the validation samples."""
    answers = validation.outputs.argmax(axis=1)
    score = task.score(reals(graph, validation.outputs), validation.labels)
    full = {} if score is None else {figure.name: figure.value for figure in score.figures}
    points = []
    for index, (point, head) in enumerate(zip(graph.points, heads, strict=True)):
        by_width = {}
        for pair, features in validation.by_width.items():
            logits = head_logits(graph, point, features.pooled[index])
            _require_same(head, features.pooled[index], logits)
            by_width[pair] = point_figures(task, logits, answers, validation.labels)
        place = head.spot.place
        points.append(
            {
                "name": point.name,
                "after": place.after,
                "macs_before": place.share,
                "why": place.why,
                "head": str(head.spot.shape),
                "macs": head.spot.shape.macs,
                "best_epoch": max((row["epoch"] for row in best if row["point"] == point.name), default=0),
                "figures": by_width,
            }
        )
    return {"full": full, "points": points}


def _require_same(head: Head, pooled: Codes, logits: npt.NDArray[np.int64]) -> None:
    """Refuse integers that answer otherwise than what was trained."""
    same = float((predict(head, pooled, nested=True).argmax(axis=1) == logits.argmax(axis=1)).mean())
    if same < SAME_ANSWERS:
        raise MismatchError(
            f"its integers answer like the trained head on {same:.1%} of the validation samples only",
            where=f"head {head.name!r}",
            next_step="train again with a lower `learning_rate`",
        )
