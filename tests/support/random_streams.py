"""Random networks with several inputs and outputs, and with states; the same seed gives the same network."""

from __future__ import annotations

import numpy as np

from dqt_edge.graph import FLAT, Add, Concat, Graph, Requantize, State, Tensor, nested
from tests.support import random_unweighted
from tests.support.random_graphs import Builder

KINDS = ["conv", "fused", "depthwise", "add", "max", "average", "recur"]


class StreamBuilder(Builder):
    """Adds inputs and states to a growing random network, and joins them to what is there."""

    def __init__(self, seed: int, shape: tuple[int, int, int]) -> None:
        super().__init__(seed, shape)
        self.inputs = [self.last]
        self.states: list[State] = []

    def more_input(self, shape: tuple[int, int, int]) -> Tensor:
        self.inputs.append(self._tensor(f"input{len(self.inputs)}", shape))
        self.tensors.insert(len(self.inputs) - 1, self.inputs[-1])
        return self.inputs[-1]

    def join(self, sources: list[Tensor], axis: int) -> None:
        """Side by side, with random changes of scale."""
        name, rng = f"join{len(self.layers)}", self.rng
        shape = [1, 1, sum(t.size for t in sources)] if axis == FLAT else list(sources[0].shape)
        if axis != FLAT:
            shape[axis] = sum(t.shape[axis] for t in sources)
        pairs = [nested.quantize_multiplier(float(np.exp(rng.normal(-0.7, 0.3)))) for _ in sources]
        requantize = Requantize(np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.uint8))
        bias = rng.integers(-100, 100, len(sources)).astype(np.int32)
        out = self._tensor(f"{name}.out", tuple(shape))
        self.layers.append(Concat(name, tuple(t.name for t in sources), out.name, axis, bias, requantize))
        self.tensors.append(out)

    def kept(self, like: Tensor, write: str = "") -> Tensor:
        """A state of the description of a tensor, which it keeps unless another one is named."""
        read = Tensor(f"state{len(self.states)}", like.shape, like.scale, like.zero_point)
        self.tensors.insert(len(self.inputs), read)
        self.states.append(State(read.name, write or like.name, int(self.rng.integers(0, 256))))
        return read

    def recur(self) -> None:
        """A weighted sum of the last tensor and of the sum that was kept."""
        x, name, rng = self.last, f"recur{len(self.layers)}", self.rng
        out = Tensor(f"{name}.out", x.shape, x.scale, x.zero_point)
        read = self.kept(out)
        weights = (int(rng.integers(1 << 15, 1 << 16)), int(rng.integers(1 << 15, 1 << 16)))
        self.layers.append(
            Add(name, (read.name, x.name), out.name, weights, int(rng.integers(-(1 << 20), 1 << 20)), 17)
        )
        self.tensors.append(out)


def random_stream(seed: int, *, inputs: int = 2, outputs: int = 3, states: bool = True) -> Graph:
    """A network of 6 to 12 layers.

    With states: one that an input is kept in, one that is a running sum, one that a convolution reads, and sometimes
    one that an output is kept in. Sometimes with a controller. Odd seeds have layers of every kind.
    """
    rng = np.random.default_rng((seed, 3))
    height, width, depth = (int(rng.integers(*limits)) for limits in ((3, 8), (3, 8), (1, 5)))
    builder = StreamBuilder(seed, (height, width, depth))
    count = int(rng.integers(2, 4))
    first = builder.last
    others = [builder.more_input(_shape(rng, first, i)) for i in range(inputs - 1)]
    if states:
        builder.join([builder.kept(first), first], 2)
    builder.conv(1)
    stem, source = builder.layers[-1].name, builder.last
    for other in others[::2]:
        shape, last = other.shape[:2], builder.last
        builder.join([last, other], 2 if shape == last.shape[:2] else FLAT)
    kinds = [*KINDS, *random_unweighted.KINDS] if seed % 2 else KINDS
    for kind in rng.choice(kinds, int(rng.integers(2, 5))):
        if kind in random_unweighted.KINDS:
            builder.unweighted(kind)
        elif kind in ("conv", "fused"):
            builder.conv(count, residual=kind == "fused" and builder.last.shape[1] > 1)
        elif kind == "depthwise":
            builder.depthwise(count)
        elif kind == "add":
            builder.add()
        elif kind == "recur" and states:
            builder.recur()
        else:
            builder.pool(kind == "average")
    if states:
        late = builder.last
        builder.conv(count, builder.kept(late))
        builder.join([builder.last, late, *others[1::2]], FLAT)
    elif others[1::2]:
        builder.join([builder.last, *others[1::2]], FLAT)
    builder.dense(1, int(rng.integers(1, 12)))
    if states:
        builder.recur()
    made = [layer.output for layer in builder.layers]
    chosen = [made[-1], *rng.permutation([*made[:-1], first.name])[: outputs - 1].tolist()]
    if rng.random() < 0.5:
        chosen = chosen[::-1]
    controller = builder.controller(stem, source, count) if rng.random() < 0.7 else None
    tensors = builder.tensors
    return Graph(
        f"stream{seed}",
        tuple(tensors),
        tuple(builder.layers),
        first.name,
        chosen[0],
        controller=controller,
        more_inputs=tuple(t.name for t in others),
        more_outputs=tuple(chosen[1:]),
        states=tuple(builder.states),
    )


def _shape(rng: np.random.Generator, first: Tensor, index: int) -> tuple[int, int, int]:
    if index % 2 == 0 and rng.random() < 0.5:
        return (*first.shape[:2], int(rng.integers(1, 5)))
    height, width, depth = (int(n) for n in rng.integers(1, 5, 3))
    return (height, width, depth)


def random_samples(seed: int, graph: Graph, count: int) -> dict[str, np.ndarray]:
    """Codes of each input: uniform, and in every third case only 0 and 255."""
    rng, samples = np.random.default_rng((seed, 4)), {}
    for name in graph.inputs:
        codes = rng.integers(0, 256, (count, *graph.tensor(name).shape)).astype(np.uint8)
        codes[::3] = rng.choice(np.array([0, 255], np.uint8), codes[::3].shape)
        samples[name] = codes
    return samples
