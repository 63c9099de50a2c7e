"""The kernel rig: any number of random layers in one emulated run, without the app, compared on the device.

An image holds every kernel of a core and ``rig/kernel_rig.c``; QEMU loads a batch of layers into its memory. Building
one image serves all batches, and a case costs little more than its kernel.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dqt_edge.boards import Board, load_board
from dqt_edge.errors import ToolchainError
from dqt_edge.lowering.constants import Constant
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.lowering.plan import PlannedLayer
from dqt_edge.lowering.record import NONE, POINTER, Record
from dqt_edge.lowering.records import (
    RECORDS,
    BroadcastSum,
    CodeTable,
    Concatenation,
    Dilated,
    Mac,
    Multiplication,
    Operands,
    Padding,
    Place,
    Pool,
    Rearrangement,
    Resizing,
    RowSoftmax,
    State,
    Sum,
    Winograd,
)
from dqt_edge.project.measure_code import FLAGS as CODE_FLAGS
from dqt_edge.project.render import kernel_files
from dqt_edge.system import elf
from dqt_edge.system.resources import data_folder
from dqt_edge.system.tools import ARM_GCC, find_tool
from dqt_edge.system.tools import run as run_project

from .structures import Address, Structure, read_structures

RIG = Path(__file__).parent
FLAGS = [
    *CODE_FLAGS,
    "-g",
    "-fno-eliminate-unused-debug-types",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
]
CODE, RAM, BATCH_OFFSET, BATCH_MAX = 0x8_0000, 0x10_0000, 0x10_0000, 0x10_0000
TIMEOUT = 600
SECURE_ALIAS = 1 << 28
"""Set in addresses that a core with TrustZone uses for secure memory. QEMU's loader takes them without it."""
STRUCTURES = ("rig_layer", "rig_batch", *(record.c_type for record in RECORDS if record not in (Place, State)))
"""What a batch is made of: all but what only a model has."""
_LINE = re.compile(r"^(differs|strays|fault|done)((?: [0-9a-f]{8})+)$", re.MULTILINE)
LINK = """ENTRY(reset)
SECTIONS {{
    .text {start:#x} : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }}
    .data : {{ *(.data*) }}
    .bss {ram:#x} : {{ *(.bss*) *(COMMON) }}
    __stack_top = {ram:#x} + {room:#x};
    rig_loaded = {ram:#x} + {batch:#x};
    ASSERT(SIZEOF(.data) == 0, "variables with values would need a start-up that copies them")
    ASSERT(SIZEOF(.text) <= {code:#x}, "code")
    ASSERT(. + 0x2000 <= __stack_top, "no room for a stack")
}}
"""


def firmware_headers() -> list[Path]:
    """Folders of the firmware's headers that a bare image includes."""
    firmware = data_folder("firmware")
    return [firmware / "dqt", firmware / "app", firmware / "port" / "cortexm"]


@dataclass(frozen=True, eq=False)
class Job:
    """One planned layer to run.

    Attributes:
        number: The layer's, of its kind; for messages.
        layer: The layer; of its descriptor, the offsets of tensors are replaced.
        constants: The plan's.
        operands: Codes of the tensors it reads, uint8 [inputs, size]; the second may be missing.
        expected: CRC-32 of the output, uint32 [candidates, inputs].
        offsets: Arena offset of each operand, then of the output.
        arena: Bytes of the arena.
        scratch: Offset in the rig's scratch.
    """

    number: int
    layer: PlannedLayer
    constants: tuple[Constant, ...]
    operands: tuple[npt.NDArray[np.uint8], ...]
    expected: npt.NDArray[np.uint32]
    offsets: tuple[int, ...]
    arena: int
    scratch: int


@dataclass(frozen=True)
class Failure:
    """A case that went wrong: ``differs``, ``strays`` or ``fault``; ``job`` is its place among those that ran."""

    kind: str
    job: int
    candidate: int
    input: int
    detail: tuple[int, ...] = ()

    def __str__(self) -> str:
        found = {
            "differs": "the output differs from the interpreter's",
            "strays": "bytes outside output and scratch were written",
            "fault": "the core stopped at " + " ".join(f"{word:#x}" for word in self.detail),
        }
        return found[self.kind]


class Rig:
    """Every kernel of a core in one image.

    Args:
        board_id: A QEMU board, whose machine, compiler flags and start of RAM are used.
        kernels_of: Board whose kernels are taken; ``host`` for the plain ones.
        folder: Where it is built.
        machine: Another machine to run on.
        flags: More flags of the compiler; later ones win.

    Raises:
        ToolchainError: It cannot be compiled.
    """

    def __init__(
        self,
        board_id: str,
        kernels_of: str,
        folder: Path,
        machine: str | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        self.board = load_board(board_id)
        self.planned_for: Board = load_board(kernels_of)
        assert self.board.qemu is not None
        self.machine = machine or self.board.qemu.machine
        self.ram = self.board.regions("ram")[0].start
        self.unaligned = not self.board.cpu.thumb1
        """Whether the core reads words at any address."""
        self.image = self._build(folder, flags)
        self.structures: dict[str, Structure] = read_structures(self.image, STRUCTURES)
        self.functions = {name: value for name, value, is_function in elf.symbols(self.image) if is_function}

    def _build(self, folder: Path, flags: Sequence[str]) -> Path:
        folder = folder.resolve()
        kernels = [kernel.name for kernel in kernels_of(self.planned_for.cpu)]
        files = kernel_files(kernels, self.board.cpu)
        start = self.board.regions("flash")[0].start
        files["link.ld"] = LINK.format(start=start, ram=self.ram, room=RAM, batch=BATCH_OFFSET, code=CODE)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        firmware, image = data_folder("firmware"), folder / "rig.elf"
        compiler = find_tool(ARM_GCC, "gcc-arm-none-eabi")
        sources = [str(folder / name) for name in sorted(files) if name.endswith((".c", ".S"))]
        sources += [str(RIG / "kernel_rig.c"), str(firmware / "port" / "cortexm" / "dqt_memory.c")]
        includes = [f"-I{path}" for path in (RIG, folder / "kernels", *firmware_headers())]
        cached = [program] if (program := shutil.which("ccache")) is not None else []
        command = [compiler, *self.board.cpu.flags, *FLAGS, *flags]
        objects = [str(folder / f"{i}.o") for i in range(len(sources))]
        for source, target in zip(sources, objects, strict=True):
            run_project([*cached, *command, *includes, "-c", source, "-o", target], folder)
        linking = ["-nostdlib", f"-T{folder / 'link.ld'}", "-Wl,--build-id=none", "-lgcc", "-o", str(image)]
        run_project([*command, *objects, *linking], folder)
        return image

    def run(self, jobs: Sequence[Job], options: Sequence[str] = ()) -> tuple[int, list[Failure]]:
        """Run jobs in as many batches as memory asks for; returns the number of cases and what failed.

        Args:
            jobs: Layers; each is run at each of its candidates on each of its inputs.
            options: Further arguments of QEMU, such as a plugin.

        Raises:
            ToolchainError: QEMU did not run them all.
        """
        cases, failures, place = 0, list[Failure](), 0
        while place < len(jobs):
            batch = Batch(self)
            while place < len(jobs) and batch.add(jobs[place], place):
                place += 1
            done, found = self._run_batch(batch, options)
            cases += done
            failures += found
            if any(failure.kind == "fault" for failure in found):
                break
        return cases, failures

    def _run_batch(self, batch: Batch, options: Sequence[str]) -> tuple[int, list[Failure]]:
        with tempfile.NamedTemporaryFile(prefix="dqt-rig-", suffix=".bin") as handle:
            handle.write(batch.content())
            handle.flush()
            qemu = find_tool("qemu-system-arm", "qemu-system-arm")
            command = [qemu, "-M", self.machine, "-kernel", str(self.image), "-display", "none", "-monitor", "none"]
            command += ["-serial", "none", "-semihosting-config", "enable=on,target=native", *options]
            address = (self.ram + BATCH_OFFSET) & ~SECURE_ALIAS
            command += ["-device", f"loader,file={handle.name},addr={address:#x},force-raw=on"]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL
                )
            except subprocess.TimeoutExpired as error:
                raise self._broken(f"QEMU did not finish within {TIMEOUT} s") from error
        lines = [(m[1], [int(word, 16) for word in m[2].split()]) for m in _LINE.finditer(done.stderr + done.stdout)]
        failures = [
            Failure(kind, words[0], words[1], words[2], tuple(words[3:])) for kind, words in lines if kind != "done"
        ]
        counts = [words[0] for kind, words in lines if kind == "done"]
        faulted = any(failure.kind == "fault" for failure in failures)
        if not faulted and counts != [batch.cases]:
            raise self._broken(f"QEMU ran {counts} of {batch.cases} cases: {(done.stderr + done.stdout)[-300:]}")
        return (0 if faulted else batch.cases), failures

    def _broken(self, what: str) -> ToolchainError:
        return ToolchainError(what, where=f"{self.image} on {self.machine}", next_step="run one case by its number")


def _placed(record: Record, operands: Sequence[int], output: int) -> Record:
    """The descriptor of a layer with its tensors at other offsets."""
    if isinstance(record, Dilated | Winograd):
        return replace(record, mac=_placed(record.mac, operands, output))
    if isinstance(record, BroadcastSum | Multiplication):
        return replace(record, operands=_placed(record.operands, operands, output))
    if isinstance(record, Sum | Operands):
        first, second = operands
        return replace(record, input=(first, second), output=output)
    if isinstance(record, Concatenation):
        parts = tuple(replace(part, input=at) for part, at in zip(record.parts, operands, strict=True))
        return replace(record, parts=parts, output=output)
    if isinstance(record, Mac) and len(operands) > 1:
        return replace(record, input=operands[0], output=output, residual=operands[1])
    assert isinstance(record, Mac | Pool | CodeTable | RowSoftmax | Rearrangement | Padding | Resizing)
    return replace(record, input=operands[0], output=output)


def _names(record: Record) -> set[str]:
    """Constants that a descriptor points to."""
    found = {value for _, value, _ in record.fields() if isinstance(value, str)}
    return found.union(*(_names(value) for _, value, _ in record.fields() if isinstance(value, Record)))


@dataclass
class Batch:
    """Jobs as they lie in the rig's memory."""

    rig: Rig
    cases: int = 0
    _data: bytearray = field(default_factory=bytearray)
    _layers: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._data += bytes(self.rig.structures["rig_batch"].size)

    def _put(self, content: bytes, shift: int = 0) -> int:
        """Append bytes at a multiple of 4 (plus ``shift``); returns their address."""
        self._data += b"\xa5" * (-len(self._data) % 4 + shift)
        self._data += content
        return self.rig.ram + BATCH_OFFSET + len(self._data) - len(content)

    def _packed(self, record: Record, address: Address) -> bytes:
        """A descriptor in memory; what it points to, besides constants, is put there first."""
        values: dict[str, Any] = {}
        for name, value, member in record.fields():
            if name in record.arrays():
                values[name] = self._put(b"".join(self._packed(item, address) for item in value))
            elif isinstance(value, Record):
                values[name] = self._values(value)
            else:
                values[name] = NONE if value is None and member.c_type != POINTER else value
        return self.rig.structures[record.c_type].pack(values, address)

    @classmethod
    def _values(cls, record: Record) -> dict[str, Any]:
        found = {name: value for name, value, _ in record.fields()}
        nested = {name: cls._values(value) for name, value in found.items() if isinstance(value, Record)}
        none = {name: NONE for name, value, m in record.fields() if value is None and m.c_type != POINTER}
        return found | nested | none

    def add(self, job: Job, number: int) -> bool:
        """Append a job, which reports under a number; False if it does not fit any more."""
        layer, used = job.layer, _names(job.layer.record)
        constants = [c for c in job.constants if c.name in used]
        size = sum(c.values.nbytes + 8 for c in constants) + sum(o.nbytes for o in job.operands) + job.expected.nbytes
        if len(self._data) + size + 128 * (len(self._layers) + 8) > BATCH_MAX:
            assert self._layers, "one job fits"
            return False
        # Arrays begin at multiples of 4; every other one is kept from a multiple of 8.
        names: dict[str, int] = {}
        for c in constants:
            names[c.name] = self._put(c.values.tobytes(), 4 * (len(names) % 2))
        *operands, output = job.offsets
        structures, address = self.rig.structures, names.__getitem__
        descriptor = layer.descriptor
        names |= {
            descriptor.run: self.rig.functions[f"dqt_{layer.kernel}"],
            descriptor.parameters: self._put(self._packed(_placed(layer.record, operands, output), address)),
            descriptor.widths: self._put(b"".join(self._packed(width, address) for width in layer.width_records)),
        }
        values = [self._put(operand.tobytes(), shift) for shift, operand in enumerate(job.operands, 1)]
        sizes = [operand.shape[1] for operand in job.operands]
        missing = 2 - len(values)
        item = {
            "layer": self._put(self._packed(replace(descriptor, output=output), address)),
            "arena_size": job.arena,
            "operand": [*operands, *[0] * missing],
            "operand_size": [*sizes, *[0] * missing],
            "values": [*values, *[0] * missing],
            "scratch": job.scratch,
            "scratch_size": layer.scratch,
            "candidates": job.expected.shape[0],
            "inputs": job.expected.shape[1],
            "expected": self._put(job.expected.astype("<u4").tobytes()),
            "number": number,
        }
        self._layers.append(structures["rig_layer"].pack(item, address))
        self.cases += job.expected.size
        return True

    def content(self) -> bytes:
        """The batch as it is loaded."""
        at = self._put(b"".join(self._layers))
        head = {"count": len(self._layers), "layers": at}
        packed = self.rig.structures["rig_batch"].pack(head, lambda name: 0)
        return packed + bytes(self._data[len(packed) :])
