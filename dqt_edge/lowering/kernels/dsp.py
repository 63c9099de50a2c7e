"""Kernels for the DSP extension: those of its other files, and pooling."""

from __future__ import annotations

from ...graph import AveragePool2D
from . import descriptors, dsp_conv, dsp_dense, dsp_depthwise, dsp_winograd, packing
from .kernel import Kernel, Source
from .orders import by_element, sliding

LIMITS = (*dsp_conv.LIMITS, *dsp_depthwise.LIMITS)

KERNELS = (
    *dsp_winograd.KERNELS,
    *dsp_conv.KERNELS,
    *dsp_depthwise.KERNELS,
    *dsp_dense.KERNELS,
    Kernel(
        Source("dsp", "average_pool2d_dsp"),
        (AveragePool2D,),
        descriptors.pool,
        serves=lambda layer, tensors: tensors[layer.output].shape[2] >= packing.TILE,
        order=sliding(lambda g: by_element(g, packing.TILE)),
    ),
)
