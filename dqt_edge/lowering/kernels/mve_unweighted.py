"""Kernels for MVE of layers without weights: which of them they take."""

from __future__ import annotations

from ...graph import Add, AveragePool2D, Concat, Lookup, Maximum, Minimum, Multiply, Resize
from . import descriptors, unweighted
from .kernel import Kernel, Source, Tensors
from .orders import by_element, concatenated, moved, resized, same_shapes, side_by_side, sliding

LANES, CHANNELS_MIN = 8, 3
"""Channels that average_pool2d_mve adds up at a time, and fewest that are worth a vector."""


def _takes_average(layer: AveragePool2D, tensors: Tensors) -> bool:
    """From three channels on, and every shift is 32: then a product's high word is the whole requantisation."""
    return tensors[layer.output].shape[2] >= CHANNELS_MIN and bool((layer.requantize.shift == 32).all())


def _operands(name: str, variant: str) -> Source:
    return Source("mve", name, "operands_mve", variant)


KERNELS = (
    Kernel(Source("mve", "add_mve"), (Add,), descriptors.addition, serves=same_shapes, order=side_by_side),
    Kernel(_operands("add_broadcast_mve", "add"), (Add,), unweighted.broadcast_sum, order=side_by_side),
    Kernel(
        _operands("multiply_mve", "multiply"),
        (Multiply,),
        unweighted.product,
        serves=unweighted.scales_product,
        order=side_by_side,
    ),
    Kernel(_operands("maximum_mve", "maximum"), (Maximum,), unweighted.extreme, order=side_by_side),
    Kernel(_operands("minimum_mve", "minimum"), (Minimum,), unweighted.extreme, order=side_by_side),
    Kernel(
        Source("mve", "concat_mve"),
        (Concat,),
        descriptors.concatenation,
        serves=unweighted.scales_parts,
        order=concatenated,
    ),
    Kernel(Source("mve", "lookup_mve"), (Lookup,), unweighted.lookup, order=side_by_side),
    Kernel(Source("mve", "resize_mve"), (Resize,), unweighted.resizing, order=moved(resized)),
    Kernel(
        Source("mve", "average_pool2d_mve"),
        (AveragePool2D,),
        descriptors.pool,
        serves=_takes_average,
        order=sliding(lambda g: by_element(g, LANES)),
    ),
)
