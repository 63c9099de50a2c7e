"""Settings of decision points and widths that keep promises."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ..boards import Board
from ..data.choose import SEED
from ..errors import UsageError
from ..graph import Graph
from ..graph.checkpoint import save
from ..precision.goals import CRITERIA, Space
from ..system.show import Facts, Shown
from .given import Data, FilePath, Model, Progress, checkpoint_path, graph_of, silent
from .tuning_data import Part, tuning_samples
from .tuning_requests import classes_named, promises_of
from .tuning_work import TunedRow, Work

SAMPLES = 5000


@dataclasses.dataclass(frozen=True, repr=False)
class TuneResult(Shown):
    """What a tuning found.

    Attributes:
        graph: The model with its tuned points.
        rows: The tuned points, the cheapest first.
        dropped: Promises whose setting another one beats in both cost and agreement.
        facts_json: Where the figures come from: data, unit, board, compiler, how exact the search was, and the rivals.
        samples: How many samples chose.
        files: What was written.
    """

    graph: Graph
    rows: tuple[TunedRow, ...]
    dropped: tuple[str, ...]
    facts_json: Mapping[str, Any]
    samples: int
    files: tuple[Path, ...] = ()

    @property
    def unit(self) -> str:
        """What costs are counted in."""
        return str(self.facts_json["unit"])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"model": self.graph.name, **self.facts_json}

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.graph.name!r}, {self.samples:,} samples, cost in {self.unit}", [
            (
                ", ".join(row.asked),
                f"cost {row.point.cost:.3f}, agrees on {row.point.agreement:.2%}, {row.point.setting}",
            )
            for row in self.rows
        ]


def tune(
    model: Model,
    data: Data,
    *,
    board: Board | FilePath | None = None,
    agree: str | float | Sequence[float] | None = None,
    costs: str | float | Sequence[float] | None = None,
    by: Literal["agreement", "accuracy", "recall"] = "agreement",
    stops: str | Sequence[str] | None = None,
    widths: str | Sequence[str] | None = None,
    part: Part = "validation",
    validation: float | None = None,
    samples: int = SAMPLES,
    seed: int = SEED,
    first: bool = False,
    second_pass: bool = True,
    confidence: float | None = None,
    out: FilePath | None = None,
    progress: Progress = silent,
) -> TuneResult:
    """Find the cheapest settings of decision points and widths that keep promises, without training.

    Runs samples once along every path and records margins and answers; then searches the thresholds over that record.
    The record is kept beside ``out``, so that other promises are found at once. Samples that choose must not judge:
    never give test data.

    Args:
        model: A classifier with decision points, or with several widths; or the path of its checkpoint.
        data: A data set or file, of which ``part`` is taken; or arrays ``x`` or ``(x, y)``, of which all are. Labels
            are needed for ``by`` accuracy or recall only.
        board: A QEMU board, such as ``"qemu-m4"``: costs are in its modelled cycles. None: in BitOPs.
        agree: Promises: least shares of inferences with the full network's class, such as ``0.995``; where neither
            these nor ``costs`` are given 0.999, 0.995, 0.99, 0.98 and 0.95.
        costs: Promises: most mean costs, of the full network's.
        by: What is best within a cost.
        stops: Names of the classes that may be answered early; ``"common"`` is the most frequent one.
            None is all.
        widths: Policies that inferences may begin with, instead of the widest, each pair for all layers, the static
            vector of training, the controller and the points of its dial; with branches that may be skipped, all of
            them skipped too. ``"search"`` adds vectors that a search finds.
        part: ``"validation"``, ``"training"``, or ``"both"`` parts of a data set.
        validation: Share of the training samples that is the validation part; as it was in training. None is 0.15.
        samples: At most; taken at random, each class in proportion.
        seed: Of the choice.
        first: Take the first samples instead.
        second_pass: Allow it; it needs memory for the tensors that are kept.
        confidence: Keep a promise of agreement by the lower end of Wilson's one-sided interval of this confidence,
            such as 0.95. None: the samples' own share keeps it.
        out: Checkpoint to write.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        UsageError: Nothing to tune, a promise that no setting keeps, unknown classes or board, or no tuning data.
        BadFileError: A file is missing or damaged, or cannot be written.
        DoesNotFitError, ToolchainError, DeviceError: With ``board``, as export, build and the device say.

    Example:
        ```python
        import dqt_edge as dqt

        tuned = dqt.tune("digits.safetensors", "digits", agree=(0.99, 0.95), samples=60)
        print(tuned)
        dqt.save(tuned.graph, "tuned.safetensors")
        ```
    """
    path = None if out is None else checkpoint_path(out)
    work = Work(graph_of(model), board, progress)
    promises = promises_of(agree, costs, by, confidence)
    classes_named(stops, work.graph, None)
    taken = tuning_samples(data, work.graph, part, validation, samples, seed=seed, first=first)
    if by not in CRITERIA:
        raise UsageError(
            f"{by!r} is no criterion", where="parameter `by`", next_step=f"choose from {', '.join(CRITERIA)}"
        )
    if by != "agreement" and taken.labels is None:
        raise UsageError(f"{by} needs labels", where="parameter `by`", next_step="give (x, y), or choose agreement")
    cache = None if path is None else path.with_suffix(".tuning.npz")
    work.record(taken, widths, cache)
    space = Space(again=second_pass, stops=classes_named(stops, work.graph, work.table))
    rows, dropped = work.search(promises, by, space, confidence)
    name = os.fspath(data) if isinstance(data, str | os.PathLike) else getattr(data, "name", "arrays")
    options = {
        "agree": [p.value for p in promises if p.agrees],
        "costs": [p.value for p in promises if not p.agrees],
        "by": by,
        "stops": None if space.stops is None else [work.class_name(k) for k in space.stops],
        "second_pass": second_pass,
        "confidence": confidence,
    }
    facts = {
        "data": {"name": Path(str(name)).name, "part": part, "samples": len(taken.codes), "sha256": work.data_hash},
        "options": options,
        **work.facts(),
        "points": [row.as_json() for row in rows],
        "dropped": list(dropped),
    }
    graph = dataclasses.replace(
        work.graph,
        tuned=tuple(row.point for row in rows),
        second_pass=any(row.point.setting.again for row in rows),
        provenance={**work.graph.provenance, "tuned": facts},
    )
    files: tuple[Path, ...] = ()
    if path is not None:
        save(graph, path)
        files = (path,) if cache is None else (path, cache)
    return TuneResult(graph, rows, dropped, facts, len(taken.codes), files)
