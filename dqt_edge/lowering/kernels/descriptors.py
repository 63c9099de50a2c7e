"""Descriptors that kernels read: made from a layer, with its constants, and the bound of its accumulators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import UnsupportedError
from ...graph import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Requantize,
    Shape,
    Window,
    bounds,
)
from .. import records
from ..constants import Constants
from . import concat
from .kernel import Context, Described, Tensors, Way, Windowed
from .packing import Planes

UINT16_MAX = 0xFFFF


def output_shape(layer: Layer, tensors: Tensors) -> Shape:
    """Shape of what a layer writes; logits are no tensor of the graph."""
    return (1, 1, layer.channels) if isinstance(layer, Dense) else tensors[layer.output].shape


def _window(source: Shape, zero_point: int, target: Shape, window: Window) -> records.Window:
    return records.Window(*source, *target, *window.kernel, *window.stride, *window.padding[:2], zero_point)


def _requantize(name: str, rq: Requantize | None, constants: Constants) -> records.Requantize:
    if rq is None:
        return records.Requantize(None, None, 0, 255)
    multiplier = constants.add(name, "multiplier", rq.multiplier, "requantise multipliers by channel")
    shift = None
    if (rq.shift != 32).any():
        shift = constants.add(name, "shift", rq.shift, "requantise shifts by channel")
    return records.Requantize(multiplier, shift, rq.low, rq.high)


_Names = tuple[str | None, str | None, str | None]


def _planes(layer: Conv2D | Dense, planes: Planes, constants: Constants) -> _Names:
    """Names of planes A, B and L; those that no candidate reads are not stored."""
    widest = max(width for width, _ in layer.candidates)
    top = "bits 7-6 of the" if planes.b.size else "bits 7-4 of the" if planes.low.size else "bytes of the"
    a, b, low = constants.add(layer.name, "plane_a", planes.a, f"{top} weights"), None, None
    if widest > 2 and planes.b.size:
        b = constants.add(layer.name, "plane_b", planes.b, "bits 5-4 of the weights")
    if widest > 4 and planes.low.size:
        low = constants.add(layer.name, "plane_l", planes.low, "bits 3-0 of the weights")
    return a, b, low


def mac(layer: Conv2D | DepthwiseConv2D | Dense, way: Way, planes: Planes | None, context: Context) -> Described:
    """A convolution, depthwise or not, or a dense layer.

    Raises:
        UnsupportedError: A dimension that the descriptor cannot hold.
    """
    constants, offsets = context.constants, context.offsets
    source, target = context.tensors[layer.input], output_shape(layer, context.tensors)
    rows = bounds.bias_rows(layer, source)
    depth = layer.by_channel.shape[1]
    if depth > UINT16_MAX or layer.channels > UINT16_MAX:
        raise UnsupportedError(
            f"layer {layer.name!r}: {depth} weights for each of {layer.channels} outputs, more than {UINT16_MAX}",
            where=f"layer {layer.name!r}",
            next_step="make the layer smaller",
        )
    if isinstance(layer, Dense):
        window = _window((1, 1, depth), source.zero_point, target, Window((1, 1)))
    else:
        around = replace(layer.window, padding=(0, 0, 0, 0)) if layer.window.dilated else layer.window
        window = _window(source.shape, source.zero_point, target, around)
    plane_a = plane_b = plane_l = masters = residual = multiplier = None
    residual_zero = 0
    if planes is not None:
        assert isinstance(layer, Conv2D | Dense)
        plane_a, plane_b, plane_l = _planes(layer, planes, constants)
    else:
        masters = constants.add(layer.name, "masters", layer.by_channel.T, "weights [tap][channel]")
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        residual, residual_zero = offsets[layer.residual], context.tensors[layer.residual].zero_point
        multiplier = constants.add(
            layer.name, "residual_multiplier", layer.residual_multiplier, "fused residual multipliers by channel"
        )
    record = records.Mac(
        window=window,
        input=offsets[layer.input],
        output=offsets[layer.output],
        residual=residual,
        plane_a=plane_a,
        plane_b=plane_b,
        plane_l=plane_l,
        masters=masters,
        bias_twice=constants.add(layer.name, "bias_twice", rows, "twice the bias, [row][channel]"),
        residual_multiplier=multiplier,
        bias_stride=0 if len(rows) == 1 else layer.channels,
        requantize=_requantize(layer.name, layer.requantize, constants),
        residual_zero=residual_zero,
        block=way.block,
        strip=way.strip,
        weight_zero=-layer.weight_offset,
    )
    return Described(record, bounds.accumulator_bound(layer, rows))


def dilated(layer: Conv2D | DepthwiseConv2D, way: Way, planes: Planes | None, context: Context) -> Described:
    """A convolution, depthwise or not, whose taps lie apart."""
    made = mac(layer, way, planes, context)
    assert isinstance(made.record, records.Mac)
    return replace(made, record=records.Dilated(made.record, *layer.window.dilation, *layer.window.padding[:2]))


def winograd(layer: Conv2D, way: Way, planes: Planes | None, context: Context) -> Described:
    """A convolution of which the pair 8x8 has a block and a strip of its own."""
    block, strip = way.others
    made = mac(layer, replace(way, block=block, strip=strip), planes, context)
    assert isinstance(made.record, records.Mac)
    return replace(made, record=records.Winograd(made.record, way.block, way.strip))


def addition(layer: Add, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """An addition of two stored tensors."""
    first, second = (context.offsets[name] for name in layer.inputs)
    record = records.Sum(
        input=(first, second),
        output=context.offsets[layer.output],
        size=context.tensors[layer.output].size,
        multiplier=layer.multipliers,
        offset=layer.offset,
        shift=layer.shift,
        low=layer.low,
        high=layer.high,
    )
    return Described(record)


def concatenation(layer: Concat, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """A concatenation."""
    return Described(concat.record(layer, context.tensors, context.offsets), concat.bound(layer))


def pool(layer: Windowed, _way: Way, _planes: Planes | None, context: Context) -> Described:
    """A pooling; an average has counts, biases and multipliers too."""
    constants, source = context.constants, context.tensors[layer.input]
    counts = bias = requantize = None
    bound = count_count = 0
    if isinstance(layer, AveragePool2D):
        count_count, requantize = len(layer.counts), layer.requantize
        values = np.array(layer.counts, np.uint16)
        counts = constants.add(layer.name, "counts", values, "elements under a window")
        bias = constants.add(layer.name, "bias_twice", layer.bias_twice, "twice the bias by count")
        bound = 2 * 255 * max(layer.counts) + int(np.abs(layer.bias_twice.astype(np.int64)).max())
    record = records.Pool(
        window=_window(source.shape, source.zero_point, context.tensors[layer.output].shape, layer.window),
        input=context.offsets[layer.input],
        output=context.offsets[layer.output],
        counts=counts,
        bias_twice=bias,
        count_count=count_count,
        requantize=_requantize(layer.name, requantize, constants),
    )
    return Described(record, bound)
