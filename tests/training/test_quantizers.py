"""Promise: the differentiable views have nested.py's values, and the gradients of LSQ and PACT."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import nested

pytestmark = pytest.mark.train
RNG = np.random.default_rng(11)


@pytest.mark.parametrize("bits", nested.WIDTHS)
def test_weight_views_are_the_centred_masters(bits: int, tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import weight_view

    masters = np.arange(-128, 128)
    scale = 2.0**-7  # exact in float32, so that every product is
    found = weight_view(
        tensorflow.constant(masters * scale, tensorflow.float32), np.log(np.float32(scale)), 2.0 ** (8 - bits), 9
    )
    np.testing.assert_allclose(found.numpy() / scale * 2, nested.weight_twice(masters, bits), atol=1e-3)


@pytest.mark.parametrize("bits", nested.WIDTHS)
def test_activation_views_are_the_rounded_codes(bits: int, tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import activation_view

    codes = np.arange(256)
    scale = 0.013
    value = tensorflow.constant(codes * scale, tensorflow.float32)
    found = activation_view(value, tensorflow.constant(scale, tensorflow.float32), 2.0 ** (8 - bits))
    expected = nested.activation_view(codes, bits) << (8 - bits)
    np.testing.assert_allclose(found.numpy() / scale, expected, atol=1e-3)


def test_weight_scales_get_the_lsq_gradient(tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import weight_view

    tf = tensorflow
    kernel = RNG.normal(0, 1, 50).astype(np.float32)
    log_scale = tf.Variable(np.float32(np.log(1.5 / 127)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight_view(tf.constant(kernel), log_scale, 16.0, 50))
    scale = 1.5 / 127
    ratio = kernel / scale
    inside = (ratio > -128) & (ratio < 127)
    clipped = np.clip(ratio, -128, 127)
    view = np.floor(np.floor(clipped + 0.5) / 16) * 16 + 7.5
    by_scale = np.where(inside, view - ratio, view).sum()
    # d/d(log s) = s * d/ds, and the gradient scale of LSQ.
    assert float(tape.gradient(loss, log_scale)) == pytest.approx(by_scale * scale / np.sqrt(50 * 127), rel=1e-3)


def test_pact_clips_rounds_and_passes_its_gradient_above_alpha(tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import Pact

    tf = tensorflow
    layer = Pact("pact")
    layer.log_alpha.assign(np.log(2.0))
    value = tf.Variable([-1.0, 0.5, 1.999, 2.5, 9.0])
    with tf.GradientTape() as tape:
        out = layer(value, nested=True)
        loss = tf.reduce_sum(out)
    codes = np.asarray(out) / float(layer.scale())
    np.testing.assert_allclose(codes, [0, 64, 255, 255, 255], atol=1e-3)
    by_value, by_log_alpha = tape.gradient(loss, [value, layer.log_alpha.value])
    np.testing.assert_allclose(by_value, [0, 1, 1, 0, 0])
    assert float(by_log_alpha) == pytest.approx(2 * 2.0)  # two values above alpha; alpha = exp(log alpha)


def test_a_range_follows_only_when_told_and_stops_when_frozen(tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import EmaScale

    value = tensorflow.constant(np.full(1000, 3.0, np.float32))
    layer = EmaScale("range", signed=True)
    layer(value, nested=True)
    assert float(layer.range.numpy()) == 1.0
    layer(value, nested=True, follow=0.01)
    assert float(layer.range.numpy()) == pytest.approx(0.99 + 0.03)
    layer(value, nested=True, follow=0.0)
    assert float(layer.range.numpy()) == pytest.approx(0.99 + 0.03)
    assert layer.zero_point == 128


def test_the_percentile_ignores_a_thousandth(tensorflow: Any) -> None:
    from dqt_edge.training.quantizers import upper_percentile

    values = np.linspace(-1, 1, 2001).astype(np.float32)
    values[0] = 50.0
    found = float(upper_percentile(tensorflow.constant(values)))
    assert found == pytest.approx(1.0, abs=2e-3)
