"""Promise: a reset, a hang or an unplugged cable in any state of the protocol costs no answer: the session goes on at
the same sample, or ends with exit code 6 and what it has, and resumes to the records of an undisturbed one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.api.connecting import Device
from dqt_edge.data.load import load_data
from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.frame import Decoder, Frame
from dqt_edge.device.messages import Type
from dqt_edge.device.native import NativeTransport
from dqt_edge.errors import DeviceError
from dqt_edge.graph import Graph
from dqt_edge.project.manifest import Project

COUNT, AT = 5, 3
KINDS = (Type.HELLO, Type.LOAD, Type.RUN)
PHASES = ("before", "half sent", "sent", "half answered")
TURNS = 20
"""Times that each fault strikes in each state, in as many places of a frame."""
FAULTS = ("reset", "hang", "unplug")


class Broken:
    """A native device that meets a fault in the middle of the n-th request of a kind."""

    counts = True

    def __init__(self, image: Path, fault: str, kind: Type, phase: str, number: int, part: float) -> None:
        self.name, self.struck, self._part = "native", False, part
        self._image, self._fault, self._kind, self._phase, self._left = image, fault, kind, phase, number
        self._device = NativeTransport(image)
        self._armed = self._gone = False
        self._seen: set[bytes] = set()

    def clock(self) -> float:
        return self._device.clock()

    def write(self, content: bytes) -> None:
        self._check()
        frames = [frame for frame in Decoder().feed(content) if isinstance(frame, Frame) and frame.type == self._kind]
        if not self.struck and any(frame.payload not in self._seen for frame in frames):
            self._left -= 1
            self._armed = self._left == 0
        self._seen |= {frame.payload for frame in frames}  # a busy computer may make the client ask again
        if self._armed and self._phase in ("before", "half sent"):
            if self._phase == "half sent":
                self._device.write(content[: self._cut(content)])
            self._strike()
            return
        self._device.write(content)
        if self._armed and self._phase == "sent":
            self._strike()

    def read(self, limit: int, timeout: float) -> bytes:
        self._check()
        content = self._device.read(limit, timeout)
        if content and self._armed:
            self._strike()
            return content[: self._cut(content)]
        return content

    def reset_input(self) -> None:
        self._device.reset_input()

    def close(self) -> None:
        os.kill(self._device.pid, signal.SIGKILL)  # a stopped one does not end by itself
        self._device.close()

    def _check(self) -> None:
        if self._gone:
            raise DeviceError("the serial port stopped working", where=self.name, next_step="check the cable")

    def _cut(self, content: bytes) -> int:
        """Where a frame ends that is not whole."""
        return min(int(self._part * len(content)), len(content) - 1)

    def _strike(self) -> None:
        self._armed, self.struck = False, True
        if self._fault == "hang":
            os.kill(self._device.pid, signal.SIGSTOP)
        elif self._fault == "unplug":
            self._gone = True
            self._check()
        else:
            self._device.close()
            self._device = NativeTransport(self._image)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return data.x_test[:COUNT], data.y_test[:COUNT]


@pytest.fixture(scope="module")
def undisturbed(project: Project, samples: Any, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    log = tmp_path_factory.mktemp("log") / "log"
    dqt.profile(project, samples, log=log)
    return list(plain(log))


def plain(log: Path) -> Iterator[dict[str, Any]]:
    """Records without times."""
    for line in log.read_text().splitlines():
        yield {k: v for k, v in json.loads(line).items() if k not in ("total", "counts", "crc")}


@pytest.mark.some(61)
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_answer_is_lost(
    project: Project,
    graph: Graph,
    samples: Any,
    undisturbed: list[dict[str, Any]],
    tmp_path: Path,
    fault: str,
    kind: Type,
    phase: str,
    turn: int,
) -> None:
    number = 1 if kind == Type.HELLO else AT
    broken = Broken(project.elf, fault, kind, phase, number, turn / TURNS)
    log = tmp_path / "log"
    client = Client(broken, Timeouts(0.3, 0.3, 0.3, silence=1.0))
    with Device(project, graph, client) as device:

        def run() -> int:
            client.expect(project.model_hash, "host")
            return dqt.profile(device, samples, log=log).mismatches

        if fault == "reset":
            assert run() == 0
        else:
            with pytest.raises(DeviceError) as caught:
                run()
            assert caught.value.exit_code == 6
            partial = caught.value.partial
            done = 0 if partial is None else partial.session.samples
            assert done in ((0,) if kind == Type.HELLO else (AT - 1, AT)), "the answer may have been on its way"
            if done:
                assert list(plain(log)) == undisturbed[: done + 1]
                assert (partial.session.planned, partial.session.mismatches) == (COUNT, 0)
            dqt.profile(project, samples, log=log, resume=True)
    assert broken.struck
    assert list(plain(log)) == undisturbed
