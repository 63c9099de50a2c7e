"""Kernels round other kernels: they ask whether a layer is skipped, and run its own kernel if it is not."""

from __future__ import annotations

from ...graph import Layer
from .kernel import Context, Described, Kernel, Source, Way
from .packing import Planes

SKIP, BRANCH = "skippable_mac", "unless_skipped"
"""Of a layer that may be skipped itself, and of one that nobody reads then."""


CYCLES = {
    "cortex-m0": 63,
    "cortex-m3": 36,
    "cortex-m4": 31,
    "cortex-m7": 19,
    "cortex-m33": 25,
    "cortex-m55": 22,
}
"""Core -> estimated cycles of an output of a skipped layer: modelled cycles of 108 outputs with a residual, 6 channels,
without flash wait states."""


def estimated(core: str, outputs: int) -> float | None:
    """Estimated cycles of a layer that is skipped; None for a core that was not measured."""
    return None if core not in CYCLES else float(CYCLES[core] * outputs)


def _never(_layer: Layer, _way: Way, _planes: Planes | None, _context: Context) -> Described:
    raise AssertionError("it computes no layer by itself")


KERNELS = tuple(Kernel(Source("plain", name), (), _never) for name in (SKIP, BRANCH))
"""They compute no operator: the planner lays them round the kernel that it chose."""
