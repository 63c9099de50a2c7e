"""A program that writes a file to flash, erasing the sectors that it touches, and reads flash into a file."""

from __future__ import annotations

import shlex
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ..system.files import write_atomically
from .base import WHOLE_SECTORS, Files, FlashPlan, Sector, Segment
from .tool import Symptom, Tool
from .writing import parts

Words = Sequence[str]
"""One operation, as the program names it."""


class FileTool(ABC):
    """What runners of such programs share: a program says what it is called for and how its files look.

    Args:
        settings: The runner's table in the board file.
        executable: Name or path of the program; None: its own name.
    """

    name: ClassVar[str]
    program: ClassVar[str]
    """Its executable."""
    install: ClassVar[str]
    """How to get it."""
    symptoms: ClassVar[tuple[Symptom, ...]]
    failed: ClassVar[str] = ""
    """See Tool."""
    suffix: ClassVar[str] = ".bin"
    write_unit = WHOLE_SECTORS
    by_hand: str | None = None
    sees_core: bool = True

    def __init__(self, settings: dict[str, str], executable: str | None = None) -> None:
        self._settings = settings
        self._tool = Tool(self.name, executable or self.program, self.install, self.symptoms, self.failed)
        self._erased = 0xFF

    # --- What a program is told --------------------------------------------------------------------------------------

    @abstractmethod
    def _write(self, address: int, image: Path) -> Words:
        """Write a file."""

    @abstractmethod
    def _read(self, address: int, size: int, image: Path) -> Words:
        """Read into a file that does not exist."""

    def _erase(self, sector: Sector, files: Files) -> Words:
        """Erase a sector. A short write does it, where a program has no command for it."""
        return self._write(sector.address, files(f"blank{self.suffix}", self._encode(sector.address, self._blank())))

    def _reset(self) -> Words | None:
        """Reset the chip; None: a person does."""
        return None

    @abstractmethod
    def _arguments(self, words: Words, files: Files) -> list[str]:
        """Arguments of the program for an operation; ``files`` keeps what the program reads its commands from."""

    def _encode(self, address: int, data: bytes) -> bytes:
        """A file to write."""
        del address
        return data

    def _decode(self, address: int, content: bytes) -> bytes:
        """What a file that was read says of the bytes from an address on; raises ValueError."""
        del address
        return content

    # --- Runner ------------------------------------------------------------------------------------------------------

    def available(self) -> str | None:
        """See Runner."""
        return self._tool.available()

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner."""
        self._erased = plan.erased
        lines = [self._erase(plan.sectors[0], files)]
        body, head = parts(plan, self.write_unit)
        for group in (body, (head,)):
            for s in group:
                image = files(f"0x{s.address:08x}{self.suffix}", self._encode(s.address, s.data))
                lines.append(self._write(s.address, image))
            for s in group:
                back = files(f"readback-0x{s.address:08x}{self.suffix}", b"")
                lines.append(self._read(s.address, len(s.data), back))
        reset = self._reset()
        lines += [] if reset is None else [reset]
        return tuple(shlex.join([self._tool.executable, *self._arguments(line, files)]) for line in lines)

    def connect(self, plan: FlashPlan) -> None:
        """See Runner. The last word of flash is read: it shows whether probe and chip answer, and that it is there."""
        self._tool.check()
        self._erased = plan.erased
        self.read(plan.sectors[-1].address + plan.sectors[-1].size - 4, 4)

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner."""
        for sector in sectors:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                files = _keeper(Path(folder))
                self._run(self._erase(sector, files), files)

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        for segment in segments:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                files = _keeper(Path(folder))
                image = files(f"segment{self.suffix}", self._encode(segment.address, segment.data))
                self._run(self._write(segment.address, image), files)

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
            files = _keeper(Path(folder))
            image = files(f"readback{self.suffix}", b"")
            self._run(self._read(address, size, image), files)
            try:
                return self._decode(address, image.read_bytes()) if image.is_file() else b""
            except ValueError:
                return b""  # told as what it is: not what was written

    def reset(self) -> None:
        """See Runner."""
        words = self._reset()
        if words is not None:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                self._run(words, _keeper(Path(folder)))

    def close(self) -> None:  # noqa: B027 - nothing stays open between runs
        """See Runner."""

    def _blank(self) -> bytes:
        """The least that can be written anywhere: a flash word of 32 bytes, as erased."""
        return bytes([self._erased]) * 32

    def _run(self, words: Words, files: Files) -> None:
        self._tool.run(self._arguments(words, files), " ".join(words))


def _keeper(folder: Path) -> Files:
    """Files of an operation, gone with its folder."""

    def keep(name: str, content: bytes) -> Path:
        path = folder / name
        if content:
            write_atomically(path, content)
        return path

    return keep
