"""Requests and replies over a transport: sequence numbers, deadlines, repeats. Knows frames and not their meaning."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from ..errors import DeviceError, ProtocolError, RefusedError, SilentDeviceError
from .frame import BadFrame, Decoder, Frame, encode
from .messages import NO_SEQUENCE, Type
from .noise import Noise
from .pace import Pace, Quality
from .rate import Rate
from .replies import BadReply, Refusal, parse_nak
from .transport import Transport

_CHUNK = 65536
_SETTLE_MAX = 1.0
_RETURNED = 0x80
"""Bit of the types that only devices send."""


@dataclass(frozen=True)
class Patience:
    """How long one operation may take.

    Attributes:
        pace: What is known of its time.
        damaged: Most answers in a row that may come damaged.
        silence: Seconds without an answer after which the device counts as silent, at least.
    """

    pace: Pace
    damaged: int
    silence: float


class Link:
    """Sends requests and finds their replies among stale, damaged and foreign bytes.

    All times are those of the transport's clock, which stands still while a device that is a process of this computer
    waits for the processor.

    Args:
        transport: Where to. Not closed here.
        quiet: Seconds of silence after which a burst of garbage counts as over, at most: see ``Pace.quiet``.
    """

    def __init__(self, transport: Transport, quiet: float) -> None:
        self.transport = transport
        self._quiet = quiet
        self._decoder = Decoder()
        self._waiting: deque[Frame | BadFrame] = deque()
        self._looked: float | None = None
        self._unheard: float | None = None
        self.rate = Rate(transport)
        self.noise = Noise()
        """What came instead of answers since the last one."""
        self.quality = Quality()
        # Not from 0: a reply to an earlier program may still be on its way, and must not be taken for ours.
        self._sequence = random.randrange(NO_SEQUENCE)  # noqa: S311 - not a secret

    def start(self) -> None:
        """Forget all that has arrived, and send a delimiter: an earlier program may have left a frame unfinished."""
        self.transport.reset_input()
        self._forget()
        self.rate.doubt()
        self.transport.write(self.rate.lead)

    def change_rate(self, baud: int) -> None:
        """Change this end's rate, behind an answer of the device that it does so too; PortError."""
        self.rate.change(baud)
        self._forget()

    def go_home(self) -> None:
        """Back to the board's rate, at which the device may not be yet."""
        self.rate.go_home()
        self._forget()

    def gives_up_rate(self, patience: Patience, silent: int, damaged: int, since: float) -> bool:
        """Give up a raised rate at which no answers come; whether it was one.

        Args:
            patience: Of the request.
            silent: Tries in a row that nothing answered.
            damaged: Answers in a row that came damaged.
            since: When the request was first sent.
        """
        late = 2 * self.transport.clock() >= since + self.deadline(patience)
        bad = 2 * damaged >= patience.damaged or bool(self.quality.trouble)
        if not self.rate.fails(silent=silent, damaged=bad, late=late):
            return False
        self.go_home()
        self.quality = Quality()
        return True

    def _forget(self) -> None:
        self._decoder.reset()
        self._waiting.clear()

    def send(self, kind: Type, payload: bytes) -> int:
        """Send a request, and return its sequence number."""
        sequence = self._next()
        self.transport.write(encode(kind, sequence, payload))
        return sequence

    def receive(self, deadline: float) -> Frame | BadFrame | None:
        """Wait for a frame, readable or not; None when ``deadline`` (of the transport's clock) passes first.

        What lies there at the deadline is looked at once: this program may have been the one that was late.
        """
        while not self._waiting:
            left = deadline - self.transport.clock()
            if left <= 0:
                if self._looked == deadline:
                    return None
                self._looked = deadline
            content = self.transport.read(_CHUNK, max(left, 0.0))
            self._waiting += self._decoder.feed(content)
        return self._waiting.popleft()

    def quiet(self, pace: Pace, damaged: int) -> float:
        """How long this line must be silent behind damage; see ``Pace.quiet``."""
        return pace.quiet(self._quiet, damaged)

    def settle(self, quiet: float) -> None:
        """Drop what arrives until the line is quiet, for a second at most, and end a half-sent frame."""
        end = self.transport.clock() + max(quiet, _SETTLE_MAX)
        while self.transport.read(_CHUNK, quiet) and self.transport.clock() < end:
            pass
        self._forget()
        self.transport.write(self.rate.lead)

    def request(self, kind: Type, payload: bytes, patience: Patience) -> bytes | Refusal:
        """Payload of the reply, or the NAK. Every try sends the same frame, and the device executes it once.

        Raises:
            SilentDeviceError: Nothing came.
            ProtocolError: What came was no reply to it.
        """
        sequence = self._next()
        frame = encode(kind, sequence, payload)
        start = self.transport.clock()
        end, pace = self.deadline(patience), patience.pace
        tries, damaged, silent, missed = 0, 0, 0, False
        while True:
            if tries:
                self._decoder.reset()  # or half a frame, whose rest was lost, would swallow the next reply
            sent = self.transport.clock()
            self.transport.write(self.rate.lead + frame if tries or self.rate.is_unsure else frame)
            tries += 1
            deadline, struck = min(end, sent + pace.repeat), False
            while (event := self.receive(deadline)) is not None:
                if isinstance(event, Frame) and event.sequence == sequence and event.type & _RETURNED:
                    if event.type == kind | _RETURNED:
                        self.heard(None if missed else pace, sent)
                        return event.payload
                    if event.type == Type.NAK:
                        pace.refused()  # its time is that of no operation: the device may have restarted
                        self.heard(None, sent)
                        return self.refusal(event)
                if self.noise.take(event):
                    # Try again as soon as the line is quiet: no sooner, because the reply may still follow the damage.
                    struck = True
                    deadline = min(deadline, self.transport.clock() + self.quiet(pace, damaged))
            if struck:  # what came was the answer, or said that the request was damaged: the next is not in doubt
                damaged, silent = damaged + 1, 0
                self.quality.note(damaged=True)
            else:
                silent, missed = silent + 1, True
                pace.missed()
            if self.gives_up_rate(patience, silent, damaged, start):
                damaged, silent = 0, 0
            if damaged >= patience.damaged or self.quality.trouble or self.transport.clock() >= end:
                raise self.gave_up(kind, tries, self.transport.clock() - start)

    def deadline(self, patience: Patience) -> float:
        """When the device counts as silent, counted from the first request that it has left unanswered."""
        now = self.transport.clock()
        if self._unheard is None:
            self._unheard = now
        return self._unheard + patience.pace.silence(patience.silence)

    def rest(self) -> None:
        """Begin anew: what was left unanswered before says nothing of now."""
        self._unheard = None

    def heard(self, pace: Pace | None, since: float) -> None:
        """Note an answer to a request that was sent at a time; None: it says nothing of how long that takes."""
        if pace is not None:
            pace.took(self.transport.clock() - since)
        self._unheard = None
        self.rate.heard()
        self.noise.clear()
        self.quality.note(damaged=False)

    def refusal(self, frame: Frame) -> Refusal:
        """Parse a NAK; raises ProtocolError."""
        try:
            return parse_nak(frame.payload)
        except BadReply as error:
            raise self.nonsense(str(error)) from error

    def gave_up(self, kind: Type, tries: int, seconds: float) -> DeviceError:
        """Error after the last try, by what came instead of a reply."""
        asked = f"{tries} {'try' if tries == 1 else 'tries'}, {seconds:.1f} s"
        self.noise.add(self._decoder.pending)
        if not self.noise:
            self.rest()
            return SilentDeviceError(
                f"no answer to {kind.name}: nothing came in {asked}",
                where=self.transport.name,
                next_step="check that the device has power, that this is its port, and that it was flashed "
                "by dqt-edge; then press its reset button",
            )
        found = self.noise.cause(self.quality.trouble)
        return ProtocolError(
            f"no valid reply to {kind.name} in {asked}: {found.what}",
            where=self.transport.name,
            next_step=found.next_step,
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
