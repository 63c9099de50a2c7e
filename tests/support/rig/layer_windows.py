"""Random windows and shapes of convolutions for the kernel rig, near the places where kernels change what they do."""

from __future__ import annotations

from collections.abc import Callable

from dqt_edge.graph import Shape, Window
from tests.support.kernel_cases import window_of

from .layer_case import SIZE_MAX, Rng, random_shape, random_size

BOUNDS = (18, 21, 64, 128, 256, 257, 273, 364, 1040, 1092)
"""K at which a kernel folds, unwraps, cuts runs or changes its format; layers lie at these, one below and one past."""
MACS_MAX = 12_000


def bound_size(rng: Rng) -> int:
    return max(1, int(rng.choice(BOUNDS) + rng.integers(-1, 2)))


def conv_shapes(rng: Rng, window: Callable[[Rng, Shape], Window]) -> tuple[Shape, Window, Shape]:
    """Input shape, window and output shape of a convolution within the limits."""
    while True:
        shape = random_shape(rng)
        if rng.random() < 0.15:
            shape = (int(rng.integers(1, 3)), int(rng.integers(1, 4)), bound_size(rng))
        chosen, channels = window(rng, shape), random_size(rng)
        target = (*chosen.output_size(*shape[:2]), channels)
        size = target[0] * target[1] * channels
        if size <= SIZE_MAX and size * chosen.kernel[0] * chosen.kernel[1] * shape[2] <= MACS_MAX:
            return shape, chosen, target


def row_of_three(rng: Rng) -> tuple[Shape, Window, Shape]:
    """Windows three columns wide at a horizontal stride of 1, and whole groups of four channels."""
    while True:
        height, width = (int(n) for n in rng.integers(1, 12, 2))
        channels, targets = (4 * int(n) for n in rng.integers(1, 10, 2))
        kernel = (int(rng.integers(1, 6)), 3)
        padding = tuple(int(n) for n in rng.integers(0, (*kernel, *kernel)))
        window = Window(kernel, (int(rng.integers(1, 4)), 1), padding)  # type: ignore[arg-type]
        if rng.random() < 0.5:
            window = Window((3, 3), (1, 1), (1, 1, 1, 1))
        if height + sum(padding[::2]) < window.kernel[0] or width + sum(padding[1::2]) < 3:
            continue
        target = (*window.output_size(height, width), targets)
        size = target[0] * target[1] * targets
        if size and size <= SIZE_MAX and size * window.kernel[0] * 3 * channels <= 8 * MACS_MAX:
            return (height, width, channels), window, target


def nine_a_row(rng: Rng) -> tuple[Shape, Window, Shape]:
    """Windows of three rows of nine codes, as first layers that see colours have them."""
    while True:
        columns = int(rng.choice((3, 3, 3, 1, 9)))
        height, width = (int(n) for n in rng.integers(1, 14, 2))
        padding = tuple(int(n) for n in rng.integers(0, (3, columns, 3, columns)))
        window = Window((3, columns), tuple(int(n) for n in rng.integers(1, 4, 2)), padding)  # type: ignore[arg-type]
        if height + sum(padding[::2]) < 3 or width + sum(padding[1::2]) < columns:
            continue
        target = (*window.output_size(height, width), random_size(rng))
        size = target[0] * target[1] * target[2]
        if size and size <= SIZE_MAX and size * 27 <= MACS_MAX:
            return (height, width, 9 // columns), window, target


def apart(rng: Rng, shape: Shape) -> Window:
    """A window whose taps lie apart, with any padding."""
    while True:
        like = window_of(rng, shape)
        down, right = (int(d) for d in rng.integers(1, 6, 2))
        if rng.random() < 0.05:
            down, right = (int(d) for d in rng.choice([1, 256, 32768], 2))
        height, width = Window(like.kernel, dilation=(down, right)).extent
        most = (height, width, height, width) if rng.random() < 0.7 else (1, 1, 1, 1)
        padding = tuple(int(rng.integers(0, n)) for n in most)
        if rng.random() < 0.5:  # not much more than the input needs
            padding = tuple(min(p, 2 * n) for p, n in zip(padding, (*shape[:2], *shape[:2]), strict=True))
        window = Window(like.kernel, like.stride, padding, (down, right))  # type: ignore[arg-type]
        size = window.output_size(*shape[:2])
        if window.dilated and min(size) > 0 and size[0] * size[1] <= SIZE_MAX:
            return window


def window_of_nine(rng: Rng, shape: Shape) -> Window:
    """3x3, which is what the fast kernels take, with any stride that they take and any padding."""
    while True:
        stride = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
        top, left, bottom, right = (int(p) for p in rng.integers(0, 3, 4))
        window = Window((3, 3), stride if rng.random() < 0.5 else stride[::-1], (top, left, bottom, right))
        if shape[0] + top + bottom >= 3 and shape[1] + left + right >= 3:
            return window


def large_window(rng: Rng, shape: Shape) -> Window:
    """A window along one dimension, or of many taps, with any stride up to 3 and any padding."""
    while True:
        long, short = int(rng.integers(3, 28)), int(rng.integers(1, 3))
        kernel = ((short, long), (long, short), (7, 7), (5, 5))[int(rng.integers(4))]
        stride = tuple(int(s) for s in rng.integers(1, 4, 2))
        top, left, bottom, right = (int(rng.integers(0, n)) for n in kernel * 2)
        window = Window(kernel, stride, (top, left, bottom, right))  # type: ignore[arg-type]
        if min(window.output_size(*shape[:2])) > 0:
            return window
