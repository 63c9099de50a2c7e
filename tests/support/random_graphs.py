"""Random networks over every operator, window, width pair and zero point; the same seed gives the same network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dqt_edge.graph import (
    FLAT,
    Add,
    AveragePool2D,
    Concat,
    Controller,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DialPoint,
    Graph,
    MaxPool2D,
    Requantize,
    Tensor,
    Window,
    nested,
    window_counts,
)

from . import random_unweighted
from .random_unweighted import Unweighted

ALL_PAIRS = tuple((w, a) for w in nested.WIDTHS for a in nested.WIDTHS)


def random_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """int8 weights: mostly uniform, sometimes only the extremes."""
    if rng.random() < 0.2:
        return rng.choice(np.array([-128, 127, 0], np.int8), shape)
    return rng.integers(-128, 128, shape).astype(np.int8)


def random_requantize(rng: np.random.Generator, channels: int, gain: float) -> Requantize:
    """Multipliers around ``gain`` (output codes for each accumulator half-unit), some with a shift other than 32."""
    values = gain * np.exp(rng.normal(0, 0.5, channels))
    if rng.random() < 0.2:
        values[rng.integers(channels)] *= 2.0 ** rng.integers(-18, 12)
    pairs = [nested.quantize_multiplier(max(float(v), 2.0**-29)) for v in values]
    low, high = (0, 255) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(0, 256, 2))
    return Requantize(np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8), low, high)


class Builder(Unweighted):
    """Adds random layers to a growing network; ``every``: with all that came later."""

    def __init__(self, seed: int, shape: tuple[int, int, int], *, every: bool = False, signal: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.every, self.signal = every, signal
        self.tensors = [self._tensor("input", shape)]
        self.layers: list = []
        self.seed = seed

    def _tensor(self, name: str, shape: tuple[int, int, int]) -> Tensor:
        zero = int(self.rng.integers(1, 256)) if self.rng.random() < 0.3 else 0
        return Tensor(name, shape, float(np.exp(self.rng.normal(-3, 1))), zero)

    @property
    def last(self) -> Tensor:
        return self.tensors[-1]

    def window(self, shape: tuple[int, int, int]) -> Window:
        rng = self.rng
        kernel = tuple(int(rng.integers(1, min(5, n) + 1)) for n in shape[:2])
        stride = tuple(int(s) for s in rng.integers(1, 4, 2))
        if rng.random() < 0.4:
            return Window(kernel, stride)
        if rng.random() < 0.6:
            return Window.same(shape[:2], kernel, stride)
        top, bottom = (int(p) for p in rng.integers(0, kernel[0], 2))
        left, right = (int(p) for p in rng.integers(0, kernel[1], 2))
        return Window(kernel, stride, (top, left, bottom, right))

    def convolved(self, shape: tuple[int, int, int]) -> Window:
        """A window of a convolution, whose taps may lie apart."""
        window, rng = self.window(shape), self.rng
        if not self.every or rng.random() < 0.5:
            return window
        room = [(n - 1) // max(k - 1, 1) for n, k in zip(shape, window.kernel, strict=False)]
        dilation = tuple(int(rng.integers(1, min(4, max(n, 1)) + 1)) for n in room)
        if rng.random() < 0.5:
            return Window.same(shape[:2], window.kernel, window.stride, dilation)
        return replace(window, dilation=dilation)

    def candidates(self, source: Tensor, count: int) -> tuple:
        pairs = [p for p in ALL_PAIRS if source.zero_point == 0 or p[1] == 8]
        chosen = self.rng.choice(len(pairs), min(count, len(pairs)), replace=False)
        return tuple(pairs[i] for i in chosen)

    def mac_fields(self, channels: int, depth: int) -> dict:
        rng = self.rng
        bias = rng.integers(-(depth * 4000 + 2), depth * 4000 + 2, channels).astype(np.int32)
        return {
            "bias_twice": bias,
            "requantize": random_requantize(rng, channels, 1.0 / (60.0 * depth**0.5 * 64)),
        }

    def adaptive_fields(self, source: Tensor, count: int, channels: int, depth: int) -> dict:
        """Candidates, and sometimes a bias for each of them."""
        candidates = self.candidates(source, count)
        fields = self.mac_fields(channels, depth) | {"candidates": candidates}
        if self.rng.random() < 0.3:
            spread = self.rng.integers(-(depth * 500 + 2), depth * 500 + 2, (len(candidates), channels))
            fields["bias_by_width"] = (fields["bias_twice"] + spread).astype(np.int32)
        if self.every and self.rng.random() < 0.2:
            fields["weight_offset"] = int(self.rng.integers(-127, 129))
        return fields

    def conv(self, count: int, source: Tensor | None = None, residual: bool = False) -> None:
        rng, x = self.rng, source or self.last
        name = f"conv{len(self.layers)}"
        square = (3, 1) if self.tensors[0].shape[1] == 1 else (3, 3)
        window = Window.same(x.shape[:2], square, (1, 1)) if residual else self.convolved(x.shape)
        h, w = window.output_size(*x.shape[:2])
        channels = x.shape[2] if residual else int(rng.integers(1, 10))
        weights = random_weights(rng, (channels, *window.kernel, x.shape[2]))
        extra = {}
        if residual:
            extra = {
                "residual": x.name,
                "residual_multiplier": rng.integers(64, 5000, channels).astype(np.int32),
            }
        out = self._tensor(f"{name}.out", (h, w, channels))
        fields = self.adaptive_fields(x, count, channels, weights[0].size)
        self.layers.append(Conv2D(name, x.name, out.name, weights, window=window, **fields, **extra))
        self.tensors.append(out)

    def residual_block(self, count: int) -> None:
        """Two convolutions with a fused addition of the block's input."""
        x = self.last
        self.conv(count, x)
        middle = self.last
        rng = self.rng
        name = f"conv{len(self.layers)}"
        weights = random_weights(rng, (x.shape[2], 1, 1, middle.shape[2]))
        if middle.shape[:2] != x.shape[:2]:
            return
        out = self._tensor(f"{name}.out", x.shape)
        self.layers.append(
            Conv2D(
                name,
                middle.name,
                out.name,
                weights,
                residual=x.name,
                residual_multiplier=rng.integers(64, 5000, x.shape[2]).astype(np.int32),
                **self.adaptive_fields(middle, count, x.shape[2], middle.shape[2]),
            )
        )
        self.tensors.append(out)

    def depthwise(self, count: int) -> None:
        x = self.last
        name = f"depthwise{len(self.layers)}"
        window = self.convolved(x.shape)
        weights = random_weights(self.rng, (x.shape[2], *window.kernel))
        out = self._tensor(f"{name}.out", (*window.output_size(*x.shape[:2]), x.shape[2]))
        self.layers.append(
            DepthwiseConv2D(
                name,
                x.name,
                out.name,
                weights,
                window=window,
                **self.adaptive_fields(x, count, x.shape[2], weights[0].size),
            )
        )
        self.tensors.append(out)

    def add(self) -> None:
        x = self.last
        other = next((t for t in self.tensors[:-1] if t.shape == x.shape), x)
        name = f"add{len(self.layers)}"
        out = self._tensor(f"{name}.out", x.shape)
        scale = max(x.scale, other.scale)
        m1, m2, offset, r = nested.add_parameters(
            (x.scale, other.scale), (x.zero_point, other.zero_point), scale, out.zero_point
        )
        self.tensors.append(Tensor(out.name, out.shape, scale, out.zero_point))
        self.layers.append(Add(name, (x.name, other.name), out.name, (m1, m2), offset, r))

    def concat(self) -> None:
        """Two or three tensors along any axis; each is copied, or brought to another scale."""
        rng, x = self.rng, self.last
        axis = int(rng.integers(0, 3)) if rng.random() < 0.9 else FLAT

        def rest(t: Tensor) -> tuple[int, ...]:
            return tuple(n for i, n in enumerate(t.shape) if i != axis)

        fitting = [t for t in self.tensors if axis == FLAT or rest(t) == rest(x)]
        others = [fitting[i] for i in rng.integers(0, len(fitting), int(rng.integers(1, 3)))]
        sources = [*others, x] if rng.random() < 0.5 else [x, *others]
        name = f"concat{len(self.layers)}"
        shape = [1, 1, sum(t.size for t in sources)] if axis == FLAT else list(x.shape)
        if axis != FLAT:
            shape[axis] = sum(t.shape[axis] for t in sources)
        out = self._tensor(f"{name}.out", tuple(shape))
        low, high = (0, 255) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(0, 256, 2))
        pairs, biases = [], []
        for t in sources:
            if rng.random() < 0.5:
                pairs.append(nested.IDENTITY)
                biases.append(2 * t.zero_point)
            else:
                pairs.append(nested.quantize_multiplier(float(np.exp(rng.normal(0, 1)))))
                biases.append(int(rng.integers(-300, 300)))
        requantize = Requantize(
            np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8), low, high
        )
        names = tuple(t.name for t in sources)
        self.layers.append(Concat(name, names, out.name, axis, np.array(biases, np.int32), requantize))
        self.tensors.append(out)

    def pool(self, average: bool) -> None:
        x = self.last
        name = f"pool{len(self.layers)}"
        window = self.window(x.shape)
        shape = (*window.output_size(*x.shape[:2]), x.shape[2])
        if average:
            out = self._tensor(f"{name}.out", shape)
            counts = tuple(sorted({int(c) for c in window_counts(window, *x.shape[:2]).ravel()}))
            bias = self.rng.integers(-300, 300, len(counts)).astype(np.int32)
            rq = random_requantize(self.rng, len(counts), 0.5 / max(counts))
            self.layers.append(AveragePool2D(name, x.name, out.name, window, counts, bias, rq))
        else:
            out = Tensor(f"{name}.out", shape, x.scale, x.zero_point)
            self.layers.append(MaxPool2D(name, x.name, out.name, window))
        self.tensors.append(out)

    def dense(self, count: int, channels: int) -> None:
        x = self.last
        name = f"dense{len(self.layers)}"
        weights = random_weights(self.rng, (channels, x.size))
        out = self._tensor(f"{name}.out", (1, 1, channels))
        self.layers.append(
            Dense(
                name,
                x.name,
                out.name,
                weights,
                **self.adaptive_fields(x, count, channels, x.size),
            )
        )
        self.tensors.append(out)

    def controller(self, after: str, source: Tensor, count: int) -> Controller | None:
        """Global average pooling, a hidden layer, and logits for every adaptive layer behind ``after``."""
        order = [layer.name for layer in self.layers]
        adaptive = [m for m in self.layers if len(getattr(m, "candidates", ())) > 1]
        if not adaptive or any(order.index(m.name) <= order.index(after) for m in adaptive):
            return None
        if any(len(m.candidates) != count for m in adaptive):
            return None
        rng = self.rng
        h, w, c = source.shape
        pooled, hidden = Tensor("ctl.pooled", (1, 1, c), 0.05), Tensor("ctl.hidden", (1, 1, 7), 0.05)
        self.tensors += [pooled, hidden]
        pool = AveragePool2D(
            "ctl.pool",
            source.name,
            pooled.name,
            Window((h, w)),
            (h * w,),
            np.zeros(1, np.int32),
            random_requantize(rng, 1, 0.5 / (h * w)),
        )
        first = Dense("ctl.dense", pooled.name, hidden.name, random_weights(rng, (7, c)), **self.mac_fields(7, c))
        logits = len(adaptive) * count
        last = Dense(
            "ctl.logits",
            hidden.name,
            "ctl.accumulators",
            random_weights(rng, (logits, 7)),
            rng.integers(-20000, 20000, logits).astype(np.int32),
            None,
        )
        dial = random_dial(np.random.default_rng((self.seed, 7)), count)
        return Controller(after, (pool, first, last), tuple(m.name for m in adaptive), dial)


def random_dial(rng: np.random.Generator, candidates: int) -> tuple[DialPoint, ...]:
    """None for every third controller; else 1 to 6 points, some as far out as a logit's bound lets them be."""
    count = int(rng.integers(-2, 7))
    targets = np.sort(rng.choice(1001, max(count, 0), replace=False)) / 1000
    biases = [random_bias(rng, candidates, 2**31 - 1 - 2**20) for _ in targets]
    return tuple(DialPoint(float(t), b) for t, b in zip(targets, biases, strict=True))


def random_bias(rng: np.random.Generator, candidates: int, most: int) -> tuple[int, ...]:
    """Biases of the order of a logit, so that choices change; in every fourth case -most, most and small ones."""
    if rng.random() < 0.25:
        return tuple(int(b) for b in rng.choice([-most, most, 0, 1, -1], candidates))
    return tuple(int(b) for b in rng.integers(-(2**17), 2**17, candidates))


KINDS = ("conv", "fused", "block", "depthwise", "add", "max", "average", "concat")


def random_graph(seed: int, *, largest: int = 9, signal: bool = False, every: bool = False) -> Graph:
    """A network of 4 to 8 layers, with a controller whenever one is possible; of a signal, one element wide.

    ``every``: with layers of every kind, dilated ones and offsets of weights too, not only what checkpoint formats 1
    and 2 hold.
    """
    rng = np.random.default_rng((seed, 1))
    height, width, depth = (int(rng.integers(*limits)) for limits in ((3, largest + 1), (3, largest + 1), (1, 7)))
    shape = (2 * height + width, 1, depth) if signal else (height, width, depth)
    builder = Builder(seed, shape, every=every, signal=signal)
    kinds = [*KINDS, *random_unweighted.KINDS] if every else KINDS
    count = int(rng.integers(2, 4))
    builder.conv(1)
    stem, source = builder.layers[0].name, builder.last
    for _ in range(int(rng.integers(2, 6))):
        kind = rng.choice(kinds)
        if kind == "conv":
            builder.conv(count)
        elif kind == "fused":
            builder.conv(count, residual=True)
        elif kind == "block":
            builder.residual_block(count)
        elif kind == "depthwise":
            builder.depthwise(count)
        elif kind == "add":
            builder.add()
        elif kind == "concat":
            builder.concat()
        elif kind in random_unweighted.KINDS:
            builder.unweighted(kind)
        else:
            builder.pool(kind == "average")
    builder.dense(1, int(rng.integers(1, 12)))
    output = builder.last.name
    controller = builder.controller(stem, source, count)
    return Graph(f"random{seed}", tuple(builder.tensors), tuple(builder.layers), "input", output, controller=controller)


def random_codes(seed: int, graph: Graph, count: int) -> np.ndarray:
    """Input codes: uniform, and in every third case only 0 and 255."""
    rng = np.random.default_rng((seed, 2))
    codes = rng.integers(0, 256, (count, *graph.tensor(graph.input).shape)).astype(np.uint8)
    codes[::3] = rng.choice(np.array([0, 255], np.uint8), codes[::3].shape)
    return codes
