"""Which of many boards a model fits, and what it would take where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..boards import Board, board_ids, load_board
from ..errors import DoesNotFitError, DqtError, ToolchainError, UnsupportedError, UsageError
from ..graph import Graph
from ..lowering.kernels import estimates
from ..system.show import Facts, Shown
from .given import FilePath, Model, board_of, graphs_of
from .planning import FitReport, plan


@dataclass(frozen=True)
class BoardFit:
    """What a model needs of one board of several.

    Attributes:
        board: The board.
        report: As ``plan`` gives it; None if the model cannot be lowered for the board's core.
        changes: Sentences: what is missing, and what to change. None where it fits.
        error: Why it cannot be lowered.
    """

    board: Board
    report: FitReport | None
    changes: tuple[str, ...] = ()
    error: DqtError | None = None

    @property
    def reason(self) -> str:
        """Why the model cannot be lowered; empty if it can."""
        return "" if self.error is None else f"{self.error.what} ({self.error.where})"

    @property
    def fits(self) -> bool:
        """Whether the board has enough flash and RAM."""
        return self.report is not None and self.report.fits

    @property
    def missing(self) -> int:
        """Bytes of flash and RAM that are missing."""
        return 0 if self.report is None else sum(max(0, -spare) for spare in self.report.spare.values())

    @property
    def cycles(self) -> float | None:
        """Estimated cycles at the first widths of every layer; None if nothing is known of the core."""
        if self.report is None or estimates.basis(self.board.cpu.core) is None:
            return None
        return self.report.plans[0].estimated_cycles(0)

    @property
    def unknown(self) -> int:
        """Layers whose cycles are not known, and not counted."""
        return 0 if self.report is None else sum(None in layer.cycles for layer in self.report.plans[0].layers)

    @property
    def milliseconds(self) -> float | None:
        """The same as time at the board's clock."""
        return None if self.cycles is None or not self.board.cpu.hz else 1e3 * self.cycles / self.board.cpu.hz

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        report = self.report
        return {
            "board": self.board.id,
            "core": self.board.cpu.core,
            "hz": self.board.cpu.hz,
            "fits": self.fits,
            "spare": None if report is None else report.spare,
            "needs": None if report is None else {"flash": report.flash, "ram": report.ram},
            "exact": report is not None and report.footprint.exact,
            "estimated_cycles": None if self.cycles is None else round(self.cycles),
            "layers_without_estimate": self.unknown,
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 4),
            "reason": self.reason or None,
            "changes": list(self.changes),
        }


@dataclass(frozen=True, repr=False)
class BoardRanking(Shown):
    """Boards for a model: those that it fits, the fastest first, then the others, the nearest first.

    Attributes:
        name: Of the model, or of several.
        boards: The boards.
    """

    name: str
    boards: tuple[BoardFit, ...]

    @property
    def fitting(self) -> tuple[BoardFit, ...]:
        """Boards that it fits."""
        return tuple(fit for fit in self.boards if fit.fits)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"model": self.name, "boards": [fit.as_json() for fit in self.boards]}

    def require_fit(self) -> None:
        """Raise DoesNotFitError if it fits none of the boards."""
        if not self.fitting:
            nearest = self.boards[0]
            raise DoesNotFitError(
                f"the model fits none of {len(self.boards)} boards; {nearest.board.id!r} is nearest",
                where=f"model {self.name!r}",
                next_step=nearest.changes[0] if nearest.changes else "use a smaller model or a larger board",
            )

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.name} on {len(self.boards)} boards", tuple((fit.board.id, _line(fit)) for fit in self.boards)


def _line(fit: BoardFit) -> str:
    if fit.report is None:
        return fit.reason
    time = "" if fit.milliseconds is None else f", about {fit.milliseconds:.3g} ms"
    spare = fit.report.spare
    return (
        f"{'fits' if fit.fits else 'does not fit'}, {spare['flash']:,} of flash and {spare['ram']:,} of RAM free{time}"
    )


def shipped_boards() -> list[str]:
    """Ids of the boards that have limits: all but the host."""
    return [name for name in board_ids() if not load_board(name).is_host]


def rank_boards(
    model: Model | Sequence[Model],
    boards: Sequence[Board | FilePath] | None = None,
    *,
    optimize: Literal["speed", "flash", "ram"] = "speed",
    text_protocol: str | None = None,
) -> BoardRanking:
    """Say which boards a model fits, what each has to spare and how long it takes there, before anything is compiled.

    Args:
        model: A graph, or the path of its checkpoint; or several that share an image.
        boards: Ids of boards, files, or Boards; None is all that are shipped but the host.
        optimize: What is weighed most, as in ``plan``.
        text_protocol: As in ``plan``.

    Returns:
        The boards, ranked: those that the model fits, the fastest first, then the others with what to change.

    Raises:
        UsageError: No such board, the host, or no board at all.
        UnsupportedError: A layer that no board's kernels can run.
        BadFileError: The checkpoint is missing or damaged.

    Example:
        ```python
        import dqt_edge as dqt

        ranking = dqt.rank_boards("digits.safetensors")
        print(ranking)
        best = ranking.fitting[0]
        print(best.board.id, best.milliseconds)
        ```
    """
    graphs = graphs_of(model)
    named = shipped_boards() if boards is None else boards
    if not named:
        raise UsageError("there is no board", where="parameter `boards`", next_step="give at least one")
    fits = [_fit(graphs, target, optimize, text_protocol) for target in map(board_of, named)]
    if fits[0].error is not None and all(fit.error is not None for fit in fits):
        raise fits[0].error
    return BoardRanking(" and ".join(graph.name for graph in graphs), tuple(sorted(fits, key=_rank)))


def _rank(fit: BoardFit) -> tuple[bool, bool, float, str]:
    """Order: what fits by its time, what does not by its missing bytes, what cannot run at all last."""
    if fit.fits:
        return False, fit.milliseconds is None, fit.milliseconds or 0.0, fit.board.id
    return True, fit.report is None, float(fit.missing), fit.board.id


def _fit(
    graphs: Sequence[Graph], board: Board, optimize: Literal["speed", "flash", "ram"], spoken: str | None
) -> BoardFit:
    if board.is_host:
        plan(graphs, board)  # refuses it: a list of boards with a mistake in it is no ranking
    try:
        report = plan(graphs, board, optimize=optimize, text_protocol=spoken)
    except (UnsupportedError, ToolchainError, UsageError) as error:
        return BoardFit(board, None, (error.next_step,), error)
    return BoardFit(board, report, () if report.fits else tuple(_changes(graphs, report, optimize, spoken)))


def _changes(graphs: Sequence[Graph], report: FitReport, optimize: str, spoken: str | None) -> list[str]:
    """What is missing, where most of it lies, and whether weighing it more would do."""
    found = []
    parts = report.footprint
    short = {kind: -spare for kind, spare in report.spare.items()}
    if short["ram"] > 0:
        largest = max(report.plans, key=lambda each: each.arena_size)
        text = f"{short['ram']:,} bytes of RAM too many: the arena of {largest.arena_size:,} is fullest in layer "
        text += f"{largest.peak!r}, where smaller maps or fewer channels save most"
        found.append(f"{text}{_weighed(graphs, report, 'ram', optimize, spoken)}")
        if report.second_pass:
            found.append(f"a model without a second pass would need {report.second_pass:,} bytes of RAM less")
    if short["flash"] > 0:
        heaviest = max((layer for each in report.plans for layer in each.layers), key=lambda layer: layer.weight_bytes)
        text = f"{short['flash']:,} bytes of flash too many: of {parts.weights:,} of weights "
        text += f"layer {heaviest.name!r} has {heaviest.weight_bytes:,}, where fewer channels save most"
        tried = _weighed(graphs, report, "flash", optimize, spoken) if short["flash"] < parts.code else ""
        found.append(f"{text}{tried}")
    return found


def _weighed(
    graphs: Sequence[Graph], report: FitReport, kind: Literal["flash", "ram"], optimize: str, spoken: str | None
) -> str:
    """Whether the model fits if this memory is weighed most, as the end of a sentence."""
    if kind == optimize:
        return ""
    other = plan(graphs, report.board, optimize=kind, text_protocol=spoken)
    if other.fits:
        return f"; optimised for {kind} it fits"
    saved = report.flash - other.flash if kind == "flash" else report.ram - other.ram
    return f"; optimised for {kind} it needs {saved:,} less, and does not fit" if saved > 0 else ""
