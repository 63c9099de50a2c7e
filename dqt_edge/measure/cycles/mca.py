"""Cycles by llvm-mca, LLVM's machine code analyzer, for cores whose manual has no timing table: by basic block."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import BadFileError, ToolchainError
from ...system.files import write_atomically
from ...system.tools import find_tool, run
from .disassembly import Code, Instruction, parse
from .histogram import Histogram

VERSION = 19
PACKAGE = f"llvm-{VERSION}"
ITERATIONS = 100
TARGETS = {
    "cortex-m7": "thumbv7em-none-eabi",
    "cortex-m33": "thumbv8m.main-none-eabi",
    "cortex-m55": "thumbv8.1m.main-none-eabi",
    "cortex-m85": "thumbv8.1m.main-none-eabi",
}
"""Cores that LLVM has a model of, and the target that its assembler reads their code as."""

FREE = ("le", "letp")
"""Ends of a low-overhead loop: LLVM has no model of them, and cores run them beside the loop's last instruction."""

_TARGET = re.compile(r"(?:^|(?<=,\s))(?:0x[0-9a-f]+|#-?0x[0-9a-f]+)$")
_BRANCH = re.compile(r"b|bl|b(?:eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)|cbn?z|wls|wlstp\.\d+|bleq|blne")


@dataclass(frozen=True)
class Block:
    """Instructions that always execute together, from the first to the last."""

    instructions: tuple[Instruction, ...]

    @property
    def start(self) -> int:
        """Address of the first."""
        return self.instructions[0].address


def has_mca() -> bool:
    """Whether the version of llvm-mca that the model is made for is installed, with its disassembler."""
    return all(_program(name) is not None for name in ("llvm-mca", "llvm-objdump"))


def _program(name: str) -> str | None:
    """Path of an LLVM program, by its name with the version; or without, if it says that this is its version."""
    found = shutil.which(f"{name}-{VERSION}")
    if found is None and (plain := shutil.which(name)) and f"version {VERSION}." in run([plain, "--version"]):
        found = plain
    return found


class McaModel:
    """The model of a core that LLVM describes, for one image.

    Args:
        core: One of ``TARGETS``.
        image: The ELF file that ran.

    Raises:
        ToolchainError: LLVM's programs are absent, or of another version.
    """

    def __init__(self, core: str, image: Path) -> None:
        if not has_mca():
            raise ToolchainError(
                f"llvm-mca {VERSION} is not installed; without it cycles of {core} cannot be modelled",
                where="PATH",
                next_step=f"install it, on Debian with: apt-get install {PACKAGE}",
            )
        self.core = core
        self.name = f"llvm-mca-{VERSION}"
        self.image = image
        self._code = disassemble(image, core)
        self._costs: dict[tuple[int, int], float] = {}

    def cycles(self, histograms: Sequence[Histogram]) -> list[float]:
        """Cycles of each histogram; blocks are those of all together.

        Raises:
            BadFileError: An address executed that the image has no instruction at.
            ToolchainError: llvm-mca failed.
        """
        blocks = split(Histogram.total(histograms), self._code, self.image)
        costs = self._blocks(blocks)
        return [
            sum(cost * histogram.executed.get(block.start, 0) for block, cost in zip(blocks, costs, strict=True))
            + sum(histogram.waits.values())
            for histogram in histograms
        ]

    def by_address(self, histogram: Histogram) -> dict[int, float]:
        """Cycles of all executions of each address: a block's, shared evenly among its instructions."""
        blocks = split(histogram, self._code, self.image)
        found = {}
        for block, cost in zip(blocks, self._blocks(blocks), strict=True):
            for instruction in block.instructions:
                share = cost * histogram.executed[block.start] / len(block.instructions)
                found[instruction.address] = share + histogram.waits.get(instruction.address, 0)
        return found

    def _blocks(self, blocks: Sequence[Block]) -> list[float]:
        def key(block: Block) -> tuple[int, int]:
            return block.start, len(block.instructions)

        new = [block for block in blocks if key(block) not in self._costs]
        self._costs.update(zip(map(key, new), analyse(new, self.core), strict=True))
        return [self._costs[key(block)] for block in blocks]


def disassemble(image: Path, core: str) -> Code:
    """Address -> instruction, as LLVM decodes the image for a core: all of MVE too."""
    program = _program("llvm-objdump") or find_tool("llvm-objdump", PACKAGE)
    return parse(run([program, "-d", f"--mcpu={core}", str(image)]))


def split(histogram: Histogram, code: Mapping[int, Instruction], image: Path) -> list[Block]:
    """Basic blocks of what executed.

    A block goes on as long as whatever executed an instruction, and nothing else, executed the next one.

    Raises:
        BadFileError: An address executed that the image has no instruction at.
    """
    blocks: list[Block] = []
    current: list[Instruction] = []
    for address in sorted(histogram.executed):
        instruction = code.get(address)
        if instruction is None:
            raise BadFileError(
                f"address {address:#x} executed, and holds no instruction that LLVM decodes",
                where=str(image),
                next_step="build it again, and run that image",
            )
        if current:
            last = current[-1]
            goes_on = (
                last.next == address
                and last.address not in histogram.taken
                and histogram.executed[last.address] == histogram.executed[address]
            )
            if not goes_on:
                blocks.append(Block(tuple(current)))
                current = []
        current.append(instruction)
    return [*blocks, Block(tuple(current))] if current else blocks


def analyse(blocks: Sequence[Block], core: str) -> list[float]:
    """Cycles of an execution of each block, the mean over ``ITERATIONS`` back to back.

    Raises:
        ToolchainError: llvm-mca failed, or answered something else.
    """
    sources = [[text for i in block.instructions if (text := assembly(i))] for block in blocks]
    wanted = [i for i, source in enumerate(sources) if source]
    costs = [0.0] * len(blocks)
    if not wanted:
        return costs
    program = _program("llvm-mca") or find_tool("llvm-mca", PACKAGE)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "blocks.s"
        write_atomically(source, ("\n".join(_regions(wanted, sources)) + "\n").encode())
        options = [f"-iterations={ITERATIONS}", "-all-views=false", "-summary-view", "-json", "-call-latency=1"]
        options += ["-skip-unsupported-instructions=lack-sched", f"-mtriple={TARGETS[core]}", f"-mcpu={core}"]
        answer = json.loads(run([program, *options, str(source)]))
    regions = {int(region["Name"]): region for region in answer["CodeRegions"]}
    for i in wanted:
        region = regions.get(i)
        simulated = len(region["Instructions"]) if region else 0
        costs[i] = region["SummaryView"]["TotalCycles"] / ITERATIONS if region else 0.0
        costs[i] += len(sources[i]) - simulated  # what LLVM has no model of takes a cycle
    return costs


def _regions(wanted: Iterable[int], sources: Sequence[Sequence[str]]) -> Iterable[str]:
    for i in wanted:
        yield f"@ LLVM-MCA-BEGIN {i}"
        yield from sources[i]
        yield "@ LLVM-MCA-END"


def assembly(instruction: Instruction) -> str:
    """The instruction for LLVM's assembler, branches to a symbol; empty for what takes no cycle."""
    if instruction.name in FREE:
        return ""
    operands = instruction.operands
    if _BRANCH.fullmatch(instruction.name):
        operands = _TARGET.sub("elsewhere", operands)
        return f"{instruction.name} {operands}"
    return f"{instruction.mnemonic} {operands}"
