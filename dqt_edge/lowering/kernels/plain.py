"""Kernels in plain C, for any core: what the faster families leave, and the native process."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Lookup,
    Maximum,
    MaxPool2D,
    Minimum,
    Multiply,
    Pad,
    Rearrange,
    Resize,
    Softmax,
)
from . import descriptors, packing, unweighted
from .kernel import Kernel, Limit, Source, Tensors, Way
from .orders import (
    by_element,
    by_pixel,
    concatenated,
    copied_first,
    moved,
    padded,
    rearranged,
    resized,
    same_shapes,
    side_by_side,
    sliding,
)

LIMITS = (Limit("DQT_TILE", packing.TILE, "Output channels, and K, of a weight tile."),)


def _tile_way(layer: Conv2D | Dense, _tensors: Tensors) -> Sequence[Way]:
    """A tile of decoded weights and a column of activations."""
    return (Way((packing.TILE + 1) * packing.padded(layer.by_channel.shape[1])),)


def _pack(layer: Conv2D | Dense) -> packing.Planes:
    return packing.pack(layer.by_channel)


KERNELS = (
    Kernel(
        Source("plain", "conv2d"),
        (Conv2D,),
        descriptors.mac,
        serves=lambda layer, _: layer.residual is None,
        ways=_tile_way,
        order=sliding(by_pixel),
        pack=_pack,
        fallback=True,
    ),
    Kernel(
        Source("plain", "conv2d_residual", "conv2d", "residual"),
        (Conv2D,),
        descriptors.mac,
        serves=lambda layer, _: layer.residual is not None,
        ways=_tile_way,
        order=sliding(by_pixel),
        pack=_pack,
        fallback=True,
    ),
    Kernel(
        Source("plain", "dilated_conv2d", "conv2d", "dilated"),
        (Conv2D,),
        descriptors.dilated,
        serves=lambda layer, _: layer.residual is None,
        ways=_tile_way,
        order=sliding(by_pixel),
        pack=_pack,
        dilated=True,
    ),
    Kernel(
        Source("plain", "dilated_conv2d_residual", "conv2d", "dilated_residual"),
        (Conv2D,),
        descriptors.dilated,
        serves=lambda layer, _: layer.residual is not None,
        ways=_tile_way,
        order=sliding(by_pixel),
        pack=_pack,
        dilated=True,
    ),
    Kernel(
        Source("plain", "depthwise_conv2d"),
        (DepthwiseConv2D,),
        descriptors.mac,
        order=sliding(by_element),
        fallback=True,
    ),
    Kernel(
        Source("plain", "dilated_depthwise_conv2d", "depthwise_conv2d", "dilated"),
        (DepthwiseConv2D,),
        descriptors.dilated,
        order=sliding(by_element),
        fallback=True,
        dilated=True,
    ),
    Kernel(
        Source("plain", "dense"),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: layer.requantize is not None,
        ways=_tile_way,
        order=copied_first,
        pack=_pack,
    ),
    Kernel(
        Source("plain", "dense_accumulate", "dense", "accumulate"),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: layer.requantize is None,
        ways=_tile_way,
        order=copied_first,
        pack=_pack,
    ),
    Kernel(Source("plain", "add"), (Add,), descriptors.addition, serves=same_shapes, order=side_by_side),
    Kernel(Source("plain", "add_broadcast", "operands", "add"), (Add,), unweighted.broadcast_sum, order=side_by_side),
    Kernel(Source("plain", "multiply", "operands", "multiply"), (Multiply,), unweighted.product, order=side_by_side),
    Kernel(Source("plain", "maximum", "operands", "maximum"), (Maximum,), unweighted.extreme, order=side_by_side),
    Kernel(Source("plain", "minimum", "operands", "minimum"), (Minimum,), unweighted.extreme, order=side_by_side),
    Kernel(Source("plain", "lookup"), (Lookup,), unweighted.lookup, order=side_by_side),
    Kernel(Source("plain", "softmax"), (Softmax,), unweighted.softmax, order=side_by_side),
    Kernel(Source("plain", "rearrange"), (Rearrange,), unweighted.rearrangement, order=moved(rearranged)),
    Kernel(Source("plain", "pad"), (Pad,), unweighted.padding, order=moved(padded)),
    Kernel(Source("plain", "resize"), (Resize,), unweighted.resizing, order=moved(resized)),
    Kernel(Source("plain", "concat"), (Concat,), descriptors.concatenation, order=concatenated),
    Kernel(
        Source("plain", "max_pool2d", "pool2d", "max"),
        (MaxPool2D,),
        descriptors.pool,
        order=sliding(by_element),
        fallback=True,
    ),
    Kernel(
        Source("plain", "average_pool2d", "pool2d", "average"),
        (AveragePool2D,),
        descriptors.pool,
        order=sliding(by_element),
    ),
)
