"""Random variation of training inputs, on codes. Imports without TensorFlow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]


def varied(x: Codes, shift: int, flip: bool, zero: int, rng: np.random.Generator) -> Codes:
    """Each image moved by up to ``shift`` pixels along both axes, and every other one mirrored.

    Args:
        x: [samples, height, width, channels].
        shift: Largest move, pixels.
        flip: Whether to mirror left and right.
        zero: Code that moves in.
        rng: Source of the choices.
    """
    if shift:
        x = shifted(x, shift, zero, rng)
    if flip:
        x = np.where(rng.integers(0, 2, len(x)).astype(bool)[:, None, None, None], x[:, :, ::-1], x)
    return x


def shifted(x: Codes, largest: int, zero: int, rng: np.random.Generator) -> Codes:
    """Each image moved by up to ``largest`` pixels along both axes; an axis of one pixel stays."""
    _, height, width, _ = x.shape
    down, right = (largest if n > 1 else 0 for n in (height, width))
    padded = np.pad(x, ((0, 0), (down, down), (right, right), (0, 0)), constant_values=zero)
    views = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    rows = rng.integers(0, 2 * down + 1, len(x))
    columns = rng.integers(0, 2 * right + 1, len(x))
    return np.ascontiguousarray(views[np.arange(len(x)), rows, columns].transpose(0, 2, 3, 1))
