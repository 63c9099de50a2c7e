"""Noise: what came instead of answers, and what that says of the other end."""

from __future__ import annotations

from dataclasses import dataclass

from .frame import SHOWN, BadFrame, Frame
from .messages import NO_SEQUENCE, Type

TEXT_LEAST = 4
TEXT_SHARE = 0.9
"""Part of printable characters from which on bytes count as text."""
_REPLIES = 0x80
_PRINTABLE = frozenset((*range(0x20, 0x7F), 0x09, 0x0A, 0x0D))


@dataclass(frozen=True)
class Cause:
    """What is wrong, and what to do about it."""

    what: str
    next_step: str


class Noise:
    """Frames and bytes that were no answer, since the last one."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them: an answer came."""
        self._bytes = bytearray()
        self._last = ""
        self._echoes = 0
        self._foreign = 0

    def __bool__(self) -> bool:
        """Whether anything came."""
        return bool(self._bytes or self._last or self._echoes or self._foreign)

    def add(self, content: bytes) -> None:
        """Take bytes that are no frame, or not yet."""
        self._bytes += content[: max(0, SHOWN - len(self._bytes))]
        if content and not self._last:
            self._last = f"{len(content)} bytes without an end of frame"

    def take(self, event: Frame | BadFrame) -> bool:
        """Take what was no answer; whether it says that the line does damage, so that asking again is worth it."""
        if isinstance(event, BadFrame):
            self.add(event.start)
            self._last = f"{event.size} bytes that are no frame ({event.reason})"
            return True
        if event.type == Type.NAK and event.sequence == NO_SEQUENCE:
            self._last = "a NAK that says that the request came damaged (BAD_FRAME)"
            return True
        if event.type & _REPLIES == 0:
            self._echoes += 1
            return False
        self._foreign += 1
        if not self._last:
            self._last = f"an answer of type 0x{event.type:02x} to another request"
        return False

    def cause(self, trouble: str) -> Cause:
        """What is wrong, of what came.

        Args:
            trouble: What is known of the line's quality, or empty.
        """
        if self._echoes:
            return Cause(
                "the line sends back what is sent to it",
                "it is a loopback: connect the receiving line to the device's sending one, and leave no jumper between",
            )
        if _is_text(bytes(self._bytes)):
            shown = bytes(self._bytes[:SHOWN]).decode("latin-1").encode("unicode_escape").decode("ascii")
            return Cause(
                f"the device sends text: '{shown}'",
                "other firmware is running, or a console is on this port: flash the project, or name another port",
            )
        if trouble:
            return Cause(
                f"{trouble}; the last thing that came was {self._last}",
                "the line is too bad to be used: check cable, ground and baud rate, or use a shorter cable",
            )
        return Cause(
            f"the last thing that came was {self._last}",
            "check the baud rate and the cable, that no other program uses the port, "
            "and that the device runs firmware made by dqt-edge",
        )


def _is_text(content: bytes) -> bool:
    printable = sum(byte in _PRINTABLE for byte in content)
    return len(content) >= TEXT_LEAST and printable >= TEXT_SHARE * len(content)
