"""The best fixed widths of a finished model."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..boards import Board
from ..data.choose import SEED, choose
from ..data.dataset import Dataset
from ..data.load import codes
from ..errors import UsageError
from ..graph import SKIP, Graph, Pair, pair_text, vector_text
from ..graph.checkpoint import save
from ..graph.policy import given_pairs
from ..precision import candidates as widths
from ..precision import curve, sensitivity, skips
from ..precision.candidates import freeze, widest
from ..precision.counts import Counts
from ..precision.curve import CurvePoint, Search, require
from ..report import search as reports
from ..report.page import make_folder
from ..report.search import Facts as Found
from ..system.show import Facts, Shown
from ..tasks import Score, main_text, score_json, task_of
from ..tasks.kinds import Reconstruction
from .given import (
    Data,
    FilePath,
    Model,
    Progress,
    Samples,
    board_of,
    by_input,
    checkpoint_path,
    dataset_of,
    graph_of,
    samples_of,
    silent,
)

BUDGETS = (0.8, 0.6, 0.5, 0.4, 0.3)
SPREAD, STEPS = "spread", 4
"""A budget that stands for this many, from the cheapest width vector towards the widest in equal steps."""
Budget = float | str | Sequence[float]


@dataclass(frozen=True, repr=False)
class SearchResult(Shown):
    """What a search found.

    Attributes:
        found: Everything that was measured: the loss of each layer alone, and a point for each budget.
        model: The model with every candidate, and with the biases that the search settled.
        source: Name of the model that was searched.
        files: What was written.
    """

    found: Found
    model: Graph
    source: str
    by: Search
    files: tuple[Path, ...] = ()

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """Width vectors with their cost, loss and score: one for each budget, and one for each uniform pair."""
        return self.found.points

    @property
    def interrupted(self) -> bool:
        """Whether the search was stopped before its end."""
        return self.found.interrupted

    @property
    def best(self) -> CurvePoint | None:
        """What was found for the first budget; None if the search was stopped before."""
        return next((point for point in self.points if point.origin == "search"), None)

    @property
    def policy(self) -> str:
        """The width vector of the first budget, as a policy; raises UsageError if there is none."""
        return vector_text(self._best().pairs)

    @property
    def graph(self) -> Graph:
        """The model fixed at the widths of the first budget; raises UsageError if there is none."""
        return self.at(self._best())

    def at(self, point: CurvePoint) -> Graph:
        """The model fixed at the widths of a point."""
        facts = {"source": self.source, "budget": point.budget, "bitops_ratio": point.bitops_ratio}
        facts |= {"widths": vector_text(point.pairs), "loss": point.loss}
        facts |= score_json(self.model.task, point.score)
        return freeze(self.by.graph_of(point.pairs), point.pairs, {"search": facts})

    def _best(self) -> CurvePoint:
        if self.best is None:
            raise UsageError("no width vector was found yet", where="search", next_step="let the search run to its end")
        return self.best

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        policy = None if self.best is None else self.policy
        return {**reports.as_json(self.found), "policy": policy, "files": [str(path) for path in self.files]}

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        rows = [
            (
                f"{p.origin} {'' if p.budget is None else f'{p.budget:,.4g}'}".rstrip(),
                f"{main_text(p.score)} at {p.bitops_ratio:.3f} BitOPs"
                + ("" if p.count is None else f", {p.count:,.0f} {reports.unit(self.found)}")
                + f", {vector_text(p.pairs)}",
            )
            for p in self.points
        ]
        return f"{self.found.model!r}{' (interrupted)' if self.interrupted else ''}", rows


def search(
    model: Model,
    data: Data,
    *,
    calibration: Data | None = None,
    samples: int = 512,
    count: int | None = None,
    seed: int = SEED,
    first: bool = False,
    candidates: str | Sequence[Pair] | None = None,
    budget: Budget | None = None,
    instructions: Budget | None = None,
    cycles: Budget | None = None,
    board: Board | FilePath | None = None,
    loss: Literal["kl", "mse"] | None = None,
    trials: int = 24,
    biases: bool = True,
    out: FilePath | None = None,
    keep_widths: bool = False,
    report: FilePath | None = None,
    progress: Progress = silent,
) -> SearchResult:
    """Find the best fixed widths within a budget, without training.

    Narrows each layer alone on calibration samples, without labels; picks a width for each layer so that the losses
    add up to the least within the budget; tries neighbours of that; and measures on held-out samples how good it is.
    A residual branch is skipped only where that is offered. Ctrl-C after the first point ends the search with what was
    found.

    Args:
        model: A graph, or the path of its checkpoint.
        data: A data set or file, whose training part calibrates and whose test part judges; or arrays ``(x, y)``,
            which calibrate in their first part and judge in the rest unless ``calibration`` is given.
        calibration: Data that chooses the widths, instead; labels are not needed.
        samples: Calibration samples, at most; they are chosen at random, each class in proportion.
        count: Number of held-out samples, chosen likewise; None is all.
        seed: Of both choices.
        first: Take the first samples instead.
        candidates: Width pairs offered to every layer; None is the model's own. With ``0x0`` among them, a residual
            branch may be skipped: its mean on the calibration samples stands in for it.
        budget: Parts of the 8x8 BitOPs, such as ``0.5`` or ``(0.8, 0.5)``; None is 0.8, 0.6, 0.5, 0.4 and 0.3.
            ``"spread"``, here or in the next two: four budgets in equal steps down to the cheapest width vector.
        instructions: Budgets in counts of ``board`` instead, or in parts of those at 8x8.
        cycles: Budgets in modelled cycles of ``board``, a QEMU board, instead, or in parts of those at 8x8.
        board: Board whose counts or cycles are the budget, such as ``"qemu-m4"``.
        loss: ``"kl"`` for class scores, ``"mse"`` for other outputs; None is what the model's task asks for.
        trials: Neighbours tried for each budget.
        biases: Give a width a bias of its own where that helps.
        out: Checkpoint to write, fixed at the widths of the first budget.
        keep_widths: Let ``out`` keep all widths, to be chosen with a policy; needed where branches may be skipped.
        report: Folder for search.json, search.svg and search.png.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        UsageError: A budget that cannot be met, no choice of widths, or parameters that do not go together.
        BadFileError: A file is missing or damaged, or cannot be written.
        DoesNotFitError, ToolchainError, DeviceError: With ``board``, as export, build and the device say.

    Example:
        ```python
        import dqt_edge as dqt

        found = dqt.search("digits.safetensors", "digits", budget=0.4, samples=32, count=40, trials=2)
        print(found)
        dqt.save(found.graph, "narrow.safetensors")
        ```
    """
    path = None if out is None else checkpoint_path(out)
    if report is not None:
        make_folder(Path(report))
    work = _Work(model, candidates, (budget, instructions, cycles), board, progress, seed, first)
    if path is not None and not keep_widths and work.may_skip:
        raise UsageError(
            "a model with fixed widths cannot skip a branch",
            where="parameters `candidates`, `out`",
            next_step="give `keep_widths`, and choose what was found with a policy; or leave 0x0 out",
        )
    try:
        work.run(data, calibration, samples=samples, count=count, loss=loss, trials=trials, biases=biases)
    except KeyboardInterrupt:
        if work.found is None or not work.found.points:
            raise
        work.found = dataclasses.replace(work.found, interrupted=True)
    assert work.found is not None
    written = [] if report is None else reports.write(work.found, Path(report))
    result = SearchResult(work.found, work.graph, work.source, work.by, tuple(written))
    if path is None or result.best is None:
        return result
    save(work.graph if keep_widths else result.graph, path)
    return dataclasses.replace(result, files=(*written, path))


class _Work:
    """The search, step by step; ``found`` holds what is known so far."""

    def __init__(
        self,
        model: Model,
        candidates: str | Sequence[Pair] | None,
        budgets: tuple[Budget | None, Budget | None, Budget | None],
        board: Board | FilePath | None,
        progress: Progress,
        seed: int,
        first: bool,
    ) -> None:
        graph = graph_of(model)
        pairs = None if candidates is None else given_pairs(candidates, "`candidates`")
        self.offers_skips = pairs is not None and SKIP in pairs
        if pairs is not None:
            graph = skips.without_skips(widths.offer(graph, [pair for pair in pairs if pair != SKIP]))
        self.graph = widths.without_controller(graph)
        if not self.offers_skips:
            widths.require_choice(self.graph)
        self.budgets = _budgets(*budgets, board)
        self.cycles = budgets[2] is not None
        self.board = None if board is None else board_of(board)
        self.source = graph.name if isinstance(model, Graph) else Path(model).name
        self.progress = progress
        self.seed, self.first = seed, first or bool(graph.states)
        self.found: Found | None = None
        self.by: Search

    @property
    def may_skip(self) -> bool:
        """Whether a width vector may skip a branch."""
        return self.offers_skips or any(layer.skip_bias is not None for layer in self.graph.adaptive)

    def run(
        self,
        data: Data,
        calibration: Data | None,
        *,
        samples: int,
        count: int | None,
        loss: str | None,
        trials: int,
        biases: bool,
    ) -> None:
        """Calibrate, measure, search, and judge."""
        chosen_by, test, overlap = self._samples(data, calibration, samples, count)
        if self.offers_skips:
            self.graph = skips.offer_skips(self.graph, chosen_by)
        loss = loss or task_of(self.graph).loss
        if test.labels is None and self.graph.task != Reconstruction.name:
            raise UsageError("there are no targets to judge by", where="parameter `data`", next_step="give (x, y)")
        counts = self._counts(chosen_by)
        base = tuple(widest(layer) for layer in self.graph.adaptive)
        whole = 1.0 if counts is None else counts.total(self.graph, base)
        budgets = [budget * whole if budget <= 1 else budget for budget in self.budgets]
        if not budgets:
            least = curve.cheapest(self.graph, counts)
            budgets = [whole + (least - whole) * (k + 1) / STEPS for k in range(STEPS)]
        require(self.graph, budgets, counts)
        step = self._steps("layers alone", sensitivity.evaluations(self.graph, correct=biases))
        self.graph, alone = sensitivity.measure(self.graph, chosen_by, loss=loss, correct=biases, progress=step)
        self.found = Found(
            self.graph.name,
            self.graph.task,
            str(data) if isinstance(data, str | os.PathLike) else getattr(data, "name", "arrays"),
            loss,
            len(chosen_by),
            len(test.codes),
            overlap,
            tuple(layer.name for layer in self.graph.adaptive),
            alone,
            None if self.board is None else self.board.id,
            counts,
        )
        self.by = Search(self.graph, chosen_by, alone, loss=loss, counts=counts, correct=biases)
        unjudged = self.by.uniform()
        total = len(budgets) * (trials + 1)
        for i, budget in enumerate(budgets):
            unjudged.insert(i, self.by.solve(budget, trials, self._steps("budgets", total, i * (trials + 1))))
        self.progress("budgets", total, total)
        self._judge(unjudged, test)

    def _judge(self, unjudged: list[CurvePoint], test: Samples) -> None:
        known: dict[tuple[Pair, ...], Score | None] = {}
        done, total = 0, len({point.pairs for point in unjudged}) * len(test.codes)
        for point in unjudged:
            assert self.found is not None
            if point.pairs not in known:
                start = done
                name = f"answers at {point.bitops_ratio:.2f} ({pair_text(point.pairs[0])}...)"

                def advance(more: int, name: str = name) -> None:
                    nonlocal done
                    done += more
                    self.progress(name, done, total)

                graph = self.by.graph_of(point.pairs)
                known[point.pairs] = curve.score(graph, test.codes, test.labels, point.pairs, test.real, advance)
                done = start + len(test.codes)
            judged = dataclasses.replace(point, score=known[point.pairs])
            self.found = dataclasses.replace(self.found, points=(*self.found.points, judged))

    def _steps(self, name: str, total: int, done: int = 0) -> Any:  # noqa: ANN401 - a callable
        def step() -> None:
            nonlocal done
            done += 1
            self.progress(name, done, total)

        return step

    def _samples(
        self, data: Data, calibration: Data | None, most: int, count: int | None
    ) -> tuple[np.ndarray[Any, Any], Samples, bool]:
        """Calibration codes, held-out samples, and whether the former are taken from the latter."""
        graph = self.graph
        data = by_input(data, graph)
        calibration = None if calibration is None else by_input(calibration, graph)
        files = isinstance(data, str | os.PathLike | Dataset)
        whole = dataset_of(data, shape=graph.tensor(graph.input).shape) if files else data
        source = whole if calibration is None else calibration
        if isinstance(source, str | os.PathLike):
            source = dataset_of(source, shape=graph.tensor(graph.input).shape)

        def some(data: Data, count: int | None = None) -> Samples:
            return samples_of(data, graph, count, seed=self.seed, first=self.first)

        def chosen(labels: Any, count: int | None, total: int) -> Any:  # noqa: ANN401 - arrays
            return choose(total, count, labels, seed=self.seed, first=self.first)

        if isinstance(source, Dataset) and len(source.train.labels):
            train = source.train
            typical = train.images(chosen(train.labels, most, len(train.labels)))
            return codes(typical, graph), some(whole, count), False
        if calibration is not None:
            return some(source, most).codes, some(whole, count), False
        every = some(whole)
        total = len(every.codes)
        for_choice = chosen(every.labels, min(most, total // 2), total)
        rest = np.setdiff1d(np.arange(total), for_choice)
        judges = rest[chosen(None if every.labels is None else every.labels[rest], count, len(rest))]
        labels, real = (None if part is None else part[judges] for part in (every.labels, every.real))
        return every.codes[for_choice], Samples(every.codes[judges], labels, real), True

    def _counts(self, calibration: Any) -> Counts | None:  # noqa: ANN401
        if self.board is None:
            return None
        from ..measure import layer_counts

        step = self._steps(f"counts on {self.board.id}", layer_counts.runs(self.graph))
        with tempfile.TemporaryDirectory(prefix="dqt-edge-") as folder:  # two runs at once do not meet
            project = Path(folder) / "project"
            return layer_counts.measure(self.graph, self.board, project, calibration, step, cycles=self.cycles)


def _budgets(
    budget: Budget | None, instructions: Budget | None, cycles: Budget | None, board: Board | FilePath | None
) -> list[float]:
    """Budgets, the first of which decides what is written."""
    kinds = {"budget": budget, "instructions": instructions, "cycles": cycles}
    several = [f"`{name}`" for name, value in kinds.items() if value is not None]
    if len(several) > 1:
        raise UsageError("two kinds of budget", where=", ".join(several), next_step="give one of them")
    counted = cycles if instructions is None else instructions
    named = "instructions" if cycles is None else "cycles"
    if (counted is None) != (board is None):
        raise UsageError(
            f"a budget in {named} needs a board, and the other way round",
            where=f"`{named}`, `board`",
            next_step=f"give both, such as 0.8 of the {named} on board qemu-m4",
        )
    given = counted if counted is not None else BUDGETS if budget is None else budget
    if isinstance(given, str) and given == SPREAD:
        return []
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, float | int) else list(given)
    found = []
    for part in parts:
        try:
            value = float(part)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 < value < math.inf or (counted is None and value > 1):
            raise UsageError(
                f"{str(part)!r} is no budget",
                where=f"parameter `{'budget' if counted is None else named}`",
                next_step="give numbers such as 0.8,0.5" + ("" if counted is None else ", or counts such as 9000000"),
            )
        found.append(value)
    if not found:
        raise UsageError("there is no budget", where="parameter `budget`", next_step="give numbers such as 0.8, 0.5")
    return found
