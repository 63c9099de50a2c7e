"""What a training run is told. Imports without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..errors import UsageError
from ..graph import Pair, vector_text
from ..graph.policy import candidate_pairs

DEFAULT_CANDIDATES: tuple[Pair, ...] = ((8, 8), (4, 4), (2, 4))


def parse_points(given: bool | str | Sequence[str]) -> bool | tuple[str, ...]:
    """Decision points of a training run: none, the model's own, or layers, as text ``"conv1,sum"`` or by name."""
    if isinstance(given, bool):
        return given
    names = given.split(",") if isinstance(given, str) else given
    return tuple(name.strip() for name in names)


def parse_candidates(given: str | Sequence[Pair]) -> tuple[Pair, ...]:
    """Candidates of a training run, see :func:`candidate_pairs`."""
    return candidate_pairs(given, "the 8-bit pass teaches the narrower ones")


@dataclass(frozen=True)
class Options:
    """Options of one run; equal options and equal data give an equal result on one machine.

    Attributes:
        data, model: Names, see ``data.load`` and ``architectures.models``.
        candidates: Width pairs of the adaptive layers.
        budget: Target of the mean BitOPs ratio, 0..1 of everything at 8x8.
        epochs: Passes over the training set, warm-up included; at least 4.
        seed: Seed of weights, order, noise and random widths.
        batch: Samples of a step.
        learning_rate: Peak of the cosine schedule of the nested phase.
        beta: Weight of the budget term; 0 enforces nothing, as in the paper.
        consistency: Weight ``a`` of the fixed-width passes.
        full_weight: Weight of the 8-bit pass among the fixed-width passes, where each other has 1.
        balance: How far rare classes weigh more: a sample counts ``(samples of its class) ** -balance``, 0..1.
        focus: Weight of the term that spends precision on the inputs which narrowing distorts most.
        diversity: Weight of the term that keeps choices sure for an input and different between inputs.
        shift: Largest random shift of a training image, pixels; None is 1 for digits and 0 for other data.
        flip: Mirror every other training image, at random.
        init: Model file whose weights the network starts with; None for random ones.
        warmup: Epochs in floating point before the nested phase; None is a quarter of them, with ``init`` none.
        validation: Part of the training samples that only serves to choose the epoch, the best static vector and the
            dial, 0..0.5.
        narrow_share: Part of each batch that the narrow passes see, 0..1: less is faster.
        view: How narrow views are made, see ``quantizers.View``; all but ``centred`` only for comparison.
        scales: ``learned``, or ``ema``: averages of what the 8-bit pass shows.
        task: What the outputs stand for, see ``tasks``; None follows from the targets and the network.
        loss: ``cross-entropy``, ``binary``, ``mse``, ``mae``, or ``given`` for a function of the caller's own; None is
            the usual one of the task.
        image_size: Height and width that the images of a folder get, pixels; None for other data.
        channels: Of the images of a folder: 1 for grey, 3 for colour.
        crop_area: Least part of a folder's training image that a random crop shows; 1 crops none.
        points: Decision points: True for those that the model is known to suit, or the layers behind which they lie.
        point_weight: Weight of each point's loss beside that of the network's end.
        controller: ``auto`` trains the model's own where there are no points, ``own`` always, ``none`` never.
    """

    data: str = "digits"
    model: str = "tiny"
    candidates: tuple[Pair, ...] = DEFAULT_CANDIDATES
    budget: float = 0.5
    epochs: int = 150
    seed: int = 1
    batch: int = 64
    learning_rate: float = 3e-3
    beta: float = 2.0
    consistency: float = 1.0
    full_weight: float = 1.0
    balance: float = 0.0
    focus: float = 0.3
    diversity: float = 0.05
    shift: int | None = None
    flip: bool = False
    init: str | None = None
    warmup: int | None = None
    validation: float = 0.15
    narrow_share: float = 0.4
    view: Literal["centred", "paper", "plain"] = "centred"
    scales: Literal["learned", "ema"] = "learned"
    task: str | None = None
    loss: str | None = None
    image_size: int | None = None
    channels: int = 3
    crop_area: float = 1.0
    points: bool | tuple[str, ...] = False
    point_weight: float = 0.5
    controller: Literal["auto", "own", "none"] = "auto"

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """Least and largest value of each number."""
        return {
            "budget": (0.0, 1.0),
            "epochs": (1 if self.init else 4, 100_000),
            "seed": (0, 2**31 - 1),
            "batch": (1, 65_536),
            "learning_rate": (1e-7, 1.0),
            "beta": (0.0, 1e6),
            "consistency": (0.0, 1e6),
            "full_weight": (0.01, 1e6),
            "balance": (0.0, 1.0),
            "focus": (0.0, 1e6),
            "diversity": (0.0, 1e6),
            "shift": (0, 64),
            "warmup": (0, self.epochs - 1),
            "validation": (0.001, 0.5),
            "narrow_share": (0.01, 1.0),
            "image_size": (4, 1024),
            "channels": (1, 3),
            "crop_area": (0.01, 1.0),
            "point_weight": (0.0, 1e6),
        }

    def __post_init__(self) -> None:
        for name, (low, high) in self.limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"{value} is outside {low:g}..{high:g}",
                    where=f"parameter `{name}`",
                    next_step="give a value within the range",
                )
        if self.channels == 2:
            raise UsageError(
                "an image has 1 or 3 channels", where="parameter `channels`", next_step="give 1 for grey, 3 for colour"
            )

    @property
    def pixels(self) -> int:
        """Effective shift in pixels: the given one, or 1 for digits and 0 for other data."""
        return self.shift if self.shift is not None else int(self.data == "digits")

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of a folder's images, where a size is given."""
        return None if self.image_size is None else (self.image_size, self.image_size, self.channels)

    @property
    def floating(self) -> int:
        """Effective epochs of the warm-up: the given ones, or a quarter; with ``init`` none."""
        if self.warmup is not None:
            return self.warmup
        return 0 if self.init else max(1, self.epochs // 4)

    @property
    def frozen(self) -> int:
        """First epoch (from 0) whose tracked scales stay as they are."""
        return min(max(self.floating + 1, self.epochs - max(1, self.epochs // 5)), self.epochs - 1)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, for provenance and for the check on ``resume``."""
        points = self.points if isinstance(self.points, bool) else list(self.points)
        return {**asdict(self), "candidates": vector_text(self.candidates), "points": points}
