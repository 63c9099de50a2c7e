"""How a chip starts: from its vectors, or by a boot ROM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Boot:
    """What a boot ROM leaves: bytes that it copied, where the core starts, and where the program must arrive."""

    copies: tuple[tuple[int, bytes], ...]
    start: int
    arrive: int


class NoBootRom:
    """A chip whose core starts from its vector table."""

    def boot(self, read: Callable[[int, int], bytes]) -> Boot | None:
        """Nothing is done before."""
        del read
        return None

    def arrived(self) -> None:
        """Never called."""
