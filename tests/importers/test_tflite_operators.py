"""Promise: every operator, as TensorFlow's converter writes it, is within one code of TFLite's own kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.graph.samples import sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import Comparison, compare
from dqt_edge.importers.tflite import read_network
from tests.support.converted import convert
from tests.support.operator_cases import CASES, OperatorCase, case_id, whole_networks

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]
SAMPLES = 20
REFUSED = {
    "Activation softsign": "it divides by a tensor",
    "Activation selu": "GREATER",
    "ReLU, slope and threshold": "GREATER",
}


def compared(model: Any, path: Path, form: str = "int8") -> Comparison:
    convert(model, path, form)
    graph = assemble(read_network(path))
    codes = np.random.default_rng(1).integers(0, 256, (SAMPLES, *sample_shape(graph)), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert graph.layers[-1].name in {layer.name for layer in result.layers}, "the last layer is compared"
    return result


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in REFUSED], ids=case_id)
def test_an_operator_is_within_one_code(case: OperatorCase, keras: Any, tmp_path: Path) -> None:
    result = compared(case.model(keras), tmp_path / "case.tflite")
    assert result.largest_alone <= 1, result


@pytest.mark.parametrize("name", whole_networks())
def test_a_network_is_within_one_code(name: str, keras: Any, tmp_path: Path) -> None:
    result = compared(whole_networks()[name](keras), tmp_path / "network.tflite")
    assert result.largest_alone <= 1, result
