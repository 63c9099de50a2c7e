"""A runner on a simulated chip that writes down what was called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dqt_edge.boards import Board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import Files, FlashPlan, Sector, Segment

from .simulated.chip import Chip, FlashFaultError, PowerLostError


class FakeRunner:
    """``log`` is what was called."""

    name = "fake"
    write_unit = 256
    sees_core = True
    by_hand: str | None = None

    def __init__(self, board: Board) -> None:
        self.chip = Chip(board, once=True)
        self.log: list[str] = []

    def available(self) -> str | None:
        return None

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        return tuple(f"erase {sector.address:x}" for sector in plan.sectors)

    def connect(self, plan: FlashPlan) -> None:
        self.log.append("connect")

    def erase(self, sectors: Sequence[Sector]) -> None:
        for sector in sectors:
            self._do(f"erase {sector.address:08x}", self.chip.erase, sector.address)

    def write(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            self._do(f"write {segment.address:08x}", self.chip.program, segment.address, segment.data)

    def read(self, address: int, size: int) -> bytes:
        self.log.append(f"read {address:08x}")
        return self.chip.read(address, size)

    def reset(self) -> None:
        self.log.append("reset")

    def close(self) -> None:
        self.log.append("close")

    def _do(self, name: str, action: Callable[..., None], *values: object) -> None:
        self.log.append(name)
        try:
            action(*values)
        except (FlashFaultError, PowerLostError) as error:
            raise FlashError(str(error), where="fake", next_step="try again") from error
