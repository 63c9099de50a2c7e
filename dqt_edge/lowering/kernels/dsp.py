"""Kernels for the DSP extension: those of its files."""

from __future__ import annotations

from . import dsp_conv, dsp_dense, dsp_depthwise, dsp_winograd

LIMITS = (*dsp_conv.LIMITS, *dsp_depthwise.LIMITS)

KERNELS = (*dsp_winograd.KERNELS, *dsp_conv.KERNELS, *dsp_depthwise.KERNELS, *dsp_dense.KERNELS)
