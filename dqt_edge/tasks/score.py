"""How good answers are: named figures, the first of which stands for the whole, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from .statistics import Interval, PerClass


class Kind(NamedTuple):
    """What is known of a figure by its name.

    Attributes:
        title: In words.
        percent: Whether people read it in per cent; then it is a share, 0..1.
        better: Whether ``more`` or ``less`` of it is better; empty for a fact.
    """

    title: str
    percent: bool = False
    better: Literal["more", "less", ""] = "more"


FIGURES = {
    "accuracy": Kind("accuracy", percent=True),
    "mean_recall": Kind("mean recall", percent=True),
    "auc": Kind("AUC"),
    "threshold": Kind("threshold", better=""),
    "rmse": Kind("RMSE", better="less"),
    "mae": Kind("MAE", better="less"),
    "r2": Kind("R2"),
    "mse": Kind("MSE", better="less"),
    "mse_normal": Kind("MSE of normal inputs", better="less"),
    "mse_anomaly": Kind("MSE of others", better=""),
    "pixel_accuracy": Kind("pixel accuracy", percent=True),
    "mean_iou": Kind("mean IoU", percent=True),
}
"""Every figure, by its key in JSON."""


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: Its key in ``FIGURES`` and in JSON.
        value: Shares are 0..1; errors in the unit of the outputs, or its square.
        interval: What holds it with 95 % confidence, where that is known.
    """

    name: str
    value: float
    interval: Interval | None = None

    @property
    def title(self) -> str:
        """In words."""
        return FIGURES[self.name].title

    @property
    def percent(self) -> bool:
        """Whether people read it in per cent."""
        return FIGURES[self.name].percent

    @property
    def better(self) -> str:
        """``more``, ``less`` or nothing."""
        return FIGURES[self.name].better

    @property
    def text(self) -> str:
        """``97.22 %`` or ``0.0312``."""
        return f"{100 * self.value:.2f} %" if self.percent else f"{self.value:.4g}"

    @property
    def full_text(self) -> str:
        """The same with its interval, ``97.22 % (95.0 to 98.5)``."""
        if self.interval is None:
            return self.text
        low, high = self.interval
        ends = f"{100 * low:.1f} to {100 * high:.1f}" if self.percent else f"{low:.4g} to {high:.4g}"
        return f"{self.text} ({ends})"


@dataclass(frozen=True)
class Score:
    """How good the answers of one model to one set of samples are.

    Attributes:
        task: Name of the task.
        samples: How many were judged.
        figures: The first stands for the whole.
        per_class: Class name -> (right, samples), of tasks whose answers are classes.
        details: More, as plain JSON values.
    """

    task: str
    samples: int
    figures: tuple[Figure, ...]
    per_class: PerClass = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> Figure:
        """The figure that stands for the whole."""
        return self.figures[0]

    @property
    def quality(self) -> float:
        """The same as a number of which more is better."""
        return -self.main.value if self.main.better == "less" else self.main.value

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0..1; None for a task that has none."""
        return next((figure.value for figure in self.figures if figure.name == "accuracy"), None)

    @property
    def text(self) -> str:
        """All figures in one line, ``accuracy 97.22 %, mean recall 97.10 %``."""
        return ", ".join(f"{figure.title} {figure.text}" for figure in self.figures)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values: ``metrics`` and, where they are known, ``intervals`` by the figures' names."""
        found: dict[str, Any] = {
            "metrics": {figure.name: figure.value for figure in self.figures},
            "intervals": {figure.name: list(figure.interval) for figure in self.figures if figure.interval},
        }
        if self.accuracy is not None:
            found["accuracy"] = self.accuracy
        if self.per_class:
            found["per_class"] = {name: list(counts) for name, counts in self.per_class.items()}
        return found | dict(self.details)


def main_text(score: Score | None) -> str:
    """The figure that stands for a score, with its title, or a dash."""
    return "-" if score is None else f"{score.main.title} {score.main.text}"


def stated(facts: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Figures of what :meth:`Score.as_json` made; of checkpoints from before there were tasks, the accuracy."""
    metrics = facts.get("metrics", {"accuracy": facts.get("accuracy", 0.0)})
    intervals = facts.get("intervals", {})
    return tuple(
        Figure(name, float(value), tuple(intervals[name]) if name in intervals else None)
        for name, value in metrics.items()
        if name in FIGURES
    )
