"""Kernels in C for any Cortex-M that take four codes as a word: layers without weights.

One source serves every core: where a core has instructions for bytes, ``dqt_words.h`` uses them. Words at a place that
is no multiple of four are read only where the core can.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import Add, AveragePool2D, Concat, Maximum, MaxPool2D, Minimum, Multiply
from ..arena import Overlap
from . import descriptors, packing, unweighted
from .kernel import Kernel, Source, Tensors, Way
from .orders import Geometry, by_element, by_rows, concatenated, same_shapes, side_by_side, sliding


def _columns(layer: MaxPool2D, tensors: Tensors) -> Sequence[Way]:
    """The columns under the windows of an output row, and a word."""
    width = (tensors[layer.output].shape[1] - 1) * layer.window.stride[1] + layer.window.kernel[1]
    return (Way(packing.padded(width * tensors[layer.input].shape[2]) + packing.TILE),)


def _four_channels(g: Geometry) -> Overlap:
    """A turn is four channels of a pixel, or one where there are fewer than four."""
    return by_element(g, packing.TILE if g.target[2] >= packing.TILE else 1)


def _operands(name: str, variant: str) -> Source:
    return Source("words", name, "operands_words", variant)


KERNELS = (
    Kernel(
        Source("words", "max_pool2d_words"),
        (MaxPool2D,),
        descriptors.pool,
        ways=_columns,
        order=sliding(by_rows),
    ),
    Kernel(
        Source("words", "average_pool2d_words"),
        (AveragePool2D,),
        descriptors.pool,
        serves=unweighted.scales_mean,
        order=sliding(_four_channels),
    ),
    Kernel(_operands("add_words", "same"), (Add,), descriptors.addition, serves=same_shapes, order=side_by_side),
    Kernel(_operands("add_broadcast_words", "add"), (Add,), unweighted.broadcast_sum, order=side_by_side),
    Kernel(
        _operands("multiply_words", "multiply"),
        (Multiply,),
        unweighted.product,
        serves=unweighted.scales_product,
        order=side_by_side,
    ),
    Kernel(_operands("maximum_words", "maximum"), (Maximum,), unweighted.extreme, order=side_by_side),
    Kernel(_operands("minimum_words", "minimum"), (Minimum,), unweighted.extreme, order=side_by_side),
    Kernel(
        Source("words", "concat_words"),
        (Concat,),
        descriptors.concatenation,
        serves=unweighted.scales_parts,
        order=concatenated,
    ),
)
