"""Convolutions, dense layers and normalisations of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..problems import Unfit
from ..values import Reals, Value, Weights
from .context import CHANNEL_AXIS, Array, Context, Target
from .file import RawNode
from .operators import Operator
from .view import View, places_of, reordered, view_of
from .windows import auto_pad, require_kernel, window_of

BIAS_TOLERANCE = 1e-3
"""Relative difference up to which a bias has the scale of its weights times that of the input."""


def spatial(context: Context, node: RawNode, view: View) -> Value:
    """A map as (height, width, channels); a series as (1, length, channels)."""
    rank = len(view.shape)
    if rank not in (3, 4):
        raise Unfit(f"it works on a tensor of shape {view.shape}", "maps [1, channels, height, width] or series")
    if view.shape[0] != 1:
        raise Unfit(f"it computes {view.shape[0]} samples at once", "a batch of one")
    value = context.as_axes(view, (*range(2, rank), CHANNEL_AXIS), context.name(node))
    return context.builder.reshape(value, (1,) * (4 - rank) + value.shape)


def from_spatial(context: Context, target: Target, value: Value, rank: int) -> None:
    """Say what the tensor of the file is that such a value stands for."""
    height, width, channels = value.shape
    shape = (1, channels, *((height, width) if rank == 4 else (width,)))
    context.result(target, value, shape, (*range(2, rank), CHANNEL_AXIS))


def real_or_integer(context: Context, node: RawNode, position: int, axis: int) -> tuple[Array, Reals | None]:
    """Weights as the file has them and the scale of each output channel, which count along ``axis``."""
    name = node.input(position)
    if not context.integer:
        return context.reals(node, position, "its weights"), None
    if name not in context.quantised:
        context.constant(node, position, "its weights")
        raise Unfit("its weights are not quantised", "a model whose layers are all quantised, or the float model")
    known = context.quantised[name]
    channels = known.values.shape[axis]
    if known.scales.size not in (1, channels) or (known.scales.size > 1 and known.axis != axis):
        raise Unfit(f"its {known.scales.size} weight scales are not by output channel", "one for each output channel")
    return known.values, np.broadcast_to(known.scales, channels).astype(np.float64)


def bias_of(context: Context, name: str, view: View, channels: int, scales: Reals | None, factor: float = 1.0) -> Any:  # noqa: ANN401
    """One bias for each channel, in the weights' units; None if there is none."""
    if not name:
        return None
    known = context.quantised.get(name)
    if known is None and name not in context.constants:
        raise Unfit("its biases are computed", "constant biases")
    real = known.real if known is not None else np.asarray(context.constants[name], np.float64)
    if real.size not in (1, channels) or not np.isfinite(real).all():
        raise Unfit(f"it has {real.size} biases for {channels} channels", "one finite bias for each channel")
    real = np.broadcast_to(real.ravel() * factor, channels)
    if scales is None:
        return real.astype(np.float64)
    steps = scales * (view.quant.scale if view.quant else 1.0)
    if known is not None and np.allclose(known.scales * factor, steps, rtol=BIAS_TOLERANCE, atol=0):
        return np.broadcast_to(known.values.ravel(), channels).astype(np.int64)
    return np.floor(real / steps + 0.5).astype(np.int64)


def added_bias(context: Context, node: RawNode, channels: int, axis: int) -> tuple[RawNode, str]:
    """The addition of a constant to each channel behind a layer, which becomes its bias; else the layer itself."""
    reader = context.only_reader(node.outputs[0])
    if reader is not None and reader.type == "Add":
        other = next((name for name in reader.inputs if name != node.outputs[0]), "")
        if context.is_constant(other):
            known = context.quantised.get(other)
            shape = (context.constants[other] if known is None else known.values).shape
            wide = [len(shape) - i for i, n in enumerate(shape) if n > 1]
            if wide in ([], [axis]) and int(np.prod(shape)) in (1, channels):
                context.done.add(reader.index)
                return reader, other
    return node, ""


def require_quantised(context: Context, view: View) -> None:
    """An integer layer reads codes."""
    if context.integer and view.quant is None and not view.value.refused:
        raise Unfit("it reads a tensor that is not quantised", "QuantizeLinear and DequantizeLinear before it")


def conv(context: Context, node: RawNode) -> None:
    """Conv: weights [out, in / groups, kernel ...]."""
    view = context.view(node)
    require_quantised(context, view)
    x = spatial(context, node, view)
    rank = len(view.shape)
    values, scales = real_or_integer(context, node, 1, axis=0)
    if values.ndim != rank:
        raise Unfit(f"its weights have shape {values.shape}", f"weights of {rank} dimensions")
    require_kernel(node, values.shape[2:])
    values = values.reshape(*values.shape[:2], *(1,) * (4 - rank), *values.shape[2:])
    out, groups, channels = len(values), int(node.attributes.get("group", 1)), x.shape[2]
    if groups < 1 or out % groups or values.shape[1] * groups != channels:
        raise Unfit(f"its weights {values.shape} do not fit {channels} channels in {groups} groups", "fitting weights")
    window = window_of(node, x.shape[:2], values.shape[2:], rank)
    last, name = (node, node.input(2)) if node.input(2) else added_bias(context, node, out, axis=rank - 1)
    bias = bias_of(context, name, view, out, scales)
    target = context.target(last, fuse=True)
    common: dict[str, Any] = {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "activation": target.activation,
        "quant": target.quant,
        "source": target.source,
    }
    if groups == channels > 1:
        taps = values.reshape(channels, out // channels, *values.shape[2:])
        value = context.builder.depthwise(context.name(node), x, Weights(taps, scales, bias), **common)
    else:
        weights = Weights(values.transpose(0, 2, 3, 1), scales, bias)
        value = context.builder.conv(context.name(node), x, weights, groups=groups, **common)
    from_spatial(context, target, value, rank)


def conv_transpose(context: Context, node: RawNode) -> None:
    """ConvTranspose: weights [in, out, kernel ...]."""
    view = context.view(node)
    require_quantised(context, view)
    x = spatial(context, node, view)
    rank = len(view.shape)
    if int(node.attributes.get("group", 1)) != 1:
        raise Unfit(f"it has {node.attributes['group']} groups", "one group, or Resize and a Conv with groups")
    values, scales = real_or_integer(context, node, 1, axis=1)
    if values.ndim != rank or len(values) != x.shape[2]:
        raise Unfit(f"its weights have shape {values.shape} for {x.shape[2]} channels", "[in, out, kernel]")
    values = values.reshape(*values.shape[:2], *(1,) * (4 - rank), *values.shape[2:])
    dilation = tuple(int(n) for n in node.attributes.get("dilations", ()))
    values = _apart(values, (1,) * (2 - len(dilation)) + dilation)
    stride, padding, size = _transposed_window(node, x.shape[:2], values.shape[2:])
    last, name = (node, node.input(2)) if node.input(2) else added_bias(context, node, values.shape[1], axis=rank - 1)
    bias = bias_of(context, name, view, values.shape[1], scales)
    target = context.target(last, fuse=True)
    value = context.builder.transposed_conv(
        context.name(node),
        x,
        Weights(values.transpose(1, 2, 3, 0), scales, bias),
        stride=stride,
        padding=padding,
        size=size,
        activation=target.activation,
        quant=target.quant,
        source=target.source,
    )
    from_spatial(context, target, value, rank)


def _apart(values: Array, dilation: Sequence[int]) -> Array:
    """The taps of a dilated kernel with zeros between them."""
    if max(dilation) == 1:
        return values
    size = [(n - 1) * d + 1 for n, d in zip(values.shape[2:], dilation, strict=True)]
    wide = np.zeros((*values.shape[:2], *size), values.dtype)
    wide[:, :, :: dilation[0], :: dilation[1]] = values
    return wide


def _transposed_window(node: RawNode, own: Sequence[int], kernel: Sequence[int]) -> tuple[Any, Any, Any]:
    """Stride, (top, left) and the output's (height, width)."""

    def pairs(name: str, default: int) -> list[int]:
        given = [int(n) for n in node.attributes.get(name, ())]
        return [default] * (2 - len(given)) + given

    stride, extra = pairs("strides", 1), pairs("output_padding", 0)
    given = [int(n) for n in node.attributes.get("pads", ())]
    half = len(given) // 2
    begin = [0] * (2 - half) + given[:half]
    end = [0] * (2 - half) + given[half:]
    full = [s * (n - 1) + e + k for s, n, e, k in zip(stride, own, extra, kernel, strict=True)]
    size = [n - b - e for n, b, e in zip(full, begin, end, strict=True)]
    auto = auto_pad(node)
    shape = [int(n) for n in node.attributes.get("output_shape", ())]
    if shape or auto in ("SAME_UPPER", "SAME_LOWER"):
        size = [n * s for n, s in zip(own, stride, strict=True)]
        if shape:
            size = [1] * (2 - len(shape[-2:])) + shape[-2:]
        cut = [max(n - m, 0) for n, m in zip(full, size, strict=True)]
        begin = [n // 2 if auto == "SAME_UPPER" else n - n // 2 for n in cut]
    if min(size) < 1:
        raise Unfit(f"its output would have {size} rows and columns", "less padding")
    return tuple(stride), tuple(begin), tuple(size)


def gemm(context: Context, node: RawNode) -> None:
    """Gemm: alpha * A * B + beta * C."""
    view = context.view(node)
    if node.attributes.get("transA"):
        view = view.transposed(tuple(reversed(range(len(view.shape)))))
    flipped = bool(node.attributes.get("transB"))
    values, scales = real_or_integer(context, node, 1, axis=0 if flipped else 1)
    alpha, beta = (float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    if alpha <= 0 and scales is not None:
        raise Unfit(f"its alpha is {alpha}", "a positive factor")
    if scales is None:
        values = values * alpha
    else:
        scales = scales * alpha
    _dense(context, node, view, values if flipped else values.T, scales, node.input(2), beta)


def matmul(context: Context, node: RawNode) -> None:
    """MatMul with constant weights on either side."""
    constants = [context.is_constant(name) for name in node.inputs]
    if not any(constants):
        for i in range(2):
            context.view(node, i)
        raise Unfit("it multiplies two tensors that are both computed", "a product with constant weights")
    left = constants[0]
    view = context.view(node, int(left))
    values, scales = real_or_integer(
        context, node, 1 - int(left), axis=0 if left else -1 % max(_rank(context, node), 1)
    )
    if values.ndim != 2:
        raise Unfit(f"its weights have shape {values.shape}", "weights of two dimensions")
    if not left:
        _dense(context, node, view, values.T, scales, "", 1.0)
        return
    flip = (*range(len(view.shape) - 2), len(view.shape) - 1, len(view.shape) - 2)
    _dense(context, node, view.transposed(flip), values, scales, "", 1.0, flip=flip)


def _rank(context: Context, node: RawNode) -> int:
    name = node.input(1)
    known = context.quantised.get(name)
    return (context.constants[name] if known is None else known.values).ndim if context.is_constant(name) else 2


def _dense(
    context: Context,
    node: RawNode,
    view: View,
    values: Array,
    scales: Reals | None,
    bias: str,
    factor: float,
    flip: tuple[int, ...] = (),
) -> None:
    """Rows [..., in] of a view through weights [out, in], whichever way the view lies."""
    require_quantised(context, view)
    out, inputs = values.shape
    if view.shape[-1] != inputs:
        raise Unfit(f"it reads rows of {view.shape[-1]} with weights for {inputs}", "weights that fit")
    parts = view.groups()[-1]
    if set(view.order[len(view.order) - len(parts) :]) != set(parts):
        axes = range(len(view.shape))
        view = view_of(context.as_axes(view, axes, context.name(node)), view.shape, axes, view.quant)
        parts = view.groups()[-1]
    order, weights = view.order[: len(view.order) - len(parts)], reordered(values, view, parts)
    if view.pieces:
        weights = weights[:, places_of(view)]
    rows = tuple(view.parts[part] for part in order)
    x = context.builder.reshape(view.value, (*rows, inputs))
    last = node
    if not bias and not flip:
        last, bias = added_bias(context, node, out, axis=1)
    found = bias_of(context, bias, view, out, scales, factor)
    target = context.target(last, fuse=True)
    made = context.builder.dense(
        context.name(node),
        x,
        Weights(weights, scales, found),
        activation=target.activation,
        quant=target.quant,
        source=target.source,
    )
    lead = view.parts[: len(view.parts) - len(parts)]
    wide = out > 1
    result = View(
        made,
        (*view.shape[:-1], out),
        (*lead, *([out] if wide else [])),
        (*order, *([len(lead)] if wide else [])),
        target.quant,
    )
    context.put(target.name, result.transposed(flip) if flip else result, target.source)


def batch_norm(context: Context, node: RawNode) -> None:
    """BatchNormalization: a factor and a summand for each channel."""
    if node.attributes.get("training_mode") or len([name for name in node.outputs if name]) > 1:
        raise Unfit("it is in training mode", "a model that was exported for inference")
    view = context.view(node)
    scale, shift, mean, variance = (context.reals(node, i, "its statistics").ravel() for i in range(1, 5))
    factor = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    axes = [axis for axis in view.lying() if axis != CHANNEL_AXIS] + [CHANNEL_AXIS]
    if len(view.shape) < 2 or factor.size != view.shape[CHANNEL_AXIS]:
        raise Unfit(f"it has {factor.size} channels for a tensor of shape {view.shape}", "channels on axis 1")
    target = context.target(node)
    value = context.builder.affine(
        context.name(node),
        context.as_axes(view, axes, context.name(node)),
        factor,
        shift - mean * factor,
        quant=target.quant,
        source=target.source,
    )
    context.result(target, value, view.shape, axes)


MAC = {
    "Conv": Operator(conv, "1-D and 2-D; any kernel, stride, padding, dilation and groups"),
    "ConvTranspose": Operator(conv_transpose, "1-D and 2-D; any kernel, stride, padding and dilation; one group"),
    "Gemm": Operator(gemm, "constant weights"),
    "MatMul": Operator(matmul, "constant weights on either side; each row of a tensor"),
    "BatchNormalization": Operator(batch_norm, "folded into the layer before it, else a layer of its own"),
}
