"""The whole table of a tuned model on test data, with what it must beat."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..boards import Board
from ..data.choose import SEED
from ..errors import UsageError
from ..graph import Graph
from ..graph.points import TunedPoint
from ..measure import layer_cycles
from ..measure.layer_cycles import require_cycles
from ..precision import bootstrap, layer_costs, recording
from ..precision.bootstrap import RESAMPLES, Resampled
from ..precision.goals import CRITERIA
from ..precision.judging import Judge, Row, base_of_setting, best_within, recalls
from ..precision.recording import Base, base_of, widest_base
from ..precision.walks import Walker
from ..report import evaluation as reports
from ..report.examples import Example, pick
from ..report.page import make_folder
from ..system.show import Facts, Shown
from ..system.tools import compiler_version
from .given import Data, FilePath, Model, Progress, Samples, board_of, graph_of, samples_of, silent

FRONTIER_MAX = 12
"""Fixed width vectors that are judged, at most, beside those of the tuned points."""


@dataclasses.dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """What was measured on test data.

    Attributes:
        facts_json: Everything as plain JSON values: ``rows`` with costs, figures, intervals and differences, the share
            of each class that each point answered, and where the figures come from.
        files: What was written.
    """

    facts_json: Mapping[str, Any]
    files: tuple[Path, ...] = ()

    @property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """The table: ``kind``, ``name``, ``point``, ``costs``, ``agreement``, ``accuracy``, ``mean_recall``, ..."""
        return tuple(self.facts_json["rows"])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dict(self.facts_json)

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        unit, by = self.facts_json["by_unit"], self.facts_json["by"]
        name = "mean_recall" if by == "recall" else by
        return f"{self.facts_json['model']!r}, {self.facts_json['samples']:,} samples, {by} at cost", [
            (f"{row['kind']} {row['name']}", f"{row[name]:.2%} at {row['costs'][unit]:.3f}") for row in self.rows
        ]


def evaluate(
    model: Model,
    data: Data,
    *,
    board: Board | FilePath | None = None,
    by: Literal["agreement", "accuracy", "recall"] | None = None,
    count: int | None = None,
    seed: int = SEED,
    first: bool = False,
    resamples: int = RESAMPLES,
    report: FilePath | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Judge a model's tuned points on test data, each beside what costs as much, by the interpreter.

    Beside each point stand the best fixed width vector within its mean cost, a plain cascade (narrow everywhere, again
    at the widest where the output's margin is small), the best small network (an early head with the layers before it),
    and stopping by chance at the same rates. Where all of a kind cost more, the cheapest stands there. Rivals are
    chosen by what ``tune`` wrote of the tuning samples. Differences have paired bootstrap intervals.

    Args:
        model: A model that ``tune`` made, or the path of its checkpoint.
        data: A data set or file, of which the test part is run; or arrays ``x`` or ``(x, y)``.
        board: Compare at equal modelled cycles of this QEMU board, such as ``"qemu-m4"``. None: at equal BitOPs.
        by: What rivals are chosen by; None is what the model was tuned by.
        count: Number of samples, chosen at random, each class in proportion; None is all.
        seed: Of the choice.
        first: Take the first ``count`` samples instead.
        resamples: Of the bootstrap.
        report: Folder for evaluation.json, evaluation.html and, where the extra ``report`` is installed, frontier.svg.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        UsageError: The model was not tuned, or data, board or criterion do not go with it.
        BadFileError: A file is missing or damaged, or cannot be written.
        DoesNotFitError, ToolchainError, DeviceError: With ``board``, as export, build and the device say.

    Example:
        ```python
        import dqt_edge as dqt

        tuned = dqt.tune("digits.safetensors", "digits", agree=(0.99, 0.95), samples=60)
        print(dqt.evaluate(tuned.graph, "digits", count=60, resamples=100))
        ```
    """
    graph = graph_of(model)
    work = _Work(graph, None if board is None else board_of(board), by, progress)
    if report is not None:
        make_folder(Path(report))
    taken = samples_of(data, graph, count, seed=seed, first=first)
    name = os.fspath(data) if isinstance(data, str | os.PathLike) else getattr(data, "name", "arrays")
    facts = work.run(taken, resamples) | {"data": Path(str(name)).name}
    files = () if report is None else tuple(reports.write(facts, work.examples(taken), Path(report)))
    return Evaluation(facts, files)


class _Work:
    """The judging, step by step."""

    def __init__(self, graph: Graph, board: Board | None, by: str | None, progress: Progress) -> None:
        self.graph, self.board, self.progress = graph, board, progress
        self.known = tuned = _record_of(graph)
        self.by = str(by or tuned["options"]["by"])
        if self.by not in CRITERIA:
            raise UsageError(
                f"{self.by!r} is no criterion", where="parameter `by`", next_step=f"choose from {', '.join(CRITERIA)}"
            )
        figure = "mean_recall" if self.by == "recall" else self.by
        if any(figure not in row for row in (*tuned["static"], *tuned["cascades"])):
            raise UsageError(
                f"the model was tuned without labels, so no rival can be chosen by {self.by}",
                where="parameter `by`",
                next_step="leave it out, or tune with labels",
            )
        if board is not None:
            require_cycles(board)

    def run(self, taken: Samples, resamples: int) -> dict[str, Any]:
        """All rows with their figures."""
        graph = recording.untuned(self.graph)
        if taken.labels is None and self.by != "agreement":
            raise UsageError(f"{self.by} needs labels", where="parameter `data`", next_step="give (x, y)")
        self.costs = {"bitops": layer_costs.bitops_costs(graph)}
        self.key = "bitops" if self.board is None else "cycles"
        if self.board is not None:
            steps = self._steps(f"cycles on {self.board.id}")
            with tempfile.TemporaryDirectory(prefix="dqt-edge-") as folder:  # two runs at once do not meet
                project = Path(folder) / "project"
                self.costs["cycles"] = layer_cycles.measure(graph, self.board, project, taken.codes, steps)
        self._prepare()
        bases = list(dict.fromkeys(self._base(point) for point in self.graph.tuned))
        plain = [base_of(graph, str(row["widths"])) for row in (*self.statics, *self.known["cascades"])]
        self.table = recording.record(
            graph, taken.codes, taken.labels, bases, list(dict.fromkeys(plain)), progress=self._steps("samples")
        )
        rows = self._rows()
        agreeing = np.column_stack([row.agreeing for row in rows])
        right = None if taken.labels is None else np.column_stack([row.right for row in rows if row.right is not None])
        found = bootstrap.resample(agreeing, right, taken.labels, resamples)
        return {
            "model": graph.name,
            "samples": len(taken.codes),
            "sha256": recording.data_hash(taken.codes, taken.labels),
            "by": self.by,
            "by_unit": self.key,
            "units": {key: each.unit for key, each in self.costs.items()},
            "full": {key: each.full(graph) for key, each in self.costs.items()},
            "board": None if self.board is None else self.board.id,
            "compiler": None if self.board is None else f"arm-none-eabi-gcc {compiler_version()}",
            "tuning": {"data": self.known["data"], "options": self.known["options"], "unit": self.known["unit"]},
            "resamples": resamples,
            "points": [point.name for point in graph.points],
            "classes": list(graph.classes or map(str, range(graph.tensor(graph.output).size))),
            "rows": [self._facts(rows, i, found) for i in range(len(rows))],
        }

    def _base(self, point: TunedPoint) -> Base:
        setting = point.setting
        asked = next(p for p in self.known["points"] if _same(p["setting"], setting))
        return Base(str(asked["begins"]), setting.widths, setting.bias)

    def _prepare(self) -> None:
        """Fixed widths that are worth judging: none on the tuning samples was better for no more cost."""
        rows = list(self.known["static"])
        costs = [self._static_cost(row) for row in rows]
        figure = "mean_recall" if self.by == "recall" else self.by
        kept, best = [], -1.0
        for i in sorted(range(len(rows)), key=lambda i: (costs[i], -rows[i][figure])):
            if rows[i][figure] > best:
                kept.append(rows[i])
                best = rows[i][figure]
        if len(kept) > FRONTIER_MAX:
            kept = [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, FRONTIER_MAX).round().astype(int))]
        self.statics = kept

    def _static_cost(self, row: Mapping[str, Any]) -> float:
        base, costs = base_of(self.graph, str(row["widths"])), self.costs[self.key]
        assert base.widths is not None
        return costs.vector(self.graph, base.widths) / costs.full(self.graph)

    def _rows(self) -> list[Row]:
        judge, count = Judge(self.table, self.costs), len(self.graph.points)
        rows = [judge.full(), *(judge.exit(i, None) for i in range(count))]
        rows += [judge.static(str(row["widths"]), None) for row in self.statics]
        for i, point in enumerate(self.graph.tuned):
            dynamic = judge.dynamic(point, i)
            rows += [dynamic, *self._rivals(judge, dynamic, i), judge.random(dynamic, point.setting)]
        return rows

    def _rivals(self, judge: Judge, dynamic: Row, index: int) -> list[Row]:
        """The best on the tuning samples that costs no more, of each kind; or the cheapest, if all cost more."""
        exits, cascades, again = self.known["exits"], self.known["cascades"], self._again_cost()
        costs = {
            "static": [self._static_cost(row) for row in self.statics],
            "cascade": [self._static_cost(row) + row["share"] * again for row in cascades],
            "exit": [judge.exit(i, None).costs[self.key] for i in range(len(exits))],
        }
        found = []
        for kind, rows in (("static", self.statics), ("cascade", cascades), ("exit", exits)):
            best = best_within(rows, costs[kind], dynamic.costs[self.key], self.by)
            if best is None:
                continue
            if kind == "exit":
                found.append(judge.exit(best, index))
            elif kind == "static":
                found.append(judge.static(str(rows[best]["widths"]), index))
            else:
                found.append(judge.cascade(str(rows[best]["widths"]), int(rows[best]["again"]), index))
        return found

    def _again_cost(self) -> float:
        if not self.graph.adaptive:
            return 0.0
        walker = Walker(self.table, widest_base(self.graph), self.costs[self.key])
        return walker.again / walker.whole

    def _facts(self, rows: Sequence[Row], index: int, found: Resampled) -> dict[str, Any]:
        """A row as plain JSON values."""
        row, labels = rows[index], self.table.labels
        facts: dict[str, Any] = {"kind": row.kind, "name": row.name, "point": row.beside, "costs": dict(row.costs)}
        facts["agreement"] = float(row.agreeing.mean())
        if row.right is not None and labels is not None:
            by_class = recalls(row.right, labels)
            facts |= {"accuracy": float(row.right.mean()), "mean_recall": float(np.mean(list(by_class.values())))}
            names = self.graph.classes or tuple(map(str, range(1 + max(by_class))))
            facts["recalls"] = {names[k]: value for k, value in by_class.items()}
        facts["intervals"] = {name: found.interval(name, index) for name in found.figures}
        if row.kind == "dynamic":
            facts["asked"] = self._asked(row)
            facts["less"] = {
                other.kind: {name: _difference(found, rows, name, index, at, labels) for name in found.figures}
                for at, other in enumerate(rows)
                if other.beside == row.beside and other.kind != "dynamic"
            }
            facts |= self._who(row)
        return facts

    def _asked(self, row: Row) -> list[str]:
        assert row.beside is not None
        setting = self.graph.tuned[row.beside].setting
        return list(next(p["asked"] for p in self.known["points"] if _same(p["setting"], setting)))

    def _who(self, row: Row) -> dict[str, Any]:
        """Which point answers, of all samples and of each class."""
        walk, labels = row.walk, self.table.labels
        assert walk is not None
        ends = range(len(self.graph.points) + 1)
        found: dict[str, Any] = {
            "shares": [float((walk.points == end).mean()) for end in ends],
            "again": float((walk.passes == 2).mean()),
            "widened": float((walk.widened >= 0).mean()),
        }
        if labels is not None:
            found["shares_by_class"] = {
                int(k): [float((walk.points[labels == k] == end).mean()) for end in ends] for k in np.unique(labels)
            }
        return found

    def examples(self, taken: Samples) -> list[tuple[str, list[Example]]]:
        """Samples that the middle tuned point answers soonest, and those that it has most trouble with."""
        point = self.graph.tuned[len(self.graph.tuned) // 2]
        walk = Judge(self.table, self.costs).dynamic(point, 0).walk
        assert walk is not None
        base = base_of_setting(self.table, point.setting)
        margins = np.take_along_axis(self.table.paths[base][-1].margins, walk.points[:, None], axis=1)[:, 0]
        shown = taken.codes if taken.real is None else taken.real
        return pick(shown, walk, margins, self.table.labels, self.graph.classes)

    def _steps(self, name: str) -> Any:  # noqa: ANN401 - a callable
        return lambda done, total: self.progress(name, done, total)


def _record_of(graph: Graph) -> Mapping[str, Any]:
    """What tuning wrote of itself, as far as it is needed; raises UsageError if there is none, or not all of it."""
    where = f"graph {graph.name!r}"
    if not graph.tuned:
        raise UsageError("the model has no tuned points", where=where, next_step="run 'dqt-edge tune' on it first")
    found: Any = graph.provenance.get("tuned")
    try:
        needed = [found["unit"], found["options"]["by"], *(found["data"][name] for name in ("name", "part", "samples"))]
        needed += [row["widths"] for row in found["static"]]
        needed += [(row["widths"], row["again"], row["share"]) for row in found["cascades"]]
        needed += [(point["asked"], point["begins"]) for point in found["points"]]
        settings = [point["setting"] for point in found["points"]]
        whole = len(found["exits"]) == len(graph.points) and all(
            any(_same(each, point.setting) for each in settings) for point in graph.tuned
        )
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise UsageError(
            "the model does not say how its points were tuned",
            where=f"{where}, provenance",
            next_step="run 'dqt-edge tune' on it again",
        )
    return found  # type: ignore[no-any-return]


def _difference(
    found: Resampled,
    rows: Sequence[Row],
    name: str,
    index: int,
    less: int,
    labels: Any,  # noqa: ANN401 - an array
) -> dict[str, Any]:
    """A figure of one row less that of another, with its interval."""

    def figure(row: Row) -> float:
        if name == "agreement":
            return float(row.agreeing.mean())
        assert row.right is not None
        return (
            float(row.right.mean()) if name == "accuracy" else float(np.mean(list(recalls(row.right, labels).values())))
        )

    value = figure(rows[index]) - figure(rows[less])
    return {"value": value, "interval": found.interval(name, index, less)}


def _same(body: Mapping[str, Any], setting: Any) -> bool:  # noqa: ANN401 - a Setting
    """Whether JSON is that of a setting."""
    given = dataclasses.asdict(setting)
    return all(_plain(body.get(name)) == _plain(value) for name, value in given.items())


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    return list(value) if isinstance(value, tuple | list) else value
