"""Promise: every operator, as TensorFlow's converter writes it, is within one code of TFLite's own kernels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.graph.samples import sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import Comparison, compare
from dqt_edge.importers.floating import outputs_of
from dqt_edge.importers.network import Network
from dqt_edge.importers.reference import open_reference
from dqt_edge.importers.tflite import read_network
from dqt_edge.importers.tflite.file import read_file
from dqt_edge.importers.tflite.operators import OPERATORS
from tests.support.converted import convert
from tests.support.operator_cases import CASES, OperatorCase, case_id, whole_networks
from tests.support.operator_functions import FUNCTIONS, function_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]
SAMPLES = 20
WRITTEN = {
    **{"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "TRANSPOSE_CONV": "Conv2DTranspose"},
    **{"SPACE_TO_BATCH_ND": "Conv2D, dilated", "BATCH_TO_SPACE_ND": "Conv1D, causal", "FULLY_CONNECTED": "Dense"},
    **{"ADD": "Add", "SUB": "Subtract", "MUL": "Multiply", "MAXIMUM": "Maximum", "MINIMUM": "Minimum"},
    **{"DIV": "Activation softsign", "LOGISTIC": "Activation sigmoid", "TANH": "Activation tanh"},
    **{"HARD_SWISH": "Activation hard_swish", "LEAKY_RELU": "LeakyReLU", "PRELU": "PReLU", "ELU": "ELU"},
    **{"GELU": "Activation gelu", "EXP": "exp", "LOG": "log", "ABS": "abs", "NEG": "-x", "SQUARE": "square"},
    **{"SQRT": "sqrt", "RSQRT": "rsqrt", "GREATER": "Activation selu", "SELECT_V2": "Activation selu"},
    **{"SOFTMAX": "Softmax", "MEAN": "GlobalAveragePooling2D", "SUM": "sum", "REDUCE_MAX": "GlobalMaxPooling2D"},
    **{"REDUCE_MIN": "min", "AVERAGE_POOL_2D": "AveragePooling2D", "MAX_POOL_2D": "MaxPooling2D"},
    **{"RESHAPE": "Reshape", "EXPAND_DIMS": "Conv1D", "TRANSPOSE": "Permute", "PAD": "ZeroPadding2D"},
    **{"MIRROR_PAD": "pad, reflect", "STRIDED_SLICE": "Cropping2D", "SPLIT": "split", "PACK": "stack"},
    **{"CONCATENATION": "Concatenate", "TILE": "tile", "REVERSE_V2": "flip", "RESIZE_BILINEAR": "Resizing"},
    **{"QUANTIZE": "square", "DEQUANTIZE": "square", "SHAPE": "Flatten", "RELU": "residual block"},
}
"""Operator of the page -> the case that the converter writes it for."""
BY_HAND = {
    *("RELU6", "RELU_N1_TO_1", "SQUARED_DIFFERENCE", "SQUEEZE", "CAST", "RANK", "FILL", "RANGE", "BATCH_MATMUL"),
    *("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"),
}
"""Operators of models that test_tflite.py and test_tflite_streaming.py make."""
FLOATING = 2e-5
"""Relative difference of two orders of float32 additions."""
STEPS = 1e-3
"""Of a bilinear resize, whose weights are multiples of 1/1024."""


def within_one_code(path: Path) -> Comparison:
    """Import an integer model and compare it, the last layer too."""
    graph = assemble(read_network(path))
    codes = np.random.default_rng(1).integers(0, 256, (SAMPLES, *sample_shape(graph)), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert graph.layers[-1].name in {layer.name for layer in result.layers}, "the last layer is compared"
    assert result.largest_alone <= 1, result
    return result


def furthest(network: Network, path: Path) -> float:
    """Largest difference of an output from TFLite's in a floating-point model, by the output's largest value."""
    rng = np.random.default_rng(1)
    given = {name: rng.normal(0, 1, (5, *network.edges[name].shape)).astype(np.float32) for name in network.inputs}
    reference = open_reference(path, 5)
    sources = [network.edges[name].source for name in network.outputs]
    found = reference.run(list(given.values()), sources)
    pairs = zip(outputs_of(network, given), sources, strict=True)
    return max(
        float(np.abs(ours.reshape(5, -1) - found[source]).max() / np.abs(found[source]).max()) for ours, source in pairs
    )


def operators_of(names: str) -> list[str]:
    """Operators that the name of a function begins with."""
    return [part for part in re.split("[ ,]+", names) if part.isupper() or re.fullmatch("[A-Z0-9_]+", part)]


def written(path: Path) -> set[str]:
    return {op.type for op in read_file(path).graphs[0].operators}


@pytest.mark.some(8)
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_an_operator_of_keras(case: OperatorCase, keras: Any, tmp_path: Path) -> None:
    path = convert(case.model(keras), tmp_path / "case.tflite")
    assert {name for name, case_name in WRITTEN.items() if case_name == case.name} <= written(path)
    within_one_code(path)


@pytest.mark.parametrize("name", whole_networks())
def test_a_network_of_keras(name: str, keras: Any, tmp_path: Path) -> None:
    within_one_code(convert(whole_networks()[name](keras), tmp_path / "network.tflite"))


@pytest.mark.some(3)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_tensorflow(name: str, keras: Any, tmp_path: Path) -> None:
    path = function_model(name, tmp_path / "function.tflite", "int8")
    assert set(operators_of(name)) <= written(path)
    within_one_code(path)


@pytest.mark.some(4)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_in_floating_point(name: str, keras: Any, tmp_path: Path) -> None:
    path = function_model(name, tmp_path / "function.tflite", "float")
    network = read_network(path)
    assert not network.integer
    assert furthest(network, path) < (STEPS if "BILINEAR" in name else FLOATING)


NAMES = ("Conv2D, dilated", "Conv1D, causal", "Conv2DTranspose", "Dense on rows", "Activation selu", "UpSampling2D")
FEW = [case for case in CASES if case.name in NAMES]


@pytest.mark.some(3)
@pytest.mark.parametrize("case", FEW, ids=case_id)
@pytest.mark.parametrize("form", ["uint8 borders", "int8, float borders"])
def test_other_borders(case: OperatorCase, form: str, keras: Any, tmp_path: Path) -> None:
    within_one_code(convert(case.model(keras), tmp_path / "case.tflite", form))


@pytest.mark.some(3)
@pytest.mark.parametrize("case", FEW, ids=case_id)
def test_a_fixed_batch(case: OperatorCase, keras: Any, tmp_path: Path) -> None:
    within_one_code(convert(case.model(keras), tmp_path / "case.tflite", batch=1))


@pytest.mark.some(3)
@pytest.mark.parametrize("case", FEW, ids=case_id)
@pytest.mark.parametrize(("form", "most"), [("float", FLOATING), ("float16", FLOATING), ("dynamic range", 0.03)])
def test_a_floating_point_form(case: OperatorCase, form: str, most: float, keras: Any, tmp_path: Path) -> None:
    """TFLite's own kernels quantise the activations of a dynamic-range file, hence its looser limit."""
    path = convert(case.model(keras), tmp_path / "case.tflite", form)
    network = read_network(path)
    assert not network.integer
    assert furthest(network, path) < most


def test_every_operator_that_the_page_lists_is_imported_by_a_test() -> None:
    tested = {*WRITTEN, *BY_HAND, *(name for names in FUNCTIONS for name in operators_of(names))}
    assert set(OPERATORS) == tested
