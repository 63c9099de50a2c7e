"""Promise: compare sets every layer beside the same tensor of the file's own runtime, and says who rounds otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import UsageError
from dqt_edge.graph import nested
from dqt_edge.graph.samples import join_inputs, sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.comparison import Comparison, compare
from dqt_edge.importers.files import read_model
from dqt_edge.importers.keras import read_keras
from dqt_edge.importers.layouts import to_file, to_graph
from dqt_edge.importers.reference import open_reference
from dqt_edge.importers.tflite import read_network
from tests.support.converted import convert
from tests.support.operator_cases import CASES, whole_networks
from tests.support.tflite_models import WINDOW, ModelFile

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]
NAMED = {case.name: case for case in CASES}


def pooled(path: Path, zero: int) -> Path:
    """A 2x2 average, whose means often lie half between two codes."""
    m = ModelFile()
    x = m.tensor((1, 6, 6, 2), "INT8", 0.1, zero)
    y = m.tensor((1, 3, 3, 2), "INT8", 0.1, zero)
    window = {"StrideH": 2, "StrideW": 2, "Padding": 1, "FilterHeight": 2, "FilterWidth": 2}
    m.op("AVERAGE_POOL_2D", [x], y, **WINDOW | window)
    return m.write(path)


@pytest.mark.parametrize(("low", "high", "differ"), [(0, 128, True), (128, 256, False)])
def test_halves_below_the_signed_zero_are_told(low: int, high: int, differ: bool, tmp_path: Path) -> None:
    """TFLite rounds halves away from the signed zero: below code 128 that is down."""
    path = pooled(tmp_path / "pool.tflite", 0)
    graph = assemble(read_network(path))
    codes = np.random.default_rng(1).integers(low, high, (40, 6, 6, 2), dtype=np.uint8)
    (layer,) = compare(graph, path, codes).layers
    sums = codes.reshape(40, 3, 2, 3, 2, 2).astype(int).sum(axis=(2, 4))
    halves = int((sums % 4 == 2).sum())
    assert halves > 50
    assert (layer.alone, "half between two codes" in layer.note) == (int(differ), differ)
    if differ:
        assert layer.note.startswith(f"{halves} means lie half between two codes")
        assert layer.alone_share == pytest.approx(halves / sums.size)


def test_several_inputs_and_outputs(keras: Any, tmp_path: Path) -> None:
    for name, inputs, outputs in (("two inputs", 2, 1), ("two outputs", 1, 2)):
        path = convert(whole_networks()[name](keras), tmp_path / "model.tflite")
        graph = assemble(read_network(path))
        assert (len(graph.inputs), len(graph.outputs)) == (inputs, outputs)
        codes = np.random.default_rng(1).integers(0, 256, (30, *sample_shape(graph)), dtype=np.uint8)
        result = compare(graph, path, codes)
        compared = {layer.name for layer in result.layers}
        assert {layer.name for layer in graph.layers if layer.output in graph.outputs} <= compared
        assert result.largest_alone <= 1
        assert result.output_rms < 2 * max(graph.tensor(name).scale for name in graph.outputs)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras files are read in this process, which has TensorFlow already."""
    monkeypatch.setattr("dqt_edge.importers.keras.apart.read_apart", read_keras)


def beside_keras(model: Any, path: Path) -> Comparison:
    model.save(path)
    network = read_model(path)
    rng = np.random.default_rng(1)
    given = {n: rng.normal(0, 1, (64, *network.edges[n].shape)).astype(np.float32) for n in network.inputs}
    graph = assemble(calibrate(network, given))
    codes = {
        n: nested.quantize(values, graph.tensor(n).scale, graph.tensor(n).zero_point) for n, values in given.items()
    }
    result = compare(graph, path, join_inputs(graph, codes))
    assert result.runtime == "keras"
    assert graph.layers[-1].name in {layer.name for layer in result.layers}
    return result


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["Conv2D", "squeeze and excite", "Conv1D, causal"])
def test_a_keras_file_beside_keras(name: str, suffix: str, keras: Any, tmp_path: Path) -> None:
    result = beside_keras(NAMED[name].model(keras), tmp_path / f"model{suffix}")
    shares = [layer.alone_share for layer in result.layers]
    assert max(shares) < 0.7, "of codes that quantisation moves"
    assert result.answer_differences is not None
    assert result.answer_differences <= 3


@pytest.mark.usefixtures("here")
def test_keras_with_several_inputs(keras: Any, tmp_path: Path) -> None:
    assert beside_keras(whole_networks()["two inputs"](keras), tmp_path / "two.keras").largest_alone <= 4


def test_a_file_of_another_kind_has_no_runtime(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no runtime to compare with"):
        open_reference(tmp_path / "model.pt", 1)


def test_a_layout_is_undone() -> None:
    values = np.random.default_rng(1).normal(0, 1, (3, 2 * 4 * 5 + 6))
    layout = [{"parts": [2, 4, 5], "order": [1, 2, 0]}, {"parts": [6], "order": [0]}]
    turned = to_graph(values, layout)
    np.testing.assert_array_equal(turned[:, :2], values[:, [0, 20]], "both channels of the first place")
    np.testing.assert_array_equal(to_file(turned, layout), values)
    np.testing.assert_array_equal(to_graph(values, None), values)
