"""A fake probe with flash that behaves like the chip's: erased by sector, each flash word programmed once."""

from __future__ import annotations

from collections.abc import Sequence

from dqt_edge.boards import Board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import FlashPlan, Sector, Segment

WORD = 32


class FakeFlash:
    """Flash memory of a board; ``power`` is how many flash words can still be written, None for any number."""

    def __init__(self, board: Board) -> None:
        region = board.regions("flash")[0]
        self.start, self.sector = region.start, region.sector
        self.content = bytearray(b"\xa5" * region.size)
        self.programmed = set(range(region.size // WORD))
        self.protected: set[int] = set()
        self.power: int | None = None
        self.stuck: dict[int, int] = {}

    def erase(self, address: int, size: int) -> None:
        assert (address - self.start) % self.sector == 0
        assert size == self.sector
        if address in self.protected:
            raise OSError(f"sector at 0x{address:08x} is protected")
        offset = address - self.start
        self.content[offset : offset + size] = b"\xff" * size
        self.programmed -= set(range(offset // WORD, (offset + size) // WORD))

    def write(self, address: int, data: bytes) -> None:
        assert address % WORD == 0, "flash words are aligned"
        assert len(data) % WORD == 0, "flash words are whole"
        for position in range(0, len(data), WORD):
            word = (address - self.start + position) // WORD
            if self.power is not None:
                if self.power == 0:
                    raise OSError("probe lost: power is off")
                self.power -= 1
            assert word not in self.programmed, f"flash word {word} is programmed twice"
            self.programmed.add(word)
            self.content[word * WORD : (word + 1) * WORD] = data[position : position + WORD]

    def read(self, address: int, size: int) -> bytes:
        offset = address - self.start
        found = bytearray(self.content[offset : offset + size])
        for at, value in self.stuck.items():
            if address <= at < address + size:
                found[at - address] = value
        return bytes(found)


class FakeRunner:
    """A runner on a FakeFlash; ``log`` is what was called."""

    name = "fake"

    def __init__(self, memory: FakeFlash) -> None:
        self.memory = memory
        self.log: list[str] = []

    def available(self) -> str | None:
        return None

    def commands(self, plan: FlashPlan) -> tuple[str, ...]:
        return tuple(f"erase {sector.address:x}" for sector in plan.sectors)

    def connect(self) -> None:
        self.log.append("connect")

    def erase(self, sectors: Sequence[Sector]) -> None:
        for sector in sectors:
            self.log.append(f"erase {sector.address:08x}")
            self._typed(self.memory.erase, sector.address, sector.size)

    def write(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            self.log.append(f"write {segment.address:08x}")
            self._typed(self.memory.write, segment.address, segment.data)

    def read(self, address: int, size: int) -> bytes:
        self.log.append(f"read {address:08x}")
        return self.memory.read(address, size)

    def reset(self) -> None:
        self.log.append("reset")

    def close(self) -> None:
        self.log.append("close")

    @staticmethod
    def _typed(action: object, *values: object) -> None:
        try:
            action(*values)  # type: ignore[operator]
        except OSError as error:
            raise FlashError(str(error), where="fake", next_step="try again") from error
