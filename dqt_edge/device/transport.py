"""What carries bytes to a device: a serial port, QEMU, Unicorn, or a native process."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Transport(Protocol):
    """A byte stream in both directions. All methods but close() raise DeviceError once the link is gone."""

    @property
    def name(self) -> str:
        """Where it leads, for messages to people."""
        ...

    @property
    def counts(self) -> bool:
        """Whether the device's counter means what its board file says."""
        ...

    def clock(self) -> float:
        """Seconds, from any start, for time-outs. May stand still while the device cannot work."""
        ...

    def read(self, limit: int, timeout: float) -> bytes:
        """Take what has arrived, at most ``limit`` bytes.

        Waits up to ``timeout`` seconds for the first one; returns nothing if none comes.
        """
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


@runtime_checkable
class RatedTransport(Transport, Protocol):
    """A serial line whose rate can be changed at this end."""

    @property
    def baud(self) -> int:
        """Bits a second, now."""
        ...

    def set_baud(self, baud: int) -> None:
        """Change the rate of this end, and drop what has arrived; PortError if the adapter does not take it."""
        ...
