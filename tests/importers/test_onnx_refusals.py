"""Promise: what cannot be imported gets one sentence, causes alone and all at once; damaged files an error of ours."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")


import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.importers.files import read_model
from dqt_edge.importers.onnx import read_onnx
from tests.support.onnx_models import Maker

FLIPS = 400


def refused(m: Maker, path: Path, *outputs: str) -> str:
    with pytest.raises(errors.UnsupportedError) as caught:
        read_onnx(m.save(path / "model.onnx", *outputs))
    return str(caught.value)


def lstm(m: Maker, x: str) -> str:
    rows = m.add("Transpose", m.add("Reshape", x, m.const([1, 4, 36])), perm=[2, 0, 1])
    return m.add("LSTM", rows, m.random(1, 32, 4), m.random(1, 32, 8), outputs=2, hidden_size=8)[0]


def branch(m: Maker, x: str) -> str:
    helper = m.onnx.helper
    part = helper.make_graph(
        [helper.make_node("Relu", [x], ["inner"])], "b", [], [helper.make_empty_tensor_value_info("inner")]
    )
    return m.add("If", m.const(np.asarray(True)), then_branch=part, else_branch=part)


def attention(m: Maker, x: str) -> str:
    rows = m.add("Reshape", x, m.const([1, 4, 36]))
    return m.add("MatMul", rows, m.add("Transpose", rows, perm=[0, 2, 1]))


OPERATORS: dict[str, tuple[Callable[[Maker, str], Any], str]] = {
    "LSTM": (lstm, "recurrent layer"),
    "If": (branch, "control flow"),
    "attention": (attention, "both computed; nearest supported form: a product with constant weights"),
    "InstanceNormalization": (
        lambda m, x: m.add("InstanceNormalization", x, m.random(4), m.random(4)),
        "statistics while it runs; nearest supported form: BatchNormalization",
    ),
    "ArgMax": (lambda m, x: m.add("ArgMax", x, axis=1), "a model that ends before it"),
    "Conv3D": (
        lambda m, x: m.conv(m.add("Unsqueeze", x, m.const([2])), 4, 4, (1, 3, 3)),
        "maps [1, channels, height, width] or series",
    ),
    "a dilated pooling": (lambda m, x: m.add("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2]), "dilation 1"),
    "grouped ConvTranspose": (lambda m, x: m.add("ConvTranspose", x, m.random(4, 1, 3, 3), group=4), "4 groups"),
    "cubic Resize": (
        lambda m, x: m.add("Resize", x, "", m.const(np.array([1, 1, 2, 2], np.float32)), mode="cubic"),
        "nearest or linear",
    ),
    "weights that are computed": (
        lambda m, x: m.add("Conv", x, m.add("Reshape", m.add("GlobalAveragePool", x), m.const([1, 4, 1, 1]))),
        "its weights are computed",
    ),
    "an operator of another domain": (
        lambda m, x: m.add("Fancy", x, domain="com.example"),
        "no operator of ONNX itself",
    ),
    "what tf2onnx does not know": (
        lambda m, x: m.add("StatefulPartitionedCall", x),
        "left as it is; nearest supported form: the model as .keras or .tflite",
    ),
    "augmentation that an exporter kept": (
        lambda m, x: m.add("Mul", x, m.add("RandomUniformLike", x)),
        "random numbers, which only training needs; nearest supported form: the model exported for inference",
    ),
    "division by a tensor": (lambda m, x: m.add("Div", x, m.add("Softplus", x)), "a division by a constant"),
    "along the batch": (lambda m, x: m.add("ReduceMean", x, axes=[0]), "works along the batch"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_refused_with_its_reason_and_what_would_do(name: str, tmp_path: Path) -> None:
    make, sentence = OPERATORS[name]
    m = Maker()
    made = make(m, m.add("Relu", m.conv(m.input("batch", 3, 8, 8), 3, 4)))
    told = refused(m, tmp_path, m.add("Identity", made))
    assert told.startswith("error: 1 layer of the model cannot be imported:\n"), told
    assert sentence in told
    assert "nothing was written" in told


def test_all_layers_are_listed_and_no_consequence(tmp_path: Path) -> None:
    """Behind the first cause the shapes are known, behind the second they are not."""
    m = Maker()
    x = m.conv(m.input(1, 3, 8, 8), 3, 4)
    x = m.add("Relu", m.add("LRN", x, size=3))
    x = m.add("Fancy", m.conv(x, 4, 4), domain="com.example")
    shape = m.add("Concat", m.add("Gather", m.add("Shape", x), m.const([0])), m.const([-1]), axis=0)
    x = m.dense(m.add("Reshape", m.add("Relu", x), shape), 64, 3)
    told = refused(m, tmp_path, m.add("ArgMax", x, axis=1))
    assert [line.split("'")[1] for line in told.splitlines() if line.startswith("  - ")] == [
        "LRN1",
        "Fancy4",
        "ArgMax11",
    ]


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (("batch", 3, "height", 8), "dimension height (axis 2) is open"),
        ((1, "channels", 8, "w"), "channels (axis 1), w (axis 3)"),
        ((4, 3, 8, 8), "takes 4 samples at once"),
    ],
)
def test_open_dimensions_but_the_batch_are_refused_by_name(
    shape: tuple[Any, ...], sentence: str, tmp_path: Path
) -> None:
    m = Maker()
    told = refused(m, tmp_path, m.conv(m.input(*shape), 3, 4))
    assert sentence in told
    assert "input 'image'" in told


def test_layers_between_which_nothing_is_quantised_are_refused(tmp_path: Path) -> None:
    m = Maker()
    parameters = m.const(np.float32(0.02)), m.const(np.asarray(128, np.uint8), np.uint8)
    x = m.add("DequantizeLinear", m.add("QuantizeLinear", m.input(1, 3, 8, 8), *parameters), *parameters)
    told = refused(m, tmp_path, m.conv(m.add("Sigmoid", x), 3, 4))
    assert "its result is not quantised" in told
    assert "calibration data" in told


def test_an_input_that_a_refused_operator_reads_is_no_cause(tmp_path: Path) -> None:
    m = Maker()
    x = lstm(m, m.add("Reshape", m.input("n", 3, 6, 8), m.const([0, 4, 36])))
    parameters = m.const(np.float32(0.02)), m.const(np.asarray(0, np.int8), np.int8)
    told = refused(m, tmp_path, m.add("DequantizeLinear", m.add("QuantizeLinear", x, *parameters), *parameters))
    assert told.startswith("error: 1 layer of the model cannot be imported:\n")
    assert "(LSTM)" in told


def test_operators_of_an_old_version_get_one_sentence(tmp_path: Path) -> None:
    m = Maker(opset=6)
    assert "in version 6 of ONNX's operators" in refused(m, tmp_path, m.add("Relu", m.input(1, 3, 8, 8)))


@pytest.mark.parametrize(
    ("kind", "dtype", "sentence"),
    [
        ("QuantizeLinear", np.int16, "its activations are int16"),
        ("DynamicQuantizeLinear", None, "finds its scales while it runs (DynamicQuantizeLinear)"),
    ],
)
def test_other_quantisations_get_one_sentence(kind: str, dtype: Any, sentence: str, tmp_path: Path) -> None:
    m = Maker(opset=21)
    x = m.input(1, 3, 8, 8)
    if dtype is None:
        made = m.add(kind, x, outputs=3)[0]
    else:
        made = m.add(kind, x, m.const(np.float32(0.1)), m.const(np.asarray(0, dtype), dtype))
    told = refused(m, tmp_path, made)
    assert sentence in told
    assert "layer" not in told


# --- Files that are no models ---------------------------------------------------------------------------------


def small(path: Path) -> Path:
    m = Maker()
    x = m.add("MaxPool", m.add("Relu", m.conv(m.input("n", 3, 8, 8), 3, 4)), kernel_shape=[2, 2], strides=[2, 2])
    shape = m.add("Concat", m.add("Slice", m.add("Shape", x), m.const([0]), m.const([1])), m.const([-1]), axis=0)
    return m.save(path, m.dense(m.add("Reshape", x, shape), 36, 3))


def test_damaged_files_give_an_error_of_ours(tmp_path: Path) -> None:
    content = small(tmp_path / "good.onnx").read_bytes()
    path = tmp_path / "bad.onnx"
    rng = np.random.default_rng(7)
    outcomes = set()
    for i in range(FLIPS):
        damaged = bytearray(content[: int(rng.integers(0, len(content)))] if i % 4 == 0 else content)
        for _ in range(int(rng.integers(1, 4))):
            if damaged:
                damaged[int(rng.integers(0, len(damaged)))] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read_onnx(path)
            outcomes.add("read")
        except (errors.BadFileError, errors.UnsupportedError) as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "BadFileError", "UnsupportedError"}


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small(tmp_path / "good.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(errors.ToolchainError) as caught:
        read_model(path)
    assert "pip install 'dqt-edge[onnx]'" in caught.value.next_step


def test_the_bytes_of_a_file_are_enough(tmp_path: Path) -> None:
    content = small(tmp_path / "good.onnx").read_bytes()
    typical = np.random.default_rng(1).normal(0, 1, (16, 8, 8, 3)).astype(np.float32)
    graph = dqt.import_model(content, calibration=typical)
    assert graph.tensor(graph.input).shape == (8, 8, 3)
    assert graph.provenance["channels_last"] == ["input"]
