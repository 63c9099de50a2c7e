"""The rate of a serial line at this end: raised for a session, and the board's again as soon as that fails."""

from __future__ import annotations

from .frame import DELIMITER
from .messages import WAKE
from .transport import RatedTransport, Transport

SILENT = 2
"""Tries in a row without an answer at a raised rate after which the line goes back to the board's."""


class Rate:
    """The rate of a transport's line.

    A device that is left at a raised rate goes back to its board's when it hears zero bytes and no frame. So while it
    is not known at which rate it is, every request at the board's is led by enough of them.

    Args:
        transport: A line whose rate can be changed, at the board's rate now; or another one, which is left alone.
    """

    def __init__(self, transport: Transport) -> None:
        self._line = transport if isinstance(transport, RatedTransport) else None
        self.home = 0 if self._line is None else self._line.baud
        """The board's rate; 0 where the line has none that could be changed."""
        self._unsure = False

    @property
    def now(self) -> int:
        """Bits a second; 0 where ``home`` is."""
        return 0 if self._line is None else self._line.baud

    @property
    def is_raised(self) -> bool:
        """Whether it is another than the board's."""
        return self.now != self.home

    @property
    def is_unsure(self) -> bool:
        """Whether the device may be at another rate than this end."""
        return self._unsure

    @property
    def lead(self) -> bytes:
        """What ends a half-sent frame before a request, and takes a device home that may be at another rate."""
        return DELIMITER * WAKE if self._unsure and not self.is_raised else DELIMITER

    def doubt(self) -> None:
        """The device may be at another rate."""
        self._unsure = self._line is not None

    def heard(self) -> None:
        """The device has answered at this one."""
        self._unsure = False

    def change(self, baud: int) -> None:
        """Change this end; PortError if the adapter does not take it."""
        assert self._line is not None, "a line that has a rate"
        self._line.set_baud(baud)

    def go_home(self) -> None:
        """Back to the board's rate, at which the device may not be."""
        if self.is_raised:
            self.change(self.home)
        self.doubt()

    def fails(self, *, silent: int, damaged: bool, late: bool) -> bool:
        """Whether a raised rate is to be given up.

        Args:
            silent: Tries in a row that nothing answered.
            damaged: Too many answers came damaged.
            late: Half of the time has passed after which the device counts as silent.
        """
        return self.is_raised and (silent >= SILENT or damaged or late)
