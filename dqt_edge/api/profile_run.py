"""The sessions of a profile, one policy after another, with the log that survives an interruption."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device.connect import open_client
from ..errors import BadFileError, ToolchainError, UsageError
from ..graph import Graph
from ..graph.checkpoint import model_hash
from ..graph.policy import Policy, Settled, parse_policy
from ..measure.answers import answers, first_difference
from ..measure.pool import Beside, Pool
from ..measure.records import Record
from ..measure.session import Session
from ..measure.tally import Tally
from ..measure.work import Work
from ..project.manifest import Project
from .connecting import Device, inference_macs
from .given import Samples

if TYPE_CHECKING:
    from ..measure.fleet import Fleet
    from ..measure.log import SessionLog

BESIDE_LEAST = 1024
"""Samples from which on it pays to start a process for the interpreter, which takes half a second."""
_PIECE = 256
"""Samples that are compared with a log's at once."""


@dataclass
class ProfileRun:
    """Samples on a device under some policies.

    Attributes:
        project: What is run.
        device: An open one; None where several work.
        jobs: How many are started to work at once, without a fleet.
        fleet: Address of a Dask scheduler whose workers have devices, or None.
        graph: The model.
        samples: What it is given.
        policies: One, or the points of a dial.
        log: Where every record goes, or None.
        advance: Called after each sample.
        tally: Of the policy that is being run.
    """

    project: Project
    device: Device | None
    jobs: int
    fleet: str | None
    graph: Graph
    samples: Samples
    policies: tuple[Policy, ...]
    log: SessionLog | None
    advance: Callable[[], None]
    tally: Tally | None = field(default=None, init=False)
    _written: Record | None = field(default=None, init=False)

    def sessions(self) -> Iterator[Session]:
        """Run what the log does not hold yet, and give the session of each policy."""
        board, counted = self.project.board, self.device is None or self.device.client.counted
        size = len(self.samples)
        logged = iter(()) if self.log is None else self.log.records()
        kept = 0 if self.log is None else self.log.count
        with closing(self._checked(logged)) as earlier:
            for index, policy in enumerate(self.policies):
                number = index * size
                self.tally = tally = Tally(self.graph, board, policy, counted=counted)
                start = min(max(kept - number, 0), size)
                for record in islice(earlier, start):
                    tally.add(record)
                    self.advance()
                if start < size:
                    with ExitStack() as stack:
                        for record in self._records(stack, parse_policy(policy, self.graph), start, number):
                            self._keep(record)
                yield tally.session(self.samples.pieces, self.samples.labels, self.samples.units)

    def _records(self, stack: ExitStack, settled: Settled, start: int, number: int) -> Iterator[Record]:
        """Records of the samples from ``start`` on; what gives them is closed by ``stack``."""
        graph, project, tally, pieces = self.graph, self.project, self.tally, self.samples.pieces
        assert tally is not None
        digest = model_hash(graph)
        work = Work(graph, settled, project.board, None, digest, inference_macs(graph))
        if self.device is None:
            workers = stack.enter_context(self._workers(replace(work, image=project.elf)))
            for record in workers.records(pieces, start, number):
                told = record.differs and not tally.differences
                yield replace(record, difference=self._difference(record.number - number, settled)) if told else record
            return
        oracle = None
        if len(pieces) - start >= BESIDE_LEAST and not graph.states:
            with suppress(ToolchainError):  # a Python that cannot start itself computes here
                oracle = stack.enter_context(closing(Beside(work)))
        yield from answers(
            self.device.client,
            graph,
            project.board,
            pieces,
            settled,
            start=start,
            number=number,
            counted=self.device.client.counted,
            differed=tally.differences > 0,
            oracle=oracle,
        )

    def _workers(self, work: Work) -> AbstractContextManager[Pool | Fleet]:
        if self.fleet is None:
            return Pool(work, self.jobs)
        try:
            from ..measure.fleet import Fleet
        except ImportError as error:
            raise ToolchainError(
                "Dask is not installed", where="`fleet`", next_step="pip install 'dqt-edge[fleet]'"
            ) from error
        return Fleet(work, self.fleet)

    def _difference(self, at: int, settled: Settled) -> str:
        """Which layer of a sample differs first, on a device of its own where one can be started."""
        project, digest = self.project, model_hash(self.graph)
        if not project.board.is_process:
            return f"sample {at}: run it on its board without `fleet` to see which layer differs first"
        macs, names = inference_macs(self.graph), self.graph.device_layers
        with open_client(project.board, project.elf, digest, macs=macs, layers=names) as client:
            return first_difference(client, self.graph, self.samples.pieces, at, settled)

    def _keep(self, record: Record) -> None:
        assert self.tally is not None
        if self.log is not None:
            self._written = record
            self.log.append(record)
        self.tally.add(record)
        self.advance()

    def partial(self) -> Session | None:
        """The session that was not finished, of the samples that were; None if there are none."""
        if self.tally is None:
            return None
        last = self._written
        if last is not None and last.number % len(self.samples) == self.tally.count:
            assert self.log is not None
            if last.number < self.log.count:  # Ctrl-C came between the log and the tally
                self.tally.add(last)
        if self.tally.count in (0, len(self.samples)):
            return None
        return self.tally.session(self.samples.pieces, self.samples.labels, self.samples.units)

    def _checked(self, records: Iterator[Record]) -> Generator[Record, None, None]:
        """The same records, after each was found to be of these samples and this model."""
        assert self.log is not None or next(records, None) is None
        size, layers, outputs = (
            len(self.samples),
            len(self.graph.all_layers),
            sum(self.graph.tensor(n).size for n in self.graph.outputs),
        )
        while piece := list(islice(records, _PIECE)):
            numbers = np.array([record.number % size for record in piece])
            codes = self.samples.pieces[numbers]
            for record, sample in zip(piece, codes, strict=True):
                if record.input_crc != zlib.crc32(sample.tobytes()):
                    raise self._other_data(record.number % size)
                sizes = (len(record.found.output), len(record.wanted.output), len(record.runs))
                if sizes != (outputs, outputs, layers) or len(record.wanted.choices) != len(self.graph.adaptive):
                    raise self._other_model(record.number)
                yield record

    def _other_data(self, number: int) -> UsageError:
        assert self.log is not None
        return UsageError(
            f"the log is of another run: its sample {number} is not that of the data",
            where=f"`log` {self.log.path}",
            next_step="resume it with the data it was begun with, or name another `log`",
        )

    def _other_model(self, number: int) -> BadFileError:
        assert self.log is not None
        return BadFileError(
            f"record {number} of the log is not of this model",
            where=str(self.log.path),
            next_step="give `force` to begin anew",
        )


def run_facts(
    graph: Graph, board: str, samples: Samples, policies: tuple[Policy, ...], **options: int | bool
) -> dict[str, Any]:
    """What a log belongs to: a run is resumed where all of this is the same."""
    targets = None
    if samples.labels is not None:
        content = np.ascontiguousarray(samples.labels)
        targets = hashlib.sha256(f"{content.dtype} {content.shape}".encode() + content.tobytes()).hexdigest()
    return {
        "board": board,
        "model": model_hash(graph).hex(),
        "policies": [repr(parse_policy(policy, graph)) for policy in policies],
        "samples": len(samples),
        "targets": targets,
        **options,
    }


def open_log(path: Path | None, facts: dict[str, Any], *, resume: bool, force: bool) -> SessionLog | None:
    """Begin a log, or take one up; see :class:`~dqt_edge.measure.log.SessionLog`. None without a path."""
    from ..measure.log import SessionLog

    if path is None:
        if resume or force:
            raise UsageError("there is no log to go on with or to replace", where="`log`", next_step="name a `log`")
        return None
    if resume and force:
        raise UsageError(
            "a log is either gone on with or replaced", where="`resume`, `force`", next_step="leave out one of them"
        )
    return SessionLog(path, facts, resume=resume, force=force)
