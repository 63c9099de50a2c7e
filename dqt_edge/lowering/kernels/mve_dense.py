"""Kernels for MVE of dense layers, which use every weight once: one for each form of weights in ``mve_planes``."""

from __future__ import annotations

from ...graph import Dense
from . import descriptors
from .kernel import Kernel, Source, Tensors, Way
from .mve_planes import Form, form, pack, padded
from .orders import copied_first


def _stored(layer: Dense) -> Form:
    """The last layer of a controller has one kernel for all widths."""
    return "nibbles" if layer.requantize is None else form(layer)


def _ways(layer: Dense, _tensors: Tensors) -> list[Way]:
    return [Way(padded(layer.by_channel.shape[1]))]


def _kernel(name: str, stored: Form, *needs: Source, accumulate: bool = False) -> Kernel:
    return Kernel(
        Source("mve", name, "dense_mve", "accumulate" if accumulate else stored, needs=needs),
        (Dense,),
        descriptors.mac,
        serves=lambda layer, _: _stored(layer) == stored and (layer.requantize is None) == accumulate,
        ways=_ways,
        order=copied_first,
        pack=lambda layer: pack(layer.by_channel, stored, ahead=stored == "nibbles"),
    )


_FINISH = Source("mve", "mve_finish")
_NIBBLES = Source("mve", "mve_dense_nibbles")

KERNELS = (
    _kernel("dense_mve", "nibbles", _NIBBLES, _FINISH),
    _kernel("dense_bytes_mve", "bytes", Source("mve", "mve_dense_bytes"), _FINISH),
    _kernel("dense_two_bits_mve", "two_bits", Source("mve", "mve_dense_two_bits"), _FINISH),
    _kernel("dense_accumulate_mve", "nibbles", _NIBBLES, accumulate=True),
)
