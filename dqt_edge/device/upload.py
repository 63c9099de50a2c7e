"""Sends one input in chunks, several ahead of their answers; survives losses and restarts of the device."""

from __future__ import annotations

import time

from .frame import Frame
from .link import Link, Patience, describe_noise
from .messages import LOAD, Nak, Type
from .replies import BadReply, DeviceInfo, parse_load


class Upload:
    """One input on its way.

    Chunk 0 starts a new input, and the device takes chunks in order only. So when all chunks have been answered in
    order, the device holds exactly these codes, whatever was lost or sent twice on the way.

    Args:
        link: Where to.
        info: The device's limits.
        patience: Timeout for an answer; tries without progress.
        codes: ``info.input_size`` bytes.
    """

    def __init__(self, link: Link, info: DeviceInfo, patience: Patience, codes: bytes) -> None:
        self._link = link
        self._info = info
        self._patience = patience
        size = info.max_payload - LOAD.layout.size
        self._chunks = [(at, codes[at : at + size]) for at in range(0, len(codes), size)]
        self._answered = 0
        self._sent = 0
        self._best = 0
        self._failures = 0
        self._pending: dict[int, int] = {}

    def run(self) -> None:
        """Send all of it.

        Raises:
            SilentDeviceError, ProtocolError: No progress in the allowed tries.
            RefusedError: The device refused a chunk for another reason than its order.
        """
        while self._answered < len(self._chunks):
            while self._sent < len(self._chunks) and self._sent - self._answered < self._info.window:
                offset, content = self._chunks[self._sent]
                sequence = self._link.send(Type.LOAD, LOAD.pack(offset=offset) + content)
                self._pending[sequence] = self._sent
                self._sent += 1
            self._take_answer()

    def _take_answer(self) -> None:
        deadline = time.monotonic() + self._patience.timeout
        while (event := self._link.receive(deadline)) is not None:
            noise = describe_noise(event)
            if noise:
                self._go_back(self._answered, noise)
                return
            if isinstance(event, Frame) and event.sequence in self._pending:
                self._judge(event, self._pending.pop(event.sequence))
                return
        self._go_back(self._answered, "")

    def _judge(self, frame: Frame, index: int) -> None:
        if frame.type == Type.NAK:
            refusal = self._link.refusal(frame)
            if refusal.code != Nak.BAD_OFFSET:
                raise self._link.refused(Type.LOAD, refusal)
            self._go_back(0, "a NAK that says that a chunk was missing (BAD_OFFSET)")
            return
        try:
            if frame.type != Type.LOAD_REPLY:
                raise BadReply(f"type 0x{frame.type:02x} in answer to LOAD")
            received = parse_load(frame.payload, self._info)
        except BadReply as error:
            raise self._link.nonsense(str(error)) from error
        offset, content = self._chunks[index]
        if received < offset + len(content):
            raise self._link.nonsense(f"it took {len(content)} bytes at {offset}, but has {received}")
        if index != self._answered:
            self._go_back(self._answered, "an answer to a later LOAD")
            return
        self._answered += 1

    def _go_back(self, index: int, trouble: str) -> None:
        """Send again from chunk ``index``. Tries are counted since the last progress: a long input may need many."""
        if self._answered > self._best:
            self._best = self._answered
            self._failures = 0
        self._failures += 1
        if self._failures >= self._patience.tries:
            raise self._link.gave_up(Type.LOAD, self._patience, trouble)
        self._link.settle()
        self._pending.clear()
        self._answered = self._sent = index
