"""Workers: several devices of one kind at once, each in a process with an interpreter of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

import dqt_edge

from ..errors import DeviceError, DqtError, ToolchainError
from ..graph.interpreter import BATCH
from .expected import Expected, Interpreter
from .pieces import Pieces
from .records import Record
from .work import Batch, Work, get, put

Codes = npt.NDArray[np.uint8]
TRIES = 3
"""Workers that may fail at one batch."""
WAITING = 4
"""Batches for each worker that may be done before an earlier one is."""
SHOWN = 500
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Workers share the processors: threads of each for the interpreter's products would wait for each other."""
END_SECONDS = 2.0
"""How long a worker has to end its device and itself."""


class Worker:
    """A process that does work; see ``worker.py``. It ends when its input is closed."""

    def __init__(self, work: Work) -> None:
        package = str(Path(dqt_edge.__file__).parents[1])
        paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dqt_edge.measure.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                env={**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)},
            )
        except OSError as error:
            raise ToolchainError(
                f"cannot start a worker: {error.strerror}", where=sys.executable, next_step="try again without `jobs`"
            ) from error
        self.batch: int | None = None
        """Number of the first sample that it works at."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self.output = self._process.stdin, self._process.stdout
        self.send(work)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Send a message. A worker that has gone is noticed by :meth:`receive`."""
        with contextlib.suppress(OSError):
            put(self._stdin.fileno(), message)

    def receive(self) -> object:
        """Its next answer; raises EOFError when it has gone."""
        return get(self.output.fileno())

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> str:
        """End it, with its device, and give what it last said."""
        self._stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.output.close()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        self._errors.close()
        return said[-SHOWN:]


class Pool:
    """Workers with a device each. A context manager.

    Args:
        work: What they do.
        jobs: How many there are.
    """

    def __init__(self, work: Work, jobs: int) -> None:
        self._work, self._jobs = work, jobs
        self.workers: list[Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        for worker in self.workers:
            worker.close()
        self.workers.clear()

    def records(self, codes: Pieces, start: int = 0, number: int = 0) -> Iterator[Record]:
        """Records of the samples from ``start`` on, in their order, each once, as one worker would give them.

        ``number`` is that of sample 0 in the session. What a worker that fails was working at is done by another.

        Raises:
            DeviceError: Several fail at the same samples; or any other error of a device.
        """
        self._todo = deque(range(start, len(codes), BATCH))
        self._done: dict[int, Sequence[Record]] = {}
        self._failures: dict[int, int] = {}
        self._codes, self._number = codes, number
        at = start
        with selectors.DefaultSelector() as selector:
            self._selector = selector
            for worker in self.workers:
                selector.register(worker.output, selectors.EVENT_READ, worker)
            while at < len(codes):
                self._fill(at)
                if at in self._done:
                    found = self._done.pop(at)
                    at += len(found)
                    yield from found
                    continue
                for key, _ in selector.select():
                    self._take(key.data)

    def _fill(self, at: int) -> None:
        """Give work to whoever has none, but not far ahead of what is awaited: it would have to be kept."""
        limit = at + self._jobs * WAITING * BATCH
        while len(self.workers) < self._jobs and len(self.workers) * BATCH < len(self._codes):
            worker = Worker(self._work)
            self.workers.append(worker)
            self._selector.register(worker.output, selectors.EVENT_READ, worker)
        for worker in self.workers:
            if worker.batch is None and self._todo and self._todo[0] < limit:
                worker.batch = self._todo.popleft()
                batch = self._codes[worker.batch : worker.batch + BATCH]
                worker.send(Batch(self._number + worker.batch, batch))

    def _take(self, worker: Worker) -> None:
        """Take a worker's answer, or notice that it failed."""
        try:
            answer = worker.receive()
        except EOFError:
            self._lose(worker, None)
            return
        if isinstance(answer, DqtError):
            self._lose(worker, answer)
            return
        assert worker.batch is not None
        assert isinstance(answer, list)
        self._done[worker.batch], worker.batch = answer, None

    def _lose(self, worker: Worker, error: DqtError | None) -> None:
        """Put what it was working at back, before all else."""
        self._selector.unregister(worker.output)
        self.workers.remove(worker)
        said = worker.close()
        batch = worker.batch
        assert batch is not None, "an idle worker ends with its input"
        self._failures[batch] = self._failures.get(batch, 0) + 1
        if error is not None and not isinstance(error, DeviceError):
            raise error
        if self._failures[batch] >= TRIES:
            raise error or DeviceError(
                f"{TRIES} workers ended at the same samples" + (f"; the last one said: {said}" if said else ""),
                where=f"samples from {batch}",
                next_step="run without `jobs` to see why",
            )
        self._todo.appendleft(batch)


class Beside:
    """The interpreter in a process of its own, which computes while the device answers; see ``answers.Oracle``.

    Args:
        work: Without an image, of a graph without states.
    """

    def __init__(self, work: Work) -> None:
        self._worker: Worker | None = Worker(work)
        self._own = Interpreter(work.graph, work.settled)
        self._given: deque[Codes] = deque()
        self._queue: queue.SimpleQueue[Codes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, args=(self._worker,), daemon=True)
        self._sender.start()

    def submit(self, codes: Codes) -> None:
        """Take the next batch of samples."""
        self._given.append(codes)
        self._queue.put(codes)

    def take(self) -> Sequence[Expected]:
        """The answers to the earliest batch that has not been answered; computed here if the process has gone."""
        codes = self._given.popleft()
        if self._worker is not None:
            try:
                answer = self._worker.receive()
                assert isinstance(answer, list)
                return answer
            except EOFError:
                self.close()
        self._own.submit(codes)
        return self._own.take()

    def close(self) -> None:
        """End the process; safe to repeat."""
        if self._worker is not None:
            self._queue.put(None)
            worker, self._worker = self._worker, None
            worker.kill()
            self._sender.join()
            worker.close()

    def _send(self, worker: Worker) -> None:
        """Beside the main thread, because a pipe may be full."""
        while (codes := self._queue.get()) is not None:
            worker.send(Batch(0, codes))
