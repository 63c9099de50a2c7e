"""STM32G0x1 (ST RM0444), as far as the firmware uses it."""

from __future__ import annotations

from ...boards import Board
from .core import CORTEX_M0PLUS
from .stm32 import Causes, Family, Flag, Limits, Line, Pll, Source, on
from .values import Field

PLL_ON = Field("RCC", 0x00, 24)
HSI = Source(16_000_000, Field("RCC", 0x00, 8), "hsi")
CAUSES = Causes(0x60, 1 << 23, 1 << 27)

_RCC = {
    0x00: ("RCC_CR", 0x500, 0x01050100, 0x02020400),
    0x08: ("RCC_CFGR", 0, 0x7F07, 0x38),
    0x0C: ("RCC_PLLCFGR", 0x1000, 0xFF3F7F73, 0),
    0x34: ("RCC_IOPENR", 0, 0x3F, 0),
    0x3C: ("RCC_APBENR1", 0, 1 << 28 | 1 << 17 | 1, 0),
    0x54: ("RCC_CCIPR", 0, 0xF, 0),
    CAUSES.offset: CAUSES.register("RCC_CSR2"),
}
_TIM2 = {
    0x00: ("TIM2_CR1", 0, 1, 0),
    0x24: ("TIM2_CNT", 0, 0xFFFFFFFF, 0),
    0x28: ("TIM2_PSC", 0, 0xFFFF, 0),
    0x2C: ("TIM2_ARR", 0xFFFFFFFF, 0xFFFFFFFF, 0),
}


def family(board: Board) -> Family:
    """The chip of a board."""
    del board
    return Family(
        name="STM32G0",
        cpu="CORTEX_M0",
        kind=CORTEX_M0PLUS,
        banks={
            "RCC": (0x40021000, _RCC),
            "FLASH": (0x40022000, {0x00: ("FLASH_ACR", 0x40600, 0x307, 0x50400)}),
            "TIM2": (0x40000000, _TIM2),
        },
        gpio=0x50000000,
        gpio_enable=("RCC", 0x34),
        gpio_resets={0: 0xEBFFFFFF},
        gated={"TIM2": Field("RCC", 0x3C, 0)},
        flags={
            "hsi": Flag(Field("RCC", 0x00, 10), on(HSI.on)),
            "pll": Flag(Field("RCC", 0x00, 25), on(PLL_ON)),
        },
        sources={"hsi": HSI},
        pll=Pll(
            on=PLL_ON,
            source=Field("RCC", 0x0C, 0, 2),
            sources={2: "hsi"},
            m=Field("RCC", 0x0C, 4, 3),
            n=Field("RCC", 0x0C, 8, 7),
            r=Field("RCC", 0x0C, 29, 3),
            m_plus=1,
            n_plus=0,
            divides=lambda r: r + 1,
            input=(2_660_000, 16_000_000),
            vco=(96_000_000, 344_000_000),
            locked=(("RCC", 0x0C),),
            output=Field("RCC", 0x0C, 28),
        ),
        switch=Field("RCC", 0x08, 0, 3),
        chosen=Field("RCC", 0x08, 3, 3),
        choices={0: "hsi", 2: "pll"},
        causes=CAUSES,
        ahb=Field("RCC", 0x08, 8, 4),
        apb=((Field("RCC", 0x08, 12, 3), 0),),
        latency=Field("FLASH", 0x00, 0, 3),
        limits=lambda chip: Limits(64_000_000, 24_000_000, "range 1"),
        lines={"USART2": Line(0x40004400, Field("RCC", 0x3C, 17), select=Field("RCC", 0x54, 2, 2))},
    )
