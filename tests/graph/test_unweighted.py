"""Layers without weights: their integers beside plain Python, at every border, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    Lookup,
    Maximum,
    MaxPool2D,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Requantize,
    Resize,
    Softmax,
    Tensor,
    Window,
    interpreter,
    nested,
)
from dqt_edge.graph.bitops import bitops, graph_costs
from tests.support.random_graphs import random_codes
from tests.support.random_unweighted import random_unweighted_graph
from tests.support.slow_unweighted import slow_unweighted

SEEDS = 60


def test_every_layer_equals_plain_python() -> None:
    seen = set()
    for seed in range(SEEDS):
        graph = random_unweighted_graph(seed)
        codes = random_codes(seed, graph, 2)
        found = interpreter.run(graph, codes, keep_tensors=True).tensors
        for sample in range(2):
            live = {name: values[sample] for name, values in found.items()}
            for layer in graph.layers:
                wanted = slow_unweighted(layer, graph, live)
                np.testing.assert_array_equal(live[layer.output], wanted, err_msg=f"seed {seed}, {layer}")
                seen.add(type(layer).__name__)
    assert seen == {"Add", "Multiply", "Maximum", "Minimum", "Lookup", "Softmax", "Rearrange", "Pad", "Resize"}


def graph_of(layer, shape=(2, 3, 4), out=(2, 3, 4), *, second=None, **other) -> Graph:
    """One layer; tensors have scale 1 and zero point 0, or the output those given."""
    tensors = [Tensor("x", shape, 1.0), Tensor("y", out, **({"scale": 1.0, "zero_point": 0} | other))]
    layers = [layer]
    if second is not None:  # a second operand of that shape, made of x
        tensors.append(Tensor("z", second, 1.0))
        layers.insert(0, Rearrange("z", "x", "z", 0, second, (12, 4, 1)))
    return Graph("g", tuple(tensors), tuple(layers), "x", "y")


def rq(m0: int = 2**30, shift: int = 31, n: int = 1) -> Requantize:
    return Requantize(np.full(n, m0, np.int32), np.full(n, shift, np.uint8))


def bias(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def run_one(graph: Graph, codes) -> np.ndarray:
    codes = np.array(codes, np.uint8).reshape(1, *graph.tensor("x").shape)
    return interpreter.run(graph, codes, keep_tensors=True).tensors["y"][0]


@pytest.mark.parametrize("extreme", [-(2**31) + 1 + 130050, 2**31 - 1 - 130050])
def test_a_product_is_exact_at_the_ends_of_int32(extreme: int) -> None:
    layer = Multiply("m", ("x", "x"), "y", bias(extreme), rq(2**31 - 1, 54))
    assert layer.bound == 2**31 - 1
    codes = np.arange(256)
    found = run_one(graph_of(layer, (256, 1, 1), (256, 1, 1)), codes).ravel()
    for x, y in zip(codes.tolist(), found.tolist(), strict=True):
        exact = math.floor(Fraction((2 * x * x + extreme) * (2**31 - 1), 2**54) + Fraction(1, 2))
        assert y == min(max(exact, 0), 255)


def test_subtraction_is_addition_with_a_negative_multiplier() -> None:
    m1, m2, offset, r = nested.add_parameters((0.5, -0.25), (10, 20), 0.25, 7)
    assert m1 > 0 > m2
    layer = Add("a", ("x", "z"), "y", (m1, m2), offset, r)
    tensors = (Tensor("x", (1, 1, 256), 0.5, 10), Tensor("z", (1, 1, 1), 0.5, 10), Tensor("y", (1, 1, 256), 0.25, 7))
    graph = Graph("g", tensors, (Rearrange("first", "x", "z", 77, (1,), (1,)), layer), "x", "y")
    codes = np.arange(256)
    found = run_one(graph, codes).ravel()
    wanted = [min(max(math.floor((0.5 * (x - 10) - 0.25 * (77 - 20)) / 0.25 + 7.5), 0), 255) for x in codes.tolist()]
    assert found.tolist() == wanted


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.floats(1e-4, 4))
def test_softmax_is_the_rounded_quotient_and_near_the_real_one(codes: list[int], scale: float) -> None:
    table = nested.exponentials(scale)
    assert table[0] == 2**15
    found = nested.softmax(np.array(codes), table).tolist()
    entries = [int(table[max(codes) - x]) for x in codes]
    real = np.exp(scale * (np.array(codes) - max(codes)))
    real /= real.sum()
    for y, e, r in zip(found, entries, real.tolist(), strict=True):
        exact = math.floor(256 * Fraction(e, sum(entries)) + Fraction(1, 2))
        assert y == min(exact, 255)
        assert abs(y - min(256 * r, 255)) <= 0.5 + 256 * len(codes) / 2**15


def test_softmax_of_the_widest_row_stays_within_uint32() -> None:
    """All equal: the largest sum there can be; every intermediate below 2^32."""
    most = 1 << 15
    assert 512 * 2**15 + most * 2**15 < 2**32
    assert 2 * most * 2**15 < 2**32
    layer = Softmax("s", "x", "y", nested.exponentials(0.1))
    graph = graph_of(layer, (1, 1, most), (1, 1, most), scale=1 / 256)
    assert not run_one(graph, np.full(most, 9)).any()
    two = graph_of(layer, (1, 1, 2), (1, 1, 2), scale=1 / 256)
    assert run_one(two, [9, 9]).ravel().tolist() == [128, 128]
    assert run_one(graph_of(layer, (1, 1, 1), (1, 1, 1), scale=1 / 256), [9]).ravel().tolist() == [255]


@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 10**6))
def test_resizing_is_the_rounded_sum_of_four_products(size: int, out: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (size, size, 2))
    table = np.stack([rng.integers(0, size, out), rng.choice([0, 1, 512, 1023, 1024], out)], axis=1).astype(np.int32)
    found = nested.resize(codes, table, table[::-1])
    for i, (row, down) in enumerate(table.tolist()):
        for j, (column, right) in enumerate(table[::-1].tolist()):
            for c in range(2):
                total = Fraction(0)
                for n, wy in ((row, 1024 - down), (min(row + 1, size - 1), down)):
                    for m, wx in ((column, 1024 - right), (min(column + 1, size - 1), right)):
                        total += Fraction(wy * wx * int(codes[n, m, c]), 2**20)
                assert found[i, j, c] == math.floor(total + Fraction(1, 2))


def test_a_table_by_channel_and_one_for_all() -> None:
    rng = np.random.default_rng(5)
    tables = rng.integers(0, 256, (4, 256)).astype(np.uint8)
    codes = rng.integers(0, 256, (2, 3, 4))
    one = run_one(graph_of(Lookup("l", "x", "y", tables[:1])), codes)
    each = run_one(graph_of(Lookup("l", "x", "y", tables)), codes)
    for c in range(4):
        assert one[..., c].tolist() == tables[0][codes[..., c]].tolist()
        assert each[..., c].tolist() == tables[c][codes[..., c]].tolist()


@pytest.mark.parametrize(
    ("out", "order", "wanted"),
    [
        ((3, 2, 4), Rearrange("r", "x", "y", 0, (3, 2, 4), (4, 12, 1)), lambda x: x.transpose(1, 0, 2)),
        ((1, 6, 4), Rearrange("r", "x", "y", 0, (24,), (1,)), lambda x: x.reshape(1, 6, 4)),
        ((2, 3, 4), Rearrange("r", "x", "y", 23, (24,), (-1,)), lambda x: x[::-1, ::-1, ::-1]),
        ((2, 2, 2), Rearrange("r", "x", "y", 1, (2, 2, 2), (12, 8, 2)), lambda x: x[:, ::2, 1::2]),
        ((4, 3, 4), Rearrange("r", "x", "y", 0, (2, 2, 12), (12, 0, 1)), lambda x: x.repeat(2, axis=0)),
        ((4, 3, 4), Rearrange("r", "x", "y", 0, (2, 24), (0, 1)), lambda x: np.concatenate([x, x])),
        ((4, 6, 1), Rearrange("r", "x", "y", 0, (2, 2, 3, 2), (12, 2, 4, 1)),
         lambda x: x.reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6, 1)),
    ],
)  # fmt: skip
def test_orders_are_those_of_numpy(out, order: Rearrange, wanted) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (2, 3, 4))
    np.testing.assert_array_equal(run_one(graph_of(order, out=out), codes), wanted(codes))


def test_loops_are_merged_only_where_the_order_stays() -> None:
    assert Rearrange("r", "x", "y", 0, (2, 3, 4), (12, 4, 1)).loops() == ((24, 1),)
    assert Rearrange("r", "x", "y", 0, (1, 1), (7, 9)).loops() == ((1, 1),)
    assert Rearrange("r", "x", "y", 0, (2, 1, 4), (8, 3, 1)).loops() == ((2, 8), (4, 1))
    assert Rearrange("r", "x", "y", 0, (5, 2, 3), (0, 0, 0)).loops() == ((30, 0),)
    assert Rearrange("r", "x", "y", 11, (3, 4), (-4, -1)).loops() == ((12, -1),)


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("pair", [(8, 8), (4, 4), (2, 3)])
def test_dilated_convolutions_read_taps_that_are_apart(dilation, pair) -> None:
    """Each output beside the sum over its taps, padding being code 0 here."""
    rng = np.random.default_rng(4)
    window = Window((3, 2), (2, 1), (2, 1, 1, 1), dilation)
    height, width = window.output_size(9, 8)
    codes = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    for kind, weights in (
        (Conv2D, rng.integers(-128, 128, (4, 3, 2, 3)).astype(np.int8)),
        (DepthwiseConv2D, rng.integers(-128, 128, (3, 3, 2)).astype(np.int8)),
    ):
        n = len(weights)
        layer = kind("c", "x", "y", weights, bias(*range(n)), rq(2**20, 32, n), (pair,), window=window)
        graph = graph_of(layer, codes.shape, (height, width, n))
        twice = interpreter.accumulate(layer, graph, {"x": codes[None]}, pair)[0]
        dw, da = 8 - pair[0], 8 - pair[1]
        for y, x, c in np.ndindex(height, width, n):
            total = c
            for i, j in np.ndindex(3, 2):
                row, column = y * 2 + i * dilation[0] - 2, x + j * dilation[1] - 1
                if 0 <= row < 9 and 0 <= column < 8:
                    seen = codes[row, column].tolist() if kind is Conv2D else [int(codes[row, column, c])]
                    taps = weights[c, i, j].tolist() if kind is Conv2D else [int(weights[c, i, j])]
                    for w, a in zip(taps, seen, strict=True):
                        view = min((a + (1 << da >> 1)) >> da, (1 << pair[1]) - 1) << da
                        total += (2 * ((w >> dw) << dw) + (1 << dw) - 1) * view
            assert twice[y, x, c] == total


@pytest.mark.parametrize("size", [(1, 1), (7, 4), (9, 16)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 5)])
def test_same_padding_of_dilated_windows(size, dilation) -> None:
    window = Window.same(size, (3, 2), (2, 1), dilation)
    assert window.output_size(*size) == (-(-size[0] // 2), size[1])
    assert window.extent == (2 * dilation[0] + 1, dilation[1] + 1)


TABLE = np.zeros((1, 256), np.uint8)
EXPONENTIALS = nested.exponentials(0.1)
ROWS = np.zeros((2, 2), np.int32)
COLUMNS = np.zeros((3, 2), np.int32)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Lookup("l", "x", "y", TABLE[0]), "table must be uint8 of shape (channels, 256)"),
        (lambda: Lookup("l", "x", "y", TABLE.astype(np.int8)), "table must be uint8"),
        (lambda: Lookup("l", "x", "y", TABLE[:, :255]), "table must be uint8"),
        (lambda: graph_of(Lookup("l", "x", "y", TABLE.repeat(3, 0))), "it has 3 tables for 4 channels"),
        (lambda: graph_of(Lookup("l", "x", "y", TABLE[:0])), "it has 0 tables for 4 channels"),
        (lambda: graph_of(Lookup("l", "x", "y", TABLE), out=(2, 3, 3)), "makes shape (2, 3, 4)"),
        (lambda: Add("a", ("x",), "y", (1, 1), 0, 8), "has 1 inputs, needs 2"),
        (lambda: Add("a", ("x", "x"), "y", (2**22, -(2**23)), 0, 8), "every intermediate must fit int32"),
        (lambda: graph_of(Add("a", ("x", "z"), "y", (1, 1), 0, 8), second=(1, 2, 4)), "shapes (2, 3, 4) and (1"),
        (lambda: graph_of(Add("a", ("z", "z"), "y", (1, 1), 0, 8), second=(2, 1, 4)), "makes shape (2, 1, 4)"),
        (lambda: Multiply("m", ("x", "x", "x"), "y", bias(0), rq()), "has 3 inputs, needs 2"),
        (lambda: Multiply("m", ("x", "x"), "y", bias(0, 0), rq()), "bias must be int32 of shape (1,)"),
        (lambda: Multiply("m", ("x", "x"), "y", bias(0).astype(np.int64), rq()), "bias must be int32 of shape (1,)"),
        (lambda: Multiply("m", ("x", "x"), "y", bias(0), rq(n=2)), "requantise must have 1 channel"),
        (lambda: Multiply("m", ("x", "x"), "y", bias(2**31 - 130050), rq()), "does not fit int32"),
        (lambda: Multiply("m", ("x", "x"), "y", bias(-(2**31)), rq()), "does not fit int32"),
        (lambda: graph_of(Multiply("m", ("x", "z"), "y", bias(0), rq()), second=(2, 3, 2)), "of different shapes"),
        (lambda: Maximum("m", ("x",), "y"), "has 1 inputs, needs 2"),
        (lambda: graph_of(Maximum("m", ("x", "x"), "y"), scale=2.0), "a maximum must keep its input's scale"),
        (lambda: graph_of(Minimum("m", ("x", "x"), "y"), zero_point=1), "a minimum must keep its input's scale"),
        (lambda: Softmax("s", "x", "y", EXPONENTIALS[:255]), "exponentials must be int32 of shape (256,)"),
        (lambda: Softmax("s", "x", "y", EXPONENTIALS.astype(np.int64)), "exponentials must be int32"),
        (lambda: Softmax("s", "x", "y", EXPONENTIALS * 0), "the first one more than 0"),
        (lambda: Softmax("s", "x", "y", EXPONENTIALS + 1), "must be within 0..32768"),
        (lambda: Softmax("s", "x", "y", EXPONENTIALS - 40), "must be within 0..32768"),
        (lambda: graph_of(Softmax("s", "x", "y", EXPONENTIALS)), "has scale 1/256 and zero point 0"),
        (lambda: graph_of(Softmax("s", "x", "y", EXPONENTIALS), scale=1 / 256, zero_point=3), "and zero point 0"),
        (lambda: Rearrange("r", "x", "y", 0, (), ()), "has 0 loops, needs 1 to 6"),
        (lambda: Rearrange("r", "x", "y", 0, (1,) * 7, (1,) * 7), "has 7 loops, needs 1 to 6"),
        (lambda: Rearrange("r", "x", "y", 0, (24,), (1, 1)), "strides (1, 1) must be 1 integers"),
        (lambda: Rearrange("r", "x", "y", 0, (0,), (1,)), "sizes (0,) must be 1 integers of at least 1"),
        (lambda: Rearrange("r", "x", "y", 0, (True,), (1,)), "sizes (True,) must be"),
        (lambda: Rearrange("r", "x", "y", 0, (2.0,), (1,)), "sizes (2.0,) must be"),
        (lambda: Rearrange("r", "x", "y", -1, (24,), (1,)), "start (-1,) must be"),
        (lambda: Rearrange("r", "x", "y", None, (24,), (1,)), "start (None,) must be"),
        (lambda: graph_of(Rearrange("r", "x", "y", 1, (24,), (1,))), "it reads elements 1..24 of an input of 24"),
        (lambda: graph_of(Rearrange("r", "x", "y", 22, (24,), (-1,))), "it reads elements -1..22 of an input of 24"),
        (lambda: graph_of(Rearrange("r", "x", "y", 0, (2, 12), (23, 1))), "it reads elements 0..34"),
        (lambda: graph_of(Rearrange("r", "x", "y", 0, (23,), (1,))), "it makes 23 elements, but its output tensor has"),
        (lambda: graph_of(Rearrange("r", "x", "y", 0, (24,), (1,)), scale=2.0), "another order must keep its input's"),
        (lambda: Pad("p", "x", "y", (0, 0), (1, 1), 0), "before (0, 0) must be 3 integers of at least 0"),
        (lambda: Pad("p", "x", "y", (0, -1, 0), (1, 1), 0), "before (0, -1, 0) must be"),
        (lambda: Pad("p", "x", "y", (0, 0, 0), (1, 0), 0), "step (1, 0) must be 2 integers of at least 1"),
        (lambda: Pad("p", "x", "y", (0, 0, 0), (1, 1), 256), "value 256 is not a code"),
        (lambda: Pad("p", "x", "y", (0, 0, 0), (1, 1), -1), "value (-1,) must be"),
        (lambda: graph_of(Pad("p", "x", "y", (0, 0, 1), (1, 1), 0)), "the input alone needs (2, 3, 5)"),
        (lambda: graph_of(Pad("p", "x", "y", (0, 0, 0), (2, 1), 0)), "the input alone needs (3, 3, 4)"),
        (lambda: graph_of(Pad("p", "x", "y", (0, 0, 0), (1, 1), 0), scale=2.0), "padding must keep its input's scale"),
        (lambda: Resize("r", "x", "y", ROWS[:, :1], COLUMNS), "rows must be int32 of shape (output size, 2)"),
        (lambda: Resize("r", "x", "y", ROWS, COLUMNS[:0]), "columns must be int32 of shape (output size, 2)"),
        (lambda: Resize("r", "x", "y", ROWS.astype(np.int64), COLUMNS), "rows must be int32"),
        (lambda: Resize("r", "x", "y", ROWS - 1, COLUMNS), "rows must be indices of 0 or more"),
        (lambda: Resize("r", "x", "y", ROWS, COLUMNS + 1025), "weights within 0..1024"),
        (lambda: graph_of(Resize("r", "x", "y", ROWS + 2, COLUMNS)), "rows reach index 2 of an input of 2x3"),
        (lambda: graph_of(Resize("r", "x", "y", ROWS, COLUMNS + 3)), "columns reach index 3 of an input of 2x3"),
        (lambda: graph_of(Resize("r", "x", "y", COLUMNS, COLUMNS)), "makes shape (3, 3, 4)"),
        (lambda: graph_of(Resize("r", "x", "y", ROWS, COLUMNS), zero_point=1), "resizing must keep its input's scale"),
        (lambda: Window((3, 3), dilation=(0, 1)), "(0, 1), must be two numbers within 1..32768"),
        (lambda: Window((3, 3), dilation=(1, 1, 1)), "dilation of the window is (1, 1, 1)"),
        (lambda: Window((3, 3), padding=(5, 0, 0, 0), dilation=(2, 1)), "padding of the window is 5"),
        (lambda: graph_of(MaxPool2D("p", "x", "y", Window((2, 1), dilation=(2, 2)))), "pooling takes no dilation"),
    ],
)  # fmt: skip
def test_what_cannot_be_lowered_is_refused_with_its_reason(make, reason: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        make()
    assert reason in str(caught.value)


def test_a_network_without_weights_costs_what_it_costs() -> None:
    graph = random_unweighted_graph(1)
    assert bitops(graph, np.zeros((3, 0), np.int64)).tolist() == [1, 1, 1]
    assert graph_costs(graph) == ([], 1.0)
    assert graph.total_macs == 0


def test_layers_compare_by_content() -> None:
    one = Lookup("l", "x", "y", TABLE)
    assert one == Lookup("l", "x", "y", TABLE.copy())
    assert one != replace(one, table=TABLE + 1)
    assert Rearrange("r", "x", "y", 0, (1,), (1,)) == Rearrange("r", "x", "y", 0, (1,), (1,))
