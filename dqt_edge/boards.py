"""Boards are data: one TOML file each, checked here, unknown keys refused."""

from __future__ import annotations

import difflib
import itertools
import sys
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import BadFileError, UsageError
from .system.resources import data_folder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORES = ("host", "cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
COUNTERS = ("none", "icount", "dwt", "nanoseconds")


@dataclass(frozen=True)
class Cpu:
    """Core, instruction-set features, and clock in Hz (0 for the host)."""

    core: str
    hz: int
    flags: tuple[str, ...]
    fpu: bool = False
    dsp: bool = False
    mve: bool = False


@dataclass(frozen=True)
class Memory:
    """A memory region: kind ``flash`` or ``ram``, start address and size in bytes.

    ``sector`` is the erase unit of flash, ``page`` the write unit; both 0 where nothing is ever erased.
    """

    name: str
    kind: str
    start: int
    size: int
    sector: int = 0
    page: int = 0

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.start + self.size


@dataclass(frozen=True)
class Runner:
    """A flash runner and its settings, all text."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Serial:
    """The serial link: USB ids (``vid:pid``, hexadecimal) to find it by, baud rate, pins as text for people."""

    baud: int
    usb: tuple[str, ...] = ()
    pins: str = ""


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
class Board:
    """One board, as its TOML file states it.

    Attributes:
        port: Folder under ``firmware/port`` with start-up code, clock, UART and counter.
        provenance: Where each number comes from, by key.
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

    @property
    def is_host(self) -> bool:
        """True for the native process."""
        return self.cpu.core == "host"

    def regions(self, kind: str) -> tuple[Memory, ...]:
        """Memory regions of a kind, in the file's order, which is the order of preference."""
        return tuple(m for m in self.memory if m.kind == kind)


def board_ids() -> tuple[str, ...]:
    """Ids of all boards, sorted."""
    return tuple(sorted(path.stem for path in data_folder("boards").glob("*.toml")))


def load_board(board_id: str) -> Board:
    """The board of that id.

    Raises:
        UsageError: No such board.
        BadFileError: Its file is invalid.
    """
    known = board_ids()
    if board_id not in known:
        close = difflib.get_close_matches(board_id, known, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"unknown board {board_id!r}", where="`board`", next_step=f"{hint}choose from {', '.join(known)}"
        )
    return read_board(data_folder("boards") / f"{board_id}.toml")


def read_board(path: Path) -> Board:
    """Board of a TOML file; raises BadFileError naming the key."""
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        board = _build(Board, body, "board")
        assert isinstance(board, Board)
        _check(board, path)
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from error
    except (ValueError, TypeError, KeyError) as error:
        raise _bad(path, str(error)) from error
    return board


def _bad(path: Path, reason: str) -> BadFileError:
    return BadFileError(f"invalid board file: {reason}", where=str(path), next_step="see docs/boards.md for every key")


_NESTED: dict[str, type[Any]] = {
    "cpu": Cpu,
    "memory": Memory,
    "runners": Runner,
    "serial": Serial,
    "counter": Counter,
    "qemu": Qemu,
}


def _build(cls: type[Any], body: Any, where: str) -> object:  # noqa: ANN401 - TOML
    if not isinstance(body, dict):
        raise ValueError(f"{where} must be a table")
    known = {f.name: f for f in fields(cls)}
    for key in body:
        if key not in known:
            raise ValueError(f"unknown key {key!r} in {where}")
    values = {}
    for name, f in known.items():
        if name not in body:
            if f.default is MISSING and f.default_factory is MISSING:
                raise ValueError(f"missing key {name!r} in {where}")
            continue
        values[name] = _typed(body[name], str(f.type), f"{where}.{name}", name)
    return cls(**values)


def _typed(item: Any, declared: str, where: str, name: str) -> object:  # noqa: ANN401 - TOML
    if name in _NESTED:
        if declared.startswith("tuple"):
            if not isinstance(item, list):
                raise ValueError(f"{where} must be a list of tables")
            return tuple(_build(_NESTED[name], part, f"{where}[{i}]") for i, part in enumerate(item))
        return _build(_NESTED[name], item, where)
    if declared.startswith("tuple[str"):
        if not isinstance(item, list) or not all(isinstance(part, str) for part in item):
            raise ValueError(f"{where} must be a list of text")
        return tuple(item)
    if declared.startswith("dict"):
        if not isinstance(item, dict) or not all(isinstance(v, str) for v in item.values()):
            raise ValueError(f"{where} must be a table of text")
        return dict(item)
    wanted = {"int": int, "bool": bool, "str": str}[declared]
    if type(item) is not wanted:
        raise ValueError(f"{where} must be {declared}, not {item!r}")
    return item


def _check(board: Board, path: Path) -> None:
    if board.id != path.stem:
        raise ValueError(f"id {board.id!r} differs from the file name")
    if board.cpu.core not in CORES:
        raise ValueError(f"cpu.core {board.cpu.core!r} is none of {', '.join(CORES)}")
    if board.counter.kind not in COUNTERS or board.counter.ticks < 1 or board.counter.units < 1:
        raise ValueError(
            f"counter.kind {board.counter.kind!r} is none of {', '.join(COUNTERS)}, or its ratio is not positive"
        )
    if not (data_folder("firmware") / "port" / board.port).is_dir():
        raise ValueError(f"port {board.port!r} has no folder under firmware/port")
    if not board.is_host and not (board.regions("flash") and board.regions("ram")):
        raise ValueError("memory needs a flash and a ram region")
    spans = sorted(board.memory, key=lambda m: m.start)
    for m in spans:
        if m.kind not in ("flash", "ram") or m.size <= 0 or m.start < 0 or m.end > 1 << 32:
            raise ValueError(f"memory region {m.name!r} must be flash or ram within 32-bit addresses")
    for a, b in itertools.pairwise(spans):
        if a.end > b.start:
            raise ValueError(f"memory regions {a.name!r} and {b.name!r} overlap")
    if not board.provenance:
        raise ValueError("provenance is empty: state the source of every number")
