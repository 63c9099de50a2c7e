"""Trial: what a model does on boards, as ``dqt.try_model`` found it; values, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..boards import Board
from ..graph import Graph
from ..graph.checkpoint import model_hash
from ..importers.comparison import Comparison
from ..lowering.plan import Plan
from ..measure.session import Session, as_json
from ..project.footprint import Footprint
from . import search
from .context import Context


@dataclass(frozen=True)
class BoardFit:
    """Whether a model fits a board. Sizes are bytes, predicted for the whole image, code and stack included.

    Attributes:
        footprint, plan: What the image is made of; None where it cannot be planned.
        cycles: Estimated, of an inference at the first widths; None where they are not known.
        milliseconds: The same at the board's clock.
        unknown: Layers of which nothing is known, and which these leave out.
        reason: Why it cannot be planned, or empty.
        changes: What is missing and what to change, in sentences; none where it fits.
    """

    board: Board
    footprint: Footprint | None
    plan: Plan | None
    cycles: float | None
    milliseconds: float | None
    unknown: int = 0
    reason: str = ""
    changes: tuple[str, ...] = ()

    @property
    def spare(self) -> tuple[int, int] | None:
        """Bytes of flash and of RAM that stay free; negative where they do not suffice."""
        if self.footprint is None:
            return None
        parts = self.footprint
        return parts.flash_region.size - parts.flash, parts.ram_region.size - parts.ram

    @property
    def fits(self) -> bool:
        """Whether the board has enough of both, and kernels for every layer."""
        return self.spare is not None and min(self.spare) >= 0

    @property
    def short(self) -> str:
        """What is missing, in a few words; empty where it fits."""
        if self.spare is None:
            return self.reason
        parts = [f"{-n:,} bytes of {kind}" for kind, n in zip(("flash", "RAM"), self.spare, strict=True) if n < 0]
        return f"{' and '.join(parts)} too few" if parts else ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        spare, parts = self.spare, self.footprint
        return {
            "board": self.board.id,
            "core": self.board.cpu.core,
            "hz": self.board.cpu.hz,
            "fits": self.fits,
            "flash": None if parts is None else parts.flash,
            "ram": None if parts is None else parts.ram,
            "spare": None if spare is None else {"flash": spare[0], "ram": spare[1]},
            "exact": None if parts is None else parts.exact,
            "estimated_cycles": self.cycles,
            "estimated_milliseconds": self.milliseconds,
            "layers_without_estimate": self.unknown,
            "reason": self.short,
            "changes": list(self.changes),
        }


@dataclass(frozen=True)
class Trial:
    """Everything that was found.

    Attributes:
        graph: The model, as it ran.
        source: Name of the file, and its SHA-256 if there is one.
        calibration: ``none`` (the file has scales), ``data`` or ``random``.
        data: Name of the data, or None: the inputs are random codes.
        labelled: Whether answers are judged by labels; else by those of the widest widths.
        fits: All boards.
        sessions: On one board: every layer at its widest, and whatever decides for each input.
        image: Of what ran.
        comparison: Beside the file's own runtime; None if it was not compared.
        search: Fixed widths; None if there was none.
        agreement: Of each session the share of answers that are those of the first, and its interval; None where
            answers are no classes.
        notes: What was left out, and why.
        seconds: All of it took.
    """

    graph: Graph
    source: tuple[str, str | None]
    calibration: str
    data: str | None
    labelled: bool
    fits: tuple[BoardFit, ...]
    sessions: tuple[Session, ...]
    image: Context
    comparison: Comparison | None
    search: search.Facts | None
    agreement: tuple[tuple[float, tuple[float, float] | None] | None, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def session(self) -> Session:
        """Every layer at its widest."""
        return self.sessions[0]

    @property
    def mismatches(self) -> int:
        """Answers of all sessions that differ from the interpreter's."""
        return sum(session.mismatches for session in self.sessions)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.graph.name,
            "model_hash": model_hash(self.graph).hex(),
            "task": self.graph.task,
            "source": self.source[0],
            "source_sha256": self.source[1],
            "calibration": self.calibration,
            "data": self.data,
            "labelled": self.labelled,
            "boards": [fit.as_json() for fit in self.fits],
            "sessions": [as_json(session) for session in self.sessions],
            "agreement": [None if found is None else found[0] for found in self.agreement],
            "mismatches": self.mismatches,
            "comparison": None if self.comparison is None else self.comparison.as_json(),
            "search": None if self.search is None else search.as_json(self.search),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
        }
