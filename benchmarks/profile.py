"""What instructions are spent on: by function, by class of instruction, and by line of a function's disassembly.

``python -m benchmarks.networks --profile`` prints the split of every network, core and pair that it measures;
``--listing FUNCTION`` adds the function's instructions with how often each executed, and its modelled cycles.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dqt_edge.measure.cycles.disassembly import disassemble
from dqt_edge.system import elf

CLASSES = (
    ("multiply", r"v?(mul|ml[as]|smul|smla|smlls|smls|smm|smu|uml|umull|umaal)[a-z0-9]*"),
    ("divide", r"[su]div"),
    ("saturate", r"[su]sat(16)?|q(add|sub|dadd|dsub)"),
    ("load", r"ldr[a-z]*|ldm[a-z]*|pop|vldr|vldm[a-z]*|vpop"),
    ("store", r"str[a-z]*|stm[a-z]*|push|vstr|vstm[a-z]*|vpush"),
    ("extend, pack, extract", r"[su]xta?[bh](16)?|[su]bf[xc]|bf[ic]|pkh(bt|tb)|rev[a-z0-9]*|sel"),
    ("byte and half-word sums", r"usada?8|(u|s|uq|q|uh|sh)(add|sub)(8|16)|[su](asx|sax)"),
    ("branch, call, return", r"b|bl|bx|blx|cbn?z|tb[bh]|b(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)|le|dls|wls"),
    ("compare, IT", r"cmp|cmn|tst|teq|it[te]*"),
    ("and, or, shift", r"(and|bic|orr|orn|eor|lsl|lsr|asr|ror|rrx|mvn|clz|rbit)s?"),
    ("add, subtract", r"(add|sub|rsb|adc|sbc|neg)[sw]?|adr"),
    ("move", r"mov[swt]?|movw|movt|vmov[a-z0-9.]*"),
)
CONDITION = r"(eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"

Cycles = Mapping[int, int] | Mapping[int, float]


@lru_cache(maxsize=4)
def _functions(image: Path) -> tuple[list[int], list[str]]:
    found = sorted({value & ~1: name for name, value, is_function in elf.symbols(image) if is_function}.items())
    return [address for address, _ in found], [name for _, name in found]


def function_at(image: Path, address: int) -> str:
    """Name of the function that an address lies in."""
    addresses, names = _functions(image)
    place = bisect.bisect_right(addresses, address) - 1
    return names[place] if place >= 0 else "?"


@lru_cache(maxsize=1024)
def class_of(mnemonic: str) -> str:
    """Class of an instruction by its mnemonic, with or without a condition and a width suffix."""
    bare = mnemonic.removesuffix(".w").removesuffix(".n")
    return next((name for name, rule in CLASSES if re.fullmatch(f"(?:{rule}){CONDITION}", bare)), "other")


def by_function(image: Path, counts: Cycles) -> dict[str, float]:
    """Instructions or cycles by function."""
    found: dict[str, float] = {}
    for address, count in counts.items():
        function = function_at(image, address)
        found[function] = found.get(function, 0) + count
    return found


def by_class(image: Path, histogram: Mapping[int, int]) -> Counter[str]:
    """Instructions by class."""
    code = disassemble(image)
    found: Counter[str] = Counter()
    for address, count in histogram.items():
        found[class_of(code[address].mnemonic) if address in code else "not decoded"] += count
    return found


def show_profile(
    console: Console, title: str, image: Path, histogram: Mapping[int, int], cycles: Cycles | None, *, mve: bool
) -> None:
    """Print both splits; no classes where the core has MVE, which binutils 2.40 do not decode reliably."""
    whole = max(1, sum(histogram.values()))
    _show_shares(console, f"{title}: by function", by_function(image, histogram), whole)
    if cycles is not None:
        total = max(1, round(sum(cycles.values())))
        _show_shares(console, f"{title}: modelled cycles by function", by_function(image, cycles), total, "cycles")
    if not mve:
        _show_shares(console, f"{title}: by class", by_class(image, histogram), whole)


def _show_shares(
    console: Console, title: str, found: Mapping[str, float], whole: int, unit: str = "instructions"
) -> None:
    table = Table("", unit, "share", title=title)
    for name, count in sorted(found.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{count:,.0f}", f"{count / whole:.1%}")
    table.add_row("all", f"{whole:,}", "", style="bold")
    console.print(table)


def show_listing(
    console: Console, image: Path, function: str, histogram: Mapping[int, int], cycles: Cycles | None = None
) -> None:
    """The instructions of a function that executed: how often, with the modelled cycles of one; gaps are marked."""
    code = disassemble(image)
    inside = sorted(a for a in histogram if function_at(image, a) == function)
    console.print(f"{function}: {sum(histogram[a] for a in inside):,} instructions", style="bold")
    everything = sorted(code)
    for before, address in zip([None, *inside], inside, strict=False):
        if before is not None and everything[bisect.bisect_right(everything, before)] != address:
            console.print("                 ...")
        line = code.get(address)
        text = f"{line.mnemonic:10} {line.operands}" if line else "(not decoded)"
        each = f"{cycles[address] / histogram[address]:5.2f}" if cycles is not None else ""
        console.print(f"{histogram[address]:>14,} {each} {address:6x}  {text}", highlight=False, markup=False)
