"""A board's unmodified image on Unicorn: QEMU's cores as a library, with register models of our own.

Instructions run natively translated, without a Python call for each; only peripheral accesses come here.
There is no time: the cycle counter stands at 0, so counts from this device mean "not counted".
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...boards import Board
from ...errors import BadFileError, DeviceError, ToolchainError
from ...system.elf import load_parts, symbols
from .choose import Chip, chip_of
from .uart import IDLE_POLLS
from .values import Reset, RuleError

if TYPE_CHECKING:
    import unicorn

HANG_SECONDS = 60.0
"""Longest time without a look at the USART; the largest network takes a few seconds."""

BOOT_INSTRUCTIONS = 10_000
"""Most instructions of a second boot stage."""

NOWHERE = 0xFFFFFFFE
"""Address that is never executed: emulation ends by a stop, not by arriving."""

_EXCEPTIONS = {
    1: "an undefined instruction",
    2: "a supervisor call",
    3: "a prefetch abort",
    4: "a data abort",
    7: "a breakpoint",
    8: "a return from an exception that never happened",
    17: "an instruction of a coprocessor that is off",
    18: "a jump out of Thumb state",
    19: "a stack overflow",
}
"""QEMU's exception numbers (target/arm/cpu.h)."""


class UnicornTransport:
    """A byte stream to the firmware's UART, with the methods of the other devices' transports.

    The core runs while read() is called, in this thread, until enough bytes arrived or it waits for input.

    Args:
        board: A board whose chip is modelled.
        elf: Its image, as built for the real board.
        model: Register models; by default a healthy chip, as after power-on.
        hang_seconds: After that long without a look at the USART the firmware counts as hanging.

    Raises:
        UsageError: The board's chip is not modelled.
        BadFileError: The image is missing or damaged.
        ToolchainError: Unicorn is not installed.
    """

    counts = False
    """Cycle counts are not modelled."""

    def __init__(self, board: Board, elf: Path, model: Chip | None = None, hang_seconds: float = HANG_SECONDS) -> None:
        self.name = f"unicorn:{elf.name}"
        self.model = model or chip_of(board)
        self._board, self._elf = board, elf
        self._hang_seconds = hang_seconds
        self._failure: DeviceError | None = None
        self._image = load_parts(elf)
        self._functions = _functions(elf)
        self._machine, self._arm = _machine(self.model.cpu)
        self._build_memory()
        self._start_core()

    def clock(self) -> float:
        """See Transport."""
        return time.monotonic()

    def read(self, limit: int, timeout: float) -> bytes:
        """At most ``limit`` bytes; fewer or none once the firmware waits for input.

        The timeout is not needed: there is no time in the emulator, so the core runs until it has answered.

        Raises:
            DeviceError: The firmware broke a rule of the chip, crashed or hangs: where, and which register.
        """
        del timeout
        sent = self.model.usart.line.sent
        while len(sent) < limit and self._run(limit):
            pass
        result = bytes(sent[:limit])
        del sent[:limit]
        return result

    def write(self, content: bytes) -> None:
        """Put bytes on the line; the firmware sees them at the next read()."""
        if self._failure is not None:
            raise self._failure
        self.model.usart.line.waiting.extend(content)

    def reset_input(self) -> None:
        """Forget what the firmware sent."""
        self.model.usart.line.sent.clear()

    def restart(self, by: Reset) -> None:
        """Reset the chip from outside; what RAM holds stays."""
        self.model.reset(by)
        self._start_core()

    def close(self) -> None:
        """Free the emulator."""
        self._machine = None

    def _build_memory(self) -> None:
        uc, machine = self._unicorn, self._machine
        for region in self._board.memory:
            rights = uc.UC_PROT_READ | (uc.UC_PROT_EXEC if region.kind == "flash" else uc.UC_PROT_ALL)
            machine.mem_map(region.start, region.size, rights)
        flash = self._board.regions("flash")[0]
        machine.mem_write(flash.start, b"\xff" * flash.size)
        for address, content in self._image:
            if not any(r.start <= address and address + len(content) <= r.end for r in self._board.memory):
                raise BadFileError(
                    f"the image has {len(content)} bytes for 0x{address:08x}, where the board has no memory",
                    where=str(self._elf),
                    next_step="export and build the project for this board",
                )
            machine.mem_write(address, content)
        for page in self.model.pages:
            machine.mmio_map(page, 0x1000, self._on_read, page, self._on_write, page)
        invalid = uc.UC_HOOK_MEM_UNMAPPED | uc.UC_HOOK_MEM_PROT
        machine.hook_add(invalid, self._on_bad_access)
        machine.hook_add(uc.UC_HOOK_INTR, self._on_exception)

    @property
    def _unicorn(self) -> Any:  # noqa: ANN401 - no type information
        import unicorn  # noqa: PLC0415 - an optional package

        return unicorn

    def _start_core(self) -> None:
        """What the core does after reset, and the boot ROM of chips that have one, up to the program's own start."""
        flash = self._board.regions("flash")[0].start
        boot = None
        try:
            boot = self.model.boot(self._read_memory)
        except RuleError as violation:
            self._fail(str(violation), "the boot ROM")
        if boot is None:
            stack, start = (int.from_bytes(self._read_memory(flash + at, 4), "little") for at in (0, 4))
            self._set_core(stack, start)
            return
        for address, content in boot.copies:
            self._machine.mem_write(address, content)
        self._set_core(boot.copies[0][0], boot.start)
        self._machine.ctl_flush_tb()  # after a restart the program is known, and would not stop where it arrives
        try:
            self._machine.emu_start(boot.start, boot.arrive, count=BOOT_INSTRUCTIONS)
            self.model.arrived()
        except RuleError as violation:
            self._fail(str(violation), "the second boot stage")
        except self._unicorn.UcError as error:
            self._fail(f"the second boot stage stopped: {error}", "the core")
        if self._machine.reg_read(self._arm.UC_ARM_REG_PC) & ~1 != boot.arrive:
            self._fail("the second boot stage does not start the program", "the core")

    def _read_memory(self, address: int, size: int) -> bytes:
        return bytes(self._machine.mem_read(address, size))

    def _set_core(self, stack: int, start: int) -> None:
        arm, machine = self._arm, self._machine
        for number in range(13):
            machine.reg_write(arm.UC_ARM_REG_R0 + number, 0)
        machine.reg_write(arm.UC_ARM_REG_CONTROL, 0)
        machine.reg_write(arm.UC_ARM_REG_XPSR, 1 << 24)
        machine.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        machine.reg_write(arm.UC_ARM_REG_SP, stack)
        machine.reg_write(arm.UC_ARM_REG_PC, start)

    def _run(self, limit: int) -> bool:
        """Run until that many bytes were sent or a reset (True), or the firmware waits for input (False)."""
        if self._failure is not None:
            raise self._failure
        if self._machine is None:
            raise DeviceError(
                "the emulator is closed", where=self.name, next_step="open the device again before using it"
            )
        self._wanted, self._polled = limit, False
        usart = self.model.usart
        usart.idle_polls = 0
        pc = self._machine.reg_read(self._arm.UC_ARM_REG_PC)
        guard = threading.Timer(self._hang_seconds, self._machine.emu_stop)
        guard.daemon = True
        guard.start()
        try:
            self._machine.emu_start(pc | 1, NOWHERE)
        except self._unicorn.UcError as error:
            self._fail(f"the firmware stopped: {error}", "the core")
        finally:
            guard.cancel()
        if self._failure is not None:
            raise self._failure
        if self.model.core.reset_requested:
            self.model.reset()
            self._start_core()
            return True
        if not self._polled:
            self._fail(f"the firmware did not look at its USART for {self._hang_seconds:g} s", "the core")
            assert self._failure is not None
            raise self._failure
        return usart.idle_polls < IDLE_POLLS

    def _on_read(self, machine: unicorn.Uc, offset: int, size: int, page: int) -> int:
        try:
            self._check_size(size)
            value = self.model.read(page + offset)
        except RuleError as violation:
            return self._violated(machine, violation, "read of", page + offset)
        usart = self.model.usart
        done = usart.idle_polls >= IDLE_POLLS or len(usart.line.sent) >= self._wanted
        if done and page + offset == self.model.status:
            self._polled = True
            machine.emu_stop()
        return value

    def _on_write(self, machine: unicorn.Uc, offset: int, size: int, value: int, page: int) -> None:
        try:
            self._check_size(size)
            self.model.write(page + offset, value)
        except RuleError as violation:
            self._violated(machine, violation, f"write of 0x{value:x} to", page + offset)
        if self.model.core.reset_requested:
            machine.emu_stop()

    @staticmethod
    def _check_size(size: int) -> None:
        if size != 4:
            raise RuleError(f"an access of {size} bytes; registers are accessed as words")

    def _violated(self, machine: unicorn.Uc, violation: RuleError, access: str, address: int) -> int:
        self._fail(str(violation), f"{access} 0x{address:08x}")
        machine.emu_stop()
        return 0

    def _on_bad_access(
        self, machine: unicorn.Uc, access: int, address: int, size: int, value: int, data: object
    ) -> bool:
        del machine, value, data
        uc = self._unicorn
        reading = (uc.UC_MEM_READ_UNMAPPED, uc.UC_MEM_READ_PROT)
        writing = (uc.UC_MEM_WRITE_UNMAPPED, uc.UC_MEM_WRITE_PROT)
        verb = "read of" if access in reading else "write to" if access in writing else "jump to"
        self._fail(f"the firmware's {verb} 0x{address:08x} meets no such memory", f"{verb} {size} bytes")
        return False

    def _on_exception(self, machine: unicorn.Uc, number: int, data: object) -> None:
        del data
        self._fail(f"the firmware met {_EXCEPTIONS.get(number, f'exception {number}')}", "the core")
        machine.emu_stop()

    def _fail(self, what: str, access: str) -> None:
        """Keep the first failure; it is raised outside the emulator, which passes no exceptions through."""
        if self._failure is None:
            pc = self._machine.reg_read(self._arm.UC_ARM_REG_PC)
            self._failure = DeviceError(
                what,
                where=f"{self.name}: {access}, in {self._function(pc)}, basic block at pc 0x{pc:08x}",
                next_step="this is a fault of the firmware or of its register model; please report it",
            )

    def _function(self, pc: int) -> str:
        starts, names = self._functions
        at = bisect_right(starts, pc) - 1
        return f"{names[at]}()" if at >= 0 else "no function"


def _functions(elf: Path) -> tuple[list[int], list[str]]:
    """Start addresses and names of all functions, by address."""
    found = sorted((value & ~1, name) for name, value, is_function in symbols(elf) if is_function)
    return [address for address, _ in found], [name for _, name in found]


def _machine(cpu: str) -> tuple[Any, Any]:
    try:
        import unicorn  # noqa: PLC0415 - an optional package
        from unicorn import arm_const  # noqa: PLC0415
    except ImportError as error:
        raise ToolchainError(
            "Unicorn is not installed", where="`port` unicorn:", next_step="pip install 'dqt-edge[emulate]'"
        ) from error
    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{cpu}"))
    return machine, arm_const
