"""The real STM32H7 port boots on Unicorn through its own clock set-up, and mistakes are reported."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import Board, load_board
from dqt_edge.device.messages import Restart
from dqt_edge.errors import BadFileError, DeviceError, UsageError

from .echo_image import build

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")

from dqt_edge.device.chips.stm32h7 import Stm32h7
from dqt_edge.device.chips.unicorn import UnicornTransport

pytestmark = [
    pytest.mark.emulate,
    pytest.mark.cross,
    pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"),
]

LONG = 30.0


@pytest.fixture(scope="module")
def board() -> Board:
    return load_board("stm32h7")


@pytest.fixture(scope="module")
def elf(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(board, tmp_path_factory.mktemp("echo"))


@pytest.fixture
def device(board: Board, elf: Path) -> UnicornTransport:
    return UnicornTransport(board, elf)


def test_boots_at_full_clock(board: Board, device: UnicornTransport) -> None:
    assert device.read(100, LONG) == b">"
    assert device.model.core_hz == board.cpu.hz
    assert device.model.scale == 0
    assert not device.model.red_light


@pytest.mark.parametrize("size", [1, 16, 17, 1000, 20000])
def test_bytes_pass_in_both_directions(device: UnicornTransport, size: int) -> None:
    content = bytes(b"abcdefghij"[i % 10] for i in range(size))
    device.read(1, LONG)
    device.write(content)
    assert device.read(size, LONG) == content
    assert device.read(1, LONG) == b""


def test_read_gives_no_more_than_asked(device: UnicornTransport) -> None:
    device.write(b"abc")
    assert [device.read(2, LONG) for _ in range(3)] == [b">a", b"bc", b""]


def test_reset_input_drops_what_was_sent(device: UnicornTransport) -> None:
    device.write(b"abc")
    device.read(1, LONG)
    device.reset_input()
    device.write(b"d")
    assert device.read(10, LONG)[-1:] == b"d"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"C", b"\0"),  # the counter stands: counts from this device mean "not counted"
        (b"S", b"\x01"),  # the painted stack was found
        (b"W", (0x27057501).to_bytes(4, "little")),
    ],
)
def test_core_computes(device: UnicornTransport, command: bytes, answer: bytes) -> None:
    assert device.read(1, LONG) == b">"
    device.write(command)
    assert device.read(10, LONG) == answer


def test_reset_restarts_and_keeps_the_line(device: UnicornTransport) -> None:
    device.read(1, LONG)
    device.write(b"aRb")
    assert device.read(10, LONG) == b"a>b"
    assert device.model.core_hz == 480_000_000


def test_knows_why_it_started(device: UnicornTransport) -> None:
    assert device.read(1, LONG) == b">"
    device.write(b"QRQ")
    assert device.read(10, LONG) == bytes([Restart.POWER]) + b">" + bytes([Restart.REQUEST])


def test_overrun_is_cleared(device: UnicornTransport) -> None:
    device.read(1, LONG)
    device.model.usart.overrun()
    device.write(b"x")
    assert device.read(10, LONG) == b"x"


@pytest.mark.parametrize("dead", ["supply", "vos1", "vos0", "hse", "pll", "flash", "switch"])
def test_falls_back_to_the_internal_oscillator(board: Board, elf: Path, dead: str) -> None:
    model = Stm32h7(board, frozenset({dead}))
    device = UnicornTransport(board, elf, model)
    assert device.read(100, LONG) == b">"
    assert model.core_hz == 64_000_000
    assert model.red_light
    device.write(b"abc")
    assert device.read(3, LONG) == b"abc"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (b"X", "read of 0x40000000 meets no such memory"),
        (b"P", "write to 0x08000000 meets no such memory"),
        (b"B", "an access of 1 bytes"),
        (b"U", "Invalid instruction"),
    ],
)
def test_crash_names_address_and_function(device: UnicornTransport, command: bytes, words: str) -> None:
    device.read(1, LONG)
    device.write(command)
    with pytest.raises(DeviceError) as caught:
        device.read(1, LONG)
    assert words in caught.value.what
    assert "in main()" in caught.value.where
    assert "pc 0x0800" in caught.value.where
    with pytest.raises(DeviceError):
        device.read(1, LONG)
    with pytest.raises(DeviceError):
        device.write(b"a")


def test_hanging_firmware_is_reported(board: Board, elf: Path) -> None:
    device = UnicornTransport(board, elf, hang_seconds=0.2)
    device.read(1, LONG)
    device.write(b"H")
    with pytest.raises(DeviceError, match=r"did not look at its USART for 0\.2 s"):
        device.read(1, LONG)


def test_wrong_baud_rate_is_caught(board: Board, elf: Path) -> None:
    device = UnicornTransport(board, elf, Stm32h7(replace(board, serial=replace(board.serial, baud=115200))))
    with pytest.raises(DeviceError, match="off the host's 115200"):
        device.read(1, LONG)


def test_closed_device(device: UnicornTransport) -> None:
    device.close()
    device.close()
    with pytest.raises(DeviceError, match="closed"):
        device.read(1, LONG)


def test_other_boards_are_refused(elf: Path) -> None:
    with pytest.raises(UsageError, match="no chip is modelled"):
        UnicornTransport(load_board("qemu-m7"), elf)


def test_bad_images_are_refused(board: Board, elf: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.elf"
    damaged.write_bytes(elf.read_bytes()[:100])
    for path in (tmp_path / "missing.elf", damaged, tmp_path):
        with pytest.raises(BadFileError):
            UnicornTransport(board, path)
    elsewhere = replace(board, memory=tuple(replace(m, start=m.start + 0x100000) for m in board.memory))
    with pytest.raises(BadFileError, match="no memory"):
        UnicornTransport(elsewhere, elf)
