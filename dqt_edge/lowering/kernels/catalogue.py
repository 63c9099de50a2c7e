"""All kernels: by name, and those of a core."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...boards import Cpu
from ...errors import UnsupportedError
from ...graph import Layer, MacLayer
from . import dsp, dsp_conv, dsp_dense, dsp_winograd, estimates, mve, plain, scalar, skipping, words
from .kernel import Choice, Kernel, Limit, Source, Tensors, closure

FAMILIES: dict[str, tuple[Kernel, ...]] = {
    "plain": (*plain.KERNELS, *skipping.KERNELS),
    "words": words.KERNELS,
    "scalar": scalar.KERNELS,
    "dsp": dsp.KERNELS,
    "mve": mve.KERNELS,
}
"""Kernels of each family; a core's families are named by its ``Cpu``."""

TIE = 1.05
"""How much fewer estimated cycles a kernel must have, to come before the first of the catalogue."""

_LIMITS: dict[str, tuple[Limit, ...]] = {
    "plain": plain.LIMITS,
    "words": (),
    "scalar": scalar.LIMITS,
    "dsp": dsp.LIMITS,
    "mve": mve.LIMITS,
}

LIMITS: dict[str, int] = {limit.name: limit.value for family in _LIMITS.values() for limit in family}
"""Macro of ``dqt_limits.h`` -> value, of all families."""

OFFSETS: dict[str, dict[str, int]] = {**dsp_conv.OFFSETS, **dsp_dense.OFFSETS, **dsp_winograd.OFFSETS}
"""Structure -> byte offset of each field that assembly addresses by number."""

_BY_NAME = {kernel.name: kernel for family in FAMILIES.values() for kernel in family}


def kernel(name: str) -> Kernel:
    """The kernel of that name, which is that of its C function without ``dqt_``."""
    return _BY_NAME[name]


def kernels_of(cpu: Cpu) -> tuple[Kernel, ...]:
    """Every kernel that a core can run, those of its best family first."""
    return tuple(kernel for family in cpu.families for kernel in FAMILIES[family])


def choices(layer: Layer, tensors: Tensors, cpu: Cpu, only: str | None = None) -> tuple[Choice, ...]:
    """Ways to compute a layer on a core, the fastest first, each slower than the one before; at least one.

    The fastest kernel is that of the fewest estimated cycles, the mean over the layer's candidates, among kernels with
    an estimate; of equal ones, and where the first of the catalogue has none, the first. Behind it come those that
    need less scratch: slower ones with an estimate, then fallbacks.

    Args:
        layer: The layer.
        tensors: The graph's tensors.
        cpu: The core.
        only: The kernel to take, by its name, whatever it costs.

    Raises:
        UnsupportedError: No kernel of the core serves the layer.
    """
    able = [k for k in kernels_of(cpu) if k.takes(layer, tensors) and only in (None, k.name)]
    if not able:
        raise UnsupportedError(
            f"layer {layer.name!r}: no kernel for {cpu.core} computes a {type(layer).__name__} of this shape",
            where=f"layer {layer.name!r}",
            next_step="see docs/kernels.md for what each kernel takes",
        )
    found = {kernel.name: kernel.choices(layer, tensors) for kernel in able}
    cycles = {k.name: k.estimate(layer, found[k.name][0].way, tensors, cpu.core) for k in able}
    errors = {k.name: estimates.error(k.name, layer, tensors, cpu.core) for k in able}
    taken = ranked(able, cycles, errors)
    kept = list(found[taken[0].name])
    for kernel in taken[1:]:
        leanest = min(choice.scratch for choice in kept)
        kept += [choice for choice in found[kernel.name] if kernel.fallback or choice.scratch < leanest]
    return tuple(kept)


def estimated(choice: Choice, layer: Layer, tensors: Tensors, cpu: Cpu) -> tuple[float | None, ...]:
    """Estimated cycles of a layer on a core at each of its options; None where they are not known."""
    found = choice.kernel.estimates(layer, choice.way, tensors, cpu.core)
    if not isinstance(layer, MacLayer) or layer.skip_bias is None:
        return found
    return (*found, skipping.estimated(cpu.core, tensors[layer.output].size))


def ranked(able: Sequence[Kernel], cycles: Mapping[str, float | None], errors: Mapping[str, float]) -> list[Kernel]:
    """Kernels that may compute a layer, the fastest first; behind it slower ones of its family, and plain ones.

    Args:
        able: All that can, in the catalogue's order.
        cycles: Estimate of each by name, or None.
        errors: Mean relative error of these; the first of the catalogue stays first unless another is faster by more.
    """
    order, first = [able[0]], cycles[able[0].name]
    if first is not None:
        known = [(first, 0)]
        for i, kernel in enumerate(able[1:], 1):
            margin = max(TIE, 1 + errors[kernel.name], 1 + errors[able[0].name])
            if (estimate := cycles[kernel.name]) is not None:
                known.append((estimate * margin, i))
        order = [able[i] for _, i in sorted(known)]
    families = (order[0].family, "plain")
    slower = [*order[1:], *(kernel for kernel in able if kernel.fallback and kernel not in order)]
    return [order[0], *(kernel for kernel in slower if kernel.family in families)]


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
