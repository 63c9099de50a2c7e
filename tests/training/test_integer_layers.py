"""Promise: every kind of layer, of any network, computes the same integers in TensorFlow as in the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.graph import MacLayer, interpreter
from dqt_edge.graph.layers import LAYER_NAMES
from tests.support.random_graphs import random_codes, random_graph


@pytest.mark.train
def test_random_networks_agree_layer_by_layer(tensorflow: Any) -> None:
    from dqt_edge.training.integer_layers import layer_codes  # noqa: PLC0415 - TensorFlow is large

    seen, apart = set(), 0
    for seed in range(40):
        graph = random_graph(seed, every=seed > 11)
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
            apart += hasattr(layer, "window") and layer.window.dilated
    assert seen == set(LAYER_NAMES.values())
    assert apart > 3
