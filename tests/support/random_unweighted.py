"""Random layers without weights: products, extremes, tables, softmax, other orders, padding, other sizes."""

from __future__ import annotations

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

KINDS = ("broadcast", "multiply", "extreme", "lookup", "softmax", "rearrange", "pad", "resize")
SIZE_MAX = 3000
"""Elements that a tensor may grow to."""


class Unweighted:
    """Adds such layers to a growing network: what a builder of random networks inherits."""

    rng: np.random.Generator
    tensors: list[Tensor]
    layers: list[Any]
    signal: bool = False

    def _tensor(self, name: str, shape: Shape) -> Tensor:
        raise NotImplementedError

    def unweighted(self, kind: str) -> None:
        """Add a layer of one of KINDS."""
        getattr(self, f"_{kind}")()

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"

    def _kept(self, name: str, shape: Shape, source: Tensor) -> Tensor:
        """An output in its input's scale."""
        made = Tensor(f"{name}.out", shape, source.scale, source.zero_point)
        self.tensors.append(made)
        return made

    def _other(self, x: Tensor, *, same_scale: bool) -> Tensor:
        """A second operand: x, an earlier tensor that broadcasts with it, or the first elements of x along axes."""
        earlier = [
            t
            for t in self.tensors
            if all(a == b or 1 in (a, b) for a, b in zip(t.shape, x.shape, strict=True))
            and (not same_scale or (t.scale, t.zero_point) == (x.scale, x.zero_point))
            and np.prod(np.maximum(t.shape, x.shape)) <= SIZE_MAX
        ]
        if self.rng.random() < 0.4:
            return earlier[self.rng.integers(len(earlier))]
        height, width, channels = (n if self.rng.random() < 0.5 else 1 for n in x.shape)
        name = self._name("first")
        strides = (x.shape[1] * x.shape[2], x.shape[2], 1)
        made = self._kept(name, (height, width, channels), x)
        self.layers.append(Rearrange(name, x.name, made.name, 0, (height, width, channels), strides))
        return made

    def _two(self, *, same_scale: bool) -> tuple[Tensor, Tensor, Shape]:
        x = self.tensors[-1]
        pair = [x, self._other(x, same_scale=same_scale)]
        self.rng.shuffle(pair)  # type: ignore[arg-type]
        height, width, channels = np.maximum(pair[0].shape, pair[1].shape).tolist()
        return pair[0], pair[1], (height, width, channels)

    def _broadcast(self) -> None:
        a, b, shape = self._two(same_scale=False)
        name = self._name("add")
        out = self._tensor(f"{name}.out", shape)
        signs = self.rng.choice([-1, 1], 2)
        scale = max(a.scale, b.scale)
        scales = (float(signs[0] * a.scale), float(signs[1] * b.scale))
        m1, m2, offset, r = nested.add_parameters(scales, (a.zero_point, b.zero_point), scale, out.zero_point)
        low, high = (0, 255) if self.rng.random() < 0.7 else sorted(int(v) for v in self.rng.integers(0, 256, 2))
        self.tensors.append(Tensor(out.name, shape, scale, out.zero_point))
        self.layers.append(Add(name, (a.name, b.name), out.name, (m1, m2), offset, r, low, high))

    def _multiply(self) -> None:
        a, b, shape = self._two(same_scale=False)
        name = self._name("multiply")
        out = self._tensor(f"{name}.out", shape)
        multiplier, shift = nested.quantize_multiplier(float(np.exp(self.rng.normal(-4, 2))))
        low, high = (0, 255) if self.rng.random() < 0.7 else sorted(int(v) for v in self.rng.integers(0, 256, 2))
        rq = Requantize(np.array([multiplier], np.int32), np.array([shift], np.uint8), low, high)
        most = nested.INT32_MAX - 2 * 255**2 if self.rng.random() < 0.1 else 60_000
        bias = self.rng.integers(-most, most + 1, 1).astype(np.int32)
        self.tensors.append(out)
        self.layers.append(Multiply(name, (a.name, b.name), out.name, bias, rq))

    def _extreme(self) -> None:
        a, b, shape = self._two(same_scale=True)
        kind = [Maximum, Minimum][self.rng.integers(2)]
        name = self._name(kind.__name__.lower())
        self.layers.append(kind(name, (a.name, b.name), self._kept(name, shape, a).name))

    def _lookup(self) -> None:
        x = self.tensors[-1]
        name = self._name("lookup")
        out = self._tensor(f"{name}.out", x.shape)
        tables = x.shape[2] if self.rng.random() < 0.5 else 1
        self.tensors.append(out)
        self.layers.append(Lookup(name, x.name, out.name, self.rng.integers(0, 256, (tables, 256)).astype(np.uint8)))

    def _softmax(self) -> None:
        x = self.tensors[-1]
        name = self._name("softmax")
        table = nested.exponentials(float(np.exp(self.rng.normal(-3, 1.5))))
        if self.rng.random() < 0.1:
            table = self.rng.integers(0, 32769, 256).astype(np.int32)
            table[0] = 1
        self.tensors.append(Tensor(f"{name}.out", x.shape, 1 / 256))
        self.layers.append(Softmax(name, x.name, f"{name}.out", table))

    def _rearrange(self) -> None:
        """A transposition, a part with steps and turns, repetitions, another shape, or any loops at all."""
        x = self.tensors[-1]
        name = self._name("rearrange")
        shape, start, sizes, strides = random_order(self.rng, x.shape, signal=self.signal)
        if np.prod(sizes) > SIZE_MAX:
            shape, start, sizes, strides = x.shape, 0, (x.size,), (1,)
        self.layers.append(Rearrange(name, x.name, self._kept(name, shape, x).name, start, sizes, strides))

    def _pad(self) -> None:
        x, rng = self.tensors[-1], self.rng
        name = self._name("pad")
        before, after = rng.integers(0, 4, 3), rng.integers(0, 4, 3)
        step = rng.integers(1, 4, 2) if rng.random() < 0.5 else np.array([1, 1])
        if self.signal:
            before[1] = after[1] = 0
        value = x.zero_point if rng.random() < 0.5 else int(rng.integers(0, 256))
        layer = Pad(name, x.name, f"{name}.out", tuple(before.tolist()), tuple(step.tolist()), value)
        shape = np.add(layer.least_shape(x.shape), after)
        if np.prod(shape) > SIZE_MAX:
            return
        self._kept(name, tuple(shape.tolist()), x)
        self.layers.append(layer)

    def _resize(self) -> None:
        x, rng = self.tensors[-1], self.rng
        name = self._name("resize")
        height, width = (int(n) for n in rng.integers(1, 12, 2))
        width = 1 if self.signal else width
        tables = []
        for size, n in ((height, x.shape[0]), (width, x.shape[1])):
            weights = rng.integers(0, 1025, size) if rng.random() < 0.7 else np.zeros(size, int)
            index = rng.integers(0, n, size)
            index = np.sort(index) if rng.random() < 0.7 else index
            tables.append(np.stack([index, weights], axis=1).astype(np.int32))
        if height * width * x.shape[2] > SIZE_MAX:
            return
        self.layers.append(Resize(name, x.name, self._kept(name, (height, width, x.shape[2]), x).name, *tables))


def random_order(rng: np.random.Generator, shape: Shape, *, signal: bool) -> tuple[Shape, int, tuple, tuple]:
    """Shape, start, sizes and strides of a Rearrange of an input of that shape."""
    height, width, channels = shape
    axes = list(zip(shape, (width * channels, channels, 1), strict=True))
    kind = rng.choice(["transpose", "part", "repeat", "flat", "any", "depth"])
    if kind == "transpose":
        axes = [axes[i] for i in (rng.permutation(3) if not signal else (0, 1, 2))]
        sizes, strides = zip(*axes, strict=True)
        return sizes, 0, sizes, strides
    if kind == "part":
        start, sizes, strides = 0, [], []
        for n, stride in axes:
            step = int(rng.choice([1, 1, 2, -1, -2]))
            first, last = sorted(int(i) for i in rng.integers(0, n, 2))
            count = (last - first) // abs(step) + 1
            start += (first if step > 0 else first + (count - 1) * -step) * stride
            sizes.append(count)
            strides.append(step * stride)
        return tuple(sizes), start, tuple(sizes), tuple(strides)
    if kind == "repeat":
        times = [int(t) for t in rng.integers(1, 4, 3)]
        times[1] = 1 if signal else times[1]
        loops = [loop for (n, stride), t in zip(axes, times, strict=True) for loop in ((n, stride), (t, 0))]
        sizes, strides = zip(*loops, strict=True)
        return tuple(n * t for n, t in zip(shape, times, strict=True)), 0, sizes, strides
    if kind == "depth" and channels % 4 == 0 and not signal:
        rest = channels // 4  # depth to space, blocks of 2x2
        loops = [axes[0], (2, 2 * rest), axes[1], (2, rest), (rest, 1)]
        sizes, strides = zip(*loops, strict=True)
        return (2 * height, 2 * width, rest), 0, sizes, strides
    if kind == "any":
        sizes = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(1, 7))))
        room, start, strides = height * width * channels - 1, 0, []
        for n in sizes:
            reach = room // max(n - 1, 1)
            stride = int(rng.integers(-reach, reach + 1))
            room -= abs(stride) * (n - 1)
            start += max(0, -stride * (n - 1))
            strides.append(stride)
        return (int(np.prod(sizes)), 1, 1), start + int(rng.integers(0, room + 1)), sizes, tuple(strides)
    size = height * width * channels
    return (size, 1, 1), 0, (size,), (1,)


def random_unweighted_graph(seed: int, kinds: tuple[str, ...] = KINDS) -> Graph:
    """Three to six layers without weights, and nothing else."""
    builder = _Bare(seed)
    for kind in builder.rng.choice(kinds, int(builder.rng.integers(3, 7))):
        builder.unweighted(str(kind))
    while not builder.layers:
        builder.unweighted("lookup")
    return Graph(f"bare{seed}", tuple(builder.tensors), tuple(builder.layers), "input", builder.tensors[-1].name)


class _Bare(Unweighted):
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng((seed, 3))
        shape = tuple(int(n) for n in self.rng.integers(1, 9, 3))
        self.tensors = [self._tensor("input", shape)]  # type: ignore[arg-type]
        self.layers = []

    def _tensor(self, name: str, shape: Shape) -> Tensor:
        zero = int(self.rng.integers(0, 256)) if self.rng.random() < 0.5 else 0
        return Tensor(name, shape, float(np.exp(self.rng.normal(-3, 1))), zero)
