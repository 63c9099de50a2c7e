"""Layers that may be skipped, as a device has them: what is run in a layer's place, and asks whether it is to run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..graph import Layer, MacLayer
from . import records
from .constants import Constants, c_name
from .kernels import skipping
from .record import Record


@dataclass(frozen=True)
class Branch:
    """When a layer does not run.

    Attributes:
        choice: Offset in the arena of the choice of the layer that reads it.
        skipped: The choice that is 0x0.
    """

    choice: int
    skipped: int


@dataclass(frozen=True)
class Skips:
    """What decides whether a layer runs; most layers have neither.

    Attributes:
        bias: Name of the constant with the bias that is left of the layer when it is skipped itself.
        branch: Of a layer that nobody reads where a later one is skipped.
    """

    bias: str | None = None
    branch: Branch | None = None

    @classmethod
    def of(cls, layer: Layer, branch: Branch | None, constants: Constants) -> Skips:
        """Those of a layer, whose constants are added."""
        bias = None
        if isinstance(layer, MacLayer) and layer.skip_bias is not None:
            bias = constants.add(layer.name, "skip_bias", layer.skip_bias, "twice the bias of a skip, by channel")
        return cls(bias, branch)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels that run instead of the layer's own, and may call it."""
        own = (skipping.SKIP,) if self.bias is not None else ()
        return own if self.branch is None else (*own, skipping.BRANCH)

    def around(self, layer: str, descriptor: records.Layer) -> Iterator[tuple[str, Record, records.Layer]]:
        """Each record that is laid round a layer's descriptor, from within: its name in C, it, the descriptor then."""
        if self.bias is not None:
            name = f"dqt_{c_name(layer)}_{skipping.SKIP}"
            made = records.Skippable(descriptor, self.bias)
            descriptor = replace(descriptor, run=f"dqt_{skipping.SKIP}", parameters=f"&{name}")
            yield name, made, descriptor
        if self.branch is not None:
            name = f"dqt_{c_name(layer)}_{skipping.BRANCH}"
            outer = records.BranchLayer(descriptor, self.branch.choice, self.branch.skipped)
            descriptor = replace(descriptor, run=f"dqt_{skipping.BRANCH}", parameters=f"&{name}")
            yield name, outer, descriptor


NO_SKIPS = Skips()
"""Of a layer that always runs."""
