"""Promise: state variables of streaming models hold from one inference to the next what TFLite's hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import interpreter
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.tflite import read_network
from tests.support.streaming import FEATURES, FRAMES, streaming_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("form", ["int8", "int8, float borders"])
def test_a_stream_is_the_interpreters(form: str, keras: Any, tmp_path: Path) -> None:
    path = streaming_model(tmp_path / "stream.tflite", form)
    graph = assemble(read_network(path))
    (state,) = graph.states
    assert graph.tensor(state.read).size == FRAMES * FEATURES
    assert state.initial == graph.tensor(state.read).zero_point, "zero"
    codes = np.random.default_rng(1).integers(0, 256, (3 * FRAMES, 1, 1, FEATURES), dtype=np.uint8)
    result = compare(graph, path, codes)
    assert result.largest_alone <= 1, result
    assert max(layer.network for layer in result.layers) <= 2, "differences do not add up over a stream"
    turned = interpreter.run(graph, codes[::-1], (), keep_tensors=True).outputs[::-1]
    assert (turned != interpreter.run(graph, codes, ()).outputs).any(), "the order of the frames matters"


def test_a_stream_in_floating_point_is_calibrated_as_one(keras: Any, tmp_path: Path) -> None:
    path = streaming_model(tmp_path / "stream.tflite", "float")
    frames = np.random.default_rng(1).normal(0, 1, (64, 1, 1, FEATURES)).astype(np.float32)
    network = read_network(path)
    assert [variable.initial for variable in network.variables] == [0.0]
    graph = assemble(calibrate(network, frames))
    source = graph.tensor(graph.input)
    codes = np.clip(np.rint(frames / source.scale) + source.zero_point, 0, 255).astype(np.uint8)
    result = compare(graph, path, codes, None, frames)
    assert result.largest_alone <= 3, "what is clipped at 99.99 % aside, the ranges are those of a running stream"


def test_a_variable_that_starts_with_different_numbers_is_refused(keras: Any, tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415

    from tests.support.converted import write  # noqa: PLC0415

    class Stream(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.past = tf.Variable([[1.0, 2.0, 3.0]], trainable=False)

        @tf.function(input_signature=[tf.TensorSpec((1, 3), tf.float32)])
        def run(self, frame: Any) -> Any:
            total = self.past + frame
            self.past.assign(total)
            return total * 2.0

    module = Stream()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    converter.experimental_enable_resource_variables = True
    path = write(converter, tmp_path / "odd.tflite", "float", [np.zeros((4, 3), np.float32)])
    with pytest.raises(UnsupportedError, match="its variable starts with different numbers") as caught:
        read_network(path)
    assert caught.value.what.startswith("1 layer")
