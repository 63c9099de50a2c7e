"""The instructions of an image, as a disassembler prints them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...system.tools import find_tool, run

OBJDUMP = "arm-none-eabi-objdump"
_LINE = re.compile(r"^\s*([0-9a-f]+):\s+([0-9a-f]{4}(?: [0-9a-f]{4})?)\s+([a-z]\S*)(?:\s+(.*))?$")
_COMMENT = re.compile(r"\s*(?:[;@]|//|<).*$")
_CONDITIONS = "eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_CONDITIONAL = re.compile(rf"(?P<bare>.+?)(?:{_CONDITIONS})")


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly: ``operands`` without comments, ``size`` 2 or 4 bytes."""

    address: int
    size: int
    mnemonic: str
    operands: str

    @property
    def next(self) -> int:
        """Address of the instruction behind it."""
        return self.address + self.size

    @property
    def name(self) -> str:
        """The mnemonic without a suffix of width."""
        return self.mnemonic.removesuffix(".w").removesuffix(".n")

    @property
    def without_condition(self) -> str:
        """The name without its last two letters if they are a condition; a name that only looks so is cut too."""
        found = _CONDITIONAL.fullmatch(self.name)
        return found["bare"] if found else self.name


Code = dict[int, Instruction]


def disassemble(image: Path) -> Code:
    """Address -> instruction, as binutils decode the image. Version 2.40 does not know all of MVE.

    Raises:
        ToolchainError: binutils for Arm are absent.
    """
    return _disassembled(image, image.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _disassembled(image: Path, _: int) -> Code:
    """Another image at the same path was written at another time."""
    objdump = find_tool(OBJDUMP, "binutils-arm-none-eabi")
    return parse(run([objdump, "-d", "-w", str(image)]))


def parse(text: str) -> Code:
    """Address -> instruction, of what ``objdump -d`` printed, binutils' or LLVM's."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            size = len(match[2].replace(" ", "")) // 2
            operands = _COMMENT.sub("", match[4] or "")
            address = int(match[1], 16)
            found[address] = Instruction(address, size, match[3], operands)
    return found
