"""Generated kernels called one by one on an emulated Cortex-M, each buffer at the edge of the memory that exists."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_HOOK_MEM_WRITE, UC_MODE_MCLASS, UC_MODE_THUMB, Uc, UcError
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_R2,
    UC_ARM_REG_R3,
    UC_ARM_REG_SP,
)
from unicorn.unicorn_const import UC_PROT_ALL

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph
from dqt_edge.project.export import export
from dqt_edge.project.measure_code import FLAGS

IMAGE, ARENA_END, SCRATCH_END, STACK = 0x10000, 0x20100000, 0x20300000, 0x20400000
PAGE, STACK_SIZE, RETURN = 0x1000, 0x2000, 0x0FFC
GUARD = 64


class EmulatedKernels:
    """The layers of a graph, compiled for a Cortex-M4 board."""

    def __init__(self, graph: Graph, folder: Path, board_id: str = "qemu-m4") -> None:
        self.graph = graph
        made, self.plan, self.footprint = export(graph, load_board(board_id), folder)
        sources = sorted(str(p) for part in ("kernels", "model") for p in (folder / part).glob("*.[cS]"))
        includes = [f"-I{folder / part}" for part in ("kernels", "model", "dqt", "app")]
        elf = folder / "kernels.elf"
        command = ["arm-none-eabi-gcc", *made.board.cpu.flags, *FLAGS, *includes, *sources]
        command += [str(folder / "port" / "dqt_memory.c"), "-nostdlib", "-lgcc", "-Wl,-e,0", f"-Wl,-Ttext={IMAGE:#x}"]
        subprocess.run([*command, "-o", str(elf)], check=True)
        with elf.open("rb") as handle:
            read = ELFFile(handle)
            self.segments = [(s["p_vaddr"], s.data(), s["p_memsz"]) for s in read.iter_segments("PT_LOAD")]
            symbols = {s.name: s["st_value"] for s in read.get_section_by_name(".symtab").iter_symbols()}
        self.layers = symbols["dqt_layers"]

    def run(self, index: int, candidate: int, tensors: dict[str, bytes]) -> tuple[bytes, int]:
        """Run one layer on tensors by name; returns the bytes of its output and those of stack that it used.

        Scratch has the bytes that the plan says, and not one more: what lies behind it and behind the arena does not
        exist, and what lies before them, and in the arena around the output, may not change.
        """
        layer = self.plan.layers[index]
        machine = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        top = max((address + size for address, _, size in self.segments), default=IMAGE)
        machine.mem_map(0, -(-top // PAGE) * PAGE, UC_PROT_ALL)
        for address, content, _ in self.segments:
            machine.mem_write(address, content)
        arena = np.random.default_rng(index).integers(0, 256, self.plan.memory_size).astype(np.uint8)
        for name, content in tensors.items():
            at = self.plan.offsets[name]
            arena[at : at + len(content)] = np.frombuffer(content, np.uint8)
        scratch_size = -(-layer.scratch // 8) * 8
        places = {ARENA_END: arena.tobytes(), SCRATCH_END: b"\xa5" * scratch_size}
        for end, content in places.items():
            pages = -(-(len(content) + GUARD) // PAGE) * PAGE
            machine.mem_map(end - pages, pages)
            machine.mem_write(end - pages, b"\x5a" * (pages - len(content)) + content)
        machine.mem_map(STACK - STACK_SIZE, STACK_SIZE)
        lowest = STACK
        written: list[int] = []

        def note(_machine: Uc, _access: int, address: int, size: int, _value: int, _data: object) -> None:
            nonlocal lowest
            if STACK - STACK_SIZE <= address < STACK:
                lowest = min(lowest, address)
            elif address < SCRATCH_END - scratch_size or address >= SCRATCH_END:
                written.extend(range(address, address + size))

        machine.hook_add(UC_HOOK_MEM_WRITE, note)
        machine.reg_write(UC_ARM_REG_R0, self.layers + 24 * index)
        machine.reg_write(UC_ARM_REG_R1, ARENA_END - len(arena))
        machine.reg_write(UC_ARM_REG_R2, SCRATCH_END - scratch_size)
        machine.reg_write(UC_ARM_REG_R3, candidate)
        machine.reg_write(UC_ARM_REG_SP, STACK)
        machine.reg_write(UC_ARM_REG_LR, RETURN | 1)
        entry = int.from_bytes(machine.mem_read(self.layers + 24 * index, 4), "little")
        try:
            machine.emu_start(entry | 1, RETURN)
        except UcError as error:
            raise AssertionError(f"{layer.name} ({layer.kernel}), candidate {candidate}: {error}") from error
        start = ARENA_END - len(arena) + layer.output
        outside = [a for a in written if not start <= a < start + layer.output_size]
        assert not outside, f"{layer.name} ({layer.kernel}) writes to {outside[0]:#x}, outside its output"
        assert machine.reg_read(UC_ARM_REG_SP) == STACK
        return bytes(machine.mem_read(start, layer.output_size)), STACK - lowest
