"""All kernels: by name, and those of a core."""

from __future__ import annotations

from collections.abc import Collection

from ...boards import Cpu
from ...errors import UnsupportedError
from ...graph import Layer
from . import dsp, dsp_conv, mve, plain, scalar
from .kernel import Choice, Kernel, Limit, Source, Tensors, closure

FAMILIES: dict[str, tuple[Kernel, ...]] = {
    "plain": plain.KERNELS,
    "scalar": scalar.KERNELS,
    "dsp": dsp.KERNELS,
    "mve": mve.KERNELS,
}
"""Kernels of each family; a core's families are named by its ``Cpu``."""

_LIMITS: dict[str, tuple[Limit, ...]] = {
    "plain": plain.LIMITS,
    "scalar": scalar.LIMITS,
    "dsp": dsp.LIMITS,
    "mve": mve.LIMITS,
}

LIMITS: dict[str, int] = {limit.name: limit.value for family in _LIMITS.values() for limit in family}
"""Macro of ``dqt_limits.h`` -> value, of all families."""

OFFSETS: dict[str, dict[str, int]] = {**dsp_conv.OFFSETS}
"""Structure -> byte offset of each field that assembly addresses by number."""

_BY_NAME = {kernel.name: kernel for family in FAMILIES.values() for kernel in family}


def kernel(name: str) -> Kernel:
    """The kernel of that name, which is that of its C function without ``dqt_``."""
    return _BY_NAME[name]


def kernels_of(cpu: Cpu) -> tuple[Kernel, ...]:
    """Every kernel that a core can run, those of its best family first."""
    return tuple(kernel for family in cpu.families for kernel in FAMILIES[family])


def choices(layer: Layer, tensors: Tensors, cpu: Cpu) -> tuple[Choice, ...]:
    """Ways to compute a layer on a core, the fastest first, each slower than the one before; at least one.

    Raises:
        UnsupportedError: No kernel of the core serves the layer.
    """
    able = [kernel for kernel in kernels_of(cpu) if kernel.takes(layer, tensors)]
    if not able:
        raise UnsupportedError(
            f"layer {layer.name!r}: no kernel for {cpu.core} computes a {type(layer).__name__} of this shape",
            where=f"layer {layer.name!r}",
            next_step="see docs/kernels.md for what each kernel takes",
        )
    taken = [able[0], *(kernel for kernel in able[1:] if kernel.fallback)]
    return tuple(choice for kernel in taken for choice in kernel.choices(layer, tensors))


def sources(names: Collection[str], cpu: Cpu) -> tuple[Source, ...]:
    """Templates of kernels and of all that they need on a core, sorted by name."""
    found = closure((kernel(name).source for name in names), cpu)
    return tuple(found[name] for name in sorted(found))


def all_sources() -> tuple[str, ...]:
    """Names of the templates' outputs for every kernel and core, sorted."""
    found: set[str] = set()

    def add(source: Source) -> None:
        found.add(source.name)
        for other in (*source.needs, *source.thumb1):
            add(other)

    for each in _BY_NAME.values():
        add(each.source)
    return tuple(sorted(found))


def limits(names: Collection[str]) -> tuple[Limit, ...]:
    """Numbers that the C of these kernels shares with Python, family by family; the plain family's are for all."""
    families = {"plain", *(kernel(name).family for name in names)}
    return tuple(limit for family in FAMILIES if family in families for limit in _LIMITS[family])
