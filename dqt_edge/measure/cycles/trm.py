"""Cycles by a core's public timing table: every executed address times what its instruction takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ...errors import BadFileError
from .disassembly import Code, Instruction, disassemble
from .histogram import Histogram
from .timings import CONDITION, KINDS, Timing

_KINDS = [(kind, re.compile(rule), re.compile(f"(?:{rule}){CONDITION}")) for kind, rule in KINDS.items()]
_SINGLE = ("load", "store")
_REGISTER = re.compile(r"\b(?:r\d+|sl|fp|ip|sp|lr|pc|s\d+|d\d+)\b")


class TableModel:
    """The model of a core with a :class:`Timing`, for one image.

    Args:
        timing: The core's table.
        image: The ELF file that ran.
    """

    def __init__(self, timing: Timing, image: Path) -> None:
        self.timing = timing
        self.image = image
        self.core = timing.core
        self.name = timing.name
        self._code: Code = disassemble(image)
        before = {instruction.next: instruction for instruction in self._code.values()}
        self._before = {address: before.get(address) for address in self._code}

    def cycles(self, histograms: Sequence[Histogram]) -> list[float]:
        """Cycles of each histogram.

        Raises:
            BadFileError: An address executed that the image has no instruction at.
        """
        return [float(sum(self.by_address(histogram).values())) for histogram in histograms]

    def by_address(self, histogram: Histogram) -> dict[int, int]:
        """Cycles of all executions of each address."""
        return {
            address: self._cost(address, count, histogram) + histogram.waits.get(address, 0)
            for address, count in histogram.executed.items()
        }

    def _cost(self, address: int, count: int, histogram: Histogram) -> int:
        instruction = self._code.get(address)
        if instruction is None:
            raise BadFileError(
                f"address {address:#x} executed, and holds no instruction that {self.core} is known to have",
                where=str(self.image),
                next_step="build it again, and run that image",
            )
        timing = self.timing
        kind, conditional = kind_of(instruction.name)
        taken = histogram.taken.get(address, 0)
        passed = count
        if conditional and kind in WORDS:
            # One whose condition fails takes a cycle, as any other instruction. It accesses nothing, so it is known.
            passed = min(count, histogram.accesses.get(address, 0) // words(instruction, kind))
        cost = (count - passed) + taken * timing.refill
        if kind in _SINGLE:
            behind = min(passed, self._pipelined(instruction, histogram))
            alone = timing.load if kind == "load" else timing.store
            return (
                cost
                + behind * (timing.load_behind if kind == "load" else timing.store_behind)
                + (passed - behind) * alone
            )
        if kind == "load multiple":
            cost += taken * timing.return_
        return cost + passed * self._whole(kind, instruction)

    def _pipelined(self, instruction: Instruction, histogram: Histogram) -> int:
        """How often a single load or store executed directly behind another, in whose result its address is not."""
        before = self._before[instruction.address]
        if before is None or kind_of(before.name)[0] not in _SINGLE or depends(instruction, before):
            return 0
        return histogram.executed.get(before.address, 0) - histogram.taken.get(before.address, 0)

    def _whole(self, kind: str, instruction: Instruction) -> int:
        timing = self.timing
        if kind in ("load multiple", "store multiple"):
            return timing.multiple + words(instruction, kind)
        return {
            "load double": timing.double,
            "store double": timing.double,
            "multiply": timing.multiply,
            "multiply accumulate": timing.accumulate,
            "multiply long": timing.long,
            "multiply accumulate long": timing.accumulate_long,
            "divide": timing.divide,
            "table branch": timing.table,
            "call": timing.call,
            "barrier": timing.barrier,
            "system": timing.system,
        }.get(kind, 1)


WORDS = ("load", "store", "load double", "store double", "load multiple", "store multiple")
"""Kinds that access memory."""


@lru_cache(maxsize=1024)
def kind_of(name: str) -> tuple[str, bool]:
    """Kind of an instruction by its mnemonic without width, and whether it has a condition; ``other``: one cycle."""
    for kind, plain, _ in _KINDS:
        if plain.fullmatch(name):
            return kind, False
    return next(((kind, True) for kind, _, conditional in _KINDS if conditional.fullmatch(name)), ("other", False))


def words(instruction: Instruction, kind: str) -> int:
    """How many accesses one execution makes."""
    if kind in ("load double", "store double"):
        return 2
    if kind not in ("load multiple", "store multiple"):
        return 1
    inside = instruction.operands[instruction.operands.index("{") + 1 : instruction.operands.index("}")]
    count = 0
    for part in inside.split(","):
        first, _, last = part.strip().partition("-")
        count += _number(last) - _number(first) + 1 if last else 1
    return count


def _number(register: str) -> int:
    names = {"sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
    return names[register] if register in names else int(register[1:])


def depends(instruction: Instruction, before: Instruction) -> bool:
    """Whether the address of a load or store takes the result of the load before it."""
    if kind_of(before.name)[0] != "load":
        return False
    address = instruction.operands.partition("[")[2]
    return before.operands.partition(",")[0].strip() in _REGISTER.findall(address)
