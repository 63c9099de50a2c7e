"""STM32L4 (ST RM0351), L4+ (RM0432) and G4 (RM0440), as far as the firmware uses them."""

from __future__ import annotations

from ...boards import Board
from .core import CORTEX_M4
from .stm32 import Causes, Family, Flag, Limits, Line, Pll, Source, Stm32, on
from .values import Field, checked

PLL_ON, NO_BOOST = Field("RCC", 0x00, 24), Field("PWR", 0x80, 8)
SWITCH, HPRE = Field("RCC", 0x08, 0, 2), Field("RCC", 0x08, 4, 4)
CAUSES = Causes(0x94, 1 << 23, 1 << 27)
HALF_ABOVE_HZ = 80_000_000
"""A switch to a faster clock than this goes by way of half of it (RM0432 and RM0440, dynamic voltage
scaling management)."""


def _limits(chip: Stm32) -> Limits:
    """Read access latency, and dynamic voltage scaling management, of each manual; voltage range 1."""
    kind = chip.family.name
    if kind == "STM32L4":
        return Limits(80_000_000, 16_000_000, "range 1")
    normal, boost, steps = (80, 120, (20, 20)) if kind == "STM32L4+" else (150, 170, (30, 34))
    boosted = not chip.get(NO_BOOST)
    words = f"range 1 {'boost' if boosted else 'normal'} mode"
    return Limits((boost if boosted else normal) * 1_000_000, steps[boosted] * 1_000_000, words)


def _write_cfgr(chip: Stm32, before: int, after: int) -> None:
    if chip.family.name != "STM32L4" and (before ^ after) & 3 and chip.system_hz > HALF_ABOVE_HZ:
        checked(chip.get(HPRE) >= 8, f"the core is switched to {chip.system_hz} Hz, and not by way of half of it")


def _rcc(plus: bool, g4: bool) -> dict[int, tuple[str, int, int, int]]:
    """Registers of RCC: reset values, and what may be changed."""
    cr = ("RCC_CR", 0x500, 0x01050300, 0x02020400) if g4 else ("RCC_CR", 0x63, 0x010509F9, 0x0A020402)
    return {
        0x00: cr,
        0x08: ("RCC_CFGR", 0x1 if g4 else 0, 0x3FF3, 0x0C),
        0x0C: ("RCC_PLLCFGR", 0x1000, 0xFF737FF3 if plus or g4 else 0x07737F73, 0),
        0x4C: ("RCC_AHB2ENR", 0, 0xFF, 0),
        0x58: ("RCC_APB1ENR1", 0x400 if plus or g4 else 0, 1 << 28 | 3 << 17, 0),
        0x5C: ("RCC_APB1ENR2", 0, 1, 0),
        0x60: ("RCC_APB2ENR", 0, 1 << 14, 0),
        0x88: ("RCC_CCIPR", 0, 0xC3F, 0),
        CAUSES.offset: CAUSES.register("RCC_CSR", 0 if g4 else 0x600),
    }


def family(board: Board) -> Family:
    """The chip of a board, by its constants."""
    given = board.constants
    g4 = given["reset_hz"] == 16_000_000
    plus = bool(given["boost"]) and not g4
    pwr = {0x04: ("PWR_CR2", 0, 1 << 9 if not g4 else 0, 0)}
    if plus or g4:
        pwr[0x80] = ("PWR_CR5", 1 << 8, 1 << 8, 0)
    fifo = plus or g4
    flash = ("FLASH_ACR", 0x40600 if g4 else 0x600, 0x170F if fifo else 0x1707, 1 << 18 if g4 else 0)
    hsi = Source(16_000_000, Field("RCC", 0x00, 8), "hsi")
    msi = Source(4_000_000, Field("RCC", 0x00, 0), "msi")
    flags = {
        "hsi": Flag(Field("RCC", 0x00, 10), on(hsi.on)),
        "pll": Flag(Field("RCC", 0x00, 25), on(PLL_ON)),
    }
    if not g4:
        flags["msi"] = Flag(Field("RCC", 0x00, 1), on(msi.on))
    return Family(
        name="STM32G4" if g4 else "STM32L4+" if plus else "STM32L4",
        cpu="CORTEX_M4",
        kind=CORTEX_M4,
        banks={
            "RCC": (0x40021000, _rcc(plus, g4)),
            "PWR": (0x40007000, pwr),
            "FLASH": (0x40022000, {0x00: flash}),
        },
        gpio=0x48000000,
        gpio_enable=("RCC", 0x4C),
        gpio_resets={0: 0xABFFFFFF, 1: 0xFFFFFEBF},
        supplies={} if g4 else {6: Field("PWR", 0x04, 9)},
        gated={"PWR": Field("RCC", 0x58, 28)},
        flags=flags,
        sources={"hsi": hsi} if g4 else {"hsi": hsi, "msi": msi},
        pll=Pll(
            on=PLL_ON,
            source=Field("RCC", 0x0C, 0, 2),
            sources={2: "hsi"} if g4 else {1: "msi", 2: "hsi"},
            m=Field("RCC", 0x0C, 4, 4 if fifo else 3),
            n=Field("RCC", 0x0C, 8, 7),
            r=Field("RCC", 0x0C, 25, 2),
            m_plus=1,
            n_plus=0,
            divides=lambda r: 2 * r + 2,
            input=(2_660_000 if fifo else 4_000_000, 16_000_000),
            vco=(96_000_000 if g4 else 64_000_000, 344_000_000),
            locked=(("RCC", 0x0C),),
            output=Field("RCC", 0x0C, 24),
        ),
        switch=SWITCH,
        chosen=Field("RCC", 0x08, 2, 2),
        choices={1: "hsi", 3: "pll"} if g4 else {0: "msi", 1: "hsi", 3: "pll"},
        causes=CAUSES,
        ahb=HPRE,
        apb=((Field("RCC", 0x08, 8, 3), 0), (Field("RCC", 0x08, 11, 3), 0)),
        latency=Field("FLASH", 0x00, 0, 4 if fifo else 3),
        limits=_limits,
        lines={
            "USART1": Line(0x40013800, Field("RCC", 0x60, 14), 1, Field("RCC", 0x88, 0, 2), fifo),
            "USART2": Line(0x40004400, Field("RCC", 0x58, 17), 0, Field("RCC", 0x88, 2, 2), fifo),
            "USART3": Line(0x40004800, Field("RCC", 0x58, 18), 0, Field("RCC", 0x88, 4, 2), fifo),
            "LPUART1": Line(0x40008000, Field("RCC", 0x5C, 0), 0, Field("RCC", 0x88, 10, 2), fifo, scale=256),
        },
        rules={("RCC", 0x08): _write_cfgr},
    )
