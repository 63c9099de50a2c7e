"""Answers of a device beside the interpreter's, sample by sample."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..device.replies import in_units
from ..graph import Dense, Graph, interpreter
from ..graph.points import Setting
from ..graph.policy import Policy, Settled
from .asking import asked_of, checksums_by_layer
from .expected import Expected, Interpreter
from .pieces import Pieces
from .records import Decided, Record

Codes = npt.NDArray[np.uint8]
AHEAD = 2
"""Batches that the interpreter is given before their answers are needed."""


class Answer(Protocol):
    """One inference, as the device client returns it."""

    @property
    def output(self) -> bytes: ...  # noqa: D102
    @property
    def choices(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def counts(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def checksums(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def point(self) -> int: ...  # noqa: D102
    @property
    def passes(self) -> int: ...  # noqa: D102
    @property
    def margin(self) -> int: ...  # noqa: D102


class Device(Protocol):
    """What a session needs of a device client."""

    def infer(
        self,
        codes: bytes,
        choices: tuple[int, ...] | None = None,
        *,
        bias: tuple[int, ...] | None = None,
        setting: Setting | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Answer:
        """Run one sample; ``choices`` None lets the controller decide, with ``bias`` on its logits, or a setting.

        ``start`` begins a stream of a model with states.
        """
        ...


class Oracle(Protocol):
    """Who knows the right answers: the interpreter, here or in another process."""

    def submit(self, codes: Codes) -> None:
        """Take the next batch of samples."""
        ...

    def take(self) -> Sequence[Expected]:
        """The answers to the earliest batch that has not been answered."""
        ...


def answers(
    device: Device,
    graph: Graph,
    board: Board,
    codes: Pieces,
    settled: Settled,
    *,
    start: int = 0,
    number: int = 0,
    counted: bool = True,
    differed: bool = False,
    oracle: Oracle | None = None,
) -> Iterator[Record]:
    """Run samples on a device, and give a record of each beside the interpreter's answer.

    Args:
        device: An open client whose model has been checked.
        graph: The model.
        board: Where it runs; gives the counter's unit.
        codes: Input codes. A model with states takes them as one stream, and those before ``start`` are run again.
        settled: The policy.
        start: Number of the first sample that is wanted.
        number: Number of sample 0 in the session.
        counted: False where the counter means nothing.
        differed: An earlier answer differed, so no layer is looked for.
        oracle: Who knows the right answers; None is the interpreter in this process.
    """
    asked, numbers = asked_of(graph, settled), graph.device_numbers
    known = Interpreter(graph, settled) if oracle is None else oracle
    at, waiting = 0 if graph.states else start, deque[Codes]()
    first = at
    read = at
    while True:
        while len(waiting) <= AHEAD and read < len(codes):
            batch = codes[read : read + interpreter.BATCH]
            known.submit(batch)
            waiting.append(batch)
            read += len(batch)
        if not waiting:
            return
        for sample, wanted in zip(waiting.popleft(), known.take(), strict=True):
            content = sample.tobytes()
            answer = device.infer(content, **asked, counts=True, start=at == first)
            if at >= start:
                record = compared(board, asked, content, answer, wanted, number + at, numbers=numbers, counted=counted)
                if record.differs and not differed:
                    differed = True
                    record = replace(record, difference=first_difference(device, graph, codes, at, settled))
                yield record
            at += 1


def compared(
    board: Board,
    asked: dict[str, Any],
    content: bytes,
    answer: Answer,
    wanted: Expected,
    number: int,
    *,
    numbers: Sequence[int],
    counted: bool,
) -> Record:
    """Record of an answer; what no setting decided is not compared. ``numbers`` are ``graph.device_numbers``."""
    right = wanted.decided
    point, passes, margin = right.point, right.passes, right.margin
    if "setting" in asked:
        point, passes, margin = answer.point, answer.passes, answer.margin
    found = Decided(answer.output, tuple(answer.choices), point, passes, margin)
    total, counts = None, None
    if counted:
        total = in_units(answer.total, board.counter)
        given = answer.counts or ()
        counts = tuple(in_units(given[number], board.counter) for number in numbers)
    return Record(number, zlib.crc32(content), found, right, wanted.runs, total, counts)


def first_difference(device: Device, graph: Graph, codes: Pieces, at: int, policy: Settled) -> str:
    """Run a sample again with checksums, its stream from the start, and name the first layer that differs."""
    samples = codes[0 if graph.states else at : at + 1]
    for i, sample in enumerate(samples):
        answer = device.infer(sample.tobytes(), **asked_of(graph, policy), checksums=True, start=i == 0)
    wanted = layer_checksums(graph, samples[-1], policy, samples[:-1])
    for layer, found, want in zip(graph.all_layers, checksums_by_layer(graph, answer), wanted, strict=True):
        if found != want:
            return f"sample {at}: layer {layer.name!r} differs first"
    return f"sample {at}: all layers agree when it is run again, so the first answer was not repeatable"


def layer_checksums(graph: Graph, sample: Codes, policy: Policy, before: Codes | None = None) -> list[int]:
    """CRC-32 of each layer's output when it last ran, by the interpreter; 0 for one that did not run.

    Args:
        graph: The model.
        sample: Codes of one sample.
        policy: See ``graph.policy``.
        before: Samples that came before it in its stream, for a model with states.
    """
    samples = sample[None] if before is None or not graph.states else np.concatenate([before, sample[None]])
    result = interpreter.run(graph, samples, policy, keep_tensors=True)
    last = {name: codes[-1:] for name, codes in result.tensors.items()}
    sums = []
    for layer, runs in zip(graph.all_layers, result.runs[-1], strict=True):
        if not runs:
            sums.append(0)
        elif isinstance(layer, Dense) and layer.requantize is None:
            logits = interpreter.accumulate(layer, graph, last, layer.candidates[0])
            sums.append(zlib.crc32(logits.astype("<i4").tobytes()))
        else:
            sums.append(zlib.crc32(last[layer.output].tobytes()))
    return sums
