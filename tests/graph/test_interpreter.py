"""The interpreter against plain Python loops over exact integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.errors import UsageError
from dqt_edge.graph import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MacLayer,
    MaxPool2D,
    interpreter,
    nested,
    running,
)
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.dial import Dynamic
from tests.support.random_graphs import random_bias, random_codes, random_graph
from tests.support.slow_unweighted import slow_requantize, slow_unweighted


def slow_layer(layer, graph, live: dict, pair) -> np.ndarray:
    """One sample through one layer, element by element, in Python integers."""
    x = live[layer.inputs[0]]
    source = graph.tensor(layer.inputs[0])
    if isinstance(layer, Dense):
        flat = x.ravel()
        out = [slow_mac(layer, c, list(zip(layer.weights[c].tolist(), flat.tolist(), strict=True)), source, pair, 0)
               for c in range(layer.channels)]  # fmt: skip
        return np.array(out)[None, None]
    shape = graph.tensor(layer.output).shape
    out = np.zeros(shape, np.int64)
    window = layer.window
    for y, x0, c in np.ndindex(shape):
        taps, inside = [], []
        for ky, kx in np.ndindex(window.kernel):
            row, col = (
                y * window.stride[0] + ky * window.dilation[0] - window.padding[0],
                x0 * window.stride[1] + kx * window.dilation[1] - window.padding[1],
            )
            real = 0 <= row < x.shape[0] and 0 <= col < x.shape[1]
            if isinstance(layer, Conv2D):
                codes = x[row, col].tolist() if real else [source.zero_point] * x.shape[2]
                taps += list(zip(layer.weights[c, ky, kx].tolist(), codes, strict=True))
            elif isinstance(layer, DepthwiseConv2D):
                taps.append((int(layer.weights[c, ky, kx]), int(x[row, col, c]) if real else source.zero_point))
            elif real:
                inside.append(int(x[row, col, c]))
        if isinstance(layer, MaxPool2D):
            out[y, x0, c] = max(inside)
        elif isinstance(layer, AveragePool2D):
            i = layer.counts.index(len(inside))
            twice = 2 * sum(v - source.zero_point for v in inside) + int(layer.bias_twice[i])
            out[y, x0, c] = slow_requantize(twice, layer.requantize, i)
        else:
            extra = 0
            if isinstance(layer, Conv2D) and layer.residual is not None:
                zero = graph.tensor(layer.residual).zero_point
                extra = (int(live[layer.residual][y, x0, c]) - zero) * int(layer.residual_multiplier[c])
            out[y, x0, c] = slow_mac(layer, c, taps, source, pair, extra)
    return out


def slow_mac(layer, c: int, taps: list, source, pair, extra: int) -> int:
    dw, da = 8 - pair[0], 8 - pair[1]
    rows = layer.bias_by_width
    bias = layer.bias_twice if rows is None else rows[layer.candidates.index(pair)]
    twice = int(bias[c]) + extra
    for w, a in taps:
        view = a if da == 0 else min((a + (1 << (da - 1))) >> da, (1 << pair[1]) - 1)
        value = (view << da) - source.zero_point
        twice += (2 * ((w >> dw) << dw) + (1 << dw) - 1 + 2 * layer.weight_offset) * value
    return slow_requantize(twice, layer.requantize, c)


def with_offsets(graph: Graph, seed: int) -> Graph:
    """The graph with weights that are more, or less, than their masters."""
    rng = np.random.default_rng(seed)
    layers = tuple(
        replace(layer, weight_offset=int(rng.integers(-127, 129))) if isinstance(layer, MacLayer) else layer
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_every_layer_equals_plain_python(seed: int, offsets: bool) -> None:
    graph = random_graph(seed, largest=6, every=seed > 5)
    graph = with_offsets(graph, seed) if offsets else graph
    codes = random_codes(seed, graph, 1)
    rng = np.random.default_rng(seed)
    vector = [layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive]
    found = interpreter.run(graph, codes, vector, keep_tensors=True)
    pairs = dict(zip((layer.name for layer in graph.adaptive), vector, strict=True))
    live = {graph.input: codes[0]}
    for layer in graph.layers:
        live[layer.output] = slow_unweighted(layer, graph, live)
        if live[layer.output] is None:
            candidates = getattr(layer, "candidates", ((8, 8),))
            live[layer.output] = slow_layer(layer, graph, live, pairs.get(layer.name, candidates[0]))
        np.testing.assert_array_equal(found.tensors[layer.output][0], live[layer.output], err_msg=layer.name)


def dynamic_graph():
    return next(g for g in map(random_graph, range(100)) if g.controller is not None)


def test_dynamic_runs_each_sample_at_its_own_choice() -> None:
    graph = dynamic_graph()
    codes = random_codes(1, graph, 12)
    dynamic = interpreter.run(graph, codes, "dynamic")
    assert dynamic.logits is not None
    np.testing.assert_array_equal(dynamic.choices, dynamic.logits.argmax(axis=-1))
    for i, row in enumerate(dynamic.choices):
        pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, row, strict=True)]
        np.testing.assert_array_equal(interpreter.run(graph, codes[i : i + 1], pairs).outputs[0], dynamic.outputs[i])


@pytest.mark.parametrize("seed", range(8))
def test_a_bias_is_added_to_each_logit_before_the_choice(seed: int) -> None:
    graph = next(g for g in map(random_graph, range(40 * seed, 40 * seed + 40)) if g.controller is not None)
    codes = random_codes(seed, graph, 9)
    count = len(graph.adaptive[0].candidates)
    bias = random_bias(np.random.default_rng(seed), count, 2**31 - 1)
    found = interpreter.run(graph, codes, Dynamic(bias))
    plain = interpreter.run(graph, codes, "dynamic")
    assert found.logits is not None
    np.testing.assert_array_equal(found.logits, plain.logits)
    for row, logits in zip(found.choices, found.logits.tolist(), strict=True):
        for chosen, values in zip(row, logits, strict=True):
            sums = [value + b for value, b in zip(values, bias, strict=True)]
            assert chosen == sums.index(max(sums)), "the first of equals"
    for i, row in enumerate(found.choices):
        pairs = [layer.candidates[k] for layer, k in zip(graph.adaptive, row, strict=True)]
        np.testing.assert_array_equal(interpreter.run(graph, codes[i : i + 1], pairs).outputs[0], found.outputs[i])


def test_a_bias_can_force_any_candidate_and_leave_the_choice_alone() -> None:
    graph = dynamic_graph()
    codes = random_codes(2, graph, 6)
    count = len(graph.adaptive[0].candidates)
    for k in range(count):
        bias = tuple(2**31 - 1 if i == k else -(2**31) for i in range(count))
        assert (interpreter.run(graph, codes, Dynamic(bias)).choices == k).all()
    plain = interpreter.run(graph, codes, "dynamic").choices
    for same in (0, 77, -(2**31)):
        np.testing.assert_array_equal(interpreter.run(graph, codes, Dynamic((same,) * count)).choices, plain)


def test_bitops_counts_every_layer_at_its_width() -> None:
    graph = dynamic_graph()
    widest = [max(layer.candidates, key=lambda p: p[0] * p[1]) for layer in graph.adaptive]
    cost = bitops(graph, np.array([interpreter.fixed_choices(graph, widest)]))[0]
    macs = {layer.name: graph.macs(layer) for layer in graph.layers}
    pairs = {layer.name: getattr(layer, "candidates", ((8, 8),))[0] for layer in graph.layers}
    pairs |= {layer.name: p for layer, p in zip(graph.adaptive, widest, strict=True)}
    want = sum(m * pairs.get(n, (8, 8))[0] * pairs.get(n, (8, 8))[1] for n, m in macs.items()) / 64 / sum(macs.values())
    assert cost == pytest.approx(want)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ([(8, 8)] * 40, "has 40 entries"),
        ([(2, 3)], "is not a candidate"),
        (Dynamic(()), "0 biases for"),
        (Dynamic((1,) * 5), "5 biases for"),
    ],
)
def test_wrong_policies_are_refused(policy, reason: str) -> None:
    graph = dynamic_graph()
    with pytest.raises(UsageError, match=reason):
        interpreter.run(graph, random_codes(0, graph, 1), policy)


def test_wrong_inputs_are_refused() -> None:
    graph = dynamic_graph()
    with pytest.raises(UsageError, match="the model takes uint8"):
        interpreter.run(graph, np.zeros((1, 1, 1, 1), np.float32))


def test_dynamic_without_a_controller_is_refused() -> None:
    graph = replace(dynamic_graph(), controller=None)
    for policy in ("dynamic", Dynamic((0, 0))):
        with pytest.raises(UsageError, match="no controller"):
            interpreter.run(graph, random_codes(0, graph, 1), policy)


def test_arithmetic_module_is_what_the_interpreter_uses() -> None:
    """A change of rounding in nested.py must reach the interpreter: no second implementation."""
    assert running.nested is nested


def test_many_samples_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(11)
    codes = random_codes(11, graph, 7)
    whole = interpreter.run(graph, codes, keep_tensors=True)
    monkeypatch.setattr(interpreter, "BATCH", 3)
    parts = interpreter.run(graph, codes, keep_tensors=True)
    np.testing.assert_array_equal(whole.outputs, parts.outputs)
    np.testing.assert_array_equal(whole.choices, parts.choices)
    assert set(whole.tensors) == set(parts.tensors)
    assert all(np.array_equal(values, parts.tensors[name]) for name, values in whole.tensors.items())


@pytest.mark.parametrize("extreme", [-128, 127])
def test_sums_at_the_edge_of_what_float32_holds_are_exact(extreme: int) -> None:
    """2^24 is the last sum of magnitudes that float32 may add; one tap more runs in float64."""
    for taps in (514, 515, 600):  # 514 * 128 * 255 < 2^24 < 515 * 128 * 255
        weights = np.full((2, taps), extreme, np.int8)
        weights[1, ::2] = 1
        codes = np.full((1, 1, 1, taps), 255, np.uint8)
        codes[..., 1::3] = 254
        layer = Dense("d", "x", "y", weights, np.zeros(2, np.int32), None)
        products, sums = running._matrix_products(layer, codes, weights.astype(np.int64), 0)
        assert products.ravel().tolist() == (weights.astype(int) @ codes.ravel().astype(int)).tolist()
        assert sums.item() == int(codes.sum())
