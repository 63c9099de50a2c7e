"""The model of a core, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ...boards import Flash
from ...errors import UsageError
from .histogram import Histogram
from .mca import PACKAGE, TARGETS, McaModel, has_mca
from .timings import TIMINGS
from .trm import TableModel


class CycleModel(Protocol):
    """Cycles of what an image did, on one core.

    Attributes:
        core: As in a board's file.
        name: Of the model and its version.
    """

    core: str
    name: str

    def cycles(self, histograms: Sequence[Histogram]) -> list[float]:
        """Cycles of each histogram."""
        ...

    def by_address(self, histogram: Histogram) -> dict[int, int] | dict[int, float]:
        """Cycles of all executions of each address."""
        ...


def model_of(core: str, image: Path) -> CycleModel:
    """The model of a core for an image.

    Raises:
        UsageError: There is none for the core.
        ToolchainError: Its programs are not installed.
    """
    for timing in TIMINGS:
        if timing.core == core:
            return TableModel(timing, image)
    if core in TARGETS:
        return McaModel(core, image)
    raise UsageError(
        f"cycles of {core} are not modelled",
        where="`core`",
        next_step="choose from " + ", ".join(sorted({*TARGETS, *(timing.core for timing in TIMINGS)})),
    )


def why_none(core: str) -> str | None:
    """Why cycles of a core cannot be modelled here, in words; None if they can."""
    if any(timing.core == core for timing in TIMINGS):
        return None
    if core not in TARGETS:
        return f"cycles of {core} are not modelled"
    return None if has_mca() else f"cycles of {core} need llvm-mca, which is not installed (Debian: {PACKAGE})"


def title(model: CycleModel, flash: Flash | None) -> str:
    """What to write above a column: ``modelled cycles (cortex-m4, trm-1, 0 wait states)``.

    Args:
        model: Of the core.
        flash: What the histograms' waits are of; None: flash needs none.
    """
    return f"modelled cycles ({model.core}, {model.name}, {0 if flash is None else flash.wait_states} wait states)"
