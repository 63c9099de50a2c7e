"""Promise: an output with a scale far below the steps it is made of gets the exact result, rounded once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.graph import Graph, interpreter
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.reference import open_reference
from dqt_edge.importers.tflite import read_network
from tests.support.imported import EXACT, on_device
from tests.support.tflite_models import DILATION, WINDOW, ModelFile

S, Z = 0.02, -7
"""Scale and zero point of the input, as the file has them."""
SHAPE = (1, 4, 4, 3)
Codes = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]
Layer = Callable[[ModelFile, int, float, int], Callable[[Reals], Reals]]
"""Adds a layer that reads a tensor, with an output of a scale and a zero point; what it computes, in real numbers."""
WEIGHTS = np.random.default_rng(1).integers(-6, 7, (5, 1, 1, 3))
WEIGHTS[2] = 0
SCALES = np.array([0.01, 0.004, 0.002, 1e-9, 0.006])
BIASES = np.array([0, 3, -1, 400, 0])


def conv(m: ModelFile, x: int, scale: float, zero: int) -> Callable[[Reals], Reals]:
    w = m.tensor(WEIGHTS.shape, "INT8", SCALES, 0, WEIGHTS)
    b = m.tensor((5,), "INT32", S * SCALES, 0, BIASES)
    m.op("CONV_2D", [x, w, b], m.tensor((1, 4, 4, 5), "INT8", scale, zero), **WINDOW | DILATION)
    return lambda real: real @ (WEIGHTS.reshape(5, 3) * SCALES[:, None]).T + BIASES * S * SCALES


def dense(m: ModelFile, x: int, scale: float, zero: int) -> Callable[[Reals], Reals]:
    weights = np.resize(WEIGHTS, (2, 48))
    w = m.tensor((2, 48), "INT8", 0.003, 0, weights)
    m.op("FULLY_CONNECTED", [x, w], m.tensor((1, 2), "INT8", scale, zero))
    return lambda real: real.reshape(len(real), 48) @ (weights * 0.003).T


def mean(m: ModelFile, x: int, scale: float, zero: int) -> Callable[[Reals], Reals]:
    axes = m.tensor((2,), "INT32", data=[1, 2])
    m.op("MEAN", [x, axes], m.tensor((1, 3), "INT8", scale, zero))
    return lambda real: real.mean(axis=(1, 2))


def product(m: ModelFile, x: int, scale: float, zero: int) -> Callable[[Reals], Reals]:
    y = m.op("ABS", [x], m.tensor(SHAPE, "INT8", S, -128))
    m.op("MUL", [x, y], m.tensor(SHAPE, "INT8", scale, zero))
    return lambda real: real * np.minimum(np.abs(real), 255 * S)


def constants(m: ModelFile, x: int, scale: float, zero: int) -> Callable[[Reals], Reals]:
    """One for each channel, that are no whole steps of the input."""
    added = np.array([3e-4, -2.15e-4, 5e-5])
    y = m.tensor((3,), "FLOAT32", data=added)
    real = m.op("DEQUANTIZE", [x], m.tensor(SHAPE, "FLOAT32"))
    made = m.op("ADD", [real, y], m.tensor(SHAPE, "FLOAT32"))
    m.op("QUANTIZE", [made], m.tensor(SHAPE, "INT8", scale, zero))
    return lambda real: real + np.float32(added)


LAYERS = {conv: 3e-5, dense: 1e-5, mean: 3e-4, product: 1e-4, constants: 4e-5}
"""With the scale in which a step of each is 3 to 7 codes."""


def fine(make: Layer, scale: float, zero: int, path: Path) -> tuple[Graph, Reals]:
    """The graph of one layer, and the exact codes for the inputs of :func:`near`, not rounded."""
    m = ModelFile()
    real = make(m, m.tensor(SHAPE, "INT8", S, Z), scale, zero)
    graph = assemble(read_network(m.write(path)))
    exact = real(S * (near().astype(np.float64) - 128 - Z)) / scale
    return graph, np.clip(exact.reshape(len(near()), -1) + zero + 128, 0, 255)


def near() -> Codes:
    """Codes at and near the zero point, where not everything saturates, and extreme ones."""
    codes = np.full((60, *SHAPE[1:]), Z + 128, np.uint8)
    some = np.random.default_rng(2)
    codes[5:40] += (some.random((35, *SHAPE[1:])) < 0.05).astype(np.uint8)
    codes[30:40] -= (some.random((10, *SHAPE[1:])) < 0.05).astype(np.uint8)
    codes[40:58] = some.integers(0, 256, (18, *SHAPE[1:]))
    codes[58], codes[59] = 0, 255
    return codes


@pytest.mark.parametrize("zero", [-128, 0, 60, 127])
@pytest.mark.parametrize("make", LAYERS)
def test_every_code_is_the_exact_result_rounded(make: Layer, zero: int, tmp_path: Path) -> None:
    for scale in (LAYERS[make], LAYERS[make] / 40, 8e-9):
        graph, exact = fine(make, scale, zero, tmp_path / "fine.tflite")
        found = interpreter.run(graph, near(), "8x8").outputs.reshape(exact.shape)
        assert np.abs(found - exact).max() <= 0.51, "rounded once"
        if scale == LAYERS[make]:
            assert ((exact > 0) & (exact < 255)).sum() > 10, "not everything saturates"


@pytest.mark.parametrize("make", LAYERS)
def test_devices_agree(make: Layer, tmp_path: Path) -> None:
    graph, _ = fine(make, LAYERS[make], 0, tmp_path / "fine.tflite")
    for board in ("host", "qemu-m4"):
        assert on_device(graph, near()[::6], board, tmp_path / board) == EXACT


def test_a_joined_tensor_of_a_coarse_scale(tmp_path: Path) -> None:
    """TFLite's converter gives all operands one scale; the format does not ask for it."""
    m = ModelFile()
    x = m.tensor(SHAPE, "INT8", S, Z)
    y = m.op("RELU6", [x], m.tensor(SHAPE, "INT8", S / 50, -20))
    m.op("CONCATENATION", [x, y], m.tensor((1, 4, 4, 6), "INT8", S / 50, -20), Axis=3)
    graph = assemble(read_network(m.write(tmp_path / "join.tflite")))
    found = interpreter.run(graph, near(), "8x8").outputs.reshape(60, 4, 4, 6)[..., :3]
    exact = np.clip((near().astype(float) - 128 - Z) * 50 + 108, 0, 255)
    np.testing.assert_array_equal(found, exact)


@pytest.mark.train
def test_compare_says_that_tflite_is_the_less_exact_one(tmp_path: Path) -> None:
    """The optimised kernels of TFLite 2.21 answer a negative product with the largest code where its scale is fine."""
    path, scale = tmp_path / "fine.tflite", 1.5e-6
    m = ModelFile()
    real = product(m, m.tensor(SHAPE, "INT8", S, Z), scale, -128)
    made = len(m.tensors) - 1
    m.op("ELU", [made], m.tensor(SHAPE, "INT8", scale, -128))  # has no reference kernel, so that none is used
    graph = assemble(read_network(m.write(path)), fuse=False)
    exact = np.clip(real(S * (near().astype(np.float64) - 128 - Z)) / scale, 0, 255).reshape(60, -1)
    theirs = np.asarray(open_reference(path, 1).run([near()], [made])[made], np.float64)
    wrong = int((np.abs(theirs - exact) > 1.5).sum())
    assert wrong > 100, "otherwise this runtime multiplies right, and shows nothing"
    result = compare(graph, path, near())
    (layer,) = (layer for layer in result.layers if layer.alone > 1)
    assert (layer.alone, layer.explained, result.beyond, result.largest_off <= 1) == (255, True, (), True)
    assert layer.note.startswith(f"{wrong} codes are more than one apart: ours are the exact result, ")
    assert layer.note.endswith("is the less exact one")


@pytest.mark.train
def test_a_wrong_import_is_not_the_exact_one(tmp_path: Path) -> None:
    """The judge reads the file, not what was made of it."""
    path = tmp_path / "fine.tflite"
    m = ModelFile()
    x = m.tensor(SHAPE, "INT8", S, Z)
    mean(m, x, S, 0)
    graph = assemble(read_network(m.write(path)))
    (pool,) = graph.layers
    requantize = dataclasses.replace(pool.requantize, multiplier=pool.requantize.multiplier // 2)  # type: ignore[union-attr]
    broken = dataclasses.replace(graph, layers=(dataclasses.replace(pool, requantize=requantize),))
    (layer,) = compare(broken, path, near()).layers
    assert layer.beyond
    assert "ours are not the exact result either" in layer.note
