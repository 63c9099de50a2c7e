"""STM32F405, F407 (ST RM0090) and F446 (RM0390), as far as the firmware uses them."""

from __future__ import annotations

from ...boards import Board
from .core import CORTEX_M4
from .stm32 import Causes, Family, Flag, Limits, Line, Pll, Source, Stm32, on
from .values import Field, checked

HSE_ON, PLL_ON = Field("RCC", 0x00, 16), Field("RCC", 0x00, 24)
HSE_BYPASS = Field("RCC", 0x00, 18)
OVERDRIVE_ON, OVERDRIVE_SWITCH = Field("PWR", 0x00, 16), Field("PWR", 0x00, 17)
SCALE = Field("PWR", 0x00, 14, 2)

CAUSES = Causes(0x74, 1 << 24, 1 << 25 | 1 << 27)


def _limits(chip: Stm32) -> Limits:
    """RM0090 section 3.5.1 table 10 and DS8626 table 14; RM0390 section 5.1.3 and 5.1.4."""
    if not _has_overdrive(chip.board):
        return Limits(168_000_000 if chip.get(SCALE) == 1 else 144_000_000, 30_000_000, "voltage scale 1 or 2")
    overdriven = chip.get(OVERDRIVE_SWITCH) and chip.is_ready("overdrive switch")
    fastest = {3: (168, 180), 2: (144, 168), 1: (120, 120), 0: (120, 120)}[chip.get(SCALE)]
    words = f"VOS {chip.get(SCALE)} {'with' if overdriven else 'without'} over-drive"
    return Limits(fastest[bool(overdriven)] * 1_000_000, 30_000_000, words)


def _write_power(chip: Stm32, before: int, after: int) -> None:
    checked(
        before & 3 << 14 == after & 3 << 14 or not chip.get(PLL_ON), "the voltage scale changes while the PLL is on"
    )
    switched = after & ~before & 1 << 17
    checked(not switched or chip.is_ready("overdrive"), "over-drive is switched to before ODRDY")
    checked(not switched or chip.family.choices[chip.get(chip.family.switch)] != "pll", "over-drive from the PLL")


def _write_cr(chip: Stm32, before: int, after: int) -> None:
    checked(not (before ^ after) >> 18 & 1 or not before >> 16 & 1, "HSEBYP changes while HSE is on")
    wanted = chip.board.constants["hse_bypass"]
    checked(not after >> 16 & 1 or chip.get(HSE_BYPASS) == wanted, "HSE's bypass is not as the board is wired")


def _has_overdrive(board: Board) -> bool:
    return bool(board.constants["overdrive"])


def family(board: Board) -> Family:
    """The chip of a board, by its constants."""
    over = _has_overdrive(board)
    rcc = {
        0x00: ("RCC_CR", 0x00000083, 0x010D00F9, 0x0A02FF02),
        0x04: ("RCC_PLLCFGR", 0x24003010, 0x7F437FFF if over else 0x0F437FFF, 0),
        0x08: ("RCC_CFGR", 0, 0x0000FCF3, 0x0000000C),
        0x30: ("RCC_AHB1ENR", 0 if over else 0x00100000, 0x000000FF, 0),
        0x40: ("RCC_APB1ENR", 0, 1 << 28 | 1 << 18 | 1 << 17, 0),
        0x44: ("RCC_APB2ENR", 0, 1 << 5 | 1 << 4, 0),
        CAUSES.offset: CAUSES.register("RCC_CSR"),
    }
    pwr = {
        0x00: ("PWR_CR", 0xC000, 0x3C000, 0) if over else ("PWR_CR", 0x4000, 0x4000, 0),
        0x04: ("PWR_CSR", 0, 0, 0x3C000),
    }
    flash = {0x00: ("FLASH_ACR", 0, 0x170F if over else 0x1707, 0)}
    flags = {
        "hsi": Flag(Field("RCC", 0x00, 1), on(Field("RCC", 0x00, 0))),
        "hse": Flag(Field("RCC", 0x00, 17), on(HSE_ON)),
        "pll": Flag(Field("RCC", 0x00, 25), on(PLL_ON)),
    }
    if over:
        flags["overdrive"] = Flag(Field("PWR", 0x04, 16), on(OVERDRIVE_ON))
        flags["overdrive switch"] = Flag(Field("PWR", 0x04, 17), on(OVERDRIVE_SWITCH))
    apb = (45_000_000, 90_000_000) if over else (42_000_000, 84_000_000)
    return Family(
        name="STM32F446" if over else "STM32F405",
        cpu="CORTEX_M4",
        kind=CORTEX_M4,
        banks={"RCC": (0x40023800, rcc), "PWR": (0x40007000, pwr), "FLASH": (0x40023C00, flash)},
        gpio=0x40020000,
        gpio_enable=("RCC", 0x30),
        gpio_resets={0: 0xA8000000, 1: 0x00000280, **dict.fromkeys(range(2, 8), 0)},
        gated={"PWR": Field("RCC", 0x40, 28)},
        flags=flags,
        sources={
            "hsi": Source(16_000_000, Field("RCC", 0x00, 0), "hsi"),
            "hse": Source(board.constants["hse_hz"], HSE_ON, "hse"),
        },
        pll=Pll(
            on=PLL_ON,
            source=Field("RCC", 0x04, 22),
            sources={0: "hsi", 1: "hse"},
            m=Field("RCC", 0x04, 0, 6),
            n=Field("RCC", 0x04, 6, 9),
            r=Field("RCC", 0x04, 16, 2),
            m_plus=0,
            n_plus=0,
            divides=lambda p: 2 * p + 2,
            input=(1_000_000, 2_000_000),
            vco=(192_000_000, 432_000_000),
            locked=(("RCC", 0x04),),
        ),
        switch=Field("RCC", 0x08, 0, 2),
        chosen=Field("RCC", 0x08, 2, 2),
        choices={0: "hsi", 1: "hse", 2: "pll"},
        causes=CAUSES,
        ahb=Field("RCC", 0x08, 4, 4),
        apb=tuple(zip((Field("RCC", 0x08, 10, 3), Field("RCC", 0x08, 13, 3)), apb, strict=True)),
        latency=Field("FLASH", 0x00, 0, 4 if over else 3),
        limits=_limits,
        lines={
            "USART1": Line(0x40011000, Field("RCC", 0x44, 4), apb=1, shift=True),
            "USART6": Line(0x40011400, Field("RCC", 0x44, 5), apb=1, shift=True),
            "USART2": Line(0x40004400, Field("RCC", 0x40, 17), shift=True),
            "USART3": Line(0x40004800, Field("RCC", 0x40, 18), shift=True),
        },
        rules={("PWR", 0x00): _write_power, ("RCC", 0x00): _write_cr},
    )
