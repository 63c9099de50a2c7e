"""The nested integer arithmetic: views, multiply-accumulate, requantise, and what layers without weights compute.

This module is ``docs/arithmetic.md`` as code, in NumPy and Python integers only. The trainer, the interpreter
and the exporter take every integer from here; the C kernels compute the same integers.

Sources: DQT, arXiv 2508.09176, Eq. 3 and Eq. 4, for the nested representation. The centring of the floored
weight, the single-rounding requantiser and the addition were derived for this project.

Conventions: the master width is 8 bits, a view has ``b`` in 2..8 bits, and ``8 - b`` is its shift.
All rounding is ``floor(x + 1/2)``. Accumulators count halves of ``s_w * s_a`` ("twice" in a name says so).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]

MASTER_BITS = 8
WIDTHS = tuple(range(2, MASTER_BITS + 1))
CODE_MAX = 255
INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
MULTIPLIER_ERROR_AT_32 = Fraction(1, 2**16)
"""Relative rounding error of a multiplier up to which its shift is 32: under 0.004 of a code."""
SHIFT_MAX = 62
IDENTITY = (2**30, 31)
"""Multiplier and shift of a requantisation of doubled codes to the same scale."""
EXPONENTIAL_ONE = 2**15
"""What 1 is among the exponentials of a softmax."""
RESIZE_ONE = 2**10
"""What 1 is among the weights of an interpolation."""
FUSED_RESIDUAL_MIN = 64
"""Below this fused residual multiplier, its rounding (relative 0.5/m) is too coarse; use the general addition."""


def shift_of(bits: int) -> int:
    """Shift of a view: ``8 - bits``. Raises ValueError outside 2..8."""
    if bits not in WIDTHS:
        raise ValueError(f"width {bits} is not in 2..8")
    return MASTER_BITS - bits


def round_half_up(value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``floor(x + 1/2)`` of real numbers (host side only)."""
    return np.floor(np.asarray(value, dtype=np.float64) + 0.5)


def fraction_round(value: Fraction) -> int:
    """``floor(x + 1/2)`` of an exact rational."""
    return math.floor(value + Fraction(1, 2))


# --- Views ----------------------------------------------------------------------------------------------------


def weight_view(master: IntArray, bits: int) -> Int64Array:
    """View of signed 8-bit weights: ``w >> (8 - bits)``, in ``[-2^(bits-1), 2^(bits-1) - 1]``."""
    return np.asarray(master, dtype=np.int64) >> shift_of(bits)


def unsigned_weight_view(master: IntArray, bits: int) -> Int64Array:
    """Offset-binary twin of :func:`weight_view`: ``(w + 128) >> (8 - bits)``, in ``[0, 2^bits - 1]``."""
    return (np.asarray(master, dtype=np.int64) + 128) >> shift_of(bits)


def weight_twice(master: IntArray, bits: int) -> Int64Array:
    """Twice the centred value of a view, in master units: ``2*(w_b << d) + (2^d - 1)``.

    The term ``2^d - 1`` is twice the mean of what the shift dropped; without it a narrow convolution moves its
    channel means by several standard deviations.
    """
    d = shift_of(bits)
    return np.asarray((weight_view(master, bits) << (d + 1)) + ((1 << d) - 1), dtype=np.int64)


def activation_view(code: IntArray, bits: int) -> Int64Array:
    """View of unsigned 8-bit codes: rounded, saturating shift (the paper's Eq. 4); zero stays zero.

    Rounded views do not nest, so a view is always made from the master code.
    """
    d = shift_of(bits)
    wide = np.asarray(code, dtype=np.int64)
    if d == 0:
        return wide
    return np.asarray(np.minimum((wide + (1 << (d - 1))) >> d, (1 << bits) - 1), dtype=np.int64)


# --- Multiply-accumulate --------------------------------------------------------------------------------------


def accumulator_twice(
    products: IntArray,
    activation_sum: IntArray,
    weight_bits: int,
    activation_bits: int,
    bias_twice: IntArray,
    weight_offset: int = 0,
) -> Int64Array:
    """Accumulator in halves of ``s_w * s_a``.

    Args:
        products: ``sum(w_b * a_b)`` over the window.
        activation_sum: ``sum(a_b)`` over the same window.
        weight_bits: Width of the weight view.
        activation_bits: Width of the activation view.
        bias_twice: Twice the bias, with every constant folded in.
        weight_offset: What every weight is more than its master.

    Returns:
        ``(products << (dw+da+1)) + (2^dw - 1 + 2*weight_offset) * (activation_sum << da) + bias_twice``.
    """
    dw, da = shift_of(weight_bits), shift_of(activation_bits)
    acc = np.asarray(products, dtype=np.int64) << (dw + da + 1)
    centring = centring_factor(weight_bits, weight_offset) * (np.asarray(activation_sum, dtype=np.int64) << da)
    return acc + centring + np.asarray(bias_twice, dtype=np.int64)


def centring_factor(weight_bits: int, weight_offset: int = 0) -> int:
    """What the sum of activations counts in an accumulator: twice the mean of what a view dropped, and an offset."""
    return (1 << shift_of(weight_bits)) - 1 + 2 * weight_offset


def zero_point_twice(weights: IntArray, bits: int, zero_point: int, weight_offset: int = 0) -> Int64Array:
    """What a non-zero input zero point adds to the accumulator: ``z * sum(2*w_hat)`` for each output channel.

    Args:
        weights: Masters, output channel first; the sum runs over all other axes.
        bits: Width of the weight view.
        zero_point: Code of the input that means zero.
        weight_offset: What every weight is more than its master.
    """
    twice = weight_twice(weights, bits) + 2 * weight_offset
    return np.asarray(zero_point * twice.sum(axis=tuple(range(1, weights.ndim))), dtype=np.int64)


def accumulator_bound(
    weights: IntArray,
    bias_twice: IntArray,
    widths: tuple[tuple[int, int], ...],
    residual_multiplier: IntArray | None = None,
    weight_offset: int = 0,
) -> int:
    """Largest magnitude that any intermediate of a layer can reach, over all inputs and the given width pairs.

    Every partial sum counts: the kernels add products, the centring term and the bias in an order of their own.

    Args:
        weights: Masters, output channel first.
        bias_twice: Shape [rows, channels]: one row for every width pair, or one row for all.
        widths: The candidate (weight bits, activation bits) pairs.
        residual_multiplier: Multiplier of a fused residual operand for each channel.
        weight_offset: What every weight is more than its master.
    """
    flat = np.asarray(weights, dtype=np.int64).reshape(weights.shape[0], -1)
    bias = np.abs(np.asarray(bias_twice, dtype=np.int64)).max(axis=0)
    residual = 0 if residual_multiplier is None else np.abs(residual_multiplier.astype(np.int64)) * CODE_MAX
    worst = 0
    for weight_bits, activation_bits in widths:
        dw, da = shift_of(weight_bits), shift_of(activation_bits)
        top = ((1 << activation_bits) - 1) << da
        products = (np.abs(flat >> dw).sum(axis=1) << (dw + 1)) * top
        centring = abs(centring_factor(weight_bits, weight_offset)) * top * flat.shape[1]
        worst = max(worst, int((products + centring + bias + residual).max()))
    return worst


# --- Requantise -----------------------------------------------------------------------------------------------


def quantize_multiplier(multiplier: float | Fraction) -> tuple[int, int]:
    """Integer multiplier ``M0`` and shift ``r`` with ``M = M0 * 2^(1-r)``.

    ``r = 32`` whenever that rounds ``M`` by at most ``2^-16`` of it, as it does from ``M0 = 2^15`` on, because then the
    whole multiply, round and shift is one instruction on Arm; else ``M0`` is normalised to ``[2^30, 2^31)`` and
    ``r = 32 - e``.

    Raises:
        ValueError: The multiplier is not positive and finite, or needs a shift outside 1..62.
    """
    if not math.isfinite(multiplier) or multiplier <= 0:
        raise ValueError(f"multiplier {multiplier} is not positive and finite")
    exact = Fraction(multiplier)
    m0 = fraction_round(exact * 2**31)
    if m0 <= INT32_MAX and abs(m0 - exact * 2**31) <= m0 * MULTIPLIER_ERROR_AT_32:
        return m0, 32
    exponent = math.frexp(float(exact))[1]
    m0 = fraction_round(exact * Fraction(2) ** (31 - exponent))
    if m0 == 2**31:
        m0, exponent = 2**30, exponent + 1
    r = 32 - exponent
    if not 1 <= r <= SHIFT_MAX:
        raise ValueError(f"multiplier {float(exact):g} needs shift {r}, outside 1..{SHIFT_MAX}")
    return m0, r


def requantize(
    twice: IntArray, multiplier: IntArray, shift: IntArray, low: int = 0, high: int = CODE_MAX
) -> npt.NDArray[np.uint8]:
    """``clamp((A2 * M0 + 2^(r-1)) >> r, low, high)``: one multiplication, one rounding.

    All arguments broadcast; ``|A2| < 2^31`` and ``0 < M0 < 2^31``, so the product fits 64 bits.
    """
    r = np.asarray(shift, dtype=np.int64)
    product = np.asarray(twice, dtype=np.int64) * np.asarray(multiplier, dtype=np.int64)
    return np.asarray(np.clip((product + (np.int64(1) << (r - 1))) >> r, low, high), dtype=np.uint8)


def bias_twice(bias: float, unit: float, zero_point: int, multiplier: float) -> int:
    """Integer bias in halves: ``2*round(B / (s_w*s_a)) + round(2*z_y / M)``.

    Args:
        bias: Bias as a real number.
        unit: ``s_w * s_a`` of the channel.
        zero_point: Zero point of the output.
        multiplier: ``M = s_w * s_a / s_y``.
    """
    return 2 * math.floor(bias / unit + 0.5) + math.floor(2 * zero_point / multiplier + 0.5)


def residual_multiplier(residual_scale: float, unit: float) -> int:
    """Multiplier of a fused residual operand: ``round(2*s_x / (s_w*s_a))``, in accumulator halves."""
    return math.floor(2 * residual_scale / unit + 0.5)


# --- Two stored tensors ---------------------------------------------------------------------------------------


def add_parameters(
    scales: tuple[float, float], zero_points: tuple[int, int], output_scale: float, output_zero_point: int
) -> tuple[int, int, int, int]:
    """Integers ``m1, m2, offset, r`` of the general addition.

    ``y = clamp((x1*m1 + x2*m2 + offset + 2^(r-1)) >> r)`` with ``m_i = round(s_i/s_y * 2^r)`` and the zero points in
    ``offset``; ``r`` is 21, or the largest smaller value for which every intermediate fits int32. A scale may be given
    with a minus: then that tensor is subtracted.

    Raises:
        ValueError: No ``r >= 8`` fits, so a scale ratio is too large to add with useful precision.
    """
    for r in range(21, 7, -1):
        m1, m2 = (math.floor(s / output_scale * 2**r + 0.5) for s in scales)
        offset = output_zero_point * 2**r - zero_points[0] * m1 - zero_points[1] * m2
        if CODE_MAX * (abs(m1) + abs(m2)) + abs(offset) + 2 ** (r - 1) <= INT32_MAX:
            return m1, m2, offset, r
    raise ValueError(f"scales {scales} are too far from the output scale {output_scale:g}")


def add(
    x1: IntArray, x2: IntArray, m1: int, m2: int, offset: int, r: int, low: int = 0, high: int = CODE_MAX
) -> npt.NDArray[np.uint8]:
    """General addition of two code tensors, which broadcast; see :func:`add_parameters`."""
    total = np.asarray(x1, dtype=np.int64) * m1 + np.asarray(x2, dtype=np.int64) * m2 + offset
    return np.asarray(np.clip((total + (1 << (r - 1))) >> r, low, high), dtype=np.uint8)


def multiply_twice(x1: IntArray, z1: int, x2: IntArray, z2: int, bias_twice: int) -> Int64Array:
    """Twice-accumulator of a product of two code tensors, which broadcast: ``2*(x1 - z1)*(x2 - z2) + bias_twice``.

    With ``M = s1*s2/s_y`` and ``bias_twice = round(2*z_y / M)``, :func:`requantize` makes the output's codes of it.
    """
    product = (np.asarray(x1, dtype=np.int64) - z1) * (np.asarray(x2, dtype=np.int64) - z2)
    return 2 * product + bias_twice


# --- Softmax and interpolation ----------------------------------------------------------------------------------


def exponentials(scale: float) -> npt.NDArray[np.int32]:
    """Table of a softmax: ``floor(32768 * exp(-scale * d) + 1/2)`` for d in 0..255, int32 [256] (host side only)."""
    return round_half_up(EXPONENTIAL_ONE * np.exp(-scale * np.arange(CODE_MAX + 1))).astype(np.int32)


def softmax(x: IntArray, table: IntArray) -> npt.NDArray[np.uint8]:
    """``min(255, (512*e + S) // (2*S))`` over the last axis: e is the table at (largest code - code), S their sum.

    That is ``floor(256 * e/S + 1/2)``. At most 65,535 codes: then all of it fits uint32.
    """
    wide = np.asarray(x, dtype=np.int64)
    values = np.asarray(table, dtype=np.int64)[wide.max(axis=-1, keepdims=True) - wide]
    total = values.sum(axis=-1, keepdims=True)
    return np.asarray(np.minimum((512 * values + total) // (2 * total), CODE_MAX), dtype=np.uint8)


def resize(x: IntArray, rows: IntArray, columns: IntArray) -> npt.NDArray[np.uint8]:
    """``(sum of four codes, each times both its weights, + 2^19) >> 20`` of codes [..., height, width, channels].

    Args:
        x: Codes.
        rows: [output height, 2]: index n and weight w, 0..1024, of row min(n + 1, height - 1); row n has 1024 - w.
        columns: The same along the width.
    """
    wide = np.asarray(x, dtype=np.int64)
    for axis, table in ((-3, rows), (-2, columns)):
        near, weight = (np.asarray(column, dtype=np.int64) for column in table.T)
        shape = (-1,) + (1,) * (-axis - 1)
        first = np.take(wide, near, axis) * (RESIZE_ONE - weight).reshape(shape)
        wide = first + np.take(wide, np.minimum(near + 1, wide.shape[axis] - 1), axis) * weight.reshape(shape)
    return np.asarray((wide + (RESIZE_ONE**2 >> 1)) // RESIZE_ONE**2, dtype=np.uint8)


# --- Model inputs ---------------------------------------------------------------------------------------------


def quantize(real: npt.ArrayLike, scale: float, zero_point: int) -> npt.NDArray[np.uint8]:
    """Codes of real numbers: ``clamp(round(x/s) + z, 0, 255)`` (host side only)."""
    codes = round_half_up(np.asarray(real, dtype=np.float64) / scale) + zero_point
    return np.clip(codes, 0, CODE_MAX).astype(np.uint8)
