"""A bare connection to a device: frames in, frames out, nothing repeated."""

from __future__ import annotations

from dqt_edge.device.frame import BadFrame, Decoder, Frame, encode
from dqt_edge.device.messages import NAK, Type
from dqt_edge.device.transport import Transport
from tests.support.waiting import wait_until


class Raw:
    """Sends frames and bytes as told, and hands out every frame that comes back."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._decoder = Decoder()
        self._frames: list[Frame | BadFrame] = []

    def send(self, kind: int, sequence: int, payload: bytes = b"") -> None:
        self.transport.write(encode(kind, sequence, payload))

    def next(self) -> Frame:
        """The next frame; fails the test when none comes."""

        def came() -> bool:
            self._frames += self._decoder.feed(self.transport.read(65536, 1.0))
            return bool(self._frames)

        wait_until(lambda: bool(self._frames) or came(), "no frame came", pause=0)
        frame = self._frames.pop(0)
        assert isinstance(frame, Frame), frame
        return frame

    def ask(self, kind: int, sequence: int, payload: bytes = b"") -> Frame:
        self.send(kind, sequence, payload)
        return self.next()

    def nak(self, kind: int, sequence: int, payload: bytes = b"") -> tuple[int, int]:
        """Code and detail of the NAK that the request must get."""
        return nak(self.ask(kind, sequence, payload), kind, sequence)


def nak(frame: Frame, kind: int, sequence: int) -> tuple[int, int]:
    """Code and detail of a NAK to this request."""
    assert (frame.type, frame.sequence) == (Type.NAK, sequence), frame
    found = NAK.unpack(frame.payload)
    assert found["request"] == kind
    assert found["reserved"] == 0
    return int(found["code"]), int(found["detail"])
