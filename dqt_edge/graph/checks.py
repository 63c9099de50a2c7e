"""What must hold between the layers of a Graph; each layer's own fields are checked in layers.py."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedError
from . import nested
from .dial import check_dial
from .layers import (
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MacLayer,
    MaxPool2D,
    window_counts,
)
from .layers_data import FLAT, Concat, Pad, Rearrange, Resize
from .layers_elementwise import Add, Lookup, Maximum, Minimum, Multiply, Softmax
from .points import DECISION_POINTS_MAX, WATCH, DecisionPoint, check_tuned
from .terminals import check_made, check_terminals
from .values import FULL, Shape, Tensor, pair_text

if TYPE_CHECKING:
    from .graph import Graph

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def _refuse(where: str, reason: str) -> None:
    raise UnsupportedError(reason, where=where, next_step="mend the graph where it is made; run 'dqt-edge check' on it")


def _twice(names: Sequence[str]) -> str:
    """The first name that is there twice; there is one."""
    return next(name for name, count in Counter(names).items() if count > 1)


def check_graph(graph: Graph) -> None:
    """Raise UnsupportedError, naming the layer and the reason, unless the graph can be lowered."""
    controller = graph.controller
    if controller is not None and controller.after not in {layer.name for layer in graph.layers}:
        _refuse(
            f"controller of graph {graph.name!r}",
            f"it reads layer {controller.after!r}, which does not exist",
        )
    for point in graph.points:
        if point.after not in {layer.name for layer in graph.layers}:
            _refuse(f"decision point {point.name!r}", f"it lies behind layer {point.after!r}, which does not exist")
    _check_names(graph)
    tensors = {t.name: t for t in graph.tensors}
    layers = graph.all_layers
    ready = check_terminals(graph, tensors)
    if graph.classes:
        _check_classes(graph, tensors[graph.output])
    for layer in layers:
        where = f"layer {layer.name!r} of graph {graph.name!r}"
        for name in layer.inputs:
            if name not in ready:
                _refuse(where, f"input tensor {name!r} is not made by an earlier layer")
        accumulates = isinstance(layer, Dense) and layer.requantize is None
        if not accumulates:
            if layer.output not in tensors or layer.output in ready:
                _refuse(where, f"output tensor {layer.output!r} is undefined, or made twice")
            ready.add(layer.output)
        _check_shapes(layer, tensors, where)
    check_made(graph, ready)
    _check_controller(graph)
    _check_points(graph)
    _check_branches(graph)
    check_tuned(graph)


def _check_names(graph: Graph) -> None:
    """Refuse names that are no names, and names that two tensors or two layers share."""
    where = f"graph {graph.name!r}"
    listed = {"tensors": [t.name for t in graph.tensors], "layers": [layer.name for layer in graph.all_layers]}
    for name in (*listed["tensors"], *listed["layers"], graph.name, *(point.name for point in graph.points)):
        if not NAME.fullmatch(name):
            _refuse(where, f"name {name!r} is not a letter followed by up to 63 letters, digits, _ . -")
    for kind, names in listed.items():
        if len(set(names)) < len(names):
            _refuse(where, f"two {kind} share a name: {_twice(names)!r}")


def _check_classes(graph: Graph, output: Tensor) -> None:
    """One name for each output; of a map for each channel; a single yes or no may have one for each answer."""
    allowed = {output.shape[2] if graph.task == "map" else output.size}
    if graph.task in ("binary", "map") and 1 in allowed:
        allowed.add(2)
    if len(graph.classes) not in allowed:
        _refuse(f"graph {graph.name!r}", f"{len(graph.classes)} class names for {max(allowed)} outputs")


def _check_shapes(layer: Layer, tensors: dict[str, Tensor], where: str) -> None:
    sources = [tensors[name] for name in layer.inputs]
    if isinstance(layer, MacLayer):
        _check_widths(layer, sources[0], where)
        bound = _bound(layer, sources[0])
        if bound > nested.INT32_MAX:
            _refuse(where, f"its accumulator can reach {bound}, more than int32 holds")
    accumulates = isinstance(layer, Dense) and layer.requantize is None
    output = None if accumulates else tensors[layer.output]
    expected = _output_shape(layer, sources, output, where)
    if output is None:
        return
    if output.shape != expected:
        _refuse(where, f"makes shape {expected}, but its output tensor has {output.shape}")
    if isinstance(layer, Conv2D) and layer.residual is not None and sources[1].shape != expected:
        _refuse(where, f"residual has shape {sources[1].shape}, not {expected}")
    _check_meaning(layer, sources, output, where)
    if isinstance(layer, AveragePool2D):
        missing = set(window_counts(layer.window, *sources[0].shape[:2]).ravel().tolist()) - set(layer.counts)
        if missing:
            _refuse(where, f"no multiplier for windows of {sorted(missing)} elements")


KEEPS: dict[type, str] = {
    MaxPool2D: "max pooling",
    Maximum: "a maximum",
    Minimum: "a minimum",
    Rearrange: "another order",
    Pad: "padding",
    Resize: "resizing",
}
"""Layers whose tensors have one scale and zero point, because their codes are not converted."""


def _check_meaning(layer: Layer, sources: list[Tensor], output: Tensor, where: str) -> None:
    """Refuse scales and zero points that the layer's integers do not have."""
    what = KEEPS.get(type(layer))
    if what is not None and {(t.scale, t.zero_point) for t in sources} != {(output.scale, output.zero_point)}:
        _refuse(where, f"{what} must keep its input's scale and zero point")
    if isinstance(layer, Softmax) and (output.scale, output.zero_point) != (1 / 256, 0):
        _refuse(where, "the output of a softmax has scale 1/256 and zero point 0")


def _output_shape(layer: Layer, sources: list[Tensor], output: Tensor | None, where: str) -> Shape:
    """Shape that the layer makes of its inputs; refuses inputs that its weights or window cannot take.

    ``output`` is the tensor that it writes; None for logits. The layer decides its shape, except where any is right.
    """
    height, width, channels = sources[0].shape
    if isinstance(layer, Dense):
        if layer.weights.shape[1] != sources[0].size:
            _refuse(where, f"weights expect {layer.weights.shape[1]} inputs, the tensor has {sources[0].size}")
        return (1, 1, layer.channels)
    if isinstance(layer, Concat):
        return _concat_shape(layer, sources, where)
    if isinstance(layer, Add | Multiply | Maximum | Minimum):
        return _broadcast_shape(sources, where)
    if isinstance(layer, Lookup | Softmax | Rearrange | Pad | Resize):
        assert output is not None
        return _unweighted_shape(layer, sources[0].shape, output.shape, where)
    if layer.window.dilated and not isinstance(layer, MacLayer):
        _refuse(where, f"pooling takes no dilation, its window has {layer.window.dilation}")
    out_h, out_w = layer.window.output_size(height, width)
    if min(out_h, out_w) < 1:
        _refuse(where, f"window {layer.window.kernel} is larger than the padded input {height}x{width}")
    if isinstance(layer, Conv2D):
        if layer.weights.shape[3] != channels:
            _refuse(where, f"weights expect {layer.weights.shape[3]} input channels, the tensor has {channels}")
        channels = layer.channels
    if isinstance(layer, DepthwiseConv2D) and layer.channels != channels:
        _refuse(where, f"weights have {layer.channels} channels, the tensor has {channels}")
    return (out_h, out_w, channels)


def _concat_shape(layer: Concat, sources: list[Tensor], where: str) -> Shape:
    if layer.axis == FLAT:
        return (1, 1, sum(t.size for t in sources))
    others = {tuple(n for axis, n in enumerate(t.shape) if axis != layer.axis) for t in sources}
    if len(others) != 1:
        _refuse(where, f"joins shapes {[t.shape for t in sources]} along axis {layer.axis}")
    shape = list(sources[0].shape)
    shape[layer.axis] = sum(t.shape[layer.axis] for t in sources)
    return (shape[0], shape[1], shape[2])


def _broadcast_shape(sources: list[Tensor], where: str) -> Shape:
    first, second = (source.shape for source in sources)
    if any(a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)):
        _refuse(
            where, f"joins tensors of different shapes {first} and {second}; a dimension may differ only if one is 1"
        )
    height, width, channels = (max(a, b) for a, b in zip(first, second, strict=True))
    return (height, width, channels)


def _unweighted_shape(
    layer: Lookup | Softmax | Rearrange | Pad | Resize, source: Shape, output: Shape, where: str
) -> Shape:
    """Shape of what a layer with one input makes, where weights and windows do not say it."""
    height, width, channels = source
    if isinstance(layer, Rearrange):
        lowest, highest = layer.reach()
        if lowest < 0 or highest >= height * width * channels:
            _refuse(where, f"it reads elements {lowest}..{highest} of an input of {height * width * channels}")
        if layer.size != output[0] * output[1] * output[2]:
            _refuse(where, f"it makes {layer.size} elements, but its output tensor has shape {output}")
        return output
    if isinstance(layer, Pad):
        least = layer.least_shape(source)
        if any(n < least_n for n, least_n in zip(output, least, strict=True)):
            _refuse(where, f"its output tensor has shape {output}, the input alone needs {least}")
        return output
    if isinstance(layer, Resize):
        for what, table, size in (("rows", layer.rows, height), ("columns", layer.columns, width)):
            if table[:, 0].max() >= size:
                _refuse(where, f"{what} reach index {table[:, 0].max()} of an input of {height}x{width}")
        return (len(layer.rows), len(layer.columns), channels)
    if isinstance(layer, Lookup) and len(layer.table) not in (1, channels):
        _refuse(where, f"it has {len(layer.table)} tables for {channels} channels, needs one or one for each")
    return source


def _check_widths(layer: Conv2D | DepthwiseConv2D | Dense, source: Tensor, where: str) -> None:
    narrow = [pair_text(p) for p in layer.candidates if p[1] != 8]
    if source.zero_point and narrow:
        _refuse(where, f"its input has zero point {source.zero_point} and is read at 8 bits only, not {narrow}")


def _bound(layer: Conv2D | DepthwiseConv2D | Dense, source: Tensor) -> int:
    rows = [layer.bias_twice.astype("int64"), *(layer.bias_of(pair).astype("int64") for pair in layer.candidates)]
    if source.zero_point:
        terms = [
            nested.zero_point_twice(layer.weights, w, source.zero_point, layer.weight_offset)
            for w, _ in layer.candidates
        ]
        rows += [row - term for row, term in zip(rows[1:], terms, strict=True)]
    residual = layer.residual_multiplier if isinstance(layer, Conv2D) else None
    skipped = 0
    if layer.skip_bias is not None:
        least = np.zeros_like(layer.weights)
        skipped = nested.accumulator_bound(least, layer.skip_bias[None], (FULL,), residual)
    return max(
        skipped,
        *(
            nested.accumulator_bound(layer.weights, row[None], layer.candidates, residual, layer.weight_offset)
            for row in rows
        ),
    )


def _check_controller(graph: Graph) -> None:
    controller = graph.controller
    if controller is None:
        return
    where = f"controller of graph {graph.name!r}"
    adaptive = {layer.name: layer for layer in graph.adaptive}
    if tuple(adaptive) != controller.decides:
        _refuse(where, f"it decides {controller.decides}, but the adaptive layers are {tuple(adaptive)}")
    counts = {len(layer.options) for layer in graph.adaptive}
    if len(counts) != 1:
        found = ", ".join(f"{len(layer.options)} of {layer.name!r}" for layer in graph.adaptive)
        _refuse(where, f"all decided layers need the same number of candidates, not {found or 'none'}")
    order = [layer.name for layer in graph.layers]
    early = [name for name in controller.decides if order.index(name) <= order.index(controller.after)]
    if early:
        _refuse(where, f"layers {early} run before the controller can decide them")
    candidates = counts.pop()
    last = controller.layers[-1] if controller.layers else None
    if not isinstance(last, Dense) or last.requantize is not None:
        _refuse(where, "its last layer must be a dense layer that leaves accumulators")
    elif last.channels != len(controller.decides) * candidates:
        _refuse(where, f"it has {last.channels} logits for {len(controller.decides)} layers")
    else:
        check_dial(controller.dial, candidates, _bound(last, graph.tensor(last.input)))
    if any(isinstance(m, MacLayer) and len(m.options) > 1 for m in controller.layers):
        chosen = [m.name for m in controller.layers if isinstance(m, MacLayer) and len(m.options) > 1]
        _refuse(where, f"the controller itself must have fixed widths, and {chosen} have several")


def _check_points(graph: Graph) -> None:
    """Refuse decision points that cannot answer for the network, or that the network needs."""
    points, order = graph.points, [layer.name for layer in graph.layers]
    where = f"graph {graph.name!r}"
    if len(points) > DECISION_POINTS_MAX:
        _refuse(where, f"{len(points)} decision points are more than {DECISION_POINTS_MAX}")
    if (points or graph.second_pass) and (graph.task != "classifier" or len(graph.outputs) > 1 or graph.states):
        _refuse(where, "only a classifier with one output and no state can have decision points or a second pass")
    if graph.second_pass and not graph.adaptive:
        _refuse(where, "a second pass needs a layer with several candidates")
    names = [point.name for point in points]
    if len(set(names)) < len(names):
        _refuse(where, f"two decision points share a name: {_twice(names)!r}")
    places = [order.index(point.after) for point in points]
    if any(a >= b for a, b in pairwise(places)):
        _refuse(where, f"the decision points {names} are not in the order of the layers, or two lie behind one")
    if places and places[-1] == len(order) - 1:
        _refuse(where, f"decision point {names[-1]!r} behind the last layer would come too late")
    for point in points:
        _check_head(graph, point)
    beside = {layer.output for layer in graph.all_layers if layer.name in graph.beside}
    for layer in graph.layers:
        needed = beside.intersection(layer.inputs)
        if needed:
            _refuse(where, f"layer {layer.name!r} reads {sorted(needed)}, which is not made when the widths are given")


def _check_branches(graph: Graph) -> None:
    """Refuse a branch that begins to run before it is known whether it is skipped."""
    order, branches = [layer.name for layer in graph.layers], graph.skipped_with
    decided = [graph.controller.after] if graph.controller is not None else []
    for layer, position in branches.items():
        last = graph.adaptive[position].name
        for after in (*decided, *(point.after for point in graph.points)):
            if order.index(layer) <= order.index(after) < order.index(last):
                where = f"layer {layer!r} of graph {graph.name!r}"
                _refuse(where, f"it runs before {after!r}, behind which it is decided whether {last!r} is skipped")


def _check_head(graph: Graph, point: DecisionPoint) -> None:
    where = f"decision point {point.name!r} of graph {graph.name!r}"
    last = point.layers[-1] if point.layers else None
    if not isinstance(last, Dense) or last.requantize is not None:
        _refuse(where, "its last layer must be a dense layer that leaves accumulators")
        return
    classes = graph.tensor(graph.output).size
    if last.channels != classes or classes < 2:
        _refuse(where, f"it has {last.channels} logits for the {classes} classes of the network")
    bound = _bound(last, graph.tensor(last.input))
    if 2 * bound >= WATCH:
        _refuse(where, f"its logits can reach {bound}, so that a margin may not fit 32 bits")
    known = {graph.layer(point.after).output}
    for layer in point.layers:
        if isinstance(layer, MacLayer) and len(layer.options) > 1:
            _refuse(where, f"its layer {layer.name!r} has several candidates")
        if isinstance(layer, Dense) and layer.requantize is None and layer is not last:
            _refuse(where, f"its layer {layer.name!r} leaves accumulators, and only the last may")
        others = [name for name in layer.inputs if name not in known]
        if others:
            _refuse(where, f"its layer {layer.name!r} reads {others}, which neither {point.after!r} nor the head makes")
        known.add(layer.output)
