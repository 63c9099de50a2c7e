"""What differs between the chips of :mod:`.stm32h7`, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What differs between chips.

    Attributes:
        limits: Hz of core, AXI/AHB and APB for each voltage scale, VOS0 first.
        wait_states: Wait states and programming delay -> fastest AXI clock in MHz for each voltage scale.
        vco: Of PLL1 in its wide range, MHz.
        p_step: What the divider of PLL1's output P is a multiple of.
        supply: What the board's wiring asks of PWR_CR3, bits 0 to 2, and its name.
        scales: Field PWR_D3CR.VOS -> voltage scale.
        overdrive: VOS0 is VOS1 with a bit of SYSCFG.
    """

    limits: tuple[tuple[int, int, int], ...]
    wait_states: dict[tuple[int, int], tuple[int, int, int, int]]
    vco: tuple[int, int]
    p_step: int
    supply: tuple[int, str]
    scales: dict[int, int]
    overdrive: bool


KINDS = {
    743: Kind(  # RM0433 section 6.6.2, DS12110 table 23; RM0433 table 17; section 8.7.11
        limits=(
            (480_000_000, 240_000_000, 120_000_000),
            (400_000_000, 200_000_000, 100_000_000),
            (300_000_000, 150_000_000, 75_000_000),
            (200_000_000, 100_000_000, 50_000_000),
        ),
        wait_states={
            (0, 0): (70, 70, 55, 45),
            (1, 1): (140, 140, 110, 90),
            (2, 1): (185, 185, 165, 135),
            (2, 2): (210, 210, 165, 135),
            (3, 2): (225, 225, 225, 180),
            (4, 2): (240, 225, 225, 225),
            (7, 3): (240, 225, 225, 225),
        },
        vco=(192, 960),
        p_step=2,
        supply=(2, "the LDO"),
        scales={3: 1, 2: 2, 1: 3, 0: 3},
        overdrive=True,
    ),
    735: Kind(  # from memory of RM0468 and DS13312; boards/stm32h735g-dk.toml says what else speaks for it
        limits=(
            (520_000_000, 260_000_000, 130_000_000),
            (400_000_000, 200_000_000, 100_000_000),
            (300_000_000, 150_000_000, 75_000_000),
            (170_000_000, 85_000_000, 42_500_000),
        ),
        wait_states={
            (0, 0): (70, 67, 50, 35),
            (1, 1): (140, 133, 100, 70),
            (2, 2): (210, 200, 150, 85),
            (3, 3): (275, 200, 150, 85),
            (7, 3): (275, 200, 150, 85),
        },
        vco=(192, 836),
        p_step=1,
        supply=(4, "the SMPS"),
        scales={3: 1, 2: 2, 1: 3, 0: 0},
        overdrive=False,
    ),
}
"""Constant ``chip`` of a board -> its chip."""
