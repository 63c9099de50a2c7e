"""Public timing of cores that issue one instruction at a time, as data: cycles by kind of instruction, with source.

Zero wait states. Where Arm's manual gives a range, the value taken is said here.
"""

from __future__ import annotations

from dataclasses import dataclass

CONDITION = r"(?:eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"

KINDS = {
    "load": r"ldr(?:s?[bh])?t?|ldrex[bh]?|vldr",
    "load double": r"ldrd",
    "load multiple": r"ldm(?:ia|db|fd|ea)?|pop|vldm(?:ia|db)?|vpop",
    "store": r"str[bh]?t?|strex[bh]?|vstr",
    "store double": r"strd",
    "store multiple": r"stm(?:ia|db|fd|ea)?|push|vstm(?:ia|db)?|vpush",
    "multiply": r"muls?",
    "multiply accumulate": r"mla|mls",
    "multiply long": r"[us]mull",
    "multiply accumulate long": r"[us]mlal",
    "divide": r"[us]div",
    "table branch": r"tb[bh]",
    "call": r"bl",
    "barrier": r"dmb|dsb|isb",
    "system": r"mrs|msr",
    "branch": rf"b{CONDITION}?|bx|blx|cbn?z",
}
"""Kinds of instructions that a table tells apart, by mnemonics without width and condition. Others take a cycle."""


@dataclass(frozen=True)
class Timing:
    """Cycles of one core. N is the number of registers of a multiple load or store.

    Attributes:
        core: As in a board's file.
        name: Of the table and its version.
        source: Where the numbers come from.
        refill: Added to a branch of any kind that is taken; also to what loads the program counter.
        load: A single load.
        load_behind: One directly behind another single load or store, whose result is not its address.
        store: A single store.
        store_behind: One directly behind another single load or store.
        double: A load or store of two words.
        multiple: Added to N of a multiple load or store.
        return_: Added to a multiple load that returns, besides ``refill``.
        call: BL, without ``refill``.
        multiply, accumulate, long, accumulate_long: Products of 32 bits and 64, without and with a sum.
        divide: A division.
        table: TBB and TBH, without ``refill``.
        barrier: DMB, DSB, ISB.
        system: MRS, MSR.
    """

    core: str
    name: str
    source: str
    refill: int
    load: int = 2
    load_behind: int = 1
    store: int = 1
    store_behind: int = 1
    double: int = 3
    multiple: int = 1
    return_: int = 0
    call: int = 1
    multiply: int = 1
    accumulate: int = 1
    long: int = 1
    accumulate_long: int = 1
    divide: int = 7
    table: int = 2
    barrier: int = 1
    system: int = 1


TIMINGS = (
    Timing(
        "cortex-m0",
        "trm-1",
        "Arm DDI 0432C, Cortex-M0 r0p0 TRM, 3.3 instruction set summary; MUL of one cycle",
        refill=2,
        load_behind=2,
        store=2,
        store_behind=2,
        return_=1,
        call=2,
        barrier=4,
        system=4,
    ),
    Timing(
        "cortex-m0plus",
        "trm-1",
        "Arm DDI 0484C, Cortex-M0+ r0p1 TRM, 3.3 instruction set summary; MUL of one cycle",
        refill=1,
        load_behind=2,
        store=2,
        store_behind=2,
        return_=1,
        call=2,
        barrier=3,
        system=3,
    ),
    Timing(
        "cortex-m3",
        "trm-1",
        "Arm DDI 0337I, Cortex-M3 r2p1 TRM, 3.3 instruction set summary and load/store timings; refill 2 of 1 to 3, "
        "UMULL and SMULL 4 of 3 to 5, UMLAL and SMLAL 5 of 4 to 7, division 7 of 2 to 12",
        refill=2,
        accumulate=2,
        long=4,
        accumulate_long=5,
    ),
    Timing(
        "cortex-m4",
        "trm-1",
        "Arm 100166_0001, Cortex-M4 r0p1 TRM, 3.3 instruction set summary and load/store timings; refill 2 of 1 to 3, "
        "division 7 of 2 to 12",
        refill=2,
    ),
)
