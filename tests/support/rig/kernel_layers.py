"""Random layers for ``make fuzz-kernels``: one operator each, with inputs, and what the interpreter makes of them.

A layer's kind and number make it again. Layers come in blocks of five: four share the 49 width pairs out among them, so
that each pair is met once, by a layer of its own; the fifth reads a tensor with a zero point, which is always read at 8
bits. Each layer has four inputs: all 255; 0 and 255 by chance; 0 and 255 in turn, or all 0; uniform.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import (
    Add,
    AveragePool2D,
    Concat,
    Controller,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    MaxPool2D,
    Pair,
    Requantize,
    Shape,
    Tensor,
    Window,
    interpreter,
    nested,
    window_counts,
)
from dqt_edge.lowering.kernels import dsp_dense
from tests.support.kernel_cases import spread, weights_of, window_of
from tests.support.random_graphs import ALL_PAIRS, random_requantize

from .layer_case import (
    INPUTS,
    SIZE_MAX,
    Case,
    Rng,
    finish,
    one_a_pair,
    random_codes,
    random_shape,
    random_size,
    random_tensor,
)
from .layer_windows import (
    MACS_MAX,
    apart,
    bound_size,
    conv_shapes,
    large_window,
    nine_a_row,
    row_of_three,
    window_of_nine,
)
from .unweighted_layers import UNWEIGHTED

BLOCK = 5
DENSE_PAIRS = {
    "dense_bytes": tuple(p for p in ALL_PAIRS if p[0] == 8),
    "dense_nibbles": tuple(p for p in ALL_PAIRS if p[0] == 8 or dsp_dense.is_packed("nibbles", p)),
}
"""Kinds of dense layers -> the pairs of all their layers, to which kernels of their own are fitted."""


def make_case(kind: str, number: int) -> Case:
    """Layer ``number`` of a kind of :data:`KINDS`; another one in the place of a layer whose sums int32 cannot hold."""
    for turn in range(10):
        seed = (zlib.crc32(kind.encode()), number, *([turn] if turn else []))
        try:
            return KINDS[kind](np.random.default_rng(seed), kind, number)
        except UnsupportedError:
            continue
    raise AssertionError(f"{kind} {number}: ten layers in a row that no graph may hold")


def pairs_of(kind: str, number: int) -> tuple[tuple[Pair, ...], bool]:
    """Width pairs of a layer, and whether its input has a zero point."""
    block, place = divmod(number, BLOCK)
    pairs = DENSE_PAIRS.get(kind, ALL_PAIRS)
    if place == BLOCK - 1:
        return tuple(p for p in pairs if p[1] == 8), True
    order = np.random.default_rng((zlib.crc32(kind.encode()), block, 1)).permutation(len(pairs))
    chosen = [pairs[i] for i in order[place::4]]
    if kind.startswith("three") and (8, 8) not in chosen:  # the pair that has a kernel of its own
        chosen.append((8, 8))
    return tuple(chosen), False


def _large_bias(
    rng: Rng,
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    pairs: tuple[Pair, ...],
    zero: int,
    offset: int,
) -> npt.NDArray[np.int32]:
    """Now and then: biases of either sign that leave accumulators no room in int32 but what they need."""
    if zero or rng.random() > 0.1:
        return bias
    worst = nested.accumulator_bound(weights, np.zeros((1, len(weights)), np.int64), pairs, None, offset)
    return ((nested.INT32_MAX - worst) * rng.choice([-1, 1], len(weights))).astype(np.int32)


def _offset(rng: Rng) -> int:
    """Now and then: weights that are more or less than their masters."""
    return int(rng.choice([-127, 128, int(rng.integers(-127, 129))])) if rng.random() < 0.2 else 0


def _by_width(rng: Rng, bias: npt.NDArray[np.int32], pairs: tuple[Pair, ...]) -> npt.NDArray[np.int32] | None:
    """Now and then: a bias of its own for each width pair."""
    if rng.random() > 0.2 or int(np.abs(bias.astype(np.int64)).max()) > 1 << 28:
        return None
    return (bias + rng.integers(-2000, 2000, (len(pairs), len(bias)))).astype(np.int32)


def _conv(rng: Rng, kind: str, number: int) -> Case:
    """Half of the layers are one graph a pair: see _dense. Those of ``three`` keep 8x8 beside the others."""
    pairs, zero = pairs_of(kind, number)
    if kind.startswith("three"):
        shape, window, target = row_of_three(rng)
    elif kind.startswith("nine"):
        shape, window, target = nine_a_row(rng)
    else:
        shape, window, target = conv_shapes(rng, apart if kind.startswith("dilated") else window_of)
    source = random_tensor(rng, "input", shape, zero)
    weights = weights_of(rng, (target[2], *window.kernel, shape[2]))
    offset = _offset(rng)
    bias, requantize = spread(rng, weights.astype(np.int16) + offset, source.zero_point)
    if kind.startswith("three") and rng.random() < 0.9:  # the micro-kernel makes the codes
        full = np.full(target[2], 32, np.uint8)
        requantize = Requantize(np.maximum(requantize.multiplier >> 2, 1), full)
    tensors, before = [source, Tensor("y", target, 0.02)], list[Layer]()
    live, residual, multiplier = {"input": random_codes(rng, shape)}, None, None
    if kind.endswith("residual"):
        residual = "input" if target == shape and rng.random() < 0.3 else "z"
        multiplier = rng.integers(64, 5000, target[2]).astype(np.int32)
        if residual == "z":  # a layer that nobody runs: the residual is data of its own
            tensors.append(random_tensor(rng, "z", target, bool(rng.random() < 0.3)))
            nothing = np.zeros((target[2], *window.kernel, shape[2]), np.int8)
            one = Requantize(np.full(target[2], 1 << 20, np.int32), np.full(target[2], 32, np.uint8))
            silent = np.zeros(target[2], np.int32)
            before.append(Conv2D("before", "input", "z", nothing, silent, one, ((8, 8),), window))
            live["z"] = random_codes(rng, target)
    else:
        bias = _large_bias(rng, weights, bias, pairs, source.zero_point, offset)
    more = {"bias_by_width": _by_width(rng, bias, pairs), "weight_offset": offset}
    layer = Conv2D(
        "layer",
        "input",
        "y",
        weights,
        bias,
        requantize,
        pairs,
        window,
        residual,
        multiplier,
        **more,
    )
    graph = Graph(kind, tuple(tensors), (*before, layer), "input", "y")
    case = finish(layer, graph, live, pairs, in_place=residual == "z")
    return one_a_pair(case) if number // 2 % 2 and not kind.startswith("three") else case


def _depthwise(rng: Rng, kind: str, number: int) -> Case:
    pairs, zero = pairs_of(kind, number)
    while True:
        shape = random_shape(rng)
        if kind == "dilated_depthwise":
            window = apart(rng, shape)
        else:
            makers = (window_of, large_window, window_of_nine, window_of_nine)
            window = makers[int(rng.integers(len(makers)))](rng, shape)
        target = (*window.output_size(*shape[:2]), shape[2])
        size = target[0] * target[1] * target[2]
        if size <= SIZE_MAX and size * window.kernel[0] * window.kernel[1] <= MACS_MAX:
            break
    source = random_tensor(rng, "input", shape, zero)
    weights = weights_of(rng, (shape[2], *window.kernel))
    offset = _offset(rng)
    bias, requantize = spread(rng, weights.astype(np.int16) + offset, source.zero_point)
    if rng.random() < 0.4:  # then accumulators leave the micro-kernel
        requantize = replace(requantize, low=int(rng.integers(0, 60)), high=int(rng.integers(200, 255)))
    bias = _large_bias(rng, weights, bias, pairs, source.zero_point, offset)
    more = {"bias_by_width": _by_width(rng, bias, pairs), "weight_offset": offset}
    layer = DepthwiseConv2D("layer", "input", "y", weights, bias, requantize, pairs, window, **more)
    graph = Graph(kind, (source, Tensor("y", target, 0.02)), (layer,), "input", "y")
    return finish(layer, graph, {"input": random_codes(rng, shape)}, pairs)


def _dense_shape(rng: Rng) -> Shape:
    while True:
        shape = (1, 1, bound_size(rng)) if rng.random() < 0.4 else random_shape(rng)
        if shape[0] * shape[1] * shape[2] <= MACS_MAX // 33:
            return shape


def _dense(rng: Rng, kind: str, number: int) -> Case:
    """Half of the layers are one graph a pair: where all widths are alike, cores with MVE store them in another way."""
    pairs, zero = pairs_of(kind, number)
    source = random_tensor(rng, "input", _dense_shape(rng), zero)
    weights = weights_of(rng, (random_size(rng), source.size))
    offset = _offset(rng)
    bias, requantize = spread(rng, weights.astype(np.int16) + offset, source.zero_point)
    bias = _large_bias(rng, weights, bias, pairs, source.zero_point, offset)
    more = {"bias_by_width": _by_width(rng, bias, pairs), "weight_offset": offset}
    layer = Dense("layer", "input", "y", weights, bias, requantize, pairs, **more)
    graph = Graph(kind, (source, Tensor("y", (1, 1, len(weights)), 0.02)), (layer,), "input", "y")
    case = finish(layer, graph, {"input": random_codes(rng, source.shape)}, pairs)
    return one_a_pair(case) if number // 2 % 2 and not kind.startswith("three") else case


def _accumulate(rng: Rng, kind: str, number: int) -> Case:
    """The last layer of a controller, which decides made-up layers of as many candidates as it has logits."""
    pairs, zero = pairs_of(kind, number)
    source = random_tensor(rng, "input", _dense_shape(rng), zero)
    channels = int(rng.choice([*range(2, 10), 32, 33]))
    count = max(n for n in range(2, 8) if channels % n == 0)
    weights = weights_of(rng, (channels, source.size))
    offset = _offset(rng)
    bias, _ = spread(rng, weights.astype(np.int16) + offset, source.zero_point)
    bias = _large_bias(rng, weights, bias, pairs, source.zero_point, offset)
    candidates = tuple((w, 8) for w in range(2, 2 + count))
    copied = Tensor("copy", source.shape, source.scale, source.zero_point)
    one = Requantize(np.array([1 << 20], np.int32), np.array([32], np.uint8))
    decided = tuple(
        Dense(f"d{i}", "copy", f"d{i}", np.zeros((1, source.size), np.int8), np.zeros(1, np.int32), one, candidates)
        for i in range(channels // count)
    )
    tensors = (source, copied, *(Tensor(d.output, (1, 1, 1), 0.02) for d in decided))
    codes = random_codes(rng, source.shape)
    graphs, expected = [], []
    for pair in pairs:
        layer = Dense("layer", "copy", "logits", weights, bias, None, (pair,), weight_offset=offset)
        controller = Controller("first", (layer,), tuple(d.name for d in decided))
        first = MaxPool2D("first", "input", "copy", Window((1, 1)))
        graph = Graph(kind, tensors, (first, *decided), "input", decided[-1].output, controller=controller)
        graphs.append(graph)
        logits = interpreter.run(graph, codes, "dynamic").logits
        assert logits is not None
        expected.append([zlib.crc32(row.astype("<i4").tobytes()) for row in logits.reshape(INPUTS, -1)])
    return Case(tuple(graphs), "layer", (codes.reshape(INPUTS, -1),), False, pairs, np.array(expected, np.uint32))


def _pool(rng: Rng, kind: str, _number: int) -> Case:
    while True:
        shape = random_shape(rng)
        window = Window(shape[:2]) if rng.random() < 0.2 else window_of(rng, shape)
        target = (*window.output_size(*shape[:2]), shape[2])
        if target[0] * target[1] * target[2] * window.kernel[0] * window.kernel[1] <= MACS_MAX:
            break
    source = random_tensor(rng, "input", shape, bool(rng.random() < 0.5))
    output = Tensor("y", target, source.scale, source.zero_point)
    layer: Layer = MaxPool2D("layer", "input", "y", window)
    if kind == "average_pool":
        counts = tuple(sorted({int(c) for c in window_counts(window, *shape[:2]).ravel()}))
        bias = rng.integers(-300, 300, len(counts)).astype(np.int32)
        requantize = random_requantize(rng, len(counts), 0.5 / max(counts))
        layer = AveragePool2D("layer", "input", "y", window, counts, bias, requantize)
    graph = Graph(kind, (source, output), (layer,), "input", "y")
    return finish(layer, graph, {"input": random_codes(rng, shape)}, None)


def _add(rng: Rng, kind: str, _number: int) -> Case:
    shape = random_shape(rng)
    source, output = random_tensor(rng, "input", shape, True), random_tensor(rng, "y", shape, True)
    other = Tensor("z", shape, float(0.02 * np.exp(rng.normal(0, 1))), int(rng.integers(0, 256)))
    scale = max(source.scale, other.scale)
    m1, m2, offset, shift = nested.add_parameters(
        (source.scale, other.scale), (source.zero_point, other.zero_point), scale, output.zero_point
    )
    one = Requantize(np.full(shape[2], 1 << 20, np.int32), np.full(shape[2], 32, np.uint8))
    nothing, silent = np.zeros((shape[2], 1, 1), np.int8), np.zeros(shape[2], np.int32)
    before = DepthwiseConv2D("before", "input", "z", nothing, silent, one, ((8, 8),), Window((1, 1)))
    low, high = (0, 255) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(0, 256, 2))
    layer = Add("layer", ("input", "z"), "y", (m1, m2), offset, shift, low, high)
    tensors = (source, other, Tensor("y", shape, scale, output.zero_point))
    graph = Graph(kind, tensors, (before, layer), "input", "y")
    return finish(layer, graph, {"input": random_codes(rng, shape), "z": random_codes(rng, shape)}, None, in_place=True)


def _concat(rng: Rng, kind: str, _number: int) -> Case:
    """Along the channels; each input is copied or brought to another scale."""
    shape = random_shape(rng)
    wider = (*shape[:2], random_size(rng))
    source, other = random_tensor(rng, "input", shape, True), random_tensor(rng, "z", wider, True)
    tensors = (source, other, Tensor("y", (*shape[:2], shape[2] + wider[2]), 0.02))
    one = Requantize(np.full(wider[2], 1 << 20, np.int32), np.full(wider[2], 32, np.uint8))
    nothing, silent = np.zeros((wider[2], 1, 1, shape[2]), np.int8), np.zeros(wider[2], np.int32)
    before = Conv2D("before", "input", "z", nothing, silent, one, ((8, 8),), Window((1, 1)))
    names = ("input", "z") if rng.random() < 0.5 else ("z", "input")
    low, high = (0, 255) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(0, 256, 2))
    pairs, biases = [], []
    for name in names:
        kept = rng.random() < 0.5
        pairs.append(nested.IDENTITY if kept else nested.quantize_multiplier(float(np.exp(rng.normal(0, 1)))))
        zero = {"input": source.zero_point, "z": other.zero_point}[name]
        biases.append(2 * zero if kept else int(rng.integers(-300, 300)))
    multipliers, shifts = np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8)
    requantize = Requantize(multipliers, shifts, low, high)
    layer = Concat("layer", names, "y", 2, np.array(biases, np.int32), requantize)
    graph = Graph(kind, tensors, (before, layer), "input", "y")
    return finish(layer, graph, {"input": random_codes(rng, shape), "z": random_codes(rng, wider)}, None)


KINDS: dict[str, Callable[[Rng, str, int], Case]] = {
    "conv": _conv,
    "residual": _conv,
    "three": _conv,
    "three_residual": _conv,
    "nine": _conv,
    "depthwise": _depthwise,
    "dense": _dense,
    "dense_bytes": _dense,
    "dense_nibbles": _dense,
    "accumulate": _accumulate,
    "add": _add,
    "max_pool": _pool,
    "average_pool": _pool,
    "concat": _concat,
    "dilated": _conv,
    "dilated_residual": _conv,
    "dilated_depthwise": _depthwise,
    **UNWEIGHTED,
}
"""Kind -> maker. ``accumulate`` is a dense layer that leaves int32 accumulators; those of :data:`DENSE_PAIRS` are like
``dense``. ``three``: convolutions with windows three columns wide; ``nine``: with three rows of nine codes."""
