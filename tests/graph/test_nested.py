"""The arithmetic against exact rationals, at all 49 width pairs."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqt_edge.graph import nested

ALL_WEIGHTS = np.arange(-128, 128)
ALL_CODES = np.arange(256)
PAIRS = list(itertools.product(nested.WIDTHS, nested.WIDTHS))


@pytest.mark.parametrize(("first", "second"), [(a, b) for a, b in PAIRS if b <= a])
def test_weight_views_nest(first: int, second: int) -> None:
    """The view of a view is the narrower view of the master: one flash image serves every width."""
    direct = nested.weight_view(ALL_WEIGHTS, second)
    np.testing.assert_array_equal(nested.weight_view(ALL_WEIGHTS, first) >> (first - second), direct)


@pytest.mark.parametrize("bits", nested.WIDTHS)
def test_weight_views_by_definition(bits: int) -> None:
    d = 8 - bits
    view = nested.weight_view(ALL_WEIGHTS, bits)
    assert view.min() == -(2 ** (bits - 1))
    assert view.max() == 2 ** (bits - 1) - 1
    for w, seen in zip(ALL_WEIGHTS.tolist(), view.tolist(), strict=True):
        assert seen == Fraction(w, 2**d).__floor__()
    np.testing.assert_array_equal(nested.unsigned_weight_view(ALL_WEIGHTS, bits), view + 2 ** (bits - 1))


@pytest.mark.parametrize("bits", nested.WIDTHS)
def test_centring_removes_the_mean_of_what_was_dropped(bits: int) -> None:
    """Over all masters the centred view has exactly the masters' mean."""
    assert nested.weight_twice(ALL_WEIGHTS, bits).sum() == 2 * ALL_WEIGHTS.sum()
    d = 8 - bits
    masked = 2 * (ALL_WEIGHTS & ~((1 << d) - 1)) + ((1 << d) - 1)
    np.testing.assert_array_equal(nested.weight_twice(ALL_WEIGHTS, bits), masked)


@pytest.mark.parametrize("bits", nested.WIDTHS)
def test_activation_views_round_and_saturate(bits: int) -> None:
    d = 8 - bits
    for a, seen in zip(ALL_CODES.tolist(), nested.activation_view(ALL_CODES, bits).tolist(), strict=True):
        assert seen == min(nested.fraction_round(Fraction(a, 2**d)), 2**bits - 1)
    assert nested.activation_view(np.array([0]), bits)[0] == 0


@pytest.mark.parametrize("bits", [1, 9, 0, -1])
def test_widths_outside_2_to_8_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=r"not in 2\.\.8"):
        nested.shift_of(bits)


@pytest.mark.parametrize(("weight_bits", "activation_bits"), PAIRS)
def test_accumulator_is_twice_the_centred_product(weight_bits: int, activation_bits: int) -> None:
    """A2 = 2 * sum(w_hat * a_hat) + bias, in exact rationals, for every pair."""
    rng = np.random.default_rng((weight_bits, activation_bits))
    w = rng.integers(-128, 128, 40)
    a = rng.integers(0, 256, 40)
    bias = int(rng.integers(-10000, 10000))
    dw, da = 8 - weight_bits, 8 - activation_bits
    exact = Fraction(bias)
    for wi, ai in zip(w.tolist(), a.tolist(), strict=True):
        w_hat = Fraction((wi >> dw) << dw) + Fraction(2**dw - 1, 2)
        a_hat = min(nested.fraction_round(Fraction(ai, 2**da)), 2**activation_bits - 1) * 2**da
        exact += 2 * w_hat * a_hat
    views_w, views_a = nested.weight_view(w, weight_bits), nested.activation_view(a, activation_bits)
    got = nested.accumulator_twice(
        (views_w * views_a).sum(), views_a.sum(), weight_bits, activation_bits, np.array(bias)
    )
    assert int(got) == exact
    # The unsigned twin: 2*sum = (sum(u*a) << (dw+da+1)) - (257 - 2^dw) * (S_a << da).
    u = nested.unsigned_weight_view(w, weight_bits)
    twin = (int((u * views_a).sum()) << (dw + da + 1)) - (257 - 2**dw) * (int(views_a.sum()) << da)
    assert twin + bias == exact


@given(st.fractions(min_value=Fraction(1, 2**29), max_value=2**20))
def test_multiplier_is_the_nearest_and_prefers_one_instruction(exact: Fraction) -> None:
    m0, r = nested.quantize_multiplier(exact)
    assert 0 < m0 < 2**31
    unit = Fraction(1, 2 ** (r - 1))
    assert abs(m0 * unit - exact) <= unit / 2
    if r != 32:
        assert not 2**15 <= nested.fraction_round(exact * 2**31) < 2**31
        assert m0 >= 2**30 or m0 * unit == exact


@pytest.mark.parametrize(
    ("value", "pair"),
    [
        (2.0**-21, (1024, 32)),
        (3 * 2.0**-31, (3, 32)),
        (2.0**-20 * (1 + 1e-12), (2048, 32)),
        (2.0**-21 * (1 + 1e-4), (1073849198, 52)),
        (2.0**-16, (2**15, 32)),
        (1.0, (2**30, 31)),
    ],
)
def test_shift_32_serves_small_multipliers_that_it_holds(value: float, pair: tuple[int, int]) -> None:
    assert nested.quantize_multiplier(value) == pair


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 2.0**-40, 2.0**40])
def test_impossible_multipliers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="multiplier"):
        nested.quantize_multiplier(value)


@given(
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(1, 2**31 - 1),
    st.integers(1, nested.SHIFT_MAX),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_requantise_is_one_rounding_of_the_exact_product(a2: int, m0: int, r: int, x: int, y: int) -> None:
    low, high = sorted((x, y))
    exact = nested.fraction_round(Fraction(a2 * m0, 2**r))
    got = nested.requantize(np.array([a2]), np.array([m0]), np.array([r]), low, high)
    assert int(got[0]) == min(max(exact, low), high)


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_shift_32_is_smmulr(a2: int, m0: int) -> None:
    """With r = 32 the whole requantiser is the upper word of a rounded 64-bit product."""
    upper = ((a2 * m0 + 0x80000000) >> 32) & 0xFFFFFFFF
    signed = upper - 2**32 if upper >= 2**31 else upper
    got = nested.requantize(np.array([a2]), np.array([m0]), np.array([32]))
    assert int(got[0]) == min(max(signed, 0), 255)


@given(
    st.floats(1e-4, 10),
    st.floats(1e-4, 10),
    st.floats(0.01, 10),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
)
def test_addition_is_within_one_code_of_the_real_sum(
    s1: float, ratio: float, out: float, z1: int, z2: int, zy: int, x1: int
) -> None:
    scales = (s1, s1 * ratio)
    sy = max(scales) * max(out, 0.3)
    m1, m2, offset, r = nested.add_parameters(scales, (z1, z2), sy, zy)
    assert 255 * (m1 + m2) + abs(offset) + 2 ** (r - 1) < 2**31
    x2 = np.arange(256)
    got = nested.add(np.full(256, x1), x2, m1, m2, offset, r)
    real = (scales[0] * (x1 - z1) + scales[1] * (x2 - z2)) / sy + zy
    assert np.abs(got - np.clip(np.floor(real + 0.5), 0, 255)).max() <= 1


def test_addition_of_incomparable_scales_is_refused() -> None:
    with pytest.raises(ValueError, match="too far"):
        nested.add_parameters((1e9, 1.0), (0, 0), 1.0, 0)


@pytest.mark.parametrize("pair", PAIRS)
def test_bound_is_reached_by_no_input_and_is_not_loose(pair: tuple[int, int]) -> None:
    """The exact bound covers every intermediate of adversarial inputs; its product part is attained."""
    rng = np.random.default_rng(pair)
    weights = rng.integers(-128, 128, (3, 12)).astype(np.int8)
    bias = rng.integers(-1000, 1000, (1, 3)).astype(np.int32)
    bound = nested.accumulator_bound(weights, bias, (pair,))
    dw, da = 8 - pair[0], 8 - pair[1]
    worst = 0
    for codes in (np.where(weights >= 0, 255, 0), np.where(weights < 0, 255, 0), np.full(weights.shape, 255)):
        view = nested.activation_view(codes, pair[1])
        products = (nested.weight_view(weights, pair[0]) * view).sum(axis=1)
        total = nested.accumulator_twice(products, view.sum(axis=1), *pair, bias[0])
        parts = np.abs(products << (dw + da + 1)) + ((1 << dw) - 1) * (view.sum(axis=1) << da)
        worst = max(worst, int(np.abs(total).max()), int((parts + np.abs(bias[0])).max()))
    assert worst <= bound <= 4 * worst + 4000


def test_zero_point_term_makes_the_zero_code_mean_zero() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(-128, 128, (4, 3, 3, 2)).astype(np.int8)
    for bits in nested.WIDTHS:
        term = nested.zero_point_twice(weights, bits, 77)
        views = nested.weight_view(weights, bits).reshape(4, -1)
        at_zero = nested.accumulator_twice(views.sum(axis=1) * 77, np.int64(77 * 18), bits, 8, -term)
        np.testing.assert_array_equal(at_zero, 0)


def test_quantize_rounds_half_up_and_clamps() -> None:
    np.testing.assert_array_equal(nested.quantize([-9.0, 0.5, 1.5, 2.49, 900], 1.0, 3), [0, 4, 5, 5, 255])
