"""Ports of boards that people own, on models of their chips: they boot at full clock, and mistakes are caught."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import Board, load_board
from dqt_edge.device.messages import Restart
from dqt_edge.errors import DeviceError
from dqt_edge.project.trigger import with_trigger
from dqt_edge.project.watchdog import with_watchdog
from tests.device.chip_boards import BOARDS, CASES, FIRST

from .echo_image import build

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")

from dqt_edge.device.chips import stm32f4, stm32g0, stm32l4, stm32u5
from dqt_edge.device.chips.choose import CHIPS, chip_of
from dqt_edge.device.chips.stm32 import Family, Stm32
from dqt_edge.device.chips.unicorn import UnicornTransport
from dqt_edge.device.chips.values import Reset

pytestmark = [
    pytest.mark.emulate,
    pytest.mark.cross,
    pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"),
]

LONG = 30.0
FAMILIES: dict[str, Callable[..., Family]] = {
    "stm32f4": stm32f4.family,
    "stm32l4": stm32l4.family,
    "stm32g0": stm32g0.family,
    "stm32u5": stm32u5.family,
}


def test_every_modelled_family_is_run_by_ci() -> None:
    assert {load_board(b).port for b in FIRST} == set(CHIPS) == {load_board(b).port for b in BOARDS}


@pytest.mark.parametrize("board_id", CASES)
def test_a_port_boots_at_full_clock_and_echoes(board_id: str, tmp_path: Path) -> None:
    board = with_watchdog(with_trigger(load_board(board_id)), 2)
    device = UnicornTransport(board, build(board, tmp_path))
    assert device.read(100, LONG) == b">"
    assert device.model.core_hz == board.cpu.hz
    check_watchdog(device)
    check_protection(device, board)
    device.write(b"abc")
    assert device.read(3, LONG) == b"abc"
    device.write(b"Sd")
    assert device.read(2, LONG) == b"\x01d"
    device.model.usart.overrun()
    device.write(b"e")
    assert device.read(1, LONG) == b"e"
    assert device.model.trigger.edges == []
    device.write(b"G")
    assert device.read(1, LONG) == b"g"
    assert device.read(1, LONG) == b""
    assert device.model.trigger.edges == [True, False]
    line = device.model.usart.line
    for baud in sorted({230_400, 460_800, board.serial.max_baud} - {board.serial.baud}):
        change_rate(device, baud)
    line.baud = 0
    device.write(b"Rf")
    assert device.read(2, LONG) == b">f"
    assert device.model.core_hz == board.cpu.hz
    assert why_it_started(device) == Restart.REQUEST
    for by, cause in WHY:
        device.restart(by)
        assert device.read(1, LONG) == b">"
        below = board.regions("flash")[0].start != 0 and board.port == "nrf52"  # a boot loader may have read it
        wanted = Restart.UNKNOWN if below and by == Reset.POWER else cause
        assert why_it_started(device) == wanted, by
    device.write(b"R")
    assert device.read(1, LONG) == b">"
    assert why_it_started(device) == Restart.REQUEST


def check_protection(device: UnicornTransport, board: Board) -> None:
    """Flash is read-only, RAM holds no code, and both are cached as without regions; all else is as it was."""
    mpu = device.model.core.mpu
    flash, ram = board.regions("flash")[0], board.regions("ram")[0]
    assert {mpu.at(at) for at in (0, flash.start, flash.end - 1)} == {("rx", "through")}
    without_tex = board.cpu.core == "cortex-m0plus"
    assert {mpu.at(at) for at in (ram.start, ram.end - 1)} == {("rw", "back" if without_tex else "back, allocating")}
    assert {mpu.at(at) for at in (0x40000000, 0x5FFFFFFF, 0xE000E000)} == {("rw", "device")}
    assert {mpu.at(at)[0] for at in (0x60000000, 0xDFFFFFFF)} == ({""} if board.port == "stm32h7" else {"rwx", "rw"})


def check_watchdog(device: UnicornTransport) -> None:
    """It runs with the time-out of 2 s, is fed when the program says so, and not by itself."""
    watchdog = device.model.watchdog
    assert 2 <= watchdog.seconds < 2.01
    for _ in range(2):
        before = watchdog.feeds
        device.write(b"F")
        assert device.read(1, LONG) == b"f"
        assert device.read(1, LONG) == b""
        assert watchdog.feeds == before + 1


def change_rate(device: UnicornTransport, baud: int) -> None:
    """Of an echo image: the model ends the run if its divider does not give this rate, or a byte is cut off."""
    device.model.usart.line.baud = baud
    device.write(b"K" + baud.to_bytes(4, "little"))
    assert abs(int.from_bytes(device.read(4, LONG), "little") / baud - 1) < 1 / 64
    assert device.read(1, LONG) == b""
    device.write(b"k")
    assert device.read(1, LONG) == b"k"


WHY = (
    (Reset.PIN, Restart.PIN),
    (Reset.SOFTWARE, Restart.UNKNOWN),
    (Reset.POWER, Restart.POWER),
    (Reset.SOFTWARE, Restart.UNKNOWN),
    (Reset.WATCHDOG, Restart.WATCHDOG),
)
"""What resets a chip, one behind the other, and what its port says of it. SOFTWARE is here a debugger, who leaves no
word of it."""


def why_it_started(device: UnicornTransport) -> int:
    """What the running firmware says, and would say to every HELLO."""
    device.write(b"Q")
    return device.read(1, LONG)[0]


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
    "nucleo-l476rg": [
        ("((DQT_CORE_HZ - 1u) / DQT_BOARD_WAIT_HZ)", "3u", "3 wait states at 80000000 Hz in range 1"),
        ("return dqt_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY);", "return 1;", "the PLL before it is ready"),
        ("if (!dqt_wait(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {", "if (0) {", "HSI is used before it is ready"),
        ("| RCC_PLLCFGR_REN;", ";", "the PLL's output to the core is off"),
        ("RCC_PLLCFGR_M(DQT_BOARD_PLL_M)", "RCC_PLLCFGR_M(9u)", "bits 0x80 of RCC_PLLCFGR are reserved"),
    ],
    "nucleo-l4r5zi": [
        ("PWR_CR2 |= PWR_CR2_IOSV;", "", "GPIOG has no supply"),
        ("PWR_CR5 &= ~PWR_CR5_R1MODE;", "", "above 80000000 Hz in range 1 normal mode"),
        ("RCC_CFGR |= RCC_CFGR_HPRE_DIV2;", "", "not by way of half of it"),
        ("RCC_APB1ENR1 |= RCC_APB1ENR1_PWREN;", "", "PWR is used while its clock is off"),
    ],
    "nucleo-g474re": [
        ("((DQT_CORE_HZ - 1u) / DQT_BOARD_WAIT_HZ)", "3u", "3 wait states at 170000000 Hz in range 1 boost mode"),
        ("PWR_CR5 &= ~PWR_CR5_R1MODE;", "", "above 150000000 Hz in range 1 normal mode"),
    ],
    "nucleo-g0b1re": [
        ("((DQT_CORE_HZ - 1u) / 24000000u)", "1u", "1 wait states at 64000000 Hz"),
        ("#define ALLOCATE 0u", "#define ALLOCATE (1u << 19)", "bits 0x80000 of MPU_RASR are reserved"),
        ("RCC_APBENR1_TIM2EN | RCC", "RCC", "TIM2 is used while its clock is off"),
        ("| RCC_PLLCFGR_REN |", "|", "the PLL's output to the core is off"),
    ],
    "nano33ble": [
        ("    start_crystal();", "", "while the clock is not the crystal's"),
        ("    start_uart(0);", "    start_uart(3);", "at 1000000 baud, 768.1 % off the host's 115200"),
        ("GPIO_OUTSET(DQT_BOARD_TX_PORT) = 1u << DQT_BOARD_TX;", "", "the line is low"),
        ("DQT_BOARD_RX) = PIN_INPUT_UP;", "DQT_BOARD_RX) = PIN_OUTPUT;", "P1.10 is configured as 0x3"),
        ("UART_TASKS_STARTTX = 1;", "", "before STARTTX"),
        ("return sending == 0u || UART_EVENTS_TXDRDY != 0u;", "return 1;", "before the last byte was sent"),
    ],
    "pico": [
        (".equ DIVIDER, 4", ".equ DIVIDER, 2", "the CRC of the second boot stage"),
        ("if (!dqt_wait(&PLL_CS, PLL_CS_LOCK, PLL_CS_LOCK)) {", "if (0) {", "the PLL before it is locked"),
        ("PLL_FBDIV 133u", "PLL_FBDIV 140u", "the PLL's VCO at 1680000000 Hz"),
        ("    PLL_PWR &= ~PLL_PWR_POSTDIVPD;", "", "the PLL's output divider is off"),
        ("    dqt_reset_subsystems(DQT_RESETS);", "", "PADS_BANK0 is used before it is out of reset"),
        ("    IO_CTRL(DQT_BOARD_RX) = IO_CTRL_UART;", "", "GPIO1 has function 31"),
        ("    UARTLCR_H = UARTLCR_H_8BIT_FIFO;", "", "without a baud rate"),
        ("    CLK_PERI_CTRL = CLK_PERI_CTRL_ENABLE;", "", "its clock is off"),
    ],
    "pico2": [
        ("BLOCK_END 0xAB123579u", "BLOCK_END 0xAB123570u", "hold no image definition"),
        ("    MPU_MAIR0 = MAIR_CODE | MAIR_SRAM;", "", "memory attribute 0x00 is not modelled"),
        ("(start + AREA_SIZE - 32u)", "(start + AREA_SIZE)", "two regions of the MPU hold 0x20000000"),
        ("PAD_UP 0x5Au", "PAD_UP 0x15Au", "the pad of GPIO0 is off or isolated"),
        ("PLL_POSTDIV1 5u", "PLL_POSTDIV1 4u", "core at 187500000 Hz, above 150000000 Hz"),
    ],
    "stm32h735g-dk": [
        ("(DQT_PWR_CR3 & ~supply) | DQT_PWR_CR3_SMPSEN;", "2u;", "the supply is not set to the SMPS"),
        ("#define DELAY 3", "#define DELAY 2", "no pair of wait states"),
        ("if (DQT_BOARD_HSE_BYPASS) {", "if (1) {", "HSE's bypass is not as the board is wired"),
        (
            "DQT_PWR_D3CR = DQT_PWR_D3CR & ~DQT_PWR_D3CR_VOS_MASK;",
            "",
            "above 170000000 Hz at VOS3",
        ),
    ],
    "nucleo-u575zi": [
        ("((DQT_CORE_HZ - 1u) / 32000000u)", "3u", "3 wait states at 160000000 Hz in range 1 with the booster"),
        ("if (!dqt_wait(&PWR_VOSR, PWR_VOSR_VOSRDY, PWR_VOSR_VOSRDY)) {", "if (0) {", "enabled before VOSRDY"),
        (
            "if (!dqt_wait(&PWR_VOSR, PWR_VOSR_BOOSTRDY, PWR_VOSR_BOOSTRDY)) {",
            "if (0) {",
            "core at 80000000 Hz, above 55000000 Hz in range 1 without the booster",
        ),
        ("RCC_PLL1CFGR_RGE_8_16MHZ | RCC", "RCC", "PLL1's input of 16000000 Hz is outside PLL1RGE"),
        ("if (dqt_wait(&ICACHE_SR, ICACHE_SR_BUSYF, 0)) {", "{", "while it invalidates itself"),
    ],
}
"""Board -> text of its port, what takes its place, and the words of the error."""


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("board_id", "old", "new", "words"), [(b, *mistake) for b, mistakes in MISTAKES.items() for mistake in mistakes]
)
def test_a_mistake_in_a_port_is_caught(board_id: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    board = load_board(board_id)
    device = UnicornTransport(board, build(board, tmp_path, (old, new)))
    device.model.usart.line.waiting.extend(b"W")  # answered by several bytes
    with pytest.raises(DeviceError) as caught:
        device.read(5, LONG)
    assert words in caught.value.what


RATE_MISTAKES = {
    "stm32h7": [
        (
            "(void)dqt_h7_wait(&DQT_USART3_ISR, DQT_USART_ISR_TC, DQT_USART_ISR_TC, DQT_H7_POLLS);\n    DQT_USART3_CR1",
            "DQT_USART3_CR1",
            "USART3 is switched off while it sends",
        ),
        ("    DQT_USART3_CR1 &= ~DQT_USART_CR1_UE;\n", "", "USART3_BRR is written while USART3 is on"),
        (
            "dqt_divided(usart_hz, baud);\n    DQT",
            "dqt_divided(usart_hz, DQT_UART_BAUD);\n    DQT",
            "53.8 % off the host's 2000000",
        ),
    ],
    "nucleo-l476rg": [
        (
            "(void)dqt_wait(&USART_ISR, USART_ISR_TC, USART_ISR_TC);\n    USART_CR1",
            "USART_CR1",
            "USART2 is switched off while it sends",
        ),
        ("    USART_CR1 &= ~USART_CR1_UE;\n", "", "USART2_BRR is written while USART2 is on"),
        (
            "dqt_divided(dqt_usart_hz, baud >> DQT_USART_SHIFT);\n    USART_CR1",
            "9u;\n    USART_CR1",
            "USART2_BRR 9 is below 16",
        ),
    ],
    "nucleo-l4r5zi": [
        (
            "dqt_divided(dqt_usart_hz, baud >> DQT_USART_SHIFT);\n    USART_CR1",
            "dqt_divided(dqt_usart_hz, 450u);\n    USART_CR1",
            "88.5 % off the host's 1000000",
        ),
    ],
    "pyboard": [
        (
            "(void)dqt_wait(&USART_SR, USART_SR_TC, USART_SR_TC);\n    USART_CR1",
            "USART_CR1",
            "USART1 is switched off as it sends",
        ),
        ("    USART_CR1 &= ~USART_CR1_UE;\n", "", "USART1_BRR is written while USART1 is on"),
    ],
    "nano33ble": [
        (
            "    wait_until_sent();\n    UART_TASKS_STOPTX",
            "    UART_TASKS_STOPTX",
            "UART0's transmitter is stopped while it sends",
        ),
        ("    UART_TASKS_STOPRX = 1;\n", "", "UART0 is disabled while it works"),
        ("{1000000, 1000000, 0x10000000u}", "{1000000, 1000000, 0x0EBED000u}", "5.9 % off the host's 1000000"),
    ],
    "pico": [
        (
            "    (void)dqt_wait(&UARTFR, UARTFR_BUSY, 0);\n    UARTCR = 0;",
            "    UARTCR = 0;",
            "UART0 is switched off while it sends",
        ),
        ("    UARTCR = 0;\n", "", "UART0 is configured while it is on"),
    ],
    "pico2": [
        ("    UARTFBRD = divider & 63u;", "    UARTFBRD = 0;", "17.2 % off the host's 2000000"),
    ],
}
"""The same for what changes the rate."""


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("board_id", "old", "new", "words"),
    [(b, *mistake) for b, mistakes in RATE_MISTAKES.items() for mistake in mistakes],
)
def test_a_mistake_in_a_change_of_the_rate_is_caught(
    board_id: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    board = load_board(board_id)
    device = UnicornTransport(board, build(board, tmp_path, (old, new)))
    assert device.read(1, LONG) == b">"
    with pytest.raises(DeviceError) as caught:
        change_rate(device, board.serial.max_baud)
    assert words in caught.value.what


OUTPUTS = {
    "pyboard": "dqt_set_field(&DQT_REG(DQT_TRIGGER_BASE + 0x00u), DQT_BOARD_TRIGGER_PIN * 2u, 2, 1);",
    "nano33ble": "GPIO_PIN_CNF(DQT_BOARD_TRIGGER_PORT, DQT_BOARD_TRIGGER_PIN) = PIN_OUTPUT;",
    "pico2": "    SIO_GPIO_OE_SET = 1u << DQT_BOARD_TRIGGER_PIN;",
}


@pytest.mark.some(3)
@pytest.mark.parametrize(("board_id", "old"), OUTPUTS.items())
def test_a_trigger_that_is_no_output_is_caught(board_id: str, old: str, tmp_path: Path) -> None:
    board = with_trigger(load_board(board_id))
    device = UnicornTransport(board, build(board, tmp_path, (old, "")))
    device.write(b"G")
    with pytest.raises(DeviceError, match="is raised before it is an output"):
        device.read(5, LONG)


KEY = "    DQT_IWDG_KR = DQT_IWDG_KR_"
WATCHDOG_MISTAKES = {
    "stm32h7": [
        (f"{KEY}UNLOCK;", "", "is written while it is locked"),
        (f"{KEY}START;", "", "is configured before LSI runs"),
        ("    (void)dqt_wait(&DQT_IWDG_SR, DQT_IWDG_SR_BUSY, 0);\n", "", "is fed before its time-out has arrived"),
    ],
    "nano33ble": [
        ("    WDT_TASKS_START = 1;\n", "", "is fed before it is started"),
        ("RELOAD 0x6E524635u", "RELOAD 0xAAAAu", "has no key 0xaaaa"),
        ("    WDT_TASKS_START = 1;\n", "    WDT_TASKS_START = 1;\n    WDT_CRV = 99;\n", "is configured while it runs"),
    ],
    "pico": [
        ("    WATCHDOG_TICK = WATCHDOG_TICK_ENABLE |", "    WATCHDOG_TICK =", "without its tick"),
        ("~3u)", "~0u)", "bits 0x3 of PSM_WDSEL are reserved"),
        ("    PSM_WDSEL = PSM_WDSEL_CHIP;\n", "", "would reset 0x0 of the chip alone"),
    ],
    "pico2": [("    TICKS_WATCHDOG_CTRL = 1;\n", "", "without its tick")],
}
"""The same for what starts the watchdog; one file for all STM32, and one for both chips of RP2."""


@pytest.mark.some(5)
@pytest.mark.parametrize(
    ("board_id", "old", "new", "words"),
    [(b, *mistake) for b, mistakes in WATCHDOG_MISTAKES.items() for mistake in mistakes],
)
def test_a_mistake_in_starting_the_watchdog_is_caught(
    board_id: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    board = with_watchdog(load_board(board_id), 2)
    device = UnicornTransport(board, build(board, tmp_path, (old, new)))
    with pytest.raises(DeviceError) as caught:
        device.read(5, LONG)
    assert words in caught.value.what


TIMES = [
    (board_id, ms)
    for board_id, times in (
        ("pyboard", (2048, 10, 512, 513, 1025, 32767, 32768)),
        ("nano33ble", (10, 33, 3_600_000)),
        ("pico", (10, 8388)),
        ("pico2", (10, 16777)),
    )
    for ms in times
]
"""Boards of each kind of watchdog, and time-outs at the ends of its ranges."""


@pytest.mark.some(14)
@pytest.mark.parametrize(("board_id", "ms"), TIMES)
def test_a_watchdog_waits_as_long_as_was_asked(board_id: str, ms: int, tmp_path: Path) -> None:
    board = with_watchdog(load_board(board_id), ms / 1000)
    device = UnicornTransport(board, build(board, tmp_path))
    assert device.read(1, LONG) == b">"
    assert 0.999 * ms <= 1000 * device.model.watchdog.seconds <= 1.01 * ms


DEAD = [
    ("pyboard", "hse", 16),
    ("nucleo-l476rg", "pll", 4),
    ("nucleo-g0b1re", "pll", 16),
    ("nucleo-u575zi", "boost", 4),
]
"""Board, the flag that never rises, and the clock in MHz that the port stays at."""


@pytest.mark.some(4)
@pytest.mark.parametrize(("board_id", "flag", "mhz"), DEAD)
def test_what_never_gets_ready_leaves_the_clock_after_reset(board_id: str, flag: str, mhz: int, tmp_path: Path) -> None:
    board = load_board(board_id)
    assert flag in FAMILIES[board.port](board).flags
    model = Stm32(FAMILIES[board.port](board), board, frozenset({flag}))
    device = UnicornTransport(board, build(board, tmp_path), model)
    device.write(b"abc")
    assert device.read(4, LONG) == b">abc"
    assert model.core_hz == mhz * 1_000_000


def test_the_counter_of_a_pico_is_exact_over_wraps_of_systick(tmp_path: Path) -> None:
    """24 bits of SysTick and the microseconds of the timer make one count of cycles, whatever both start from."""
    board = load_board("pico")
    device = UnicornTransport(board, build(board, tmp_path))
    model = device.model
    model.set_cycles(12_345_678)
    assert device.read(1, LONG) == b">"
    counts = []
    steps = (0, 1, 132, 133, 1 << 23, (1 << 23) + 5, (1 << 24) - 1, 1 << 24, 5 << 24, (1 << 31) + 77, (1 << 32) - 1)
    for step in steps:
        model.set_cycles(12_345_678 + step)
        device.write(b"T")
        counts.append(int.from_bytes(device.read(4, LONG), "little"))
    assert [(count - counts[0]) % (1 << 32) for count in counts] == list(steps)


def test_a_chip_as_after_power_on_keeps_nothing() -> None:
    board = load_board("pyboard")
    assert chip_of(board) is not chip_of(board)
