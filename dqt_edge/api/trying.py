"""From a model file to a page: everything that can be said of it without asking anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..boards import Board
from ..data.choose import SEED
from ..errors import MismatchError
from ..graph import Pair
from ..report.trial import Trial
from ..system.show import Facts, Shown
from .given import Data, FilePath, Progress, silent

WIDTHS = "8x8,4x8,4x4,2x4"
"""Pairs that a model of 8 bits is offered, to see what narrow widths would be worth."""
Say = Callable[[str], None]
"""Called with a line about each step when it ends."""


def unsaid(_: str) -> None:
    """Lines that nobody reads."""


@dataclass(frozen=True, repr=False)
class TryResult(Shown):
    """What was found.

    Attributes:
        trial: All of it.
        page: The page.
        files: What was written: page, JSON, checkpoint.
        project: Folder of the C project that ran.
    """

    trial: Trial
    page: Path
    files: tuple[Path, ...]
    project: Path

    @property
    def boards(self) -> tuple[str, ...]:
        """Ids of the boards that the model fits."""
        return tuple(fit.board.id for fit in self.trial.fits if fit.fits)

    def require_agreement(self) -> None:
        """Raise MismatchError unless every answer equals the interpreter's."""
        wrong = [session for session in self.trial.sessions if session.mismatches]
        if wrong:
            raise MismatchError(
                f"{self.trial.mismatches} of {sum(s.samples for s in self.trial.sessions)} answers differ from the "
                "interpreter's",
                where=f"board {wrong[0].board!r}, policy {wrong[0].policy}: {wrong[0].first_difference}",
                next_step="report it with the model file",
            )

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        trial, first = self.trial, self.trial.session
        return f"{trial.graph.name!r}, {trial.seconds:.0f} s", (
            ("fits", ", ".join(self.boards) or "no board"),
            ("ran on", f"{first.board}, {first.samples:,} samples, {trial.mismatches:,} differences"),
            ("calibration", trial.calibration),
            ("data", trial.data or "random codes"),
            *((figure.title, figure.full_text) for figure in (first.score.figures if first.score else ())),
            ("page", str(self.page)),
        )


def try_model(
    model: FilePath | bytes | Any,  # noqa: ANN401 - a Keras model or a graph
    data: Data | None = None,
    *,
    board: Board | FilePath | None = None,
    out: FilePath | None = None,
    candidates: str | Sequence[Pair] = WIDTHS,
    count: int | None = None,
    task: str | None = None,
    seed: int = SEED,
    say: Say = unsaid,
    progress: Progress = silent,
) -> TryResult:
    """Try a model: which boards it fits, how it runs, what narrow widths would be worth; as one page.

    Imports it, plans it for every shipped board, exports and builds it, runs it in QEMU, compares it with the file's
    own runtime where that is installed, and searches fixed widths. What cannot be done is left out, and the page says
    why.

    Args:
        model: What ``import_model`` takes, the path of a checkpoint, or a graph.
        data: Typical inputs, best with labels: a named data set, a file, or arrays. None: random numbers calibrate a
            floating-point model, which then only shows what it costs, and random codes are run.
        board: Where it runs: a QEMU board, or ``"host"``. None is ``qemu-m4``. Where the model does not fit, or QEMU or
            compiler is missing, it runs on this computer, and the page says so.
        out: Folder for index.html, try.json, the checkpoint and the C project; ``MODEL-try`` in the current folder if
            None.
        candidates: Width pairs that a model without a choice of widths is offered in the search.
        count: Number of samples; None is as many as take a few seconds, 16 to 256.
        task: What the outputs stand for, as in ``import_model``.
        seed: Of all choices, and of random numbers.
        say: Called with a line when a step ends.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Returns:
        What was found. An answer that differs is no error here: call ``require_agreement()``.

    Raises:
        UnsupportedError: Lists every layer that cannot be imported.
        UsageError, BadFileError: The model, the data or the folder cannot be used.

    Example:
        ```python
        import dqt_edge as dqt

        found = dqt.try_model("digits.safetensors", "digits", board="host", count=40)
        found.require_agreement()
        print(found)
        ```
    """
    from .trying_work import Work

    work = Work(model, data, board, out, candidates, count, task, seed, say, progress)
    trial, paths, project = work.run()
    return TryResult(trial, paths[0], tuple(paths), project)
