"""What carries bytes to a device: a serial port, QEMU, Unicorn, or a native process. The client knows no more of it."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """A byte stream in both directions. All methods raise DeviceError once the link is gone."""

    @property
    def name(self) -> str:
        """Where it leads, for messages to people."""
        ...

    def read(self, limit: int, timeout: float) -> bytes:
        """What has arrived, at most ``limit`` bytes; waits up to ``timeout`` seconds for the first. Empty: nothing came."""
        ...

    def write(self, content: bytes) -> None:
        """Send all of it."""
        ...

    def reset_input(self) -> None:
        """Drop what has arrived and was not read."""
        ...

    def close(self) -> None:
        """Free the port or end the process; safe to repeat, raises nothing."""
        ...
