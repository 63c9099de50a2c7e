"""Kernels in C for any Cortex-M that take four codes as a word: layers without weights.

One source serves every core: where a core has instructions for bytes, ``dqt_words.h`` uses them. Words at a place that
is no multiple of four are read only where the core can.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...graph import AveragePool2D, MaxPool2D
from ..arena import Overlap
from . import descriptors, packing
from .kernel import Kernel, Source, Tensors, Way
from .orders import Geometry, by_element, by_rows, sliding


def _columns(layer: MaxPool2D, tensors: Tensors) -> Sequence[Way]:
    """The columns under the windows of an output row, and a word."""
    width = (tensors[layer.output].shape[1] - 1) * layer.window.stride[1] + layer.window.kernel[1]
    return (Way(packing.padded(width * tensors[layer.input].shape[2]) + packing.TILE),)


def _four_channels(g: Geometry) -> Overlap:
    """A turn is four channels of a pixel, or one where there are fewer than four."""
    return by_element(g, packing.TILE if g.target[2] >= packing.TILE else 1)


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
        order=sliding(_four_channels),
    ),
)
