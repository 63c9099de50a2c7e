"""A camera above a belt on which handwritten digits pass: a stream in which most frames show nothing.

    python -m recipes.data.belt --out belt.npz

Made of scikit-learn's digits, real handwriting of 8x8 pixels, so that nothing is downloaded (``pip install
'dqt-edge[data]'``). ``FEATURES`` says how. Training, validation and test frames show different images; which, is what
``--data digits`` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dqt_edge.data.dataset import Dataset
from dqt_edge.data.load import load_data

from .files import report

FEATURES = """\
x [n, 12, 12, 1], uint8: a frame. A digit comes in from the left, a pixel a frame, at one of five heights, and leaves on
the right; then the belt is empty for 10 to 60 frames. A frame is of the digit's class while at most one of its eight
columns is outside, seven frames long; all others are of class 'nothing', those with a part of a digit too. Light,
its slope along both axes, contrast and the sensor's noise change from digit to digit.
x_val and x_test are streams, ten frames a second (t_val, t_test), of 60 digits each. x are single frames, of each
digit for training three that show it, one that shows a part of it, and one of an empty belt."""

CLASSES = (*map(str, range(10)), "nothing")
NOTHING = 10
SIDE, DIGIT = 12, 8
WHOLE = range(-1, SIDE - DIGIT + 2)
"""Columns of the digit's left edge at which a frame is of its class."""
PASSING = range(1 - DIGIT, SIDE)
"""Columns at which anything of it is seen."""
EMPTY = (10, 60)
RATE = 10
SEED = 1
STREAM = 60
"""Digits of a stream."""

Frames = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]


class Scene(NamedTuple):
    """What does not change while a digit passes.

    Attributes:
        image: float [8, 8], 0..1.
        label: Its class.
        row: Of its upper edge.
        light: float [12, 12], 0..1, without the digit.
        contrast: Of the digit, 0..1.
        noise: Standard deviation of a pixel, 0..1.
    """

    image: npt.NDArray[np.float32]
    label: int
    row: int
    light: npt.NDArray[np.float64]
    contrast: float
    noise: float


def scene(image: npt.NDArray[np.float32], label: int, rng: np.random.Generator) -> Scene:
    """A digit under light of its own."""
    slope = np.linspace(-1, 1, SIDE)
    light = rng.uniform(0.1, 0.35) + rng.uniform(-0.1, 0.1) * slope + rng.uniform(-0.1, 0.1) * slope[:, None]
    row, contrast, noise = int(rng.integers(0, SIDE - DIGIT + 1)), rng.uniform(0.3, 0.7), rng.uniform(0.02, 0.1)
    return Scene(image, label, row, light, contrast, noise)


def frame(seen: Scene, column: int | None, rng: np.random.Generator) -> Frames:
    """uint8 [12, 12]: the digit with its left edge at a column, or the belt alone."""
    wide = np.zeros((SIDE, SIDE + 2 * DIGIT))
    if column is not None:
        left = column + DIGIT
        wide[seen.row : seen.row + DIGIT, left : left + DIGIT] = seen.image
    clean = seen.light + seen.contrast * wide[:, DIGIT:-DIGIT]
    noisy = clean + rng.normal(0, seen.noise, clean.shape)
    return np.clip(np.round(noisy * 255), 0, 255).astype(np.uint8)


def label_at(seen: Scene, column: int | None) -> int:
    """Class of a frame."""
    return seen.label if column is not None and column in WHOLE else NOTHING


def single_frames(images: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int) -> tuple[Frames, Labels]:
    """Five frames of each image, see ``FEATURES``."""
    rng = np.random.default_rng(seed)
    parts = [column for column in PASSING if column not in WHOLE]
    found, classes = [], []
    for image, label in zip(images, labels, strict=True):
        columns = [*rng.choice(WHOLE, 3).tolist(), int(rng.choice(parts)), None]
        for column in columns:
            seen = scene(image, int(label), rng)
            found.append(frame(seen, column, rng))
            classes.append(label_at(seen, column))
    return np.stack(found)[..., None], np.array(classes, np.uint8)


def stream(images: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int) -> tuple[Frames, Labels]:
    """Frames of ``STREAM`` of these images, one after another."""
    rng = np.random.default_rng(seed)
    found, classes = [], []
    for index in rng.permutation(len(images))[:STREAM]:
        seen = scene(images[index], int(labels[index]), rng)
        for column in [*[None] * int(rng.integers(*EMPTY)), *PASSING]:
            found.append(frame(seen, column, rng))
            classes.append(label_at(seen, column))
    return np.stack(found)[..., None], np.array(classes, np.uint8)


def make(digits: Dataset, seed: int = SEED) -> dict[str, npt.NDArray[Any]]:
    """All arrays of the file, see ``FEATURES``."""
    x, y = single_frames(digits.x_train[..., 0], digits.y_train, seed)
    arrays: dict[str, npt.NDArray[Any]] = {"classes": np.array(CLASSES), "x": x, "y": y}
    for i, (name, images, labels) in enumerate(
        (("val", digits.x_val, digits.y_val), ("test", digits.x_test, digits.y_test)), 1
    ):
        x, y = stream(images[..., 0], labels, seed + 1000 * i)
        arrays |= {f"x_{name}": x, f"y_{name}": y, f"t_{name}": np.arange(len(y)) / RATE}
    return arrays


def main() -> None:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=FEATURES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--seed", type=int, default=SEED, help=f"of everything that is random (default: {SEED})")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    given = parser.parse_args()
    report(given.out, make(load_data("digits"), given.seed), None)


if __name__ == "__main__":
    main()
