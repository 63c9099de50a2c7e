"""The rate of the line, raised by the host: real firmware on a line whose ends have rates, and all that can fail."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.connect import raise_rate, rates_of
from dqt_edge.device.frame import DELIMITER, Decoder, Frame, encode
from dqt_edge.device.messages import BAUD_STRAYS, SET_BAUD, Type
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.replies import DeviceInfo
from dqt_edge.device.transport import RatedTransport
from dqt_edge.errors import RefusedError, SilentDeviceError, UsageError
from tests.firmware import stand_in
from tests.support.rated_line import HOME, RatedLine, heard

FAST = 2_000_000
RATES = (230_400, 921_600, FAST)
QUICK = Timeouts(hello=0.2, load=0.2, run=0.2, stats=0.2, reset=0.2, silence=120.0)
"""Repeats soon, and waits long."""


@pytest.fixture(scope="session")
def image(built: Callable[..., Path]) -> Path:
    return built("host", **stand_in.RATED)


@pytest.fixture
def line(image: Path) -> Iterator[RatedLine]:
    made = RatedLine(lambda: NativeTransport(image))
    yield made
    made.close()


def works(client: Client, seed: int = 1) -> None:
    """A sample's answer is right."""
    codes = stand_in.make_input(random.Random(seed))
    assert client.infer(codes, (1, 0)).output == stand_in.expected(codes, (1, 0)).output


def at(line: RatedLine, baud: int) -> Client:
    """A client that has raised the rate."""
    client = Client(line, QUICK)
    assert client.raise_baud(baud) == ""
    assert client.baud == line.baud == baud
    return client


def found_again(line: RatedLine) -> DeviceInfo:
    """HELLO of a new client, which begins at the board's rate; no time is waited for."""
    line.set_baud(HOME)
    client = Client(line, Timeouts(hello=60.0, silence=100.0))
    works(client)
    return client.info


def test_a_byte_is_garbage_at_another_rate() -> None:
    assert [heard(byte, HOME, HOME) for byte in range(256)] == [bytes([byte]) for byte in range(256)]
    assert heard(0x00, HOME, FAST) == b"\0"
    assert heard(0x55, HOME, FAST) == b"\0" * 5
    assert heard(0x55, FAST, HOME) == b"\xff"


def test_a_line_has_a_rate_and_a_process_has_none(line: RatedLine) -> None:
    assert isinstance(line, RatedTransport)
    assert not isinstance(line.device, RatedTransport)


@pytest.mark.parametrize("baud", RATES)
def test_a_raised_rate_works_and_ends_with_the_client(line: RatedLine, baud: int) -> None:
    client = at(line, baud)
    for seed in range(3):
        works(client, seed)
    assert client.stats().bad_frames == 0
    close, line.close = line.close, lambda: None  # type: ignore[method-assign]
    client.close()
    line.close = close  # type: ignore[method-assign]
    assert line.baud == HOME
    assert Client(line).stats().bad_frames == 0, "the device was at home already"


def test_a_rate_is_changed_for_another_and_for_the_first(line: RatedLine) -> None:
    """Each end changes behind the whole reply: nothing is asked twice, and nothing comes damaged."""
    client = at(line, 921_600)
    for baud in (FAST, HOME):
        assert client.raise_baud(baud) == ""
        works(client)
    assert line.changes == [921_600, HOME, 921_600, FAST, 921_600, FAST, HOME, FAST, HOME]
    assert client.stats().bad_frames == 0


@pytest.mark.parametrize("baud", [HOME - 1, 10_000_001, 6_500_000])
def test_a_device_refuses_what_its_divider_does_not_give(line: RatedLine, baud: int) -> None:
    client = Client(line)
    assert client.raise_baud(baud) == "the device refused SET_BAUD: BAD_BAUD (detail 10000000)"
    assert client.baud == HOME
    works(client)


def test_a_port_with_one_rate_is_not_asked(built: Callable[..., Path]) -> None:
    options = stand_in.RATED | {"defines": ()}
    with Client(RatedLine(lambda: NativeTransport(built("host", **options)))) as client:
        assert client.raise_baud(FAST) == "the device has one rate only"
        with pytest.raises(RefusedError, match=r"BAD_BAUD \(detail 0\)"):
            client._ask(Type.SET_BAUD, "stats", bytes, SET_BAUD.pack(baud=FAST))
        works(client)


def test_an_adapter_that_refuses_is_found_before_the_device_is_asked(line: RatedLine) -> None:
    line.refused = (FAST,)
    client = Client(line)
    assert client.raise_baud(FAST) == "the adapter does not take it: no 2000000 baud"
    assert client.stats().runs == 0
    works(client)
    assert client.baud == HOME


def test_a_cable_that_is_bad_at_the_new_rate_is_left_at_once(line: RatedLine) -> None:
    line.good_to = 1_000_000
    client = Client(line)
    assert client.raise_baud(FAST)
    assert client.baud == HOME
    works(client)
    assert client.raise_baud(921_600) == ""
    works(client)


def test_a_cable_that_gets_bad_costs_the_rate_and_no_answer(line: RatedLine) -> None:
    client = at(line, FAST)
    works(client)
    line.good_to = 1_000_000
    works(client)
    assert client.baud == HOME
    line.good_to = FAST
    assert client.raise_baud(FAST) == ""
    works(client)


@pytest.mark.parametrize("begun", [b"", b"\x05\x01\x02", bytes(range(1, 200))], ids=["nothing", "some", "much"])
@pytest.mark.parametrize("baud", RATES)
def test_a_new_client_finds_a_device_that_a_dead_one_left_at_another_rate(
    line: RatedLine, baud: int, begun: bytes
) -> None:
    works(at(line, baud))
    line.write(begun)
    assert found_again(line).input_size == stand_in.INPUT_SIZE


@pytest.mark.parametrize("baud", [120_000, *RATES, 9_600_000])
def test_so_many_zeros_at_the_rate_of_the_board_take_a_device_there(line: RatedLine, baud: int) -> None:
    at(line, baud)
    for zeros, answers_at in ((BAUD_STRAYS - 2, baud), (BAUD_STRAYS, HOME)):
        line.set_baud(HOME)
        line.write(DELIMITER * zeros)
        line.set_baud(answers_at)
        line.write(encode(Type.STATS, 7 + zeros, b""))
        frames = Decoder()
        while not any(isinstance(f, Frame) and f.type == Type.STATS_REPLY for f in frames.feed(line.read(99, 1.0))):
            pass


@pytest.mark.parametrize("baud", RATES)
def test_the_requests_of_any_client_take_a_device_home(line: RatedLine, baud: int) -> None:
    at(line, baud)
    line.set_baud(HOME)
    frames, answered = Decoder(), []
    for sequence in range(32):
        if answered:
            break
        line.write(encode(Type.HELLO, sequence, b""))
        while content := line.read(999, 0.1):
            answered += [f for f in frames.feed(content) if isinstance(f, Frame) and f.type == Type.HELLO_REPLY]
    assert answered


def test_a_device_that_restarts_is_found_at_home(line: RatedLine) -> None:
    client = at(line, FAST)
    works(client)
    line.restart()
    works(client)
    assert client.baud == HOME


def test_reset_ends_a_raised_rate(line: RatedLine) -> None:
    client = at(line, FAST)
    client.reset()
    assert client.baud == HOME
    works(client)


@pytest.mark.parametrize("lost", ["lose_replies", "lose_requests"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_lost_set_baud_is_asked_again(line: RatedLine, lost: str, count: int) -> None:
    client = Client(line)
    works(client)
    setattr(line, lost, count)
    assert client.raise_baud(FAST) == ""
    works(client)


def test_a_lost_last_answer_is_not_computed_twice_after_the_way_home(line: RatedLine) -> None:
    client = at(line, FAST)
    codes = stand_in.make_input(random.Random(1))
    client.load(codes)
    line.lose_replies = 2
    assert client.run((1, 0)).output == stand_in.expected(codes, (1, 0)).output
    assert client.baud == HOME
    assert client.stats().runs == 1


def test_a_device_that_hangs_at_a_raised_rate_ends_the_session(line: RatedLine) -> None:
    client = Client(line, replace(QUICK, silence=1.0))
    works(client)
    assert client.raise_baud(FAST) == ""
    assert isinstance(line.device, NativeTransport)
    os.kill(line.device.pid, signal.SIGSTOP)
    try:
        with pytest.raises(SilentDeviceError):
            client.stats()
        assert client.baud == HOME
    finally:
        os.kill(line.device.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("refused", "good_to", "kept"),
    [((), FAST, FAST), ((FAST,), FAST, 1_000_000), ((), 950_000, 921_600), ((), HOME, HOME)],
)
def test_auto_takes_the_highest_rate_that_works(
    line: RatedLine, refused: tuple[int, ...], good_to: int, kept: int
) -> None:
    line.refused, line.good_to = refused, good_to
    client = Client(line)
    raise_rate(client, rates_of(load_board("pico"), "auto"))
    assert client.baud == kept
    works(client)


def test_rates_of_a_board() -> None:
    nrf, host = load_board("nrf52840dk"), load_board("host")
    assert rates_of(nrf, "auto") == (1_000_000, 921_600, 460_800)
    assert rates_of(nrf, HOME) == rates_of(host, "auto") == ()
    for board, baud, allowed in (
        (nrf, 2_000_000, "from 115,200 to 1,000,000"),
        (nrf, 9600, "from"),
        (host, 1, "no rate"),
    ):
        with pytest.raises(UsageError, match=allowed):
            rates_of(board, baud)


def test_a_stranger_who_sends_set_baud_locks_nobody_out(line: RatedLine) -> None:
    client = Client(line)
    works(client)
    line.write(encode(Type.SET_BAUD, 5, SET_BAUD.pack(baud=FAST)))
    works(client, 2)
    assert client.baud == HOME
