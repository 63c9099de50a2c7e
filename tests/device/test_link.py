"""Promise: a link that gives up does so in time, and says what it met; a lost answer costs little."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.frame import Frame, encode
from dqt_edge.device.link import Link, Patience
from dqt_edge.device.messages import NAK, NO_SEQUENCE, Nak, Type
from dqt_edge.device.noise import Noise
from dqt_edge.device.pace import WINDOW, Pace, Quality
from dqt_edge.device.replies import Refusal
from dqt_edge.device.starving import WorkingClock
from dqt_edge.errors import ProtocolError, SilentDeviceError

from .fakes import Scripted, hello_reply
from .test_client import CODES, FAST, healthy


def loopback(frame: Frame) -> bytes:
    return encode(frame.type, frame.sequence, frame.payload)


def foreign(frame: Frame) -> bytes:
    return encode(Type.HELLO_REPLY, frame.sequence ^ 1, hello_reply())


CAUSES: dict[str, tuple[Callable[[Frame], bytes], type[Exception], str]] = {
    "silence": (lambda frame: b"", SilentDeviceError, r"no answer to HELLO: nothing came in \d+ tries, 0\.3"),
    "text": (
        lambda frame: b"login:\r\n\x1b[0m",
        ProtocolError,
        r"the device sends text: 'login:\\r\\n",
    ),
    "a line of text that a delimiter ends": (lambda frame: b"Hard fault!\0", ProtocolError, "text: 'Hard fault!"),
    "echo": (loopback, ProtocolError, "the line sends back what is sent to it"),
    "binary": (lambda frame: b"\x80\x91\xfe\x07", ProtocolError, "4 bytes without an end of frame"),
    "answers to others": (foreign, ProtocolError, "an answer of type 0x81 to another request"),
    "another protocol": (
        lambda frame: encode(Type.HELLO_REPLY, frame.sequence, hello_reply(protocol=9)),
        ProtocolError,
        "it speaks protocol 9, this program speaks 2",
    ),
    "a deaf device": (
        lambda frame: encode(Type.NAK, NO_SEQUENCE, NAK.pack(code=Nak.BAD_FRAME, request=0, reserved=0, detail=0)),
        ProtocolError,
        r"a NAK that says that the request came damaged \(BAD_FRAME\)",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_at_the_other_end_is_told_apart(cause: str) -> None:
    answer, kind, words = CAUSES[cause]
    with Client(Scripted(answer, hello=b""), FAST) as client, pytest.raises(kind, match=words) as caught:
        client.hello()
    assert caught.value.exit_code == 6
    assert caught.value.next_step


def test_a_link_that_gave_up_can_be_used_again() -> None:
    mute = [True]
    device = Scripted(lambda frame: b"" if mute[0] else healthy(frame))
    with Client(device, FAST) as client:
        for _ in range(2):
            with pytest.raises(SilentDeviceError):
                client.stats()
        mute[0] = False
        assert client.stats().runs == 1
        assert client.infer(CODES, (1, 2)).output == b"OUTP"


class Clocked(Scripted):
    """A device in a time of its own: waiting costs nothing."""

    now = 0.0

    def clock(self) -> float:
        return self.now

    def read(self, limit: int, timeout: float) -> bytes:
        content = super().read(limit, 0.0)
        self.now += 0.001 if content else timeout
        return content


def test_a_lost_run_costs_twice_a_round_trip() -> None:
    lost = [False]

    def answer(frame: Frame) -> bytes:
        if frame.type == Type.RUN and lost[0]:
            lost[0] = False
            return b""
        return healthy(frame)

    device = Clocked(answer)
    with Client(device, Timeouts()) as client:
        client.infer(CODES, (1, 2))
        before, lost[0] = device.now, True
        client.infer(CODES, (1, 2))
        assert device.now - before < 0.2


@pytest.mark.parametrize("kind", [Type.HELLO, Type.LOAD, Type.RUN, Type.STATS])
def test_a_hang_ends_within_ten_seconds(kind: Type) -> None:
    hangs = [kind == Type.HELLO]
    device = Clocked(lambda frame: b"" if hangs[0] else healthy(frame), hello=b"" if hangs[0] else None)
    with Client(device, Timeouts()) as client:
        if kind != Type.HELLO:
            client.infer(CODES, (1, 2))
        device._answer = lambda frame: healthy(frame) if frame.type < kind else b""
        start = device.now
        with pytest.raises(SilentDeviceError, match=kind.name):
            client.stats() if kind == Type.STATS else client.infer(CODES, (1, 2))
        assert 8.0 <= device.now - start < 10


def test_a_slow_device_gets_more_time() -> None:
    device = Clocked(healthy)
    with Client(device, Timeouts()) as client:
        client.expect_run(30)

        def slow(frame: Frame) -> bytes:
            if frame.type == Type.RUN:
                device.now += 50
            return healthy(frame)

        device._answer = slow
        assert client.infer(CODES, (1, 2)).output == b"OUTP"


def test_an_answer_that_came_while_this_program_slept_is_taken() -> None:
    """A busy computer: the answer is there, and the time has passed."""
    device = Scripted(healthy)
    link = Link(device, 0.01)
    link.send(Type.STATS, b"")
    assert isinstance(link.receive(device.clock() - 5), Frame)
    assert link.receive(device.clock() - 5) is None


def test_paces_follow_what_is_observed() -> None:
    pace = Pace(2.0, 0.1)
    assert (pace.repeat, pace.silence(8)) == (2.0, 8)
    pace.took(0.001)
    assert (pace.repeat, pace.silence(8)) == (0.1, 8)
    pace.took(3.0)
    assert (pace.repeat, pace.silence(8)) == (6.0, 24)
    for _ in range(400):
        pace.took(0.001)
    assert pace.repeat == 0.1


def test_an_answer_to_a_repeated_request_is_no_round_trip() -> None:
    """Karn and Partridge, 1987: which of the two was answered is not known, so the longer wait stays for one more."""
    device = Clocked(healthy)
    pace, link = Pace(1.0, 0.01), Link(device, 0.02)
    asked: list[float] = []

    def answer(frame: Frame) -> bytes:
        asked.append(device.now)
        return healthy(frame) if len(asked) != 2 else b""

    device._answer = answer
    patience = Patience(pace, 2, 60.0)
    for wait in (0.01, 0.02, 0.01):
        link.request(Type.STATS, b"", patience)
        assert pace.repeat == wait
    assert asked == pytest.approx([0, 0.001, 0.011, 0.012])


def test_one_lost_frame_behind_a_long_silence_is_asked_for_again() -> None:
    """Misses add up over requests; they must leave room for another try before the device counts as silent."""
    device = Clocked(healthy)
    pace, link = Pace(1.0, 0.01), Link(device, 0.02)
    pace.took(0.001)
    for _ in range(100):
        pace.missed()
    lost = [True]

    def answer(frame: Frame) -> bytes:
        return b"" if lost and lost.pop() else healthy(frame)

    device._answer = answer
    link.request(Type.STATS, b"", Patience(pace, 2, 8.0))
    assert device.now < 4
    pace.took(5.0)
    pace.missed()
    assert pace.repeat == 10.0, "what is slow by itself is given its time"


def test_a_burst_is_waited_for_as_long_as_this_line_needs() -> None:
    """Twice the usual round trip, from 2 ms to what is allowed; longer where one burst follows another."""
    pace = Pace(1.0, 0.01)
    assert pace.quiet(0.02, 0) == 0.02
    for _ in range(50):
        pace.took(0.0001)
    assert [pace.quiet(0.02, n) for n in (0, 1, 2, 3, 4, 99)] == [0.002, 0.004, 0.008, 0.016, 0.02, 0.02]
    for _ in range(50):
        pace.took(0.003)
    assert pace.quiet(0.02, 0) == pytest.approx(0.006, rel=0.01)
    pace.took(1.0)
    assert pace.quiet(0.02, 0) == 0.02


def test_a_refusal_says_nothing_of_how_long_an_operation_takes() -> None:
    """A device that faults forgets its input: each RUN would be waited for longer than the one before."""
    requests: list[Frame] = []

    def answer(frame: Frame) -> bytes:
        requests.append(frame)
        reason = NAK.pack(code=Nak.INPUT_INCOMPLETE, request=Type.RUN, reserved=0, detail=0)
        return encode(Type.NAK, frame.sequence, reason) if len(requests) % 2 == 0 else b""

    pace = Pace(0.1, 0.01)
    link = Link(Scripted(answer), 0.002)
    for _ in range(2):
        assert isinstance(link.request(Type.RUN, b"", Patience(pace, 2, 60.0)), Refusal)
    assert len(requests) == 4
    assert pace.repeat == 0.1


def test_a_line_that_damages_most_is_not_used() -> None:
    quality = Quality()
    for i in range(2 * WINDOW):
        quality.note(damaged=i % 2 == 0)
        assert not quality.trouble
    quality.note(damaged=True)
    quality.note(damaged=True)
    assert quality.trouble == f"{WINDOW // 2 + 1} of the last {WINDOW} answers came damaged"


def test_noise_is_forgotten_with_an_answer() -> None:
    noise = Noise()
    noise.add(b"text text")
    assert noise
    assert "text text" in noise.cause("").what
    noise.clear()
    assert not noise


def test_a_clock_leaves_out_the_time_in_which_a_process_could_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WorkingClock(1)
    clock._tasks = tmp_path
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "schedstat").write_text("5 0 9")
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    assert clock() == 100
    (tmp_path / "2" / "schedstat").write_text("5 7000000000 9")
    monkeypatch.setattr(time, "monotonic", lambda: 110.0)
    assert clock() == 103
    (tmp_path / "2" / "schedstat").write_text("nothing")
    monkeypatch.setattr(time, "monotonic", lambda: 111.0)
    assert clock() == 104
