"""Promise: forms that TFLite's converter writes now and then come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import BadFileError, UnsupportedError
from dqt_edge.graph import Conv2D, interpreter
from dqt_edge.graph.samples import sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.tflite import read_network
from tests.support.random_keras import to_tflite
from tests.support.tflite_models import DILATION, WINDOW, ModelFile


@pytest.mark.train
@pytest.mark.parametrize("length", [2, 3, 4, 5, 9])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_dilation_that_is_longer_than_its_series(length: int, keras: Any, tmp_path: Path) -> None:
    """Its phases have one sample each, which no shape tells from an axis that EXPAND_DIMS put there."""
    layers = keras.layers
    parts = [keras.Input((length, 3)), layers.Conv1D(4, 3, padding="causal", dilation_rate=4), layers.Conv1D(2, 1)]
    model = keras.Sequential(parts)
    path = tmp_path / "long.tflite"
    path.write_bytes(to_tflite(model, np.random.default_rng(1).normal(0, 1, (20, length, 3)).astype(np.float32)))
    graph = assemble(read_network(path))
    codes = np.random.default_rng(2).integers(0, 256, (30, *sample_shape(graph)), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert result.largest_alone <= 1
    assert result.layers[-1].network <= 2


def left_in_reals(path: Path, *, quantised: bool, least: bool = False) -> Path:
    """A convolution between DEQUANTIZE and, if ``quantised``, QUANTIZE; ``least``: behind the smaller of two."""
    rng = np.random.default_rng(1)
    m = ModelFile()
    x = m.tensor((1, 5, 5, 3), "INT8", 0.05, -10)
    real = m.op("DEQUANTIZE", [x], m.tensor((1, 5, 5, 3), "FLOAT32"))
    weights = m.tensor((4, 3, 3, 3), "FLOAT32", data=rng.normal(0, 1, (4, 3, 3, 3)))
    bias = m.tensor((4,), "FLOAT32", data=rng.normal(0, 1, 4))
    made = m.op("CONV_2D", [real, weights, bias], m.tensor((1, 5, 5, 4), "FLOAT32"), **WINDOW | DILATION)
    if least:
        other = m.op("CONV_2D", [real, weights], m.tensor((1, 5, 5, 4), "FLOAT32"), **WINDOW | DILATION)
        made = m.op("MINIMUM", [made, other], m.tensor((1, 5, 5, 4), "FLOAT32"))
    if quantised:
        made = m.op("QUANTIZE", [made], m.tensor((1, 5, 5, 4), "INT8", 0.2, 5))
        m.op("RELU", [made], m.tensor((1, 5, 5, 4), "INT8", 0.2, 5))
    return m.write(path)


@pytest.mark.train
def test_a_convolution_left_in_real_numbers_gets_weights_of_8_bits(tmp_path: Path) -> None:
    path = left_in_reals(tmp_path / "left.tflite", quantised=True)
    graph = assemble(read_network(path))
    conv = next(layer for layer in graph.layers if isinstance(layer, Conv2D))
    assert np.abs(conv.weights).reshape(4, -1).max(axis=1).tolist() == [127] * 4
    codes = np.random.default_rng(2).integers(0, 256, (30, 5, 5, 3), dtype=np.uint8)
    result = compare(graph, path, codes)
    found = {layer.name: layer for layer in result.layers}
    assert found[conv.name].note == "real numbers in the file, codes in ours, are its weights"
    assert found[conv.name].alone <= 3, "of 27 weights, each rounded to 8 bits"
    assert interpreter.run(graph, codes, "8x8").outputs.std() > 5


def test_two_of_which_the_smaller_is_taken_have_its_scale(tmp_path: Path) -> None:
    graph = assemble(read_network(left_in_reals(tmp_path / "left.tflite", quantised=True, least=True)))
    convs = [layer for layer in graph.layers if isinstance(layer, Conv2D)]
    assert [graph.tensor(conv.output).scale for conv in convs] == [pytest.approx(0.2)] * 2


def test_operands_far_above_the_scale_of_their_sum(tmp_path: Path) -> None:
    """Any difference saturates; the shift of the sum must still hold both."""
    m = ModelFile()
    x = m.tensor((1, 4, 4, 3), "INT8", 0.0038, -128)
    y = m.op("ABS", [x], m.tensor((1, 4, 4, 3), "INT8", 0.0057, 127))
    m.op("ADD", [x, y], m.tensor((1, 4, 4, 3), "INT8", 3.45e-7, 100))
    graph = assemble(read_network(m.write(tmp_path / "far.tflite")), fuse=False)
    codes = np.random.default_rng(2).integers(0, 3, (30, 4, 4, 3), dtype=np.uint8)
    found = interpreter.run(graph, codes, "8x8", keep_tensors=True).tensors
    first, second = (found[name].astype(float) for name in graph.layers[-1].inputs)
    exact = np.clip((first * 0.0038 + (second - 255) * 0.0057) / 3.45e-7 + 228, 0, 255)
    np.testing.assert_array_equal(found[graph.output], np.floor(exact + 0.5))
    assert set(np.unique(found[graph.output])) >= {228, 255}


@pytest.mark.train
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_a_sum_that_would_end_the_process_is_told(kind: str, tmp_path: Path) -> None:
    """TFLite checks the scales of a sum by abort()."""
    for scale, fatal in ((7.8e-9, True), (2.3e-8, False)):
        m = ModelFile()
        x = m.tensor((1, 4, 4, 3), "INT8", 0.0119, 0)
        y = m.op("ABS", [x], m.tensor((1, 4, 4, 3), "INT8", 0.0119, -128))
        m.op(kind, [x, y], m.tensor((1, 4, 4, 3), "INT8", scale, 0))
        path = m.write(tmp_path / "fine.tflite")
        graph = assemble(read_network(path))
        codes = np.random.default_rng(2).integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
        if fatal:
            with pytest.raises(BadFileError, match=f"{kind} 1 ends the process: its result has too fine a scale"):
                compare(graph, path, codes)
        else:
            assert compare(graph, path, codes).beyond == ()


def test_one_whose_output_has_no_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read_network(left_in_reals(tmp_path / "left.tflite", quantised=False))
    assert "it computes in floating point between layers of integers" in caught.value.what


@pytest.mark.train
@pytest.mark.parametrize("kind", ["MEAN", "REDUCE_MAX"])
@pytest.mark.parametrize("zero", [-128, 10, 127])
def test_over_a_prime_number_of_elements(kind: str, zero: int, tmp_path: Path) -> None:
    """No window has 257 places: the mean is over 258, one of them zero; the largest over one of them twice."""
    m = ModelFile()
    x = m.tensor((1, 257, 3), "INT8", 0.05, zero)
    axes = m.tensor((1,), "INT32", data=[1])
    m.op(kind, [x, axes], m.tensor((1, 3), "INT8", 0.01 if kind == "MEAN" else 0.05, 20 if kind == "MEAN" else zero))
    path = m.write(tmp_path / "prime.tflite")
    graph = assemble(read_network(path))
    codes = np.random.default_rng(2).integers(0, 256, (20, *sample_shape(graph)), dtype=np.uint8)
    codes[0], codes[1] = 0, 255
    found = interpreter.run(graph, codes, "8x8").outputs.reshape(20, 3)
    rows = codes.reshape(20, 257, 3).astype(float)
    exact = np.clip((rows.mean(axis=1) - 128 - zero) * 5 + 148, 0, 255) if kind == "MEAN" else rows.max(axis=1)
    assert np.abs(found - exact).max() <= 0.51
    assert compare(graph, path, codes).largest_alone <= 1
