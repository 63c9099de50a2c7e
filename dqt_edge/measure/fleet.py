"""Fleet: the workers of a Dask cluster, each with a device of its own, share the samples of a session.

Each worker gets the image, starts it or finds its board, and answers batches with records; what a worker that dies or
fails was doing is done by another. Dask sends Python objects: whoever reaches the scheduler can run code on every
worker, so a fleet belongs into a network that is trusted; see docs/security.md.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from distributed import Client, Future, Worker, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

import dqt_edge

from ..errors import BadFileError, DeviceError, DqtError, ToolchainError, UsageError
from ..graph.interpreter import BATCH
from .pieces import Pieces
from .pool import TRIES, WAITING
from .pool import Worker as DeviceProcess
from .records import Record
from .work import Batch, Work

SCHEMES = {"dask": "tcp", "dask+tls": "tls"}
PORT = "DQT_EDGE_PORT"
"""Environment variable of a worker: the serial port of its board, or ``unicorn:``; without it, the board's USB id."""
SCHEDULER_SECONDS = 10.0
WORKERS_SECONDS = 30.0
"""How long a fleet may be without a worker."""
POLL_SECONDS = 1.0


class _Outfit(WorkerPlugin):  # type: ignore[misc] # distributed is untyped
    """What each worker of a session has: the image, and once it is asked a process with a device, which ends with it.

    Dask sends it to the workers there are and to those that come later, and takes it away behind the session.
    """

    def __init__(self, name: str, work: Work, image: bytes) -> None:
        self.name, self._work, self._image = name, work, image

    def setup(self, worker: Worker) -> None:
        """Called by Dask on the worker."""
        self._address = worker.address
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="dqt-edge-fleet-"))
        self._process: DeviceProcess | None = None

    def teardown(self, worker: Worker) -> None:
        """Called by Dask on the worker, at the end of the session or of the worker."""
        with self._lock:
            self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def answers(self, batch: Batch) -> tuple[str, Sequence[Record] | DqtError]:
        """Address of this worker, and records of a batch or why there are none; one batch at a time."""
        with self._lock:
            try:
                if self._process is None:
                    self._process = DeviceProcess(replace(self._work, image=self._program(), port=os.environ.get(PORT)))
                self._process.send(batch)
                found = self._process.receive()
            except EOFError:
                said = self._end()
                found = DeviceError(
                    "the process of a device ended" + (f"; it last said: {said}" if said else ""),
                    where=f"worker {self._address}",
                    next_step="run without `fleet` to see why",
                )
            except DqtError as error:
                found = error
            if isinstance(found, DqtError):
                self._end()
                return self._address, found
            assert isinstance(found, list)
            return self._address, found

    def _program(self) -> Path:
        path = self._folder / "model.elf"
        if not path.exists():
            path.write_bytes(self._image)
            path.chmod(0o700)
        return path

    def _end(self) -> str:
        if self._process is None:
            return ""
        process, self._process = self._process, None
        return process.close()


def _answers(name: str, batch: Batch) -> tuple[str, Sequence[Record] | DqtError]:
    """Run on a worker."""
    outfit = get_worker().plugins[name]
    assert isinstance(outfit, _Outfit)
    return outfit.answers(batch)


def _code() -> tuple[str, str]:
    """Version and SHA-256 of the package's own sources; run here and on each worker."""
    folder, digest = Path(dqt_edge.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return dqt_edge.__version__, digest.hexdigest()


class Fleet:
    """The workers of a Dask cluster. A context manager.

    Args:
        work: What they do; its image is sent to them.
        address: ``dask://HOST:PORT`` of the scheduler, ``dask+tls://HOST:PORT`` with the certificates of Dask's own
            configuration.

    Raises:
        UsageError: The address is none.
        BadFileError: The image has not been built.
        DeviceError: No scheduler answers there, or it has no worker for 30 s.
        ToolchainError: A worker has no dqt-edge, or one of another version or other sources.
    """

    def __init__(self, work: Work, address: str) -> None:
        assert work.image is not None
        if not work.image.is_file():
            raise BadFileError(
                "the image does not exist", where=str(work.image), next_step="run 'dqt-edge build' first"
            )
        self._address, self._name = address, f"dqt-edge-{uuid.uuid4()}"
        try:
            self._client = Client(to_dask(address), timeout=SCHEDULER_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise DeviceError(
                "no Dask scheduler answers",
                where=f"`fleet` {address}",
                next_step="start 'dask scheduler' there, and 'dask worker HOST:PORT --nthreads 1' for each device",
            ) from error
        try:
            self._await_workers()
            self._check_versions()
            self._client.register_plugin(_Outfit(self._name, work, work.image.read_bytes()))
        except BaseException:
            self._client.close()
            raise
        self._bad: set[str] = set()
        """Workers whose device failed."""

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        with suppress(OSError, TimeoutError):
            self._client.cancel([future for _, future in getattr(self, "_waiting", ())], force=True)
            self._client.unregister_worker_plugin(self._name)
        self._client.close()

    def records(self, codes: Pieces, start: int = 0, number: int = 0) -> Iterator[Record]:
        """Records of the samples from ``start`` on, in their order, each once, as one device would give them.

        ``number`` is that of sample 0 in the session.

        Raises:
            DeviceError: Several workers fail at the same samples, none is left, or the scheduler has gone; or any
                other error of a device.
        """
        self._waiting: deque[tuple[int, Future]] = deque()
        self._failures: dict[int, int] = {}
        read = start
        while True:
            limit = max(1, len(self._workers())) * WAITING
            while read < len(codes) and len(self._waiting) < limit:
                self._waiting.append((read, self._submit(codes, read, number)))
                read += BATCH
            if not self._waiting:
                return
            at, future = self._waiting[0]
            address, found = self._result(at, future)
            if isinstance(found, DqtError):
                self._lose(at, address, found)
                self._waiting[0] = at, self._submit(codes, at, number)
                continue
            self._waiting.popleft()
            yield from found

    def _submit(self, codes: Pieces, at: int, number: int) -> Future:
        batch = Batch(number + at, codes[at : at + BATCH])
        where: dict[str, Any] = {}
        if self._bad:
            where = {"workers": sorted(self._workers() - self._bad), "allow_other_workers": False}
        return self._client.submit(_answers, self._name, batch, pure=False, **where)

    def _result(self, at: int, future: Future) -> tuple[str, Sequence[Record] | DqtError]:
        """A task's answer; what a dead worker was doing Dask gives to another by itself."""
        alone: float | None = None
        while True:
            try:
                answer: tuple[str, Sequence[Record] | DqtError] = future.result(timeout=POLL_SECONDS)
                return answer
            except TimeoutError:
                now = time.monotonic()
                alone = None if self._workers() else now if alone is None else alone
                if alone is not None and now - alone > WORKERS_SECONDS:
                    raise self._without_workers() from None
            except KilledWorker as error:
                raise DeviceError(
                    "several workers of the fleet ended at the same samples",
                    where=f"`fleet` {self._address}, samples from {at}",
                    next_step="run without `fleet` to see why; the workers' own logs say more",
                ) from error
            except Exception as error:  # what Dask raises for a scheduler that has gone has many types
                raise DeviceError(
                    f"the fleet failed: {type(error).__name__}: {error}",
                    where=f"`fleet` {self._address}, samples from {at}",
                    next_step="see the logs of scheduler and workers; a `log` can be gone on with by `resume`",
                ) from error

    def _lose(self, at: int, address: str, error: DqtError) -> None:
        """Set a worker aside whose device failed; raises the error where that does not help."""
        self._bad.add(address)
        self._failures[at] = self._failures.get(at, 0) + 1
        rest = self._workers() - self._bad
        if not isinstance(error, DeviceError) or self._failures[at] >= TRIES or not rest:
            raise error

    def _workers(self) -> set[str]:
        return set(self._client.scheduler_info(n_workers=-1)["workers"])

    def _await_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError:
            raise self._without_workers() from None

    def _without_workers(self) -> DeviceError:
        return DeviceError(
            f"the fleet has had no worker for {WORKERS_SECONDS:.0f} s",
            where=f"`fleet` {self._address}",
            next_step="start 'dask worker HOST:PORT --nthreads 1' for each device",
        )

    def _check_versions(self) -> None:
        """The interpreter of each worker must be the one of this program."""
        ours, found = _code(), self._client.run(_code, on_error="return")
        for address, theirs in found.items():
            if theirs != ours:
                what = f"none that works ({theirs})"
                if isinstance(theirs, tuple):
                    what = theirs[0] if theirs[0] != ours[0] else f"{theirs[0]} with other sources"
                raise ToolchainError(
                    f"a worker has another dqt-edge: {what}",
                    where=f"`fleet` {self._address}, worker {address}",
                    next_step=f"install dqt-edge {dqt_edge.__version__} with the extra 'fleet' where the worker runs",
                )


def to_dask(address: str) -> str:
    """Dask's own form of an address; raises UsageError if it is none."""
    scheme, mark, rest = address.partition("://")
    host, colon, port = rest.rpartition(":")
    if scheme not in SCHEMES or not (mark and colon and host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            "the address of a fleet is dask://HOST:PORT",
            where=f"`fleet` {address}",
            next_step="give the address that 'dask scheduler' prints, with dask:// for tcp://",
        )
    return f"{SCHEMES[scheme]}://{rest}"
