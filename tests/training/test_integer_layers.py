"""Promise: every kind of layer, of any network, computes the same integers in TensorFlow as in the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import MacLayer, interpreter
from tests.support.random_graphs import random_codes, random_graph


@pytest.mark.train
def test_random_networks_agree_layer_by_layer(tensorflow: Any) -> None:
    from dqt_edge.training.integer import layer_codes  # noqa: PLC0415 - TensorFlow is large

    seen = set()
    for seed in range(12):
        graph = random_graph(seed)
        rng = np.random.default_rng(seed)
        vector = [layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive]
        pairs = dict(zip((layer.name for layer in graph.adaptive), vector, strict=True))
        tensors = interpreter.run(graph, random_codes(seed, graph, 2), vector, keep_tensors=True).tensors
        live = {name: tensorflow.constant(codes.astype(np.int64)) for name, codes in tensors.items()}
        for layer in graph.layers:
            pair = pairs.get(layer.name) if isinstance(layer, MacLayer) else None
            found = layer_codes(layer, graph, live, pair).numpy()
            np.testing.assert_array_equal(found, tensors[layer.output], err_msg=f"seed {seed}, {layer.name}")
            seen.add(type(layer).__name__)
    assert {"Concat", "Add", "MaxPool2D", "AveragePool2D", "DepthwiseConv2D"} <= seen
