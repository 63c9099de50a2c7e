"""How good classes are: against the full network's, and against labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..tasks.statistics import mean_recall, per_class

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quality:
    """Figures of some answers, each 0..1.

    Attributes:
        agreement: Share with the full network's class.
        accuracy: Share of right ones; None without labels.
        mean_recall: Mean over the classes of the share that was found; None without labels.
    """

    agreement: float
    accuracy: float | None = None
    mean_recall: float | None = None

    def by(self, criterion: str) -> float:
        """The figure of a criterion, see ``goals.CRITERIA``."""
        value = {"agreement": self.agreement, "accuracy": self.accuracy, "recall": self.mean_recall}[criterion]
        assert value is not None
        return value

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; figures of labels only where there are some."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def quality_of(answers: Integers, full: Integers, labels: Integers | None) -> Quality:
    """Figures of classes [samples]."""
    agreement = float((answers == full).mean())
    if labels is None:
        return Quality(agreement)
    names = [str(k) for k in range(int(labels.max()) + 1)]
    return Quality(agreement, float((answers == labels).mean()), mean_recall(per_class(answers, labels, names)))
