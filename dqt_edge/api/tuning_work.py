"""A tuning, step by step: what layers cost, samples along every path, and the settings that keep promises."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..boards import Board
from ..errors import UsageError
from ..graph import Graph, TunedPoint, vector_text
from ..measure import layer_cycles
from ..measure.layer_cycles import require_cycles
from ..precision import goals, layer_costs, recording, recording_file, rivals, statics, tuning
from ..precision.figures import Quality, quality_of
from ..precision.goals import Goal, Space
from ..precision.layer_costs import LayerCosts
from ..precision.recording import Base
from ..precision.tuning import Found
from ..precision.walks import Walker
from ..system.tools import compiler_version
from .given import FilePath, Progress, Samples, board_of
from .tuning_requests import Promise, require_tunable

BOUND = 0.95
"""Confidence of the lower bound that stands beside each agreement."""


@dataclasses.dataclass(frozen=True)
class TunedRow:
    """A tuned point, and what it was on the tuning samples.

    Attributes:
        asked: The promises that it is the answer to.
        begins: Widths, or the policy of the controller, that an inference begins with.
        point: As the checkpoint has it; its cost is in the unit of the tuning.
        costs: Unit -> mean cost, of the full network's.
        errors: Samples whose class differs from the full network's.
        bound: Lower end of Wilson's one-sided 95 % interval of the agreement.
        shares: Share of the samples answered at each point, and at the end.
        again: Share that was computed again.
        widened: Share that was widened.
    """

    asked: tuple[str, ...]
    begins: str
    point: TunedPoint
    costs: Mapping[str, float]
    quality: Quality
    errors: int
    bound: float
    shares: tuple[float, ...]
    again: float
    widened: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = dataclasses.asdict(self)
        found["setting"] = found.pop("point")["setting"]
        del found["quality"]
        return {**found, **self.quality.as_json()}


class Work:
    """The tuning, step by step."""

    def __init__(self, graph: Graph, board: Board | FilePath | None, progress: Progress) -> None:
        require_tunable(graph)
        self.graph = recording.untuned(graph)
        self.board = None if board is None else board_of(board)
        if self.board is not None:
            require_cycles(self.board)
        self.progress = progress
        self.compiler: str | None = None

    def class_name(self, index: int) -> str:
        """Name of a class, or its number."""
        return self.graph.classes[index] if self.graph.classes else str(index)

    def record(self, taken: Samples, widths: str | Sequence[str] | None, cache: Path | None) -> None:
        """Measure what layers cost, and run all samples along every path."""
        graph, codes = self.graph, taken.codes
        self.data_hash = recording.data_hash(codes, taken.labels)
        identity = recording.identity(graph, codes, taken.labels)
        known, kept = ({}, {}) if cache is None else recording_file.read(cache, identity)
        self.costs = {"bitops": layer_costs.bitops_costs(graph)}
        if self.board is not None:
            key = self._cycles_key()
            self.costs["cycles"] = kept[key] if key in kept else self._cycles(codes)
            kept[key] = self.costs["cycles"]
        self.unit = self.costs["cycles" if self.board is not None else "bitops"]
        vectors = statics.static_vectors(graph, codes, self.unit, self._steps("layers alone"))
        self.statics = [recording.base_of(graph, vector_text(vector)) for vector in vectors]
        self.bases = self._bases(widths)
        steps = self._steps("samples recorded")
        self.table = recording.record(graph, codes, taken.labels, self.bases, self.statics, known, steps)
        if cache is not None:
            paths = {(base, at): path for base, places in self.table.paths.items() for at, path in places.items()}
            recording_file.write(cache, identity, {**known, **paths}, kept)

    def search(
        self, promises: Sequence[Promise], by: str, space: Space, confidence: float | None
    ) -> tuple[tuple[TunedRow, ...], tuple[str, ...]]:
        """The tuned points, and the promises whose setting another one beats."""
        table, whole = self.table, self.unit.full(self.graph)
        judge = goals.judge_of(by, table.full, table.labels)
        wanted = [promise.goal(len(table), whole, confidence) for promise in promises]
        outcome = self._tune(judge, wanted, space)
        found = list(outcome.found)
        least = float("inf")
        for i in sorted(range(len(promises)), key=lambda i: promises[i].value):
            # A dearer point must agree as often as a cheaper one, or it could not be named by its agreement.
            if promises[i].agrees:
                continue
            if found[i] is not None and found[i].best.errors > least:  # type: ignore[union-attr]
                goal = dataclasses.replace(wanted[i], errors=least)
                found[i] = tuning.again(table, self.unit, judge, goal, space, found)
            if found[i] is not None:
                least = min(least, found[i].best.errors)  # type: ignore[union-attr]
        self.exact, self.refined = outcome.exact, outcome.refined
        for promise, each in zip(promises, found, strict=True):
            if each is None:
                self._refuse(promise, judge, space)
        return self._rows(promises, [each for each in found if each is not None])

    def facts(self) -> dict[str, Any]:
        """Where the figures come from."""
        narrow = [base for base in self.statics if base != recording.widest_base(self.graph)]
        uniform = {vector_text(vector) for vector in statics.uniform_vectors(self.graph)}
        return {
            "unit": self.unit.unit,
            "board": None if self.board is None else self.board.id,
            "compiler": self.compiler,
            "begins": [base.name for base in self.bases],
            "exact": self.exact,
            "refined": self.refined,
            "full": {key: each.full(self.graph) for key, each in self.costs.items()},
            "exits": rivals.exit_rows(self.table, self.costs),
            "static": rivals.static_rows(self.table, self.statics, self.costs),
            "cascades": rivals.cascade_rows(self.table, [base for base in narrow if base.name in uniform], self.costs),
        }

    def _tune(self, judge: goals.Judge, wanted: Sequence[Goal], space: Space) -> tuning.Outcome:
        steps = self._steps("settings")
        return tuning.tune(self.table, self.unit, judge, wanted, space, progress=steps, bases=self.bases)

    def _refuse(self, promise: Promise, judge: goals.Judge, space: Space) -> None:
        """No setting keeps a promise: say why."""
        if promise.agrees:
            raise UsageError(
                f"{len(self.table):,} samples are too few to promise {promise.value:g} with this confidence",
                where="`agree`, `confidence`",
                next_step="give more samples, promise less, or leave out the confidence",
            )
        (least,) = self._tune(judge, [Goal()], space).found
        assert least is not None
        raise UsageError(
            f"no setting costs {promise.value:g} of the full network; the cheapest costs "
            f"{least.best.cost / self.unit.full(self.graph):.3f}",
            where="parameter `costs`",
            next_step="raise the cost",
        )

    def _rows(
        self, promises: Sequence[Promise], found: Sequence[Found]
    ) -> tuple[tuple[TunedRow, ...], tuple[str, ...]]:
        merged: dict[tuple[Base, Any], tuple[list[str], Found]] = {}
        for promise, each in zip(promises, found, strict=True):
            merged.setdefault((each.base, each.best.setting), ([], each))[0].append(str(promise))
        rows = [self._row(tuple(asked), each) for asked, each in merged.values()]
        kept = goals.ascending([row.point.cost for row in rows], [row.point.agreement for row in rows])
        dropped = []
        for promise, each in zip(promises, found, strict=True):
            if str(promise) in (text for i in kept for text in rows[i].asked):
                continue
            errors = each.best.errors
            i = next(i for i in kept if rows[i].errors <= errors)
            if promise.agrees:  # kept by a setting that costs no more, to a thousandth
                rows[i] = dataclasses.replace(rows[i], asked=(*rows[i].asked, str(promise)))
            else:
                dropped.append(str(promise))
        return tuple(rows[i] for i in kept), tuple(dropped)

    def _row(self, asked: tuple[str, ...], found: Found) -> TunedRow:
        table, setting = self.table, found.best.setting
        walkers = {key: Walker(table, found.base, each) for key, each in self.costs.items()}
        walks = {key: walker.walk(setting) for key, walker in walkers.items()}
        walk = walks["bitops"]
        costs = {key: float(walks[key].costs.mean()) / walkers[key].whole for key in walks}
        quality = quality_of(walk.answers, table.full, table.labels)
        errors = int((walk.answers != table.full).sum())
        counts = [(walk.points == point).mean() for point in range(len(self.graph.points) + 1)]
        return TunedRow(
            asked,
            found.base.name,
            TunedPoint(costs["cycles" if "cycles" in costs else "bitops"], quality.agreement, setting),
            costs,
            quality,
            errors,
            goals.lower_bound(len(table) - errors, len(table), BOUND),
            tuple(float(share) for share in counts),
            float((walk.passes == 2).mean()),
            float((walk.widened >= 0).mean()),
        )

    def _bases(self, widths: str | Sequence[str] | None) -> list[Base]:
        """What inferences may begin with; the widest always."""
        graph = self.graph
        given = widths.split(";") if isinstance(widths, str) else list(widths or ())
        names = [name.strip() for name in given if name.strip() != "search"]
        if widths is None:
            vectors = (*statics.uniform_vectors(graph), *statics.skipping_vectors(graph))
            names = [vector_text(vector) for vector in vectors]
            names += [text for text in [_trained_vector(graph)] if text is not None]
            names += ["dynamic"] if graph.controller is not None else []
            names += [f"dynamic:{target:g}" for target in graph.dial_targets]
        bases = [recording.widest_base(graph), *(recording.base_of(graph, name) for name in names)]
        if len(names) < len(given):
            bases += self.statics
        return list(dict.fromkeys(bases))

    def _cycles_key(self) -> str:
        assert self.board is not None
        self.compiler = f"arm-none-eabi-gcc {compiler_version()}"
        return f"{self.board.id} {hashlib.sha256(repr(self.board).encode()).hexdigest()[:16]} {self.compiler}"

    def _cycles(self, codes: Any) -> LayerCosts:  # noqa: ANN401 - an array
        assert self.board is not None
        steps = self._steps(f"cycles on {self.board.id}")
        with tempfile.TemporaryDirectory(prefix="dqt-edge-") as folder:  # two runs at once do not meet
            return layer_cycles.measure(self.graph, self.board, Path(folder) / "project", codes, steps)

    def _steps(self, name: str) -> Any:  # noqa: ANN401 - a callable
        return lambda done, total: self.progress(name, done, total)


def _trained_vector(graph: Graph) -> str | None:
    """The best static vector of training; None if there is none, or it fits the graph no more."""
    try:
        text = graph.provenance["keras"]["static"]["vector"]
        recording.base_of(graph, str(text))
    except (KeyError, TypeError, UsageError):
        return None
    return str(text)
