"""Random layers without weights for the kernel rig."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dqt_edge.graph import (
    Add,
    Graph,
    Lookup,
    Maximum,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Requantize,
    Resize,
    Shape,
    Softmax,
    Tensor,
    nested,
)
from tests.support.random_unweighted import random_order

from .layer_case import SIZE_MAX, Case, Rng, finish, random_codes, random_shape, random_tensor


def _clamp(rng: Rng) -> tuple[int, int]:
    low, high = (0, 255) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(0, 256, 2))
    return low, high


def _one(rng: Rng, layer: Any, source: Tensor, output: Tensor, *, in_place: bool = False) -> Case:
    """A layer with one input."""
    graph = Graph("one", (source, output), (layer,), "input", "y")
    return finish(layer, graph, {"input": random_codes(rng, source.shape)}, None, in_place=in_place)


def _two(rng: Rng, make: Callable[[Tensor, Tensor], tuple[Any, Tensor]], *, same_scale: bool = False) -> Case:
    """A layer of two inputs, of which any may broadcast along any axis; ``make``: from both, it and its output."""
    shape = random_shape(rng)
    kept = rng.random((2, 3)) < (0.7 if rng.random() < 0.8 else 1.1)
    first, second = (tuple(n if keep else 1 for n, keep in zip(shape, row, strict=True)) for row in kept)
    source = random_tensor(rng, "input", first, True)  # type: ignore[arg-type]
    # Layers that nobody runs: they make the second input, which is data of its own.
    spread = Tensor("w", second, source.scale, source.zero_point)  # type: ignore[arg-type]
    before: list[Any] = [Rearrange("before", "input", "w", 0, second, (0, 0, 0))]
    other = Tensor("w" if same_scale else "z", second, source.scale, source.zero_point)  # type: ignore[arg-type]
    if not same_scale:
        other = Tensor("z", second, 0.02 * float(np.exp(rng.normal(0, 1))), int(rng.integers(0, 256)))  # type: ignore[arg-type]
        before.append(Lookup("scaled", "w", "z", np.zeros((1, 256), np.uint8)))
    layer, output = make(*((source, other) if rng.random() < 0.5 else (other, source)))
    tensors = (source, spread, output) if same_scale else (source, spread, other, output)
    graph = Graph("two", tensors, (*before, layer), "input", "y")
    live = {"input": random_codes(rng, source.shape), other.name: random_codes(rng, other.shape)}
    last = graph.tensor(layer.inputs[1])
    return finish(layer, graph, live, None, in_place=last.shape == output.shape)


def _wide(a: Tensor, b: Tensor) -> Shape:
    height, width, channels = np.maximum(a.shape, b.shape).tolist()
    return height, width, channels


def _broadcast(rng: Rng, _kind: str, _number: int) -> Case:
    def make(a: Tensor, b: Tensor) -> tuple[Add, Tensor]:
        zero, scale = int(rng.integers(0, 256)), max(a.scale, b.scale)
        signs = rng.choice([-1, 1], 2)
        scales = (float(signs[0] * a.scale), float(signs[1] * b.scale))
        m1, m2, offset, shift = nested.add_parameters(scales, (a.zero_point, b.zero_point), scale, zero)
        layer = Add("layer", (a.name, b.name), "y", (m1, m2), offset, shift, *_clamp(rng))
        return layer, Tensor("y", _wide(a, b), scale, zero)

    return _two(rng, make)


def _multiply(rng: Rng, _kind: str, _number: int) -> Case:
    def make(a: Tensor, b: Tensor) -> tuple[Multiply, Tensor]:
        multiplier, shift = nested.quantize_multiplier(float(np.exp(rng.normal(-4, 2))))
        if rng.random() < 0.1:
            multiplier, shift = int(rng.integers(1, 2**31)), int(rng.integers(1, 63))
        rq = Requantize(np.array([multiplier], np.int32), np.array([shift], np.uint8), *_clamp(rng))
        most = nested.INT32_MAX - 2 * 255**2
        bias = int(rng.choice([-most, most])) if rng.random() < 0.1 else int(rng.integers(-60_000, 60_001))
        layer = Multiply("layer", (a.name, b.name), "y", np.array([bias], np.int32), rq)
        return layer, Tensor("y", _wide(a, b), 0.02, int(rng.integers(0, 256)))

    return _two(rng, make)


def _extreme(rng: Rng, kind: str, _number: int) -> Case:
    def make(a: Tensor, b: Tensor) -> tuple[Maximum | Minimum, Tensor]:
        layer = (Maximum if kind == "maximum" else Minimum)("layer", (a.name, b.name), "y")
        return layer, Tensor("y", _wide(a, b), a.scale, a.zero_point)

    return _two(rng, make, same_scale=True)


def _lookup(rng: Rng, _kind: str, _number: int) -> Case:
    source = random_tensor(rng, "input", random_shape(rng), True)
    tables = source.shape[2] if rng.random() < 0.5 else 1
    layer = Lookup("layer", "input", "y", rng.integers(0, 256, (tables, 256)).astype(np.uint8))
    return _one(rng, layer, source, random_tensor(rng, "y", source.shape, True), in_place=True)


def _softmax(rng: Rng, _kind: str, _number: int) -> Case:
    """Exponentials of many scales; also any at all, with sums of 1 and as large as they can be."""
    shape = random_shape(rng)
    if rng.random() < 0.1:
        shape = (1, int(rng.integers(1, 3)), int(rng.integers(1, SIZE_MAX // 2)))
    source = random_tensor(rng, "input", shape, True)
    table = nested.exponentials(float(np.exp(rng.normal(-3, 1.5))))
    if rng.random() < 0.3:
        table = rng.integers(0, 32769, 256).astype(np.int32)
        table[0] = rng.choice([1, 2, 3, 32768])
        table[1:] = rng.choice([table[1:], table[1:] * 0, table[1:] * 0 + 32768])
    layer = Softmax("layer", "input", "y", table)
    return _one(rng, layer, source, Tensor("y", shape, 1 / 256), in_place=True)


def _kept(source: Tensor, shape: Shape) -> Tensor:
    return Tensor("y", shape, source.scale, source.zero_point)


def _rearrange(rng: Rng, _kind: str, _number: int) -> Case:
    while True:
        source = random_tensor(rng, "input", random_shape(rng), True)
        shape, start, sizes, strides = random_order(rng, source.shape, signal=False)
        if np.prod(shape) <= 2 * SIZE_MAX:
            layer = Rearrange("layer", "input", "y", start, sizes, strides)
            identity = layer.loops() == ((source.size, 1),)
            return _one(rng, layer, source, _kept(source, shape), in_place=identity)


def _pad(rng: Rng, _kind: str, _number: int) -> Case:
    while True:
        source = random_tensor(rng, "input", random_shape(rng), True)
        before, after = (rng.integers(0, 5, 3) * (rng.random(3) < 0.6) for _ in range(2))
        step = [int(n) for n in rng.integers(1, 5, 2)] if rng.random() < 0.5 else [1, 1]
        step = [10**9 if n == 1 and rng.random() < 0.2 else s for n, s in zip(source.shape, step, strict=False)]
        places = tuple(before.tolist()), tuple(step)
        layer = Pad("layer", "input", "y", *places, int(rng.integers(0, 256)))  # type: ignore[arg-type]
        shape = np.add(layer.least_shape(source.shape), after).tolist()
        if np.prod(shape) <= 2 * SIZE_MAX:
            return _one(rng, layer, source, _kept(source, tuple(shape)))


def _resize(rng: Rng, _kind: str, _number: int) -> Case:
    while True:
        source = random_tensor(rng, "input", random_shape(rng), True)
        height, width = (int(n) for n in rng.integers(1, 20, 2))
        if height * width * source.shape[2] <= 2 * SIZE_MAX:
            break
    tables = []
    for size, n in ((height, source.shape[0]), (width, source.shape[1])):
        weights = rng.choice([rng.integers(0, 1025, size), rng.choice([0, 1, 1023, 1024], size), np.zeros(size, int)])
        tables.append(np.stack([rng.integers(0, n, size), weights], axis=1).astype(np.int32))
    layer = Resize("layer", "input", "y", *tables)
    return _one(rng, layer, source, _kept(source, (height, width, source.shape[2])))


UNWEIGHTED: dict[str, Callable[[Rng, str, int], Case]] = {
    "broadcast": _broadcast,
    "multiply": _multiply,
    "maximum": _extreme,
    "minimum": _extreme,
    "lookup": _lookup,
    "softmax": _softmax,
    "rearrange": _rearrange,
    "pad": _pad,
    "resize": _resize,
}
"""Kind -> maker."""
