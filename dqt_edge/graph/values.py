"""What a Graph is made of besides layers: width pairs, code tensors, requantisation, windows.

Checked where they are made, like every part of a Graph. ``graph.py`` hands all of it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import UnsupportedError
from . import nested

Pair = tuple[int, int]
"""(weight bits, activation bits)."""

Shape = tuple[int, int, int]

FULL: Pair = (8, 8)
SKIP: Pair = (0, 0)
"""The pair of a layer that is skipped: weights and activations of no bits, all products 0."""
DIMENSION_MAX = 1 << 15


def pair_text(pair: Pair) -> str:
    """``8x8`` for (8, 8)."""
    return f"{pair[0]}x{pair[1]}"


def vector_text(pairs: Sequence[Pair]) -> str:
    """``8x8,2x4`` for a width vector."""
    return ",".join(map(pair_text, pairs))


NEXT = "change the layer, or train the model again"


class BadValueError(UnsupportedError, ValueError):
    """A part of a layer that cannot be lowered. It knows the reason; :func:`in_layer` adds the place."""


def refuse(layer: str, reason: str) -> NoReturn:
    """Raise UnsupportedError that names the layer."""
    raise UnsupportedError(f"layer {layer!r}: {reason}", where=f"layer {layer!r} of the graph", next_step=NEXT)


@contextmanager
def in_layer(name: str) -> Iterator[None]:
    """Say which layer a part that the body makes belongs to, should it be refused."""
    try:
        yield
    except BadValueError as error:
        raise UnsupportedError(
            f"layer {name!r}: {error.what}", where=f"layer {name!r} of the graph", next_step=NEXT
        ) from error


class Value:
    """Equality that also compares arrays, and arrays frozen at construction."""

    def __post_init__(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                frozen = np.array(value)
                frozen.setflags(write=False)
                object.__setattr__(self, f.name, frozen)
        self._check()

    def _check(self) -> None:
        """Raise UnsupportedError if the value is not one that can be lowered."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        for f in fields(self):  # type: ignore[arg-type]
            a, b = getattr(self, f.name), getattr(other, f.name)
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
                if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
                    return False
                if a.dtype != b.dtype or not np.array_equal(a, b):
                    return False
            elif a != b:
                return False
        return True

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Tensor:
    """A code tensor: ``real = scale * (code - zero_point)``. Shape (height, width, channels)."""

    name: str
    shape: Shape
    scale: float
    zero_point: int = 0

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or not all(1 <= n <= DIMENSION_MAX for n in self.shape):
            self._refuse(f"shape {self.shape} is not (height, width, channels) within 1..{DIMENSION_MAX}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            self._refuse(f"scale {self.scale} is not positive and finite")
        if not 0 <= self.zero_point <= 255:
            self._refuse(f"zero point {self.zero_point} is outside 0..255")

    def _refuse(self, reason: str) -> NoReturn:
        raise UnsupportedError(
            f"tensor {self.name!r}: {reason}", where=f"tensor {self.name!r} of the graph", next_step=NEXT
        )

    @property
    def size(self) -> int:
        """Elements, which is bytes."""
        h, w, c = self.shape
        return h * w * c


@dataclass(frozen=True, eq=False)
class Requantize(Value):
    """From accumulator halves to codes: ``clamp((A2*M0 + 2^(r-1)) >> r, low, high)``, per channel.

    Attributes:
        multiplier: ``M0``, int32 [channels], positive.
        shift: ``r``, uint8 [channels], 1..62.
        low, high: Clamp, codes within 0..255.
    """

    multiplier: npt.NDArray[np.int32]
    shift: npt.NDArray[np.uint8]
    low: int = 0
    high: int = 255

    def _check(self) -> None:
        if not (0 <= self.low <= self.high <= 255):
            raise _bad("requantisation", f"clamp {self.low}..{self.high} is not within 0..255")
        if self.multiplier.dtype != np.int32 or self.shift.dtype != np.uint8:
            types = f"{self.multiplier.dtype} and {self.shift.dtype}"
            raise _bad("requantisation", f"multipliers and shifts are {types}, must be int32 and uint8")
        if self.multiplier.shape != self.shift.shape or self.multiplier.ndim != 1:
            shapes = f"{self.multiplier.shape} and {self.shift.shape}"
            raise _bad("requantisation", f"multipliers and shifts have shapes {shapes}, must be vectors of one length")
        _check_range("multiplier", self.multiplier, nested.INT32_MAX, "2^31-1")
        _check_range("shift", self.shift, nested.SHIFT_MAX, str(nested.SHIFT_MAX))


def _check_range(name: str, values: npt.NDArray[Any], most: int, text: str) -> None:
    """Refuse the first channel's value that is not within 1..most."""
    bad = np.flatnonzero((values < 1) | (values > most))
    if bad.size:
        channel = int(bad[0])
        raise _bad("requantisation", f"{name} of channel {channel} is {int(values[channel])}, must be 1..{text}")


def _bad(where: str, reason: str) -> BadValueError:
    return BadValueError(reason, where=where, next_step=NEXT)


WINDOW_MAX = 255
"""Largest kernel and stride of a window, in either direction."""


@dataclass(frozen=True)
class Window:
    """A sliding window: kernel (height, width), stride, and padding (top, left, bottom, right).

    ``dilation`` is the distance of neighbouring taps, (down, right).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        for name, values, most in (
            ("kernel", self.kernel, WINDOW_MAX),
            ("stride", self.stride, WINDOW_MAX),
            ("dilation", self.dilation, DIMENSION_MAX),
        ):
            if not isinstance(values, tuple) or len(values) != 2 or not all(1 <= n <= most for n in values):
                raise _bad("window", f"{name} of the window is {values}, must be two numbers within 1..{most}")
        if not isinstance(self.padding, tuple) or len(self.padding) != 4:
            raise _bad("window", f"padding of the window is {self.padding}, must be four numbers")
        for side, pad, size in zip(("top", "left", "bottom", "right"), self.padding, self.extent * 2, strict=True):
            if not 0 <= pad < size:
                raise _bad("window", f"{side} padding of the window is {pad}, must be less than the kernel's {size}")

    @property
    def dilated(self) -> bool:
        """Whether any taps are further apart than one element; a single row or column of taps has none."""
        return self.extent != self.kernel

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, both counted."""
        (height, width), (down, right) = self.kernel, self.dilation
        return (height - 1) * down + 1, (width - 1) * right + 1

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Output (height, width) for an input of that size; 0 or less if the window does not fit."""
        top, left, bottom, right = self.padding
        return (
            (height + top + bottom - self.extent[0]) // self.stride[0] + 1,
            (width + left + right - self.extent[1]) // self.stride[1] + 1,
        )

    @staticmethod
    def same(
        size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
    ) -> Window:
        """TensorFlow's ``same`` padding for an input of (height, width)."""
        pads = []
        for n, k, s in zip(size, Window(kernel, dilation=dilation).extent, stride, strict=True):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            pads.append((total // 2, total - total // 2))
        (top, bottom), (left, right) = pads
        return Window(kernel, stride, (top, left, bottom, right), dilation)
