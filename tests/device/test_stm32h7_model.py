"""The register models refuse what the manual forbids: a correct start-up, and one with a wrong step."""

from __future__ import annotations

import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.chips.stm32h7 import Stm32h7
from dqt_edge.device.chips.values import RuleError

CR, CFGR, D1CFGR, D2CFGR, D3CFGR = 0x58024400, 0x58024410, 0x58024418, 0x5802441C, 0x58024420
PLLCKSELR, PLLCFGR, PLL1DIVR = 0x58024428, 0x5802442C, 0x58024430
AHB4ENR, APB1LENR, APB4ENR = 0x580244E0, 0x580244E8, 0x580244F4
CSR1, CR3, D3CR, PWRCR, ACR = 0x58024804, 0x5802480C, 0x58024818, 0x5800042C, 0x52002000
MODER, AFRH = 0x58020C00, 0x58020C24
CR1, BRR, ISR, RDR, TDR = 0x40004800, 0x4000480C, 0x4000481C, 0x40004824, 0x40004828
WAIT = "wait"

# (name, address or WAIT, value or (address, bit))
STARTUP = (
    ("supply", CR3, 0x2),
    ("supply ready", WAIT, (CSR1, 13)),
    ("vos1", D3CR, 0xC000),
    ("vos1 ready", WAIT, (D3CR, 13)),
    ("syscfg clock", APB4ENR, 2),
    ("overdrive", PWRCR, 1),
    ("vos0 ready", WAIT, (D3CR, 13)),
    ("bypass", CR, 0x40001),
    ("hse", CR, 0x50001),
    ("hse ready", WAIT, (CR, 17)),
    ("source", PLLCKSELR, 0x12),
    ("ranges", PLLCFGR, 0x1000C),
    ("dividers", PLL1DIVR, 0x01010277),
    ("pll", CR, 0x1050001),
    ("pll ready", WAIT, (CR, 25)),
    ("wait states", ACR, 0x24),
    ("core and axi", D1CFGR, 0x48),
    ("apb1 and apb2", D2CFGR, 0x440),
    ("apb4", D3CFGR, 0x40),
    ("switch", CFGR, 3),
    ("gpio clock", AHB4ENR, 0xA),
    ("usart clock", APB1LENR, 1 << 18),
    ("pins", MODER, 0xFFFAFFFF),
    ("function", AFRH, 0x77),
    ("baud", BRR, 130),
    ("usart", CR1, 0x2000000D),
)


def run(steps: tuple[tuple[str, object, object], ...]) -> Stm32h7:
    model = Stm32h7(load_board("stm32h7"))
    for name, where, value in steps:
        if where == WAIT:
            address, bit = value
            assert any(model.read(address) >> bit & 1 for _ in range(10)), name
        else:
            model.write(where, value)
    return model


def test_the_whole_sequence_gives_480_mhz() -> None:
    model = run(STARTUP)
    assert (model.core_hz, model.scale) == (480_000_000, 0)
    assert model.read(CFGR) == 3 | 3 << 3


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("supply and its flag", "the voltage scale is set before the supply is configured"),
        ("supply ready", "before ACTVOSRDY"),
        ("vos1", "overdrive without VOS1"),
        ("vos1 ready", "overdrive before VOS1 is ready"),
        ("syscfg clock", "SYSCFG is used while its clock is off"),
        ("overdrive", "core at 480000000 Hz, above 400000000 Hz at VOS1"),
        ("vos0 ready", "PLL1 is started before VOSRDY"),
        ("hse ready", "PLL1 is started before HSE is ready"),
        ("source", "PLL1's VCO at 240000000 Hz"),
        ("pll ready", "the core is switched to PLL before it is ready"),
        ("wait states", None),
        ("core and axi", "AXI at 480000000 Hz, above 240000000 Hz at VOS0"),
        ("apb1 and apb2", "APB at 240000000 Hz, above 120000000 Hz at VOS0"),
        ("gpio clock", "GPIOD is used while its clock is off"),
        ("usart clock", "USART3 is used while its clock is off"),
        ("pins", "not in alternate mode"),
        ("function", "not at AF7"),
        ("baud", "switched on without a baud rate"),
    ],
)
def test_a_missing_step_is_caught(left_out: str, words: str | None) -> None:
    names = ("supply", "supply ready") if left_out == "supply and its flag" else (left_out,)
    steps = tuple(step for step in STARTUP if step[0] not in names)
    assert len(steps) == len(STARTUP) - len(names)
    if words is None:  # 7 wait states, as after reset, are slow but allowed
        assert run(steps).core_hz == 480_000_000
        return
    if left_out == "source":  # the internal oscillator by 32: 2 MHz, outside the range that is set
        words = "PLL1's input of 2000000 Hz is outside PLL1RGE"
    with pytest.raises(RuleError) as caught:
        run(steps)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("step", "value", "words"),
    [
        ("supply", 0x1, "the supply is not set to the LDO"),
        ("bypass", 0x0, "the internal oscillator is stopped"),
        ("hse", 0x10001, "HSE's bypass is not as the board is wired"),
        ("source", 0x3, "no clock source"),
        ("source", 0x2, "PLL1's input divider is off"),
        ("ranges", 0x10000, "outside PLL1RGE"),
        ("ranges", 0x0000C, "output P is off"),
        ("ranges", 0x1000E, "VCO at 960000000 Hz is outside 150..420 MHz"),
        ("dividers", 0x010102FF, "VCO at 2048000000 Hz"),
        ("dividers", 0x01010077, "divides its output P by 1"),
        ("wait states", 0x23, "3 wait states at 240000000 Hz and VOS0: enough up to 225 MHz"),
        ("wait states", 0x04, "no pair of wait states"),
        ("switch", 1, "not modelled"),
        ("baud", 1042, "off the host's 921600"),
        ("baud", 8, "below 16"),
        ("usart", 0x2000002D, "bits 0x20 are not modelled"),
    ],
)
def test_a_wrong_value_is_caught(step: str, value: int, words: str) -> None:
    steps = tuple((name, where, value if name == step else given) for name, where, given in STARTUP)
    with pytest.raises(RuleError) as caught:
        run(steps)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("address", "value", "words"),
    [
        (CR, 0x0050001, "PLL1 is stopped while the core runs from it"),
        (PLL1DIVR, 0x01010277, "PLL1 is configured while it is on"),
        (CR3, 0x2, "a second time after power-on"),
        (D3CR, 0x4000, "the voltage scale changes in overdrive"),
        (PWRCR, 0, "core at 480000000 Hz, above 400000000 Hz"),
        (ACR, 0x00, "0 wait states at 240000000 Hz"),
        (D1CFGR, 0x40, "AXI at 480000000 Hz"),
        (BRR, 100, "USART3_BRR is written while USART3 is on"),
        (CSR1, 0, "PWR_CSR1 is read-only"),
        (0x58024404, 0, "no register of RCC is modelled at offset 0x4"),
        (0x58024402, 0, "not aligned"),
        (0x58000000 + 0x800, 0, "no peripheral is modelled here"),
        (0xE000E100, 1, "no core register is modelled at 0xe000e100"),
        (0xE0001000, 1, "before DEMCR.TRCENA"),
        (0xE000ED14, 0x20200, "instruction cache is enabled before it is invalidated"),
        (0xE000ED14, 0x10200, "0 of 512 lines invalidated"),
        (0xE000ED0C, 4, "without its key"),
        (ISR, 0, "read-only"),
    ],
)
def test_a_forbidden_write_while_running_is_caught(address: int, value: int, words: str) -> None:
    model = run(STARTUP)
    with pytest.raises(RuleError) as caught:
        model.write(address, value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [(RDR, "nothing was received"), (TDR, "no register of USART3"), (0x58024004, "no peripheral")],
)
def test_a_forbidden_read_is_caught(address: int, words: str) -> None:
    model = run(STARTUP)
    with pytest.raises(RuleError) as caught:
        model.read(address)
    assert words in str(caught.value)


def test_the_cycle_counter_needs_its_lock_opened() -> None:
    model = run(STARTUP)
    model.write(0xE000EDFC, 1 << 24)
    with pytest.raises(RuleError, match="DWT_LAR"):
        model.write(0xE0001000, 1)
    model.write(0xE0001FB0, 0xC5ACCE55)
    model.write(0xE0001000, 0x40000001)
    assert model.read(0xE0001004) == 0


def test_a_system_reset_keeps_supply_and_line() -> None:
    model = run(STARTUP)
    model.usart.line.waiting.extend(b"ab")
    model.reset()
    assert model.read(CR3) == 2
    assert model.core_hz == 64_000_000
    assert bytes(model.usart.line.waiting) == b"ab"
    with pytest.raises(RuleError, match="second time"):
        model.write(CR3, 2)
