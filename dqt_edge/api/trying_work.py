"""The steps of a trial. Each composes what the public functions do; none computes anything of its own."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boards import Board, load_board
from ..errors import DoesNotFitError, DqtError, ToolchainError, UnsupportedError
from ..graph import Graph, Pair, interpreter, vector_text
from ..graph.policy import dial_policies
from ..graph.samples import sample_shape
from ..importers.comparison import Comparison
from ..importers.network import Network
from ..measure.session import Session
from ..precision.candidates import widest
from ..project.manifest import Project
from ..report import page, trying
from ..report.context import Context, image_context
from ..report.search import Facts as Found
from ..report.texts import policy_name
from ..report.trial import BoardFit, Trial
from ..system.files import write_together
from ..tasks import every_output, main_text, reals, task_of
from ..tasks.kinds import Map
from ..tasks.statistics import mean_interval
from .building import build
from .comparing import compare
from .exporting import export
from .files import load, save
from .given import Data, FilePath, Progress, Samples, board_of, samples_of
from .importing import graph_of_network, read_network
from .profiling import profile
from .ranking import BoardFit as RankedFit
from .ranking import rank_boards, shipped_boards
from .searching import SPREAD, search

BOARD, HOST = "qemu-m4", "host"
SAMPLES_LEAST, SAMPLES_MOST = 16, 256
MACS = 400_000_000
"""Multiply-accumulates that may be run on the device, in all samples."""
CALIBRATION = 64
"""Random inputs that calibrate a model without data."""
COMPARED = 20
POLICIES_MAX = 5
TRIALS = 2


class Work:
    """One trial; the parameters are those of :func:`~dqt_edge.api.trying.try_model`."""

    def __init__(
        self,
        model: FilePath | bytes | Any,  # noqa: ANN401
        data: Data | None,
        board: Board | FilePath | None,
        out: FilePath | None,
        candidates: str | Sequence[Pair],
        count: int | None,
        task: str | None,
        seed: int,
        say: Callable[[str], None],
        progress: Progress,
    ) -> None:
        self.start = time.monotonic()
        self.model, self.data, self.candidates, self.task = model, data, candidates, task
        self.board = board_of(BOARD if board is None else board)
        self.count, self.seed, self.say, self.progress = count, seed, say, progress
        self.path = Path(model) if isinstance(model, str | os.PathLike) else None
        self.source = str(getattr(model, "name", "model") if self.path is None else self.path.name)
        self.checkpoint = self.path if self.path is not None and self.path.suffix == ".safetensors" else None
        self.out = Path(f"{Path(self.source).stem}-try" if out is None else out)
        self.notes: list[str] = []

    def run(self) -> tuple[Trial, list[Path], Path]:
        """Everything, in order: what was found, page, JSON and checkpoint, and the project's folder."""
        graph, calibration = self._graph()
        samples = self._samples(graph)
        page.make_folder(self.out)
        fits = self._fits(graph)
        project, image = self._project(graph)
        sessions = self._sessions(project, graph, samples)
        comparison = self._compared(graph)
        found = self._searched(graph, samples, project.board)
        trial = Trial(
            graph=graph,
            source=(self.source, self._digest()),
            calibration=calibration,
            data=self._data_name(),
            labelled=samples.labels is not None,
            fits=fits,
            sessions=sessions,
            image=image,
            comparison=comparison,
            search=found,
            agreement=_agreement(sessions),
            notes=tuple(self.notes),
            seconds=time.monotonic() - self.start,
        )
        return trial, self._written(trial), project.folder

    def _graph(self) -> tuple[Graph, str]:
        """The model, and what its scales come from."""
        if isinstance(self.model, Graph):
            graph, calibration = self.model, "none"
        elif self.checkpoint is not None:
            graph, calibration = load(self.checkpoint), "none"
        else:
            network = read_network(self.model)
            calibration = "none" if network.integer else "random" if self.data is None else "data"
            inputs = random_inputs(network, self.seed) if calibration == "random" else self.data
            graph = graph_of_network(network, calibration=inputs, seed=self.seed, task=self.task)
        self.say(f"read {self.source}: {len(graph.layers)} layers, {graph.total_macs:,} MAC, task {graph.task}")
        if calibration == "random":
            self.say(f"! {trying.RANDOM_CALIBRATION}")
        return graph, calibration

    def _samples(self, graph: Graph) -> Samples:
        count = self.count or int(np.clip(MACS // max(graph.total_macs, 1), SAMPLES_LEAST, SAMPLES_MOST))
        if self.data is not None:
            return samples_of(self.data, graph, count, seed=self.seed)
        self.say(f"! {trying.RANDOM_INPUTS}")
        shape = (count, *sample_shape(graph))
        return Samples(np.random.default_rng(self.seed).integers(0, 256, shape, dtype=np.uint8), None, None)

    def _fits(self, graph: Graph) -> tuple[BoardFit, ...]:
        boards: list[Board | FilePath] = [*shipped_boards()]
        if self.board.id not in boards and not self.board.is_host:
            boards.append(self.board)
        found = tuple(_fit(fit) for fit in rank_boards(graph, boards).boards)
        good = [fit.board.id for fit in found if fit.fits]
        self.say(f"fits {len(good)} of {len(found)} boards: {', '.join(good) or 'none'}")
        for fit in found:
            if not fit.fits:
                self.say(f"  not {fit.board.id}: {fit.short}")
        return found

    def _project(self, graph: Graph) -> tuple[Project, Context]:
        """Built for the board, or for this computer where that cannot be done."""
        board = self.board
        if not board.is_process:
            self._note(f"{board.id} is not emulated by QEMU, so the model ran on this computer")
            board = load_board(HOST)
        try:
            return self._built(graph, board)
        except (DoesNotFitError, ToolchainError, UnsupportedError) as error:
            if board.is_host:
                raise
            self._note(f"not run on {board.id}: {error.what}; it ran on this computer instead, which counts time")
            return self._built(graph, load_board(HOST))

    def _built(self, graph: Graph, board: Board) -> tuple[Project, Context]:
        if board.qemu is not None:
            from ..system.tools import find_tool

            find_tool("qemu-system-arm", "qemu-system-arm")
        project = export(graph, board, self.out / "project")
        image = build(project)
        sizes = f": {image.flash:,} bytes of flash, {image.ram:,} of RAM" if image.flash else ""
        self.say(f"built for {board.id}{sizes}")
        return project, image_context(project, graph)

    def _sessions(self, project: Project, graph: Graph, samples: Samples) -> tuple[Session, ...]:
        data, found = as_data(graph, samples), []
        for policy in policies(graph):
            session = profile(project, data, policy=policy, first=True, progress=self.progress).session
            found.append(session)
            scored = "" if session.score is None else f", {main_text(session.score)}"
            cost = "" if session.cycles is None else f", {session.cycles:,.0f} modelled cycles"
            self.say(
                f"ran {session.samples} samples on {session.board}, {policy_name(session)}: "
                f"{session.mismatches} differ from the interpreter{scored}{cost}"
            )
        return tuple(found)

    def _compared(self, graph: Graph) -> Comparison | None:
        """Beside the file's own runtime, where there are both."""
        if self.path is None or self.checkpoint is not None:
            return None
        try:
            found = compare(graph, self.path, self.data, count=COMPARED, seed=self.seed, progress=self.progress)
        except DqtError as error:
            self._note(f"not compared with the original: {error.what}")
            return None
        self.say(f"compared with {found.runtime}: {found.agreement}")
        return found

    def _searched(self, graph: Graph, samples: Samples, board: Board) -> Found | None:
        """Fixed widths within budgets; judged by labels, or by the answers at the widest widths."""
        labels = own_targets(graph, samples.codes) if samples.labels is None else samples.labels
        data = as_data(graph, replace(samples, labels=labels))
        offered = self.candidates if not any(len(layer.candidates) > 1 for layer in graph.adaptive) else None
        half = max(len(samples.codes) // 2, 2)
        cost: Mapping[str, Any] = {"budget": SPREAD} if board.is_host else {"cycles": SPREAD, "board": board}
        for kind in (cost, {"budget": SPREAD}):
            try:
                result = search(graph, data, samples=half, candidates=offered, trials=TRIALS, biases=False,
                                seed=self.seed, progress=self.progress, **kind)  # fmt: skip
            except (ToolchainError, DoesNotFitError) as error:
                self._note(f"widths are not searched in cycles of {board.id}: {error.what}")
                continue
            except DqtError as error:
                self._note(f"no widths were searched: {error.what}")
                return None
            self.say(f"searched fixed widths: {len(result.points)} vectors on {result.found.test_samples} samples")
            return result.found
        return None

    def _written(self, trial: Trial) -> list[Path]:
        told = (json.dumps(trial.as_json(), indent=2) + "\n").encode()
        paths = write_together(self.out, {"index.html": trying.page(trial).encode(), "try.json": told})
        paths.append(self.out / f"{Path(self.source).stem}.safetensors")
        save(trial.graph, paths[2])
        self.say(f"wrote {paths[0]}")
        return paths

    def _note(self, text: str) -> None:
        self.notes.append(f"{text[:1].upper()}{text[1:]}.")
        self.say(f"! {text}")

    def _digest(self) -> str | None:
        if self.path is not None:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path.is_file() else None
        return hashlib.sha256(self.model).hexdigest() if isinstance(self.model, bytes) else None

    def _data_name(self) -> str | None:
        if self.data is None:
            return None
        return (
            os.fspath(self.data) if isinstance(self.data, str | os.PathLike) else getattr(self.data, "name", "arrays")
        )


def policies(graph: Graph) -> list[Any]:
    """What is run: every layer at its widest, and what decides for each input."""
    found: list[Any] = [tuple(widest(layer) for layer in graph.adaptive) or "8x8"]
    if graph.tuned or graph.dial_targets:
        found += dial_policies(graph, "`policy` dial")[:POLICIES_MAX]
    elif graph.controller is not None:
        found.append("dynamic")
    return [vector_text(policy) if isinstance(policy, tuple) else policy for policy in found]


def random_inputs(network: Network, seed: int) -> Any:  # noqa: ANN401 - an array, or one for each input
    """Standard normal numbers in the shape of a network's inputs."""
    rng = np.random.default_rng(seed)
    found = {
        name: rng.standard_normal((CALIBRATION, *network.edges[name].shape)).astype(np.float32)
        for name in network.inputs
    }
    return found if len(found) > 1 else found[network.input]


def as_data(graph: Graph, samples: Samples) -> Any:  # noqa: ANN401 - arrays
    """Samples as the public functions take data: maps of classes with a height and a width again."""
    x, labels = samples.codes if samples.real is None else samples.real, samples.labels
    if labels is not None and graph.task == Map.name:
        labels = labels.reshape(len(labels), *graph.tensor(graph.output).shape[:2])
    return x if labels is None else (x, labels)


def own_targets(graph: Graph, codes: npt.NDArray[np.uint8]) -> Any:  # noqa: ANN401 - as the task takes them
    """The answers at the widest widths as targets; None where a model is judged by its inputs."""
    if graph.task == "reconstruction":
        return None
    vector = tuple(widest(layer) for layer in graph.adaptive) or "8x8"
    outputs = reals(graph, every_output(interpreter.run(graph, codes, vector)))
    answers = task_of(graph).answers(outputs)
    return outputs if answers is None else answers


def _fit(fit: RankedFit) -> BoardFit:
    report = fit.report
    footprint, plan = (None, None) if report is None else (report.footprint, report.plans[0])
    cycles, milliseconds = (fit.cycles, fit.milliseconds) if fit.cycles else (None, None)
    return BoardFit(fit.board, footprint, plan, cycles, milliseconds, fit.unknown, fit.reason, fit.changes)


def _agreement(sessions: Sequence[Session]) -> tuple[tuple[float, tuple[float, float] | None] | None, ...]:
    """Of each session the share of its answers that are those of the first."""
    found: list[tuple[float, tuple[float, float] | None] | None] = []
    first = sessions[0].each
    for session in sessions:
        each = session.each
        if first is None or each is None or first.answers is None or each.answers is None:
            found.append(None)
            continue
        same = (each.answers == first.answers).astype(np.float64)
        found.append((float(same.mean()), mean_interval(same)))
    return tuple(found)
