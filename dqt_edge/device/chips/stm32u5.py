"""STM32U575 and U585 (ST RM0456), as far as the firmware uses them."""

from __future__ import annotations

from ...boards import Board
from .core import CORTEX_M33
from .stm32 import Causes, Family, Flag, Limits, Line, Pll, Source, Stm32, on
from .values import Field, RuleError, checked

HSI = Source(16_000_000, Field("RCC", 0x00, 8), "hsi")
MSIS = Source(4_000_000, Field("RCC", 0x00, 0), "msis")
PLL_ON, PLL_SOURCE, PLL_RANGE = Field("RCC", 0x00, 24), Field("RCC", 0x28, 0, 2), Field("RCC", 0x28, 2, 2)
BOOST_CLOCK = Field("RCC", 0x28, 12, 4)
VOS, BOOST = Field("PWR", 0x0C, 16, 2), Field("PWR", 0x0C, 18)
CAUSES = Causes(0xF4, 1 << 23, 1 << 27)

_RCC = {
    0x00: ("RCC_CR", 0x35, 0x01050101, 0x02020424),
    0x1C: ("RCC_CFGR1", 0, 0x3, 0xC),
    0x20: ("RCC_CFGR2", 0x6000, 0x77F, 0),
    0x28: ("RCC_PLL1CFGR", 0, 0x7FF1F, 0),
    0x34: ("RCC_PLL1DIVR", 0x01010280, 0x7F7FFFFF, 0),
    0x8C: ("RCC_AHB2ENR1", 0xC0000000, 0x1FF, 0),
    0x94: ("RCC_AHB3ENR", 0x80000000, 1 << 2, 0),
    0x9C: ("RCC_APB1ENR1", 0, 3 << 17, 0),
    0xA4: ("RCC_APB2ENR", 0, 1 << 14, 0),
    0xE0: ("RCC_CCIPR1", 0, 0x3F, 0),
    CAUSES.offset: CAUSES.register("RCC_CSR", 0x4400),
}


def _limits(chip: Stm32) -> Limits:
    """Voltage scaling, and read access latency; ranges 2 and 3 are not modelled."""
    scale = chip.get(VOS)
    if scale == 0:
        return Limits(25_000_000, 8_000_000, "range 4")
    if scale != 3:
        raise RuleError(f"voltage range {4 - scale} is not modelled")
    if not chip.is_ready("range"):
        return Limits(25_000_000, 8_000_000, "range 1 before VOSRDY")
    boosted = chip.get(BOOST) and chip.is_ready("boost")
    words = f"range 1 with{'' if boosted else 'out'} the booster"
    return Limits(160_000_000 if boosted else 55_000_000, 32_000_000, words)


def _write_vosr(chip: Stm32, before: int, after: int) -> None:
    if after & ~before & 1 << 18:
        checked(chip.get(PLL_SOURCE) != 0, "the booster is enabled before PLL1's source, its clock, is chosen")
        checked(chip.is_ready("range"), "the booster is enabled before VOSRDY")
        name = chip.family.pll.sources.get(chip.get(PLL_SOURCE), "")
        divided = chip.family.sources[name].hz // (2 * chip.get(BOOST_CLOCK) or 1)
        checked(4_000_000 <= divided <= 16_000_000, f"the booster's clock of {divided} Hz is outside 4..16 MHz")


def _write_cr(chip: Stm32, before: int, after: int) -> None:
    if after & ~before & 1 << 24:
        hz = chip.family.sources[chip.family.pll.sources[chip.get(PLL_SOURCE)]].hz // (chip.get(chip.family.pll.m) + 1)
        wanted = 3 if hz > 8_000_000 else 0
        checked(chip.get(PLL_RANGE) == wanted, f"PLL1's input of {hz} Hz is outside PLL1RGE")


def family(board: Board) -> Family:
    """The chip of a board."""
    del board
    return Family(
        name="STM32U5",
        cpu="CORTEX_M33",
        kind=CORTEX_M33,
        banks={
            "RCC": (0x46020C00, _RCC),
            "PWR": (0x46020800, {0x0C: ("PWR_VOSR", 0, 7 << 16, 3 << 14)}),
            "FLASH": (0x40022000, {0x00: ("FLASH_ACR", 1, 0x10F, 0)}),
            "ICACHE": (0x40030400, {0x00: ("ICACHE_CR", 4, 5, 0), 0x04: ("ICACHE_SR", 0, 0, 0)}),
        },
        gpio=0x42020000,
        gpio_enable=("RCC", 0x8C),
        gpio_resets={0: 0xABFFFFFF, 1: 0xFFFFFEBF},
        gated={"PWR": Field("RCC", 0x94, 2)},
        flags={
            "msis": Flag(Field("RCC", 0x00, 2), on(MSIS.on)),
            "hsi": Flag(Field("RCC", 0x00, 10), on(HSI.on)),
            "pll": Flag(Field("RCC", 0x00, 25), on(PLL_ON)),
            "range": Flag(Field("PWR", 0x0C, 15), on(VOS)),
            "boost": Flag(Field("PWR", 0x0C, 14), on(BOOST)),
            "cache": Flag(Field("ICACHE", 0x04, 0), lambda chip: True, falls=True),
        },
        sources={"hsi": HSI, "msis": MSIS},
        pll=Pll(
            on=PLL_ON,
            source=PLL_SOURCE,
            sources={1: "msis", 2: "hsi"},
            m=Field("RCC", 0x28, 8, 4),
            n=Field("RCC", 0x34, 0, 9),
            r=Field("RCC", 0x34, 24, 7),
            m_plus=1,
            n_plus=1,
            divides=lambda r: r + 1,
            input=(4_000_000, 16_000_000),
            vco=(128_000_000, 544_000_000),
            locked=(("RCC", 0x28), ("RCC", 0x34)),
            output=Field("RCC", 0x28, 18),
        ),
        switch=Field("RCC", 0x1C, 0, 2),
        chosen=Field("RCC", 0x1C, 2, 2),
        choices={0: "msis", 1: "hsi", 3: "pll"},
        causes=CAUSES,
        ahb=Field("RCC", 0x20, 0, 4),
        apb=((Field("RCC", 0x20, 4, 3), 0), (Field("RCC", 0x20, 8, 3), 0)),
        latency=Field("FLASH", 0x00, 0, 4),
        limits=_limits,
        lines={
            "USART1": Line(0x40013800, Field("RCC", 0xA4, 14), 1, Field("RCC", 0xE0, 0, 2)),
            "USART2": Line(0x40004400, Field("RCC", 0x9C, 17), 0, Field("RCC", 0xE0, 2, 2)),
            "USART3": Line(0x40004800, Field("RCC", 0x9C, 18), 0, Field("RCC", 0xE0, 4, 2)),
        },
        rules={
            ("PWR", 0x0C): _write_vosr,
            ("RCC", 0x00): _write_cr,
            ("ICACHE", 0x00): lambda chip, before, after: checked(
                not after & ~before & 1 or chip.is_ready("cache"), "the cache is enabled while it invalidates itself"
            ),
        },
    )
