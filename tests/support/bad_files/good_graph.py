"""Small networks with a layer of every kind, each with a name that errors can be looked up by."""

from __future__ import annotations

import numpy as np

from dqt_edge.graph import (
    Add,
    AveragePool2D,
    Concat,
    Controller,
    Conv2D,
    DecisionPoint,
    Dense,
    DepthwiseConv2D,
    DialPoint,
    Graph,
    Lookup,
    MaxPool2D,
    Multiply,
    Pad,
    Rearrange,
    Requantize,
    Resize,
    Setting,
    Softmax,
    State,
    Tensor,
    TunedPoint,
    Window,
    nested,
)

PAIRS = ((8, 8), (4, 4))


def _rq(channels: int) -> Requantize:
    return Requantize(np.full(channels, 1 << 30, np.int32), np.full(channels, 38, np.uint8))


def _weights(*shape: int) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 15 - 7).astype(np.int8).reshape(shape)


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int32)


def _tensors(**shapes: tuple[int, int, int]) -> tuple[Tensor, ...]:
    return tuple(Tensor(name, shape, 0.05) for name, shape in shapes.items())


def every_layer() -> Graph:
    """A classifier with a layer of every kind, a controller with a dial, a decision point, and tuned points."""
    map_, half = (6, 6, 4), (4, 4, 4)
    tensors = _tensors(input=map_, a=map_, b=map_, c=map_, d=map_, e=map_, f=map_, g=map_, h=(8, 8, 4), i=half)
    tensors += _tensors(j=(2, 2, 4), k=(1, 1, 4), l=(1, 1, 8), m=(1, 1, 3))
    tensors += (Tensor("output", (1, 1, 3), 1 / 256),)
    order = Rearrange("turned", "f", "g", 20, (6, 6, 4), (24, -4, 1))
    mean = AveragePool2D("mean", "j", "k", Window((2, 2)), (4,), _zeros(1), _rq(1))
    places = np.stack([np.arange(0, 8, 2), np.full(4, 512)], axis=1).astype(np.int32)
    two = Concat("joined", ("k", "k"), "l", 2, _zeros(2), _rq(2))
    block = Conv2D(
        *("block", "b", "c", _weights(4, 1, 1, 4), _zeros(4), _rq(4), PAIRS),
        bias_by_width=_zeros(2, 4),
        residual="a",
        residual_multiplier=np.ones(4, np.int32),
    )
    layers = (
        Conv2D("conv", "input", "a", _weights(4, 3, 3, 4), _zeros(4), _rq(4), window=Window((3, 3), (1, 1), (1,) * 4)),
        DepthwiseConv2D(
            "deep", "a", "b", _weights(4, 3, 3), _zeros(4), _rq(4), PAIRS, window=Window((3, 3), (1, 1), (1,) * 4)
        ),
        block,
        Add("sum", ("c", "a"), "d", (512, 512), 0, 10),
        Multiply("product", ("d", "a"), "e", _zeros(1), _rq(1)),
        Lookup("table", "e", "f", np.arange(256, dtype=np.uint8)[None]),
        order,
        Pad("padded", "g", "h", (1, 1, 0), (1, 1), 0),
        Resize("resized", "h", "i", places, places),
        MaxPool2D("most", "i", "j", Window((2, 2), (2, 2))),
        mean,
        two,
        Dense("dense", "l", "m", _weights(3, 8), _zeros(3), _rq(3)),
        Softmax("softmax", "m", "output", nested.exponentials(0.05)),
    )
    logits = Dense("logits", "a", "chosen", _weights(4, 144), _zeros(4), None)
    head = Dense("head_logits", "d", "early", _weights(3, 144), _zeros(3), None)
    tuned = tuple(TunedPoint(cost, share, Setting(None, (100,), (0,), 3)) for cost, share in ((0.5, 0.8), (0.9, 0.95)))
    dial = (DialPoint(0.25, (3, -5)), DialPoint(0.9, (0, 7)))
    return Graph(
        *("every", tensors, layers, "input", "output", ("red", "green", "blue")),
        controller=Controller("conv", (logits,), ("deep", "block"), dial),
        points=(DecisionPoint("head", "sum", (head,)),),
        tuned=tuned,
        second_pass=True,
        provenance={"seed": 1},
    )


def with_state() -> Graph:
    """Two inputs, two outputs, and a state that is kept from one inference to the next."""
    tensors = _tensors(frame=(1, 1, 4), other=(1, 1, 4), past=(1, 1, 4), now=(1, 1, 4), answer=(1, 1, 2))
    layers = (
        Add("mixed", ("frame", "past"), "now", (512, 512), 0, 10),
        Dense("last", "now", "answer", _weights(2, 4), _zeros(2), _rq(2)),
    )
    return Graph(
        *("stream", tensors, layers, "frame", "answer"),
        task="outputs",
        more_inputs=("other",),
        more_outputs=("now",),
        states=(State("past", "now", 128),),
    )
