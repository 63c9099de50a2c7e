"""Generated C = interpreter, layer by layer, on random networks and every width pair."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from dqt_edge.graph import Dense, Graph, interpreter
from dqt_edge.graph.dial import Dynamic
from tests.support.native_model import NativeModel
from tests.support.random_graphs import random_bias, random_codes, random_graph


def expected_checksums(graph: Graph, codes: np.ndarray, policy) -> np.ndarray:
    """CRC-32 of each layer's output by the interpreter; 0 for controller layers that do not run."""
    result = interpreter.run(graph, codes[None], policy, keep_tensors=True)
    sums = []
    for layer in graph.all_layers:
        if layer.output in result.tensors:
            content = result.tensors[layer.output].tobytes()
        elif isinstance(layer, Dense) and layer.requantize is None and result.logits is not None:
            content = result.logits.astype("<i4").tobytes()
        else:
            content = None
        sums.append(0 if content is None else zlib.crc32(content))
    return np.array(sums, np.uint32)


def policies(graph: Graph, seed: int) -> list:
    rng = np.random.default_rng((seed, 3))
    vectors = [[layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive] for _ in range(3)]
    found: list = [v for v in vectors if v] or [[]]
    if graph.controller is None:
        return found
    count = len(graph.adaptive[0].candidates)
    biased = [Dynamic(random_bias(rng, count, 2**31 - 1)) for _ in range(3)]
    return [*found, "dynamic", *biased, Dynamic(tuple([2**31 - 1, -(2**31), 0][i % 3] for i in range(count)))]


def assert_equal(graph: Graph, model: NativeModel, seed: int, samples: int = 3) -> None:
    for sample in random_codes(seed, graph, samples):
        for policy in policies(graph, seed):
            want = interpreter.run(graph, sample[None], policy)
            choices = want.choices[0] if want.logits is None else None
            output, chosen, checksums = model.run(sample, choices, getattr(policy, "bias", None))
            differing = [
                layer.name
                for layer, a, b in zip(
                    graph.all_layers, checksums, expected_checksums(graph, sample, policy), strict=True
                )
                if a != b
            ]
            assert not differing, f"seed {seed}, policy {policy}: layers {differing} differ"
            np.testing.assert_array_equal(output, want.outputs[0])
            np.testing.assert_array_equal(chosen, want.choices[0])


@pytest.mark.some(3)
@pytest.mark.parametrize("seed", range(24))
def test_random_networks_agree_layer_by_layer(seed: int, tmp_path) -> None:
    graph = random_graph(seed, every=seed % 2 == 1)
    assert_equal(graph, NativeModel(graph, tmp_path, sanitize=True), seed)
