"""The tasks, one class each."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import statistics
from .score import FIGURES, Figure, Score
from .statistics import Labels, Reals
from .task import WHERE, Array, Task, divergence, real_numbers, squared_error, whole_numbers

CHANCE_MIN = 2.0**-9
"""Half of the smallest step of a chance in 8 bits: what a chance of 0 stands for."""


class Classifier(Task):
    """One of several classes: the largest output answers."""

    name = "classifier"
    headline = "accuracy"
    loss = "kl"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return self.head.classes or tuple(map(str, range(self.head.sizes[0])))

    def targets(self, y: Array, where: str = WHERE) -> Labels:
        """Class numbers [samples]."""
        return whole_numbers(y, (), self.head.sizes[0], "a classifier", where)

    def answers(self, outputs: Reals) -> Labels:
        """The largest output, the first of equals."""
        return np.asarray(outputs.argmax(axis=-1), np.int64)

    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """Accuracy, and the mean recall of the classes."""
        if y is None or not len(y):
            return None
        counts = statistics.per_class(self.answers(outputs), y, self.names)
        figures = [accuracy(counts)]
        recall = statistics.mean_recall(counts)
        if recall is not None:
            interval = statistics.mean_recall_interval(counts)
            figures.append(Figure("mean_recall", recall, interval))
        return Score(self.name, len(y), tuple(figures), counts)

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Kullback-Leibler divergence of the classes' chances."""
        return divergence(self._logits(reference), self._logits(outputs))

    def describe(self, outputs: Reals) -> str:
        """Name of the class."""
        return self.names[int(self.answers(outputs))]

    def _logits(self, outputs: Reals) -> Reals:
        return np.log(np.maximum(outputs, CHANCE_MIN)) if self.head.chances else outputs


class Binary(Task):
    """Yes or no: one output, which answers 1 above a threshold."""

    name = "binary"
    headline = "accuracy"
    loss = "kl"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the answers 0 and 1."""
        return self.head.classes if len(self.head.classes) == 2 else ("0", "1")

    @property
    def threshold(self) -> float:
        """In the unit of the output."""
        return self.head.even if self.head.threshold is None else self.head.threshold

    def targets(self, y: Array, where: str = WHERE) -> Labels:
        """Labels 0 and 1 [samples]."""
        y = np.asarray(y)
        return whole_numbers(y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y, (), 2, "a binary model", where)

    def answers(self, outputs: Reals) -> Labels:
        """1 above the threshold, else 0."""
        return np.asarray(outputs[..., 0] > self.threshold, np.int64)

    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """Accuracy at the threshold, area under the ROC curve, and the threshold itself."""
        if y is None or not len(y):
            return None
        counts = statistics.per_class(self.answers(outputs), y, self.names)
        figures, scores, positive = [accuracy(counts)], outputs[:, 0], y == 1
        area = statistics.auc(scores, positive)
        if area is not None:
            figures.append(Figure("auc", area, statistics.auc_interval(scores, positive)))
        figures.append(Figure("threshold", self.threshold))
        return Score(self.name, len(y), tuple(figures), counts)

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Kullback-Leibler divergence of both answers' chances."""
        return divergence(self._pairs(reference), self._pairs(outputs))

    def describe(self, outputs: Reals) -> str:
        """Name of the answer."""
        return self.names[int(self.answers(outputs))]

    def _pairs(self, outputs: Reals) -> Reals:
        """Logits of 0 and 1, [..., 2]."""
        return pairs_of_logits(outputs[..., 0], self.head.chances)


class Regression(Task):
    """Real numbers."""

    name = "regression"
    headline = "rmse"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the outputs."""
        size = sum(self.head.sizes)
        return self.head.classes if len(self.head.classes) == size else tuple(map(str, range(size)))

    def targets(self, y: Array, where: str = WHERE) -> Reals:
        """Real numbers [samples, outputs]."""
        return real_numbers(y, sum(self.head.sizes), f"task {self.name}", where)

    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """Root mean squared error, mean absolute error, and R squared; of each output too where there are a few."""
        if y is None or not len(y):
            return None
        figures = _errors(outputs, y)
        details = {}
        if 1 < y.shape[1] <= 32:
            columns = (_errors(outputs[:, [k]], y[:, [k]]) for k in range(y.shape[1]))
            found = [{figure.name: figure.value for figure in column} for column in columns]
            details["outputs"] = dict(zip(self.names, found, strict=True))
        return Score(self.name, len(y), figures, details=details)

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Mean squared difference, as a part of the reference's variance."""
        return squared_error(reference, outputs)


class Outputs(Regression):
    """Several outputs, each of real numbers, that are judged one behind another."""

    name = "outputs"

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Mean over the outputs, so that a large one does not hide the others."""
        ends = np.cumsum(self.head.sizes)[:-1]
        parts = zip(np.split(reference, ends, axis=1), np.split(outputs, ends, axis=1), strict=True)
        return float(np.mean([squared_error(wanted, found) for wanted, found in parts]))


class Reconstruction(Task):
    """The input again. How far it is off tells normal inputs (label 0) from others (label 1)."""

    name = "reconstruction"
    headline = "mse"

    def targets(self, y: Array, where: str = WHERE) -> Labels:
        """Labels [samples]: 0 normal, 1 not."""
        return whole_numbers(y, (), 2, "a reconstruction (0 is normal, 1 is not)", where)

    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """Mean squared error; with labels of both kinds, first the area under the ROC curve of these errors."""
        if inputs is None or not len(inputs):
            return None
        errors = self.errors(outputs, inputs)
        if y is None or len(np.unique(y)) < 2:
            return Score(self.name, len(errors), (_mean("mse", errors),))
        strange = y == 1
        area, interval = statistics.auc(errors, strange), statistics.auc_interval(errors, strange)
        assert area is not None
        figures = (
            Figure("auc", area, interval),
            _mean("mse_normal", errors[~strange]),
            _mean("mse_anomaly", errors[strange]),
        )
        return Score(self.name, len(errors), figures)

    @staticmethod
    def errors(outputs: Reals, inputs: Array) -> Reals:
        """Mean squared error of each sample, float64 [samples]."""
        return np.asarray(((outputs - inputs.reshape(len(inputs), -1)) ** 2).mean(axis=1), np.float64)

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Mean squared difference, as a part of the reference's variance."""
        return squared_error(reference, outputs)


class Map(Task):
    """A class at each place of a picture: the largest channel answers, or a single one above a chance of one half."""

    name = "map"
    headline = "pixel_accuracy"
    loss = "kl"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        count = max(self.head.shape[2], 2)
        return self.head.classes if len(self.head.classes) == count else tuple(map(str, range(count)))

    def targets(self, y: Array, where: str = WHERE) -> Labels:
        """Class numbers [samples, places], of [samples, height, width]."""
        height, width, _ = self.head.shape
        y = np.asarray(y)
        y = y[..., 0] if y.ndim == 4 and y.shape[-1] == 1 else y
        if height == 1 and y.ndim == 2:
            y = y[:, None]
        found = whole_numbers(y, (height, width), len(self.names), "a map", where)
        return found.reshape(len(found), -1)

    def answers(self, outputs: Reals) -> Labels:
        """Class numbers [samples, places]."""
        places = self._places(outputs)
        if places.shape[-1] == 1:
            return np.asarray(places[..., 0] > self.head.even, np.int64)
        return np.asarray(places.argmax(axis=-1), np.int64)

    def score(self, outputs: Reals, y: Array | None, inputs: Array | None = None) -> Score | None:
        """Share of places with the right class, and the mean over the classes of intersection over union."""
        if y is None or not len(y):
            return None
        answers = self.answers(outputs)
        right = (answers == y).mean(axis=1)
        overlaps = statistics.intersections_over_unions(answers, y, self.names)
        figures = (
            Figure("pixel_accuracy", float(right.mean()), statistics.mean_interval(right)),
            Figure("mean_iou", float(np.mean(list(overlaps.values())))),
        )
        return Score(self.name, len(y), figures, details={"iou": overlaps})

    def difference(self, reference: Reals, outputs: Reals) -> float:
        """Kullback-Leibler divergence of the classes' chances, mean over the places."""
        return divergence(self._logits(reference), self._logits(outputs))

    def describe(self, outputs: Reals) -> str:
        """How often each class is answered."""
        found, counts = np.unique(self.answers(outputs[None]), return_counts=True)
        return ", ".join(f"{count} x {self.names[int(k)]}" for k, count in zip(found, counts, strict=True))

    def _places(self, outputs: Reals) -> Reals:
        return outputs.reshape(len(outputs), -1, self.head.shape[2])

    def _logits(self, outputs: Reals) -> Reals:
        places = self._places(outputs)
        if places.shape[-1] == 1:
            return pairs_of_logits(places[..., 0], self.head.chances)
        return np.log(np.maximum(places, CHANCE_MIN)) if self.head.chances else places


TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Classifier, Binary, Regression, Reconstruction, Map, Outputs)
}


def headline(task: str) -> str:
    """Title of the figure that stands for a task's scores."""
    return FIGURES[TASKS[task].headline].title


def score_json(task: str, score: Score | None) -> dict[str, Any]:
    """Plain JSON values of a score that may be missing: then ``accuracy`` is null, for tasks that have one."""
    found: dict[str, Any] = {"metrics": {}} if score is None else score.as_json()
    if TASKS[task].headline == "accuracy":
        found.setdefault("accuracy", None)
    return found


def accuracy(counts: statistics.PerClass) -> Figure:
    """Share of right answers with its interval."""
    right, samples = (sum(column) for column in zip(*counts.values(), strict=True))
    return Figure("accuracy", right / samples, statistics.wilson(right, samples))


def pairs_of_logits(outputs: Reals, chances: bool) -> Reals:
    """Logits of no and yes, [..., 2], of a chance or of its logit."""
    if chances:
        kept = np.clip(outputs, CHANCE_MIN, 1 - CHANCE_MIN)
        return np.stack([np.log(1 - kept), np.log(kept)], axis=-1)
    return np.stack([np.zeros_like(outputs), outputs], axis=-1)


def _errors(outputs: Reals, y: Reals) -> tuple[Figure, ...]:
    away = outputs - y
    figures = [
        Figure("rmse", float(np.sqrt((away**2).mean()))),
        _mean("mae", np.abs(away).mean(axis=1)),
    ]
    determined = statistics.r_squared(outputs, y)
    if determined is not None:
        figures.append(Figure("r2", determined))
    return tuple(figures)


def _mean(name: str, errors: Reals) -> Figure:
    return Figure(name, float(errors.mean()), statistics.mean_interval(errors))
