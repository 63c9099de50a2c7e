"""A serial line as a model in front of a real device: its time is a number, the same on every computer."""

from __future__ import annotations

import math
from collections import deque

from dqt_edge.device.frame import DELIMITER
from dqt_edge.device.transport import Transport

BITS = 10
"""A byte with its start and stop bit."""
ANSWER_SECONDS = 120.0
"""How long this computer may take to answer a frame; the line's clock stands still meanwhile."""


class ModelLine:
    """A transport whose time is a model: what is written arrives by the baud rate, answers likewise and later.

    A device answers every frame that is not empty, a damaged one too, with one frame.

    Args:
        device: The real one.
        baud: Bits a second.
        latency: Seconds that an answer waits in the USB bridge.
        byte_seconds: What the device computes for each byte it got, before it answers.
    """

    counts = True

    def __init__(self, device: Transport, baud: int, latency: float = 0.0, byte_seconds: float = 0.0) -> None:
        self.name, self._device, self._byte, self._latency = device.name, device, BITS / baud, latency
        self._computing = byte_seconds
        self._now = self._sent = self._answered = 0.0
        self._begun = self._said = b""
        self._came: deque[tuple[float, bytes]] = deque()

    def clock(self) -> float:
        """Seconds of the line."""
        return self._now

    def write(self, content: bytes) -> None:
        """Send; the host goes on at once, as an operating system's buffer lets it."""
        self._device.write(content)
        self._sent = max(self._sent, self._now)
        *frames, self._begun = (self._begun + content).split(DELIMITER)
        for frame in frames:
            self._sent += (len(frame) + 1) * self._byte
            if frame:
                ready = max(self._sent + len(frame) * self._computing, self._answered)
                answer = self._answer()
                self._answered = ready + len(answer) * self._byte
                self._came.append((self._answered + self._latency, answer))

    def _answer(self) -> bytes:
        """The device's next frame, with delimiters that lead it."""
        while True:
            _, delimiter, rest = self._said.lstrip(DELIMITER).partition(DELIMITER)
            if delimiter:
                led = len(self._said) - len(rest)
                answer, self._said = self._said[:led], rest
                return answer
            more = self._device.read(65536, ANSWER_SECONDS)
            assert more, "the device answers every frame"
            self._said += more

    def read(self, limit: int, timeout: float) -> bytes:
        """What has come, or comes within the time."""
        if not self._came or self._came[0][0] > self._now + timeout:
            self._now = max(self._now + timeout, math.nextafter(self._now, math.inf))
            return b""
        when, answer = self._came.popleft()
        self._now = max(self._now, when)
        if len(answer) > limit:
            self._came.appendleft((when, answer[limit:]))
        return answer[:limit]

    def reset_input(self) -> None:
        """Forget what came."""
        self._came.clear()

    def close(self) -> None:
        """End the device."""
        self._device.close()
