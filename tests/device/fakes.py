"""Transports that misbehave, on purpose and repeatably."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dqt_edge.device.frame import Decoder, Frame, encode
from dqt_edge.device.messages import HELLO_REPLY, PROTOCOL, Type
from dqt_edge.device.transport import Transport

MODEL_HASH = bytes(range(32))


def hello_reply(**changes: int | bytes) -> bytes:
    """Payload of a HELLO_REPLY of a small device, with some fields changed."""
    values: dict[str, int | bytes] = {
        "protocol": PROTOCOL,
        "adaptive": 2,
        "layers": 3,
        "candidates": 3,
        "window": 2,
        "max_payload": 68,
        "features": 1,
        "models": 1,
        "points": 0,
        "tuned": 0,
        "restart": 0,
        "reserved": 0,
        "input_size": 100,
        "output_size": 4,
        "board": b"fake",
        "model": MODEL_HASH,
    }
    return HELLO_REPLY.pack(**{**values, **changes})


class Scripted:
    """A device in Python: ``answer`` turns each request into bytes on the wire. It says HELLO by itself."""

    name = "scripted"
    counts = True

    def __init__(self, answer: Callable[[Frame], bytes] = lambda frame: b"", hello: bytes | None = None) -> None:
        self.requests: list[Frame] = []
        self._answer = answer
        self._hello = hello_reply() if hello is None else hello
        self._decoder = Decoder()
        self._output = bytearray()
        self.closed = False

    def write(self, content: bytes) -> None:
        for frame in self._decoder.feed(content):
            assert isinstance(frame, Frame)
            self.requests.append(frame)
            if frame.type == Type.HELLO and self._hello:
                self._output += encode(Type.HELLO_REPLY, frame.sequence, self._hello)
            else:
                self._output += self._answer(frame)

    def clock(self) -> float:
        return time.monotonic()

    def read(self, limit: int, timeout: float) -> bytes:
        if not self._output:
            time.sleep(timeout)
        content = bytes(self._output[:limit])
        del self._output[:limit]
        return content

    def reset_input(self) -> None:
        self._output.clear()

    def close(self) -> None:
        self.closed = True


class Noise(Scripted):
    """Sends random bytes for ever, and nothing else."""

    def __init__(self, seed: int, zeros: int) -> None:
        super().__init__(hello=b"")
        self._generator = random.Random(seed)
        self._weights = (zeros,) + (1,) * 255

    def read(self, limit: int, timeout: float) -> bytes:
        return bytes(self._generator.choices(range(256), self._weights, k=min(limit, 500)))


@dataclass
class Faults:
    """Chances for each byte in either direction."""

    flip: float = 0.0
    drop: float = 0.0
    repeat: float = 0.0
    restart: float = 0.0


@dataclass
class Faulty:
    """A real device behind a line that damages bytes, whose power fails now and then.

    A restart ends the process, in the middle of whatever it does; what was on its way to and from it is lost.
    """

    start: Callable[[], Transport]
    faults: Faults
    generator: random.Random
    name: str = "faulty"
    counts: bool = True
    happened: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("flip", "drop", "repeat", "restart"), 0))

    def __post_init__(self) -> None:
        self._device = self.start()

    def write(self, content: bytes) -> None:
        passed = bytearray()
        for byte in content:
            if self._happens("restart"):
                self._device.write(bytes(passed))
                passed.clear()
                self._device.close()
                self._device = self.start()
            passed += self._damaged(byte)
        self._device.write(bytes(passed))

    def clock(self) -> float:
        return time.monotonic()

    def read(self, limit: int, timeout: float) -> bytes:
        content = self._device.read(limit, timeout)
        passed = bytearray()
        for byte in content:
            if self._happens("restart"):
                self._device.close()
                self._device = self.start()
                break
            passed += self._damaged(byte)
        return bytes(passed)

    def reset_input(self) -> None:
        self._device.reset_input()

    def close(self) -> None:
        self._device.close()

    def _damaged(self, byte: int) -> bytes:
        if self._happens("flip"):
            byte ^= 1 << self.generator.randrange(8)
        if self._happens("drop"):
            return b""
        return bytes([byte]) * (2 if self._happens("repeat") else 1)

    def _happens(self, fault: str) -> bool:
        happens = self.generator.random() < getattr(self.faults, fault)
        self.happened[fault] += happens
        return happens
