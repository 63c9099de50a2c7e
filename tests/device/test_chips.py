"""Ports of boards that people own, on models of their chips: they boot at full clock, and mistakes are caught."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import DeviceError
from tests.device.chip_boards import BOARDS, CASES, FIRST

from .echo_image import build

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")

from dqt_edge.device.chips import stm32f4
from dqt_edge.device.chips.choose import CHIPS, chip_of
from dqt_edge.device.chips.stm32 import Family, Stm32
from dqt_edge.device.chips.unicorn import UnicornTransport

pytestmark = [
    pytest.mark.emulate,
    pytest.mark.cross,
    pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"),
]

LONG = 30.0
FAMILIES: dict[str, Callable[..., Family]] = {"stm32f4": stm32f4.family}


def test_every_modelled_family_is_run_by_ci() -> None:
    assert {load_board(b).port for b in FIRST} == set(CHIPS) == {load_board(b).port for b in BOARDS}


@pytest.mark.parametrize("board_id", CASES)
def test_a_port_boots_at_full_clock_and_echoes(board_id: str, tmp_path: Path) -> None:
    board = load_board(board_id)
    device = UnicornTransport(board, build(board, tmp_path))
    assert device.read(100, LONG) == b">"
    assert device.model.core_hz == board.cpu.hz
    device.write(b"abc")
    assert device.read(3, LONG) == b"abc"
    device.write(b"Sd")
    assert device.read(2, LONG) == b"\x01d"
    device.model.usart.overrun()
    device.write(b"e")
    assert device.read(1, LONG) == b"e"
    device.write(b"Rf")
    assert device.read(2, LONG) == b">f"
    assert device.model.core_hz == board.cpu.hz


MISTAKES = {
    "pyboard": [
        ("((DQT_CORE_HZ - 1u) / 30000000u)", "4u", "4 wait states at 168000000 Hz"),
        ("FLASH_ACR = WAIT_STATES", "FLASH_ACR = (1u << 20) | WAIT_STATES", "bits 0x100000 of FLASH_ACR are reserved"),
        ("RCC_CFGR |= RCC_CFGR_PPRE1_DIV4", "RCC_CFGR |= 0", "APB1 at 168000000 Hz, above 42000000 Hz"),
        ("RCC_APB1ENR |= RCC_APB1ENR_PWREN;", "", "PWR is used while its clock is off"),
        ("(RCC_PLLCFGR & ~RCC_PLLCFGR_MASK) | q", "q", "bits 0x20000000 of RCC_PLLCFGR are reserved"),
        ("return dqt_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);", "return 1;", "the PLL before it is ready"),
        ("if (!dqt_wait(&RCC_CR, RCC_CR_HSERDY, RCC_CR_HSERDY)) {", "if (0) {", "HSE is used before it is ready"),
        ("| PLL_M; /*", "| 5u; /*", "the PLL's input of 2400000 Hz"),
        ("RCC_AHB1ENR |= 1u << DQT_BOARD_GPIO_PORT;", "", "GPIOB is used while its clock is off"),
        ("dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);", "", "GPIOB pin 7 is not in alternate mode"),
        ("DQT_CORE_HZ / (ON_APB2 ? 2u : 4u)", "DQT_CORE_HZ / 4u", "99.8 % off the host's 115200"),
    ],
    "nucleo-f446re": [
        ("RCC_CR |= RCC_CR_HSEBYP;", "", "HSE's bypass is not as the board is wired"),
        ("if (!dqt_wait(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {", "if (0) {", "switched to before ODRDY"),
        ("if (!dqt_wait(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY)) {", "if (0) {", "above 168000000 Hz in VOS 3"),
    ],
}
"""Board -> text of its port, what takes its place, and the words of the error."""


@pytest.mark.parametrize(
    ("board_id", "old", "new", "words"), [(b, *mistake) for b, mistakes in MISTAKES.items() for mistake in mistakes]
)
def test_a_mistake_in_a_port_is_caught(board_id: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    board = load_board(board_id)
    device = UnicornTransport(board, build(board, tmp_path, (old, new)))
    with pytest.raises(DeviceError) as caught:
        device.read(1, LONG)
    assert words in caught.value.what


DEAD = [("pyboard", "hse", 16)]
"""Board, the flag that never rises, and the clock in MHz that the port stays at."""


@pytest.mark.parametrize(("board_id", "flag", "mhz"), DEAD)
def test_what_never_gets_ready_leaves_the_clock_after_reset(board_id: str, flag: str, mhz: int, tmp_path: Path) -> None:
    board = load_board(board_id)
    assert flag in FAMILIES[board.port](board).flags
    model = Stm32(FAMILIES[board.port](board), board, frozenset({flag}))
    device = UnicornTransport(board, build(board, tmp_path), model)
    device.write(b"abc")
    assert device.read(4, LONG) == b">abc"
    assert model.core_hz == mhz * 1_000_000


def test_a_chip_as_after_power_on_keeps_nothing() -> None:
    board = load_board("pyboard")
    assert chip_of(board) is not chip_of(board)
