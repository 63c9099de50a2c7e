"""Requests and replies over a transport: sequence numbers, deadlines, repeats. Knows frames and not their meaning."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass

from ..errors import DeviceError, ProtocolError, RefusedError, SilentDeviceError
from .frame import DELIMITER, BadFrame, Decoder, Frame, encode
from .messages import NO_SEQUENCE, Type
from .replies import BadReply, Refusal, parse_nak
from .transport import Transport

_CHUNK = 65536
_SETTLE_MAX = 1.0


@dataclass(frozen=True)
class Patience:
    """How long one operation may take: seconds for each try, and how many tries. ``name`` is for messages."""

    name: str
    timeout: float
    tries: int


class Link:
    """Sends requests and finds their replies among stale, damaged and foreign bytes.

    Args:
        transport: Where to. Not closed here.
        quiet: Seconds of silence after which a burst of garbage counts as over.
    """

    def __init__(self, transport: Transport, quiet: float) -> None:
        self.transport = transport
        self._quiet = quiet
        self._decoder = Decoder()
        self._waiting: deque[Frame | BadFrame] = deque()
        # Not from 0: a reply to an earlier program may still be on its way, and must not be taken for ours.
        self._sequence = random.randrange(NO_SEQUENCE)  # noqa: S311 - not a secret

    def start(self) -> None:
        """Forget all that has arrived, and send a delimiter: an earlier program may have left a frame unfinished."""
        self.transport.reset_input()
        self._decoder.reset()
        self._waiting.clear()
        self.transport.write(DELIMITER)

    def send(self, kind: Type, payload: bytes) -> int:
        """Send a request, and return its sequence number."""
        sequence = self._next()
        self.transport.write(encode(kind, sequence, payload))
        return sequence

    def receive(self, deadline: float) -> Frame | BadFrame | None:
        """Wait for a frame, readable or not; None when ``deadline`` (of time.monotonic) passes first."""
        while not self._waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._waiting += self._decoder.feed(self.transport.read(_CHUNK, left))
        return self._waiting.popleft()

    def settle(self, quiet: float | None = None) -> None:
        """Drop what arrives until the line is quiet, for a second at most, and end a half-sent frame."""
        quiet = self._quiet if quiet is None else quiet
        end = time.monotonic() + max(quiet, _SETTLE_MAX)
        while self.transport.read(_CHUNK, quiet) and time.monotonic() < end:
            pass
        self._decoder.reset()
        self._waiting.clear()
        self.transport.write(DELIMITER)

    def request(self, kind: Type, payload: bytes, patience: Patience) -> bytes | Refusal:
        """Payload of the reply, or the NAK. Every try sends the same frame, and the device executes it once.

        Raises:
            SilentDeviceError: Nothing came.
            ProtocolError: What came was no reply to it.
        """
        sequence = self._next()
        frame = encode(kind, sequence, payload)
        trouble = ""
        for attempt in range(patience.tries):
            if attempt:
                self._decoder.reset()  # or half a frame, whose rest was lost, would swallow the next reply
            self.transport.write(DELIMITER + frame if attempt else frame)
            deadline = time.monotonic() + patience.timeout
            while (event := self.receive(deadline)) is not None:
                if isinstance(event, Frame) and event.sequence == sequence:
                    if event.type == kind | 0x80:
                        return event.payload
                    if event.type == Type.NAK:
                        return self.refusal(event)
                noise = describe_noise(event)
                if noise:
                    # Try again as soon as the line is quiet: no sooner, because the reply may still follow the damage.
                    trouble = noise
                    deadline = min(deadline, time.monotonic() + self._quiet)
        raise self.gave_up(kind, patience, trouble)

    def refusal(self, frame: Frame) -> Refusal:
        """Parse a NAK; raises ProtocolError."""
        try:
            return parse_nak(frame.payload)
        except BadReply as error:
            raise self.nonsense(str(error)) from error

    def gave_up(self, kind: Type, patience: Patience, trouble: str) -> DeviceError:
        """Error after the last try; ``trouble`` is the last thing that came instead of a reply, if any."""
        tries = f"{patience.tries} tries" if patience.tries != 1 else "1 try"
        if trouble:
            return ProtocolError(
                f"no valid reply to {kind.name} in {tries}; the last thing that came was {trouble}",
                where=self.transport.name,
                next_step="check the baud rate and the cable, that no other program uses the port, "
                "and that the device runs firmware made by dqt-edge",
            )
        return SilentDeviceError(
            f"no answer to {kind.name} in {tries} with the {patience.name} timeout of {patience.timeout:g} s",
            where=self.transport.name,
            next_step="check that the device has power, that this is its port, and that it was flashed "
            "by dqt-edge; then press its reset button",
        )

    def nonsense(self, reason: str) -> ProtocolError:
        """Error for a frame that came whole, but makes no sense."""
        return ProtocolError(
            f"the device answered with an invalid message: {reason}",
            where=self.transport.name,
            next_step="build and flash the project again with this version of dqt-edge",
        )

    def refused(self, kind: Type, refusal: Refusal) -> RefusedError:
        """Error for a NAK that cannot be helped."""
        return RefusedError(
            f"the device refused {kind.name}: {refusal.name} (detail {refusal.detail})",
            where=self.transport.name,
            next_step="check that the data and the widths belong to the model on the device; "
            "docs/protocol.md explains every refusal",
        )

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % NO_SEQUENCE
        return self._sequence


def describe_noise(event: Frame | BadFrame) -> str:
    """What an event says about damage on the line, in words for a message; empty if it says nothing."""
    if isinstance(event, BadFrame):
        return f"{event.size} bytes that are no frame ({event.reason})"
    if event.type == Type.NAK and event.sequence == NO_SEQUENCE:
        return "a NAK that says that the request came damaged (BAD_FRAME)"
    return ""
