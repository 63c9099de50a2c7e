"""Chips by the names that people use: which core a series has, and which boards a name may mean that is no board's id.

Letters alone do not tell: ``stm32f7`` is one letter from ``stm32h7`` and ten years from it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

SERIES = {
    "cortex-m0": "stm32f0 nrf51",
    "cortex-m0plus": "stm32c0 stm32g0 stm32l0 stm32u0 stm32wb0 samd20 samd21 saml21 rp2040 mkl25 lpc8 mspm0",
    "cortex-m3": "stm32f1 stm32f2 stm32l1 gd32f1 lpc13 lpc17 sam3x cc2650",
    "cortex-m4": "stm32f3 stm32f4 stm32g4 stm32l4 stm32wb stm32wl gd32f3 gd32f4 nrf52 samd51 same51 same54 sam4 lpc40 "
    "lpc43 lpc54 mk64 mk66 msp432 tm4c cc2652 max32660 ra4m1 ra6m1 ra6m2 ra6m3 apollo3 psoc6",
    "cortex-m7": "stm32f7 stm32h7 imxrt1 mimxrt1 same70 sams70 samv71",
    "cortex-m33": "stm32h5 stm32l5 stm32u3 stm32u5 stm32wba nrf53 nrf54 nrf91 lpc55 rp2350 ra4m2 ra4m3 ra6m4 ra6m5 "
    "efr32mg21 efr32mg24 mcxn9",
    "cortex-m55": "stm32n6",
}
"""Series of chips by their core, each a beginning of the chips' names."""
NO_CORTEX_M = ("esp32", "esp8266", "atmega", "attiny", "atxmega", "ch32v", "gd32v", "k210", "pic32", "avr")
"""Beginnings of names of chips with other processors."""
PORTS = ("stm32", "nrf", "sam", "lpc", "rp2")
"""Beginnings of ports that are named after a series of chips."""
LIKE = {"cortex-m0plus": "cortex-m0", "cortex-m0": "cortex-m0plus"}
"""Core -> another with the same instructions."""
CORE = re.compile(r"(?:arm)?(?:cortex)?m(0plus|0\+|0|3|4|7|33|55)f?")
SHOWN = 4
"""Boards that a hint names."""


@dataclass(frozen=True)
class Known:
    """A board as names are compared with it: its id, other names of it and its chip, its port, its core."""

    id: str
    names: tuple[str, ...]
    port: str
    core: str


def hint(name: str, boards: Sequence[Known]) -> str:
    """What a user who wrote ``name`` may have meant, as a sentence; empty if nothing comes to mind."""
    wanted = _plain(name)
    if len(wanted) < 2:
        return ""
    named = [b.id for b in boards if any(wanted in _plain(text) for text in (b.id, *b.names, b.port))]
    named = named or [b.id for b in boards if b.port.startswith(PORTS) and wanted.startswith(_plain(b.port))]
    if named:
        return f"did you mean {_listed(named)}?"
    if wanted.startswith(NO_CORTEX_M):
        return "this chip has no Cortex-M; a library for board 'host' is plain C that any 32-bit processor runs."
    series, core = _core_of(wanted)
    same = [b.id for b in boards if b.core == core] or [b.id for b in boards if b.core == LIKE.get(core)]
    if same:
        of = f"chips of the series {series} have a" if series else "for a"
        return f"{of} {_shown(core)}, begin with the file of {_listed(same)}."
    close = difflib.get_close_matches(name, [b.id for b in boards], 1)
    return f"did you mean {close[0]!r}?" if close else ""


def _core_of(wanted: str) -> tuple[str, str]:
    """Series and core that a name in small letters and digits states or implies; empty what it does not."""
    stated = CORE.fullmatch(wanted)
    if stated:
        return "", f"cortex-m{stated[1].replace('+', 'plus')}"
    known = [(series, core) for core, text in SERIES.items() for series in text.split() if wanted.startswith(series)]
    return max(known, key=lambda found: len(found[0]), default=("", ""))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", text.lower())


def _shown(core: str) -> str:
    return core.replace("cortex-m", "Cortex-M").replace("plus", "+")


def _listed(ids: Sequence[str]) -> str:
    shown = [repr(each) for each in ids[:SHOWN]]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"
