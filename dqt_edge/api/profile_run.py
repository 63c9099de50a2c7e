"""The sessions of a profile, one policy after another, with the log that survives an interruption."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadFileError, UsageError
from ..graph import Graph
from ..graph.checkpoint import model_hash
from ..graph.policy import Policy, parse_policy
from ..measure.answers import answers
from ..measure.records import Record
from ..measure.session import Session
from ..measure.tally import Tally
from .connecting import Device
from .given import Samples

if TYPE_CHECKING:
    from ..measure.log import SessionLog

_PIECE = 256
"""Samples that are compared with a log's at once."""


@dataclass
class ProfileRun:
    """Samples on a device under some policies.

    Attributes:
        device: An open one.
        graph: Its model.
        samples: What it is given.
        policies: One, or the points of a dial.
        log: Where every record goes, or None.
        advance: Called after each sample.
        tally: Of the policy that is being run.
    """

    device: Device
    graph: Graph
    samples: Samples
    policies: tuple[Policy, ...]
    log: SessionLog | None
    advance: Callable[[], None]
    tally: Tally | None = field(default=None, init=False)
    _written: Record | None = field(default=None, init=False)

    def sessions(self) -> Iterator[Session]:
        """Run what the log does not hold yet, and give the session of each policy."""
        board, client = self.device.project.board, self.device.client
        size = len(self.samples)
        logged = iter(()) if self.log is None else self.log.records()
        kept = 0 if self.log is None else self.log.count
        with closing(self._checked(logged)) as earlier:
            for index, policy in enumerate(self.policies):
                number = index * size
                self.tally = tally = Tally(self.graph, board, policy, counted=client.counted)
                start = min(max(kept - number, 0), size)
                for record in islice(earlier, start):
                    tally.add(record)
                    self.advance()
                if start < size:
                    for record in answers(
                        client,
                        self.graph,
                        board,
                        self.samples.pieces,
                        parse_policy(policy, self.graph),
                        start=start,
                        number=number,
                        counted=client.counted,
                        differed=tally.differences > 0,
                    ):
                        if self.log is not None:
                            self._written = record
                            self.log.append(record)
                        tally.add(record)
                        self.advance()
                yield tally.session(self.samples.pieces, self.samples.labels, self.samples.units)

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
        size, layers, outputs = len(self.samples), len(self.graph.all_layers), self.device.info.output_size
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
