"""Pooling, reductions and softmax of ONNX."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from ..builder_windows import Reduction
from ..problems import Unfit
from ..values import Quant
from .context import Context
from .file import RawNode
from .layers import from_spatial, require_quantised, spatial
from .movement import require_one_sample
from .operators import Operator
from .windows import window_of

KINDS: dict[str, Reduction] = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max", "ReduceMin": "min"}
PROBABILITY = Quant(1 / 256, 0)
SOFTMAX_AXIS = 13
"""Version since which Softmax works along one axis; before, along all from one on."""


def pool(context: Context, node: RawNode) -> None:
    """MaxPool, AveragePool."""
    kind: Literal["max", "average"] = "max" if node.type == "MaxPool" else "average"
    if [name for name in node.outputs[1:] if name and context.readers[name]]:
        raise Unfit("its second output, the places of the maxima, is used", "the largest values alone")
    view = context.view(node)
    require_quantised(context, view)
    x = spatial(context, node, view)
    rank = len(view.shape)
    kernel = [int(n) for n in node.attributes.get("kernel_shape", ())]
    if len(kernel) != rank - 2:
        raise Unfit(f"its kernel is {kernel}", f"{rank - 2} numbers")
    window = window_of(node, x.shape[:2], (1,) * (4 - rank) + tuple(kernel), rank)
    if window.dilation != (1, 1):
        raise Unfit(f"its dilation is {window.dilation}", "dilation 1")
    counted = bool(node.attributes.get("count_include_pad")) and kind == "average" and any(window.padding)
    if kind == "average" and node.attributes.get("count_include_pad") and any(window.beyond):
        raise Unfit("it counts its padding, and ceil_mode reaches beyond it", "ceil_mode 0, or count_include_pad 0")
    top, left, bottom, right = window.padding
    target = context.target(node, fuse=True, kept=view.quant if kind == "max" else None, bounded=view.quant)
    value = context.builder.pool(
        context.name(node),
        kind,
        x,
        kernel=window.kernel,
        stride=window.stride,
        padding=(top, left, bottom + window.beyond[0], right + window.beyond[1]),
        counts_padding=counted,
        activation=target.activation,
        quant=target.quant,
        source=target.source,
    )
    from_spatial(context, target, value, rank)


def global_pool(context: Context, node: RawNode) -> None:
    """GlobalAveragePool, GlobalMaxPool: over all axes behind the channels."""
    rank = len(context.view(node).shape)
    _reduce(context, node, "mean" if node.type == "GlobalAveragePool" else "max", list(range(2, rank)), keep=True)


def reduction(context: Context, node: RawNode) -> None:
    """ReduceMean and its like."""
    view = context.view(node)
    rank = len(view.shape)
    axes = context.numbers(node, "axes", 1)
    if not axes:
        if node.attributes.get("noop_with_empty_axes"):
            context.put(node.outputs[0], view)
            return
        axes = list(range(rank))
    if any(not -rank <= axis < rank for axis in axes):
        raise Unfit(f"it works over axes {axes} of {rank}", "axes that the tensor has")
    for axis in axes:
        require_one_sample(context, view, axis % rank)
    _reduce(
        context,
        node,
        KINDS[node.type],
        sorted({axis % rank for axis in axes}),
        keep=bool(node.attributes.get("keepdims", 1)),
    )


def _reduce(context: Context, node: RawNode, kind: Reduction, axes: list[int], *, keep: bool) -> None:
    view = context.view(node)
    require_quantised(context, view)
    wide = [axis for axis in axes if view.shape[axis] > 1]
    left = [axis for axis in view.lying() if axis not in wide]
    shape = [1 if axis in axes else n for axis, n in enumerate(view.shape)]
    kept = view.quant if kind in ("max", "min") or not wide else None
    target = context.target(node, kept=kept, bounded=view.quant if kind == "mean" else None)
    lying = [axis for axis in view.lying() if axis in wide or axis in left]
    x = context.as_axes(view, lying, context.name(node))
    if wide:
        where = [lying.index(axis) for axis in wide]
        name, quant, source = context.name(node), target.quant, target.source
        made: Any = context.builder.reduce(name, kind, x, where, keep=False, quant=quant, source=source)
    else:
        made = x
    context.result(target, made, shape, left)
    if not keep:
        made_view = context.views[target.name]
        assert made_view is not None
        flat = made_view.reshaped(tuple(n for axis, n in enumerate(view.shape) if axis not in axes))
        assert flat is not None  # only axes of one element go
        context.put(target.name, flat, target.source)


def softmax(context: Context, node: RawNode) -> None:
    """Softmax along an axis, or along all from one on, before version 13."""
    view = context.view(node)
    require_quantised(context, view)
    rank = len(view.shape)
    old = context.raw.opset < SOFTMAX_AXIS
    axis = int(node.attributes.get("axis", 1 if old else -1)) % max(rank, 1)
    over = list(range(axis, rank) if old else [axis])
    axes = [a for a in over if view.shape[a] > 1] or over[-1:]  # of one element it is 1, whatever that is
    before = [a for a in view.lying() if a not in axes]
    target = context.target(node, bounded=PROBABILITY)
    x = context.as_axes(view, [*before, *axes], context.name(node))
    rows = tuple(view.shape[a] for a in before)
    x = context.builder.reshape(x, (*rows, prod(view.shape[a] for a in axes)))
    value = context.builder.softmax(context.name(node), x, axis=-1, quant=target.quant, source=target.source)
    context.result(target, value, view.shape, [*before, *axes])


def log_softmax(context: Context, node: RawNode) -> None:
    """At the end of a classifier it keeps the order of the outputs, and that is all that the answer is."""
    view, name = context.view(node), node.outputs[0]
    if context.raw.outputs != (name,) or context.readers[name] or len(view.shape) != 2:
        raise Unfit("it is not at the end of a classifier", "LogSoftmax as the last operator, or Softmax")
    context.put(name, view)
    context.dropped.append("log_softmax")


POOLS = {
    **dict.fromkeys(("MaxPool", "AveragePool"), Operator(pool, "1-D and 2-D; any window, stride, padding; ceil_mode")),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), Operator(global_pool)),
    **dict.fromkeys(KINDS, Operator(reduction, "over any axes")),
    "Softmax": Operator(softmax, "along any axis; at the end of a classifier it is dropped, the logits stay"),
    "LogSoftmax": Operator(log_softmax, "at the end of a classifier; it is dropped, the logits stay"),
}
