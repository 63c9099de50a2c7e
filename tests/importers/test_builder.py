"""The builder's operators in floating point, judged by NumPy and TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dqt_edge.importers import floating
from dqt_edge.importers.builder import Builder, Value, Weights
from dqt_edge.importers.network import Network
from dqt_edge.importers.problems import Unfit

BATCH = 3
Made = Callable[[Builder, Value], Value]


def values_of(shape: tuple[int, ...], make: Made, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Network]:
    """Random inputs of a shape, what the built operator makes of them, and the network."""
    builder = Builder("model")
    x = builder.input("input", shape)
    y = make(builder, x)
    builder.output(y)
    network = builder.finish({}, keep_end=True)
    given = np.random.default_rng(seed).normal(size=(BATCH, *shape)).astype(np.float32)
    (found,) = floating.outputs_of(network, given.reshape(BATCH, *network.edges[network.input].shape))
    return given, found.reshape(BATCH, *y.shape), network


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def close(found: np.ndarray, wanted: Any) -> None:
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


# --- Moves ----------------------------------------------------------------------------------------------------

SHAPES = [(5,), (4, 6), (3, 4, 5), (2, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_transpose_is_that_of_numpy(shape: tuple[int, ...]) -> None:
    order = list(range(len(shape)))[::-1]
    x, y, _ = values_of(shape, lambda b, v: b.transpose("t", v, order))
    close(y, x.transpose(0, *(axis + 1 for axis in order)))


def test_transposes_that_undo_each_other_leave_no_layer() -> None:
    def there_and_back(b: Builder, v: Value) -> Value:
        v = b.unary("a", v, "tanh")
        v = b.transpose("to_nchw", v, (2, 0, 1))
        v = b.transpose("to_nhwc", v, (1, 2, 0))
        return b.unary("b", v, "exp")

    x, y, network = values_of((4, 5, 3), there_and_back)
    close(y, np.exp(np.tanh(x)))
    assert [node.kind for node in network.nodes] == ["lookup", "lookup"]


@pytest.mark.parametrize(
    ("begin", "end", "step"),
    [((0, 0, 0), (4, 5, 3), (1, 1, 1)), ((1, 0, 2), (4, 5, 3), (2, 3, 1)), ((3, 4, 0), (-1, 0, 3), (-1, -2, 1))],
)
def test_a_slice_is_that_of_numpy(begin: Any, end: Any, step: Any) -> None:
    x, y, _ = values_of((4, 5, 3), lambda b, v: b.slice("s", v, begin, end, step))
    ranges = [range(*limits) for limits in zip(begin, end, step, strict=True)]
    close(y, x[:, ranges[0]][:, :, ranges[1]][:, :, :, ranges[2]])


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "edge"])
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_padding_is_that_of_numpy(mode: Any, shape: tuple[int, ...]) -> None:
    pads = [(1, 1) for _ in shape]
    pads[-1] = (2, 0)
    x, y, _ = values_of(shape, lambda b, v: b.pad("p", v, pads, mode=mode))
    close(y, np.pad(x, [(0, 0), *pads], mode=mode))


def test_negative_padding_cuts() -> None:
    x, y, _ = values_of((6, 7, 2), lambda b, v: b.pad("p", v, [(-1, -2), (1, -3), (0, 0)]))
    close(y, np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 0)])[:, 1:4, :5])


def test_repeat_tile_and_broadcast_are_those_of_numpy() -> None:
    x, y, _ = values_of((2, 3, 4), lambda b, v: b.repeat("r", v, 1, 3))
    close(y, np.repeat(x, 3, axis=2))
    x, y, _ = values_of((2, 3, 4), lambda b, v: b.tile("t", v, (2, 1, 3)))
    close(y, np.tile(x, (1, 2, 1, 3)))
    x, y, _ = values_of((3, 1, 4), lambda b, v: b.broadcast("b", v, (2, 3, 5, 4)))
    close(y, np.broadcast_to(x[:, None], (BATCH, 2, 3, 5, 4)))


@pytest.mark.parametrize("size", [(8, 6), (5, 7), (2, 9), (3, 3)])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("centres", [False, True])
def test_resizing_is_that_of_tensorflow(size: tuple[int, int], method: Any, corners: bool, centres: bool) -> None:
    tf = pytest.importorskip("tensorflow")
    if corners and centres:
        pytest.skip("TensorFlow refuses both at once")
    x, y, _ = values_of(
        (4, 3, 2), lambda b, v: b.resize("r", v, size, method=method, half_pixel=centres, align_corners=corners)
    )
    name = "ResizeNearestNeighbor" if method == "nearest" else "ResizeBilinear"
    wanted = getattr(tf.raw_ops, name)(images=x, size=size, align_corners=corners, half_pixel_centers=centres)
    np.testing.assert_allclose(y, wanted, atol=4 / 1024)


# --- Elements -------------------------------------------------------------------------------------------------

PAIRS = [
    ((4, 5, 3), (4, 5, 3)),
    ((4, 5, 3), (3,)),
    ((4, 5, 3), (1, 1, 3)),
    ((4, 5, 3), (4, 5, 1)),
    ((4, 5, 3), (5, 1)),
    ((4, 1, 3), (1, 5, 1)),
    ((2, 3, 4, 5), (2, 1, 1, 5)),
    ((2, 3, 4, 5), (2, 1, 4, 1)),
    ((6,), (1,)),
    ((7, 4), (7, 1)),
]
OPS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_tensors_broadcast_as_in_numpy(op: Any, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    for swapped in (False, True):
        builder = Builder("model")
        one, two = builder.input("a", first), builder.input("b", second)
        builder.output(builder.binary("op", op, *((two, one) if swapped else (one, two))))
        network = builder.finish({})
        a, b = (
            np.random.default_rng(i).normal(size=(BATCH, *s)).astype(np.float32) for i, s in enumerate((first, second))
        )
        rank = max(len(first), len(second))
        wide = [v.reshape(BATCH, *(1,) * (rank - v.ndim + 1), *v.shape[1:]) for v in (a, b)]
        given = {n: v.reshape(BATCH, *network.edges[n].shape) for n, v in zip(network.inputs, (a, b), strict=True)}
        wanted = OPS[op](*(wide[::-1] if swapped else wide))
        (found,) = floating.outputs_of(network, given)
        close(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("op", [*OPS, "divide"])
@pytest.mark.parametrize("constant", [(), (1,), (3,), (1, 1, 3), (4, 5, 1), (5, 3), (4, 1, 1), (4, 5, 3)])
def test_a_constant_broadcasts_as_in_numpy(op: Any, constant: tuple[int, ...]) -> None:
    other = weights(*constant) + 3
    function = OPS.get(op, np.divide)
    x, y, _ = values_of((4, 5, 3), lambda b, v: b.binary("op", op, v, other))
    close(y, function(x, other))
    if op != "divide":
        x, y, _ = values_of((4, 5, 3), lambda b, v: b.binary("op", op, other, v))
        close(y, function(other, x))


def test_a_slope_by_channel_and_by_place() -> None:
    for shape in ((3,), (1, 1, 3), (4, 5, 3), (4, 1, 1)):
        slope = weights(*shape)
        x, y, _ = values_of((4, 5, 3), lambda b, v, slope=slope: b.unary("p", v, "prelu", alpha=slope))
        close(y, np.where(x >= 0, x, slope * x))


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_along_every_axis(shape: tuple[int, ...]) -> None:
    for axis in range(len(shape)):
        x, y, _ = values_of(shape, lambda b, v, axis=axis: b.softmax("s", v, axis=axis))
        raised = np.exp(x)
        close(y, raised / raised.sum(axis=axis + 1, keepdims=True))


REDUCED = [((4, 6, 5), axes) for axes in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]]
REDUCED += [((300, 2), (0,)), ((2, 300, 3), (1,)), ((10,), (0,)), ((2, 3, 4, 5), (0, 2)), ((2, 3, 4, 5), (1, 3))]


@pytest.mark.parametrize("kind", ["mean", "sum", "max", "min"])
@pytest.mark.parametrize(("shape", "axes"), REDUCED)
@pytest.mark.parametrize("keep", [False, True])
def test_reductions_over_any_axes(kind: Any, shape: tuple[int, ...], axes: tuple[int, ...], keep: bool) -> None:
    x, y, _ = values_of(shape, lambda b, v: b.reduce("r", kind, v, axes, keep))
    close(y, getattr(np, kind)(x, axis=tuple(axis + 1 for axis in axes), keepdims=keep))


@pytest.mark.parametrize("kind", ["mean", "sum", "max", "min"])
@pytest.mark.parametrize(
    ("shape", "axes"), [((257, 3), (0,)), ((2, 521, 3), (1,)), ((19, 67), (0, 1)), ((3, 263), (1,))]
)
def test_a_number_of_elements_that_fills_no_window(kind: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """A prime beyond 255, or a product of one."""
    x, y, _ = values_of(shape, lambda b, v: b.reduce("r", kind, v, axes, False))
    close(y, getattr(np, kind)(x, axis=tuple(axis + 1 for axis in axes)))


@pytest.mark.parametrize("shape", SHAPES)
def test_constants_are_joined_along_every_axis(shape: tuple[int, ...]) -> None:
    one, other = weights(*shape), weights(*shape) + 2
    for axis in range(len(shape)):
        x, y, _ = values_of(shape, lambda b, v, axis=axis: b.concat("c", [one, v, other], axis))
        first, last = (np.broadcast_to(part, x.shape) for part in (one, other))
        close(y, np.concatenate([first, x, last], axis=axis + 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_concatenation_along_every_axis(shape: tuple[int, ...]) -> None:
    for axis in range(len(shape)):

        def both(b: Builder, v: Value, axis: int = axis) -> Value:
            return b.concat("c", [v, b.unary("n", v, "negative"), v], axis)

        x, y, _ = values_of(shape, both)
        close(y, np.concatenate([x, -x, x], axis=axis + 1))


# --- Layers with weights --------------------------------------------------------------------------------------

CONVS = [
    # size, in, out, kernel, stride, padding, groups
    ((9, 8), 4, 6, (3, 3), (1, 1), "same", 1),
    ((9, 8), 4, 6, (3, 2), (2, 1), "valid", 1),
    ((9, 8), 4, 6, (1, 1), (2, 2), "valid", 1),
    ((1, 20), 3, 5, (1, 7), (1, 2), "same", 1),
    ((9, 8), 4, 6, (3, 3), (2, 2), "same", 2),
    ((9, 8), 4, 8, (3, 3), (1, 1), "same", 4),
    ((2, 2), 3, 4, (5, 5), (1, 1), "same", 1),
]


@pytest.mark.parametrize(("size", "inputs", "outputs", "kernel", "stride", "padding", "groups"), CONVS)
def test_a_convolution_is_that_of_tensorflow(
    size: Any,
    inputs: int,
    outputs: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    groups: int,
) -> None:
    tf = pytest.importorskip("tensorflow")
    taps, bias = weights(outputs, *kernel, inputs // groups), weights(outputs, seed=2)
    x, y, _ = values_of(
        (*size, inputs),
        lambda b, v: b.conv("c", v, Weights(taps, None, bias), stride=stride, padding=padding, groups=groups),
    )
    wanted = tf.nn.conv2d(x, taps.transpose(1, 2, 3, 0).astype(np.float32), stride, padding.upper()) + bias
    close(y, wanted)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("inputs", [1, 4])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_a_depthwise_convolution_is_that_of_tensorflow(multiplier: int, inputs: int, stride: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    taps = weights(inputs, multiplier, 3, 3)
    x, y, _ = values_of(
        (7, 8, inputs), lambda b, v: b.depthwise("d", v, Weights(taps, None, None), stride=stride, padding="same")
    )
    filters = taps.transpose(2, 3, 0, 1).astype(np.float32)
    close(y, tf.nn.depthwise_conv2d(x, filters, (1, *stride, 1), "SAME"))


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_transposed_convolution_is_that_of_tensorflow(kernel: Any, stride: Any, padding: str) -> None:
    tf = pytest.importorskip("tensorflow")
    taps, bias = weights(5, *kernel, 3), weights(5, seed=2)
    size, pads = [], []
    for n, k, s in zip((4, 5), kernel, stride, strict=True):
        size.append(n * s if padding == "SAME" else (n - 1) * s + max(k, s))
        pads.append(max((n - 1) * s + k - size[-1], 0) // 2 if padding == "SAME" else 0)
    x, y, network = values_of(
        (4, 5, 3),
        lambda b, v: b.transposed_conv(
            "t", v, Weights(taps, None, bias), stride=stride, padding=(pads[0], pads[1]), size=(size[0], size[1])
        ),
    )
    filters = taps.transpose(1, 2, 0, 3).astype(np.float32)
    close(y, tf.nn.conv2d_transpose(x, filters, (BATCH, *size, 5), stride, padding) + bias)
    stuffed = any(k % s for k, s in zip(kernel, stride, strict=True))
    assert next(node for node in network.nodes if node.kind == "conv").full == stuffed


def test_a_dense_layer_over_rows_is_a_convolution_of_1x1() -> None:
    taps, bias = weights(6, 5), weights(6, seed=2)
    for shape in ((5,), (7, 5), (3, 4, 5), (2, 3, 4, 5)):
        x, y, _ = values_of(shape, lambda b, v: b.dense("d", v, Weights(taps, None, bias)))
        close(y, x @ taps.T + bias)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_pooling_is_that_of_tensorflow(kind: Any, padding: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    x, y, _ = values_of((7, 8, 3), lambda b, v: b.pool("p", kind, v, kernel=(3, 2), stride=(2, 2), padding=padding))
    close(y, tf.nn.pool(x, (3, 2), kind.upper().replace("ERAGE", "G"), (2, 2), padding.upper()))


# --- Passes ---------------------------------------------------------------------------------------------------


def test_batch_normalisation_and_activation_fold_where_nothing_else_reads() -> None:
    taps = Weights(weights(4, 3, 3, 2), None, None)
    factor, summand = weights(4) + 2, weights(4, seed=3)

    def block(b: Builder, v: Value) -> Value:
        v = b.pad("pad", v, [(1, 1), (1, 1), (0, 0)])
        v = b.conv("c", v, taps)
        v = b.affine("bn", v, factor, summand)
        return b.unary("relu", v, "relu")

    _, _, network = values_of((5, 6, 2), block)
    assert [(node.kind, node.activation) for node in network.nodes] == [("conv", "relu")]


def test_what_has_two_readers_is_not_folded() -> None:
    """A convolution whose raw result is added to its own normalised one; an output counts as a reader."""
    taps = Weights(weights(4, 3, 3, 2), None, None)
    factor, summand = weights(4) + 2, weights(4, seed=3)

    def block(b: Builder, v: Value) -> Value:
        raw = b.conv("c", v, taps, padding="same")
        normal = b.unary("relu", b.affine("bn", raw, factor, summand), "relu")
        return b.binary("sum", "add", raw, normal)

    x, y, _ = values_of((5, 6, 2), block)
    plain, raw, _ = values_of((5, 6, 2), lambda b, v: b.conv("c", v, taps, padding="same"))
    assert (x == plain).all()
    close(y, raw + np.maximum(raw * factor + summand, 0))


def test_an_output_in_the_midst_keeps_its_values() -> None:
    builder = Builder("model")
    x = builder.input("input", (5, 6, 2))
    raw = builder.conv("c", x, Weights(weights(4, 3, 3, 2), None, None), padding="same")
    builder.output(raw)
    builder.output(builder.unary("relu", raw, "relu"))
    network = builder.finish({})
    given = np.random.default_rng(0).normal(size=(BATCH, 5, 6, 2)).astype(np.float32)
    first, second = floating.outputs_of(network, given)
    assert (first < 0).any()
    close(second, np.maximum(first, 0))


@pytest.mark.parametrize(
    ("function", "size", "stays"), [("softmax", 5, False), ("sigmoid", 1, False), ("sigmoid", 5, True)]
)
def test_the_end_is_dropped_where_the_answer_stays(function: str, size: int, stays: bool) -> None:
    def built(keep: bool) -> Network:
        b = Builder("model")
        v = b.dense("d", b.input("input", (6,)), Weights(weights(size, 6), None, None))
        b.output(b.softmax("s", v) if function == "softmax" else b.unary("s", v, function))
        return b.finish({}, keep_end=keep)

    assert len(built(True).nodes) == 2
    assert len(built(False).nodes) == (2 if stays else 1)
    assert built(False).provenance.get("dropped") == (None if stays else [function])


def test_names_are_made_unique_and_safe() -> None:
    def many(b: Builder, v: Value) -> Value:
        for name in ("a/b", "a.b", "a b", "a_b", "1", "ä" * 80):
            v = b.unary(name, v, "tanh")
        return v

    _, _, network = values_of((3,), many)
    names = [node.name for node in network.nodes]
    assert len(set(names)) == len(names) == 6
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,55}", name) for name in names)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b, v: b.reshape(v, (7, 7)),
        lambda b, v: b.transpose("t", v, (0, 0, 1)),
        lambda b, v: b.slice("s", v, (0, 0, 0), (0, 5, 3), (1, 1, 1)),
        lambda b, v: b.conv("c", v, Weights(weights(4, 3, 3, 2), None, None)),
        lambda b, v: b.dense("d", v, Weights(weights(4, 2), None, None)),
        lambda b, v: b.binary("b", "divide", v, np.zeros(3)),
        lambda b, v: b.binary("b", "add", v, np.zeros(4)),
        lambda b, v: b.pool("p", "max", v, kernel=(9, 9), stride=(1, 1)),
        lambda b, v: b.unary("u", v, "no such function"),
        lambda b, v: b.conv("c", v, Weights(np.full((4, 3, 3, 3), np.nan), None, None)),
    ],
)
def test_what_does_not_fit_says_why(wrong: Made) -> None:
    with pytest.raises(Unfit) as caught:
        values_of((4, 5, 3), wrong)
    assert caught.value.reason
    assert caught.value.nearest
