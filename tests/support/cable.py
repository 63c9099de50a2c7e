"""A bad cable: a transport that flips bits, loses, doubles and delays frames, by chance and repeatably."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from dqt_edge.device.frame import DELIMITER
from dqt_edge.device.transport import Transport


@dataclass(frozen=True)
class Damage:
    """What a cable does.

    Attributes:
        bits: Chance that a bit is flipped.
        drops: Chance that a frame is lost.
        repeats: Chance that a frame comes twice.
        delays: Chance that a frame comes late, and all behind it.
        late: Seconds that it comes late, at most.
        late_least: Seconds that it comes late, at least.
    """

    bits: float = 0.0
    drops: float = 0.0
    repeats: float = 0.0
    delays: float = 0.0
    late: float = 0.05
    late_least: float = 0.0


@dataclass
class BadCable:
    """A device behind such a cable, which acts on both directions.

    Attributes:
        device: The transport that the cable belongs to.
        damage: What it does.
        seed: Of the chances.
        happened: How often what happened, bits one by one.
    """

    device: Transport
    damage: Damage
    seed: int
    happened: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("bits", "drops", "repeats", "delays"), 0))

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._parts = {"in": b"", "out": b""}
        self._late: deque[tuple[float, bytes]] = deque()

    @property
    def name(self) -> str:
        return f"{self.device.name}, on a bad cable"

    @property
    def counts(self) -> bool:
        return self.device.counts

    def clock(self) -> float:
        return self.device.clock()

    def write(self, content: bytes) -> None:
        self.device.write(self._passed("out", content))

    def read(self, limit: int, timeout: float) -> bytes:
        if not self._late:
            content = self._passed("in", self.device.read(limit, timeout))
            if not content or not self._happens("delays"):
                return content
            wait = self._chance.uniform(self.damage.late_least, self.damage.late)
            self._late.append((self.clock() + wait, content))
        due, content = self._late[0]
        left = due - self.clock()
        if left > timeout:
            self._sleep(timeout)
            return b""
        self._sleep(max(left, 0.0))
        self._late.popleft()
        return content

    def reset_input(self) -> None:
        self._late.clear()
        self.device.reset_input()

    def close(self) -> None:
        self.device.close()

    def _sleep(self, seconds: float) -> None:
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self._late.extend((0.0, self._passed("in", more)) for more in [self.device.read(65536, left)] if more)

    def _passed(self, direction: str, content: bytes) -> bytes:
        """What comes out of the cable; a frame is judged when its last byte goes in."""
        *frames, rest = (self._parts[direction] + content).split(DELIMITER)
        self._parts[direction] = rest
        return b"".join(self._frame(frame + DELIMITER) for frame in frames)

    def _frame(self, frame: bytes) -> bytes:
        if len(frame) > 1 and self._happens("drops"):
            return b""
        if self.damage.bits:
            frame = self._flipped(frame)
        return frame * (2 if self._happens("repeats") else 1)

    def _flipped(self, frame: bytes) -> bytes:
        found, bit = bytearray(frame), -1
        while True:
            bit += 1 + int(self._chance.expovariate(1.0) / self.damage.bits)
            if bit >= 8 * len(found):
                return bytes(found)
            found[bit // 8] ^= 1 << bit % 8
            self.happened["bits"] += 1

    def _happens(self, kind: str) -> bool:
        happens = self._chance.random() < getattr(self.damage, kind)
        self.happened[kind] += happens
        return happens
