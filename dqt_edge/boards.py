"""Boards are data: one TOML file each, shipped or the user's own, checked here, unknown keys refused."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import chips
from .board_words import check_flags, check_machine, check_sectors, check_settings, check_usb
from .errors import BadFileError, UsageError
from .system.files import read_toml
from .system.resources import data_folder
from .system.toml_record import HEXADECIMAL, NOT_IN_FILE, from_table

CORES = ("host", "cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
"""Cores that kernels exist for."""

DSP_CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
"""Cores that have the DSP extension; without it, their compiler flags say ``+nodsp``."""

MVE_CORES = ("cortex-m55",)
"""Cores that may have MVE; without it, their compiler flags say ``+nomve``."""

THUMB1_CORES = ("cortex-m0", "cortex-m0plus")
"""Cores that have the instructions of Thumb 1 only: Armv6-M."""

COUNTERS = ("none", "icount", "dwt", "timer", "nanoseconds")
SHARED_PORT = "cortexm"
"""Folder under ``firmware/port`` that every Cortex-M port gets; no port by itself."""

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
"""A board's id: the device sends it in 16 bytes, the last one 0, and folders are named after it."""

BAUD_MAX = 10_000_000
"""Bits a second that any board's line may have."""
ICOUNT_SHIFT_MAX = 10
"""Of QEMU."""

WAIT_STATES_MAX, LINE_MAX, CACHE_MAX = 64, 256, 1 << 16
"""Of a board's flash; beyond them a number is a mistake."""

WATCHDOG_MAX, PERCENT_MAX = 3_600_000, 1000
"""Milliseconds of a watchdog's time-out, and percent that it may come late."""

CONSTANT = re.compile(r"[a-z][a-z0-9_]{0,30}")
"""A name under ``[constants]``; in the firmware it is in capitals, behind ``DQT_BOARD_``."""

PIN = re.compile(r"P(?P<letter>[A-K])(?P<a>\d{1,2})|P(?P<port>\d)\.(?P<b>\d{1,2})|GP(?P<c>\d{1,2})")
"""Pins as STM32, nRF and RP2 chips name them."""


@dataclass(frozen=True)
class Cpu:
    """Core, instruction-set features, and clock in Hz (0 for the host)."""

    core: str
    hz: int
    flags: tuple[str, ...]
    fpu: bool = False
    dsp: bool = False
    mve: bool = False

    @property
    def families(self) -> tuple[str, ...]:
        """Families of kernels that the core runs, the best first; see ``lowering/kernels``."""
        if self.core == "host":
            return ("plain",)
        own = [name for name, has in (("mve", self.mve), ("dsp", self.dsp)) if has]
        return (*(own or ["scalar"]), "words", "plain")

    @property
    def thumb1(self) -> bool:
        """Whether the core has the instructions of Thumb 1 only: Armv6-M."""
        return self.core in THUMB1_CORES


@dataclass(frozen=True)
class Memory:
    """A memory region: kind ``flash`` or ``ram``, start address and size in bytes.

    ``sector`` is the erase unit of flash, ``page`` the write unit; both 0 where nothing is ever erased.
    ``first_sectors`` are the sizes of the first ones, where they differ from the others. ``erased`` is what a byte of
    erased flash reads as.
    """

    name: str
    kind: str
    start: int = field(metadata=HEXADECIMAL)
    size: int = field(metadata=HEXADECIMAL)
    sector: int = field(default=0, metadata=HEXADECIMAL)
    page: int = 0
    first_sectors: tuple[int, ...] = ()
    erased: int = 0xFF

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.start + self.size

    def sectors(self) -> tuple[tuple[int, int], ...]:
        """Address and size of every part that is erased at once, ascending; none where nothing is erased."""
        if self.sector == 0:
            return ()
        found, at = [], self.start
        for size in self.first_sectors:
            found.append((at, size))
            at += size
        return (*found, *((start, self.sector) for start in range(at, self.end, self.sector)))


@dataclass(frozen=True)
class Flash:
    """How long code and constants in flash keep the core waiting; what modelled cycles take of it.

    Attributes:
        wait_states: Cycles that a read of a line takes beyond the first.
        line: Bytes of a read, a power of two.
        prefetch: Whether the line behind the last one of code is read ahead.
        code_cache, data_cache: Bytes of lines that are kept, of instructions and of constants.
    """

    wait_states: int
    line: int
    prefetch: bool = False
    code_cache: int = 0
    data_cache: int = 0


@dataclass(frozen=True)
class Runner:
    """A flash runner and its settings, all text."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Serial:
    """The serial link: USB ids (``vid:pid``, hexadecimal) to find it by, pins as text for people.

    ``baud`` is its rate when the program starts, bits a second; ``max_baud`` the highest that a host may ask for, 0 if
    none.
    """

    baud: int
    usb: tuple[str, ...] = ()
    pins: str = ""
    max_baud: int = 0


@dataclass(frozen=True)
class Counter:
    """What the profile counts: kind, and how many counter ticks one reported unit is (as a fraction)."""

    kind: str
    unit: str
    ticks: int = 1
    units: int = 1


@dataclass(frozen=True)
class Qemu:
    """A QEMU machine and its ``-icount`` shift (an instruction takes 2^shift ns of virtual time)."""

    machine: str
    icount_shift: int


@dataclass(frozen=True)
class Uf2:
    """A boot loader that takes UF2 files: the family of chips, and the Board-ID that its drive states."""

    family: int = field(metadata=HEXADECIMAL)
    board_id: str


@dataclass(frozen=True)
class Trigger:
    """A pin that a power analyser reaches: its name in the chip's manual, such as PA8, and where it is on the board."""

    pin: str
    where: str


@dataclass(frozen=True)
class Watchdog:
    """A watchdog that the port can start: its name in the chip's manual, and what its time-outs are.

    ``longest_ms`` is the longest one, at the nominal rate of its clock. ``early`` and ``late`` are percent of a
    time-out by which it may end sooner or later, because that clock is not exact.
    """

    name: str
    longest_ms: int
    early: int = 0
    late: int = 0


@dataclass(frozen=True)
class Board:
    """One board, as its TOML file states it.

    Attributes:
        flash: Its wait states; None: modelled cycles are those of a core that flash never keeps waiting.
        port: A shipped port's name; or, with a slash in it, a folder of the user's own, relative to the file.
        uf2: Its boot loader, if a copy of a UF2 file flashes it.
        trigger: The pin that may be high while the model runs; see :mod:`.project.trigger`.
        watchdog: What may restart a program that hangs; see :mod:`.project.watchdog`.
        constants: Numbers that the port is compiled with, by name, each 0 to 2^32-1; see ``dqt_board.h``.
        provenance: Where each number comes from, by key.
        port_folder: The folder with the port's sources: clock, UART, counter.
        file: The TOML file itself, for messages.
    """

    id: str
    name: str
    vendor: str
    url: str
    port: str
    cpu: Cpu
    serial: Serial
    counter: Counter
    provenance: dict[str, str]
    memory: tuple[Memory, ...] = ()
    runners: tuple[Runner, ...] = ()
    qemu: Qemu | None = None
    flash: Flash | None = None
    uf2: Uf2 | None = None
    trigger: Trigger | None = None
    watchdog: Watchdog | None = None
    constants: dict[str, int] = field(default_factory=dict)
    port_folder: Path = field(default=Path(), metadata=NOT_IN_FILE)
    file: Path = field(default=Path(), compare=False, metadata=NOT_IN_FILE)

    @property
    def has_own_port(self) -> bool:
        """Whether the port is the user's, and not one of those shipped."""
        return "/" in self.port

    @property
    def is_host(self) -> bool:
        """True for the native process."""
        return self.cpu.core == "host"

    @property
    def is_process(self) -> bool:
        """Whether the device is a process that this program can start: native, or QEMU's."""
        return self.is_host or self.qemu is not None

    @property
    def counter_hz(self) -> int:
        """Ticks of the port's counter in a second; 0 where the file does not say it."""
        counter = self.counter
        if counter.kind == "nanoseconds":
            return 1_000_000_000
        if counter.kind == "icount" and self.qemu is not None:
            return round(1_000_000_000 * counter.ticks / counter.units) >> self.qemu.icount_shift
        return self.cpu.hz * counter.ticks // counter.units if counter.unit == "cycles" else 0

    def regions(self, kind: str) -> tuple[Memory, ...]:
        """Memory regions of a kind, in the file's order, which is the order of preference."""
        return tuple(m for m in self.memory if m.kind == kind)


def board_ids() -> tuple[str, ...]:
    """Ids of all shipped boards, sorted."""
    return tuple(sorted(path.stem for path in data_folder("boards").glob("*.toml")))


def load_board(name: str | Path) -> Board:
    """A shipped board by its id, or any board by the path of its TOML file.

    Args:
        name: Taken as a path if it ends in ``.toml`` or has a path separator in it. So a file of the user's own is
            never mistaken for a shipped board, even if both have the same id.

    Raises:
        UsageError: No such board.
        BadFileError: Its file is invalid.
    """
    if isinstance(name, Path) or name.endswith(".toml") or os.sep in name:
        return read_board(Path(name))
    return read_board(shipped_file(name))


def shipped_file(board_id: str) -> Path:
    """TOML file of a shipped board; raises UsageError."""
    known = board_ids()
    if board_id not in known:
        meant = chips.hint(board_id, [_known(load_board(each)) for each in known])
        choices = f"choose from {', '.join(known)}; or name a board file of your own, such as ./my.toml"
        raise UsageError(
            f"unknown board {board_id!r}",
            where="`board`",
            next_step=f"{meant} {choices}".lstrip(),
        )
    return data_folder("boards") / f"{board_id}.toml"


def _known(board: Board) -> chips.Known:
    names = (board.name, board.qemu.machine if board.qemu else "")
    return chips.Known(board.id, names, board.port, board.cpu.core)


def read_board(path: Path) -> Board:
    """Board of a TOML file; raises BadFileError naming the key."""
    try:
        stated = from_table(Board, read_toml(path), "board")
        board = replace(stated, port_folder=_port_folder(stated, path), file=path)
        _check(board)
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _bad(path, str(error)) from error
    except RecursionError as error:
        raise _bad(path, "it is nested too deep") from error
    return board


def _bad(path: Path, reason: str) -> BadFileError:
    return BadFileError(f"invalid board file: {reason}", where=str(path), next_step="see docs/boards.md for every key")


def _port_folder(board: Board, path: Path) -> Path:
    """Folder of the port's sources; raises ValueError."""
    if not board.port.isprintable():
        raise ValueError(f"port {board.port!r} must be the name of a folder")
    if board.has_own_port:
        folder = (path.parent / board.port).resolve()
        if not folder.is_dir():
            raise ValueError(f"port {board.port!r}: there is no folder {folder}")
        if not any(folder.glob("*.[cS]")):
            raise ValueError(f"port {board.port!r}: the folder {folder} holds no .c and no .S file")
        return folder
    ports = data_folder("firmware") / "port"
    shipped = sorted(p.name for p in ports.iterdir() if p.is_dir() and p.name != SHARED_PORT)
    if board.port not in shipped:
        beside = (
            f'; for the folder beside this file write "./{board.port}"' if (path.parent / board.port).is_dir() else ""
        )
        raise ValueError(
            f"port {board.port!r} has no folder under firmware/port, which has {', '.join(shipped)}{beside}"
        )
    return ports / board.port


def _check(board: Board) -> None:
    if not ID.fullmatch(board.id):
        raise ValueError(f"id {board.id!r} must be 1 to 15 letters, digits, '.', '_' or '-'")
    _check_cpu(board.cpu)
    if not board.has_own_port and (board.port == "native") != board.is_host:
        raise ValueError(f"port {board.port!r} does not go with cpu.core {board.cpu.core!r}")
    _check_counter(board.counter)
    _check_serial(board.serial)
    for runner in board.runners:
        check_settings(runner.name, runner.settings)
    if board.qemu is not None:
        _check_qemu(board.qemu)
    _check_memory(board)
    if board.flash is not None:
        _check_flash(board.flash)
    if board.uf2 is not None and not (0 <= board.uf2.family < 1 << 32 and board.uf2.board_id):
        raise ValueError("uf2.family must be 0 or more, within 32 bits, and uf2.board_id is needed")
    if board.trigger is not None and not PIN.fullmatch(board.trigger.pin):
        raise ValueError(f"trigger.pin {board.trigger.pin!r} must be a pin such as PA8, P0.13 or GP2")
    if board.watchdog is not None:
        _check_watchdog(board.watchdog)
    for name, value in board.constants.items():
        if not CONSTANT.fullmatch(name) or name == "id":
            raise ValueError(f"constants: {name!r} must be small letters, digits and '_', 31 at most, and not 'id'")
        if not 0 <= value < 1 << 32:
            raise ValueError(f"constants.{name} must be 0 or more, within 32 bits")
    if not board.provenance:
        raise ValueError("provenance is empty: state the source of every number")


def _check_cpu(cpu: Cpu) -> None:
    """Core, features and flags must agree: wrong ones would give other kernels, and other sizes, than are built."""
    if cpu.core not in CORES:
        raise ValueError(f"cpu.core {cpu.core!r} is none of {', '.join(CORES)}")
    check_flags(cpu.flags)
    if cpu.core == "host":
        return
    if not 0 < cpu.hz < 1 << 32:
        raise ValueError("cpu.hz must be above 0, within 32 bits")
    models = [flag.removeprefix("-mcpu=") for flag in cpu.flags if flag.startswith("-mcpu=")]
    if [model.split("+")[0] for model in models] != [cpu.core]:
        raise ValueError(
            f"cpu.flags must state the core once, -mcpu={cpu.core}, not {' '.join(cpu.flags) or 'nothing'}"
        )
    for key, cores in (("dsp", DSP_CORES), ("mve", MVE_CORES)):
        stated = getattr(cpu, key)
        if stated != (cpu.core in cores and f"no{key}" not in models[0].split("+")):
            raise ValueError(f"cpu.{key} must be {str(not stated).lower()} for {cpu.core} with -mcpu={models[0]}")
    if not (cpu.fpu or cpu.mve) and {"-mfloat-abi=hard", "-mfloat-abi=softfp"} & set(cpu.flags):
        raise ValueError("cpu.flags ask for floating-point registers, but cpu.fpu is false")


def _check_counter(counter: Counter) -> None:
    if counter.kind not in COUNTERS or counter.ticks < 1 or counter.units < 1:
        raise ValueError(
            f"counter.kind {counter.kind!r} is none of {', '.join(COUNTERS)}, or its ratio is not positive"
        )
    if max(counter.ticks, counter.units) >= 1 << 32:
        raise ValueError("counter.ticks and counter.units must be within 32 bits")


def _check_qemu(qemu: Qemu) -> None:
    check_machine(qemu.machine)
    if not 0 <= qemu.icount_shift <= ICOUNT_SHIFT_MAX:
        raise ValueError(f"qemu.icount_shift must be 0 to {ICOUNT_SHIFT_MAX}")


def _check_serial(serial: Serial) -> None:
    check_usb(serial.usb)
    if not 0 <= serial.baud < 1 << 32:
        raise ValueError("serial.baud must be 0 or more, within 32 bits")
    if serial.max_baud != 0 and not 0 < serial.baud <= serial.max_baud <= BAUD_MAX:
        raise ValueError(f"serial.max_baud must be 0, or from serial.baud on to {BAUD_MAX:,}")


def _check_watchdog(watchdog: Watchdog) -> None:
    if not 1 <= watchdog.longest_ms <= WATCHDOG_MAX:
        raise ValueError(f"watchdog.longest_ms must be 1 to {WATCHDOG_MAX:,}")
    if not (0 <= watchdog.early < 100 and 0 <= watchdog.late <= PERCENT_MAX):
        raise ValueError(f"watchdog.early must be 0 to 99, and watchdog.late 0 to {PERCENT_MAX}")


def _check_flash(flash: Flash) -> None:
    if not 0 <= flash.wait_states <= WAIT_STATES_MAX:
        raise ValueError(f"flash.wait_states must be 0 to {WAIT_STATES_MAX}")
    if not (4 <= flash.line <= LINE_MAX and flash.line & (flash.line - 1) == 0):
        raise ValueError(f"flash.line must be a power of two, 4 to {LINE_MAX} bytes")
    for key in ("code_cache", "data_cache"):
        size = getattr(flash, key)
        if not 0 <= size <= CACHE_MAX or size % flash.line:
            raise ValueError(f"flash.{key} must be whole lines, 0 to {CACHE_MAX} bytes")


def _check_memory(board: Board) -> None:
    if not board.is_host and not (board.regions("flash") and board.regions("ram")):
        raise ValueError("memory needs a flash and a ram region")
    spans = sorted(board.memory, key=lambda m: m.start)
    for m in spans:
        if m.kind not in ("flash", "ram") or m.size <= 0 or m.start < 0 or m.end > 1 << 32:
            raise ValueError(f"memory region {m.name!r} must be flash or ram within 32-bit addresses")
        if m.sector < 0 or m.page < 0:
            raise ValueError(f"memory region {m.name!r}: sector and page must be 0 or more")
        check_sectors(m.name, m.size, m.sector, uniform=not m.first_sectors)
        rest = m.size - sum(m.first_sectors)
        if m.first_sectors and (m.sector == 0 or min(m.first_sectors) <= 0 or rest < 0 or rest % m.sector):
            raise ValueError(f"memory region {m.name!r}: first_sectors and then sectors must fill it exactly")
        if m.erased not in (0, 0xFF):
            raise ValueError(f"memory region {m.name!r}: erased must be 0 or 255")
    for a, b in itertools.pairwise(spans):
        if a.end > b.start:
            raise ValueError(f"memory regions {a.name!r} and {b.name!r} overlap")
    names = [region.name for region in board.memory]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"memory: two regions have the name {twice!r}")
