"""Work for a process beside this one: what it is told, what it does, and how both talk."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..device.client import Client
from ..device.connect import open_client
from ..graph import Graph
from ..graph.policy import Settled
from .answers import compared
from .asking import asked_of
from .expected import Expected, Interpreter
from .records import Record

Codes = npt.NDArray[np.uint8]
_SIZE = struct.Struct("<Q")


@dataclass(frozen=True)
class Work:
    """What a worker does with every batch of samples.

    Attributes:
        graph: The model. One with states can be split among no workers.
        settled: The policy.
        board: Where it runs; gives the counter's unit.
        image: The program, which the worker starts if it is for the host or QEMU; None: it runs the interpreter alone.
        digest: Hash of the model that the image must run.
        macs: Multiply-accumulates of an inference.
        port: Serial port of the worker's board, or ``unicorn:``; None as in ``device.connect.open_device``.
    """

    graph: Graph
    settled: Settled
    board: Board
    image: Path | None
    digest: bytes
    macs: int = 0
    port: str | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples for a worker: their codes, and the number of the first in the session."""

    number: int
    codes: Codes


class Doing:
    """A worker's own side: the interpreter, and a device if the work has one."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._asked, self._numbers = asked_of(work.graph, work.settled), work.graph.device_numbers
        self._interpreter = Interpreter(work.graph, work.settled)
        self._client: Client | None = None

    def answers(self, batch: Batch) -> Sequence[Record] | Sequence[Expected]:
        """Records of samples; or what the interpreter answers to them, without a device."""
        work, number, codes = self._work, batch.number, batch.codes
        self._interpreter.submit(codes)
        wanted = self._interpreter.take()
        if work.image is None:
            return wanted
        if self._client is None:
            names = work.graph.device_layers
            self._client = open_client(work.board, work.image, work.digest, work.port, macs=work.macs, layers=names)
        found = []
        for i, (sample, right) in enumerate(zip(codes, wanted, strict=True)):
            content = sample.tobytes()
            answer = self._client.infer(content, **self._asked, counts=True, start=True)
            found.append(
                compared(
                    work.board,
                    self._asked,
                    content,
                    answer,
                    right,
                    number + i,
                    numbers=self._numbers,
                    counted=self._client.counted,
                )
            )
        return found

    def close(self) -> None:
        """End the device."""
        if self._client is not None:
            self._client.close()


def put(file: int, message: object) -> None:
    """Write a message to a pipe; raises OSError where nobody reads."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    rest = memoryview(_SIZE.pack(len(content)) + content)
    while rest:
        rest = rest[os.write(file, rest) :]


def get(file: int) -> object:
    """The next message of a pipe between processes of our own; raises EOFError behind the last."""
    (size,) = _SIZE.unpack(_read(file, _SIZE.size))
    return pickle.loads(_read(file, size))  # noqa: S301 - a pipe that nobody else has


def _read(file: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(file, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
