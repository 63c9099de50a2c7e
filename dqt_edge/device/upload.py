"""Sends one input in chunks, several ahead of their answers; survives losses and restarts of the device."""

from __future__ import annotations

from .frame import Frame
from .link import Link, Patience
from .messages import LOAD, Nak, Type
from .replies import BadReply, DeviceInfo, parse_load

CHUNK_MIN = 32
"""Bytes of the shortest chunk that a bad line gets: a short one more often comes whole."""


class Upload:
    """One input on its way.

    Offset 0 starts a new input, and the device takes chunks in order only. So when all have been answered in order, the
    device holds exactly these codes, whatever was lost or sent twice on the way.

    Args:
        link: Where to.
        info: The device's limits.
        patience: For the answer to a chunk.
        codes: ``info.input_size`` bytes.
        size: Longest chunk.
    """

    def __init__(self, link: Link, info: DeviceInfo, patience: Patience, codes: bytes, size: int) -> None:
        self._link, self._info, self._patience, self._codes = link, info, patience, codes
        # A device that polls its UART reads nothing while it checks a chunk, and at a raised rate that is too long.
        self._window = 1 if link.rate.is_raised else info.window
        self._most = info.max_payload - LOAD.layout.size
        self._size = min(size, self._most)
        self._answered = 0
        self._sent = 0
        self._best = 0
        self._damaged = self._silent = 0
        self._tries = 1
        self._pending: dict[int, tuple[int, int, float]] = {}

    @property
    def next_size(self) -> int:
        """Longest chunk for the next input: shorter after damage, longer again where there was none."""
        return self._size if self._tries > 1 else min(2 * self._size, self._most)

    def run(self) -> None:
        """Send all of it.

        Raises:
            SilentDeviceError, ProtocolError: No progress in the allowed time or tries.
            RefusedError: The device refused a chunk for another reason than its order.
        """
        self._start = self._link.transport.clock()
        while self._answered < len(self._codes):
            while self._sent < len(self._codes) and len(self._pending) < self._window:
                end = min(self._sent + self._size, len(self._codes))
                now = self._link.transport.clock()
                sequence = self._link.send(Type.LOAD, LOAD.pack(offset=self._sent) + self._codes[self._sent : end])
                self._pending[sequence] = (self._sent, end, now)
                self._sent = end
            self._take_answer()

    def _take_answer(self) -> None:
        now = self._link.transport.clock()
        deadline = min(now + self._patience.pace.repeat, self._link.deadline(self._patience))
        while (event := self._link.receive(deadline)) is not None:
            if isinstance(event, Frame) and event.sequence in self._pending and event.type & 0x80:
                self._judge(event, *self._pending.pop(event.sequence))
                return
            if self._link.noise.take(event):
                self._damaged += 1
                self._link.quality.note(damaged=True)
                self._size = max(CHUNK_MIN, self._size // 2)
                self._go_back(self._answered)
                return
        self._patience.pace.missed()
        self._silent += 1
        self._go_back(self._answered)

    def _judge(self, frame: Frame, offset: int, end: int, sent: float) -> None:
        if frame.type == Type.NAK:
            refusal = self._link.refusal(frame)
            if refusal.code != Nak.BAD_OFFSET:
                raise self._link.refused(Type.LOAD, refusal)
            self._damaged += 1
            self._go_back(0)
            return
        try:
            if frame.type != Type.LOAD_REPLY:
                raise BadReply(f"type 0x{frame.type:02x} in answer to LOAD")
            received = parse_load(frame.payload, self._info)
        except BadReply as error:
            raise self._link.nonsense(str(error)) from error
        if received < end:
            raise self._link.nonsense(f"it took {end - offset} bytes at {offset}, but has {received}")
        if offset != self._answered:
            self._go_back(self._answered)
            return
        self._answered = end
        if end > self._best:
            self._link.heard(self._patience.pace, sent)
            self._best, self._damaged, self._silent = end, 0, 0

    def _go_back(self, offset: int) -> None:
        """Send again from an offset. Damage is counted since the last progress: a long input may meet much."""
        link, now = self._link, self._link.transport.clock()
        if link.gives_up_rate(self._patience, self._silent, self._damaged, self._start):
            self._damaged, self._silent = 0, 0
        if self._damaged >= self._patience.damaged or link.quality.trouble or now >= link.deadline(self._patience):
            raise link.gave_up(Type.LOAD, self._tries, now - self._start)
        self._tries += 1
        link.settle(link.quiet(self._patience.pace, self._damaged + self._silent - 1))
        self._pending.clear()
        self._answered = self._sent = offset
