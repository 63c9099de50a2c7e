"""What a training of heads is told. Imports without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...errors import UsageError
from ...graph import Pair, vector_text
from ...graph.points import DECISION_POINTS_MAX
from ...graph.policy import given_pairs

Grid = tuple[int, int]
LABELS = ("given", "none")
GRID_MAX = 64
STEPS, EPOCHS = 3000, (30, 200)
"""Steps that a head learns in, and the fewest and most passes over its features that are taken for them."""


@dataclass(frozen=True)
class HeadOptions:
    """Options of one training of heads; equal options, model and data give an equal result on one machine.

    Attributes:
        data: Name of the data.
        points: How many decision points, or the names of the layers that they lie behind.
        head_grid: Rows and columns that a layer's output is pooled to; None is chosen by size.
        head_hidden: Units of a head's hidden layer; None is chosen by size.
        widths: Pairs; the heads learn from the features that the network makes with each of them in all layers. None
            for all of the model's candidates.
        labels: ``given``: from labels and the full network's outputs; ``none``: from those outputs alone.
        samples: Most training samples that features are made of; None for all.
        epochs: Passes over the features; None for as many as make ``STEPS`` steps, within ``EPOCHS``.
        seed: Of weights, order, and the choice of samples.
        batch: Features of a step.
        learning_rate: Peak of the cosine schedule.
        balance: How far rare classes weigh more: a sample counts ``(samples of its class) ** -balance``, 0..1.
        shift: Largest random shift of the varied copy of a training image, pixels.
        flip: Mirror every other image of that copy.
        validation: Part of the training samples that only serves to choose the epoch and to report, 0..0.5.
    """

    data: str = "arrays"
    points: int | tuple[str, ...] = 2
    head_grid: Grid | None = None
    head_hidden: int | None = None
    widths: tuple[Pair, ...] | None = None
    labels: Literal["given", "none"] = "given"
    samples: int | None = None
    epochs: int | None = None
    seed: int = 1
    batch: int = 128
    learning_rate: float = 3e-3
    balance: float = 0.0
    shift: int = 0
    flip: bool = False
    validation: float = 0.15

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of each number."""
        return {
            "head_hidden": (1, 1024),
            "samples": (2, 1e9),
            "epochs": (2, 100_000),
            "seed": (0, 2**31 - 1),
            "batch": (1, 65_536),
            "learning_rate": (1e-7, 1.0),
            "balance": (0.0, 1.0),
            "shift": (0, 64),
            "validation": (0.001, 0.5),
        }

    def __post_init__(self) -> None:
        for name, (low, high) in self.limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise _outside(f"{value} is outside {low:g}..{high:g}", name, "give a value within the range")
        if self.labels not in LABELS:
            raise _outside(f"{self.labels!r} is neither {' nor '.join(LABELS)}", "labels", "give one of them")
        count = self.points if isinstance(self.points, int) else len(self.points)
        if not 1 <= count <= DECISION_POINTS_MAX:
            raise _outside(
                f"{count} decision points are not within 1..{DECISION_POINTS_MAX}", "points", "give fewer, or one"
            )

    def passes(self, rows: int) -> int:
        """Passes over that many features."""
        if self.epochs is not None:
            return self.epochs
        return min(max(-(-STEPS * self.batch // rows), EPOCHS[0]), EPOCHS[1])

    @property
    def varied(self) -> bool:
        """Whether there is a varied copy of each training image."""
        return self.shift > 0 or self.flip

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, for provenance."""
        found = {**asdict(self), "widths": None if self.widths is None else vector_text(self.widths)}
        if not isinstance(self.points, int):
            found["points"] = list(self.points)
        if self.head_grid is not None:
            found["head_grid"] = list(self.head_grid)
        return found


def parse_points(given: int | str | Sequence[str]) -> int | tuple[str, ...]:
    """A number of points, or names of layers; as text, with commas between."""
    if isinstance(given, str):
        parts = tuple(part.strip() for part in given.split(",") if part.strip())
        return int(parts[0]) if len(parts) == 1 and parts[0].isdecimal() else parts
    return given if isinstance(given, int) else tuple(given)


def parse_grid(given: int | str | Sequence[int] | None) -> Grid | None:
    """Rows and columns of ``4x4``, ``8x1``, ``(8, 1)``, or a single number for both; raises UsageError."""
    if given is None:
        return None
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", str(given).strip())
    if match is not None:
        grid: tuple[int, ...] = (int(match[1]), int(match[2] or match[1]))
    else:
        grid = () if isinstance(given, int | str) else tuple(int(n) for n in given)
    if len(grid) != 2 or not all(1 <= n <= GRID_MAX for n in grid):
        raise _outside(f"{given!r} is no grid of 1..{GRID_MAX} rows and columns", "head_grid", "write 4x4, or 8x1")
    return grid[0], grid[1]


def parse_widths(given: str | Sequence[Pair] | None) -> tuple[Pair, ...] | None:
    """Pairs of text such as ``8x8,4x4``, each once; raises UsageError."""
    if given is None:
        return None
    pairs = given_pairs(given, "parameter `widths`")
    if not pairs:
        raise _outside("there are no widths", "widths", "leave it out, or give pairs such as 8x8,4x4")
    return tuple(dict.fromkeys(pairs))


def _outside(what: str, name: str, next_step: str) -> UsageError:
    return UsageError(what, where=f"parameter `{name}`", next_step=next_step)
