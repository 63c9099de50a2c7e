"""Blocks of the pages on the protocol, boards and ports."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable
from typing import Any

from generate_table import HAND, Cell, Table, code, header_text, listed, number

from dqt_edge import boards
from dqt_edge.device import client, messages
from dqt_edge.device.chips.choose import CHIPS
from dqt_edge.project import code_parts, code_table
from dqt_edge.project.watchdog import in_seconds

# --- Protocol -------------------------------------------------------------------------------------------------


def message_types() -> Table:
    """Requests with their replies; a NAK answers any of them."""
    rows: list[list[Cell]] = []
    for kind in messages.Type:
        replies = [t for t in messages.Type if t.value == kind.value | 0x80 and t is not kind]
        if kind.value < 0x80 or kind is messages.Type.NAK:
            rows.append([f"0x{kind:02X}", kind.name, HAND, f"0x{replies[0]:02X} {replies[0].name}" if replies else ""])
    return Table(("type", "name", "payload", "answered by"), rows, "name")


def protocol_numbers() -> Table:
    """Numbers of frames."""
    rows = [
        ("protocol version", str(messages.PROTOCOL)),
        ("bytes before the payload", str(messages.HEADER.size)),
        ("bytes of the CRC", str(messages.CRC_SIZE)),
        ("longest payload", f"{messages.PAYLOAD_MAX:,} bytes; a device says in HELLO what it takes"),
        ("sequence of a NAK to an unreadable frame", f"0x{messages.NO_SEQUENCE:04X}"),
        ("bytes of a bias in RUN", str(messages.BIAS_SIZE)),
    ]
    return Table(("number", "value"), rows, "number")


def record(made: messages.Record) -> Callable[[], Table]:
    """Fields of a record with their byte offsets."""

    def block() -> Table:
        rows: list[list[Cell]] = []
        offset = 0
        for name, kind in made.fields:
            rows.append([str(offset), code(name), kind, HAND])
            offset += messages.Record("", ((name, kind),)).layout.size
        return Table(
            ("offset", "field", "type", "meaning"), rows, "field", f"Record `{made.name}`, {offset} bytes:\n\n"
        )

    return block


def naks() -> Table:
    """Reasons of a refusal."""
    rows = [[str(nak.value), nak.name, HAND, HAND] for nak in messages.Nak]
    return Table(("code", "name", "meaning", "detail"), rows, "name")


def timeouts() -> Table:
    """How long the client waits, and how often it tries."""
    seconds, tries = dataclasses.asdict(client.Timeouts()), dataclasses.asdict(client.Retries())
    rows = [
        [code(name), number(seconds[name]) if name in seconds else "", str(tries.get(name, "")), HAND]
        for name in (*seconds, *(name for name in tries if name not in seconds))
    ]
    return Table(("operation", "seconds for a try", "tries", "meaning"), rows, "operation")


# --- Boards ---------------------------------------------------------------------------------------------------

VALUES = {("Cpu", "core"): boards.CORES, ("Counter", "kind"): boards.COUNTERS, ("Memory", "kind"): ("flash", "ram")}
KINDS = {str: "text", int: "integer", bool: "true or false"}


def key_type(owner: str, name: str, hint: Any) -> str:  # noqa: ANN401 - a type
    """A field's type in the words of TOML."""
    if (owner, name) in VALUES:
        return listed(VALUES[owner, name])
    arguments = [a for a in typing.get_args(hint) if a is not type(None) and a is not Ellipsis]
    if hint in KINDS:
        return KINDS[hint]
    if typing.get_origin(hint) is tuple:
        return {str: "list of text", int: "list of integers"}.get(arguments[0], "list of tables")
    if typing.get_origin(hint) is dict:
        return "table of text" if arguments == [str, str] else "table of integers"
    return "table"


def board_keys(cls: type[Any]) -> Callable[[], Table]:
    """Keys of a table of a board's file."""

    def block() -> Table:
        hints, unset, rows = typing.get_type_hints(cls), dataclasses.MISSING, []
        for f in dataclasses.fields(cls):
            if f.metadata.get("file", True):
                given = "yes" if f.default is unset and f.default_factory is unset else "no"
                if f.default not in (unset, None, "", ()):
                    given = f"no, {str(f.default).lower()}"
                rows.append([code(f.name), key_type(cls.__name__, f.name, hints[f.name]), given, HAND])
        return Table(("key", "type", "required", "meaning"), rows, "key")

    return block


def kib(board: boards.Board, kind: str) -> str:
    """Memory of a kind."""
    size = sum(region.size for region in board.regions(kind))
    return f"{size >> 10:,} KiB" if size else ""


def runs_on(board: boards.Board) -> str:
    """What a board's images were run on: no board of silicon was ever at hand."""
    if board.is_host:
        return "this computer"
    if board.qemu is not None:
        return f"QEMU {board.qemu.machine}"
    return "Unicorn with models of its registers" if board.port in CHIPS else "nothing: built only"


def flash_runners() -> Table:
    """What flashes which board."""
    rows = []
    for b in map(boards.load_board, boards.board_ids()):
        if b.qemu is None and not b.is_host:
            named = ["a copy of a UF2 file"] if b.uf2 else [code(runner.name) for runner in b.runners]
            rows.append([code(b.id), ", ".join(named) or "none"])
    return Table(("board", "runners, in order"), rows, "board")


def trigger_pins() -> Table:
    """The pin of each board that is high while the model runs."""
    found = [board for board in map(boards.load_board, boards.board_ids()) if board.trigger is not None]
    rows = [[code(b.id), code(b.trigger.pin), b.trigger.where] for b in found if b.trigger is not None]
    return Table(("board", "pin", "where"), rows, "board")


def watchdogs() -> Table:
    """What may restart a program that hangs, by board."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for board in map(boards.load_board, boards.board_ids()):
        if board.watchdog is not None:
            known = board.watchdog
            early, late = (f"{part} %" if part else "exact" for part in (known.early, known.late))
            rows.setdefault((known.name, in_seconds(known.longest_ms), early, late), []).append(code(board.id))
    cells = [[", ".join(ids), *facts] for facts, ids in rows.items()]
    return Table(("boards", "watchdog", "longest, s", "at most early", "at most late"), cells, "boards")


def shipped_boards() -> Table:
    """Boards of the project."""
    rows = [
        [
            *(code(b.id), b.name, code(b.cpu.core), f"{b.cpu.hz / 1e6:g}" if b.cpu.hz else ""),
            *(kib(b, "flash"), kib(b, "ram"), code(b.port), b.counter.unit, runs_on(b)),
        ]
        for b in map(boards.load_board, boards.board_ids())
    ]
    return Table(("id", "what", "core", "MHz", "flash", "RAM", "port", "counts", "tested on"), rows, "id")


PROMISES = re.compile(r"/\*((?:(?!\*/)[\s\S])*)\*/\n((?:\w.*;\n)+)")
"""A comment, and the declarations below it."""


def port_contract() -> Table:
    """Functions of a port, in the words of its header."""
    rows = []
    for comment, declarations in PROMISES.findall(header_text("app/dqt_port.h")):
        for line in declarations.splitlines():
            shown = re.sub(r" __attribute__.*|;|^extern ", "", line)
            words = " ".join(comment.replace("\n *", " ").split()) if "(" in shown else "a constant"
            rows.append((code(shown), words))
    return Table(("declaration", "promise"), rows, "declaration")


def margins() -> Table:
    """Factors of an upper bound."""
    rows = [("code", number(code_table.SIZE_MARGIN)), ("stack", number(code_table.STACK_MARGIN))]
    return Table(("of", "margin"), rows, "of")


def protection_bytes() -> str:
    """Least and most bytes of code that memory protection has, over the cores."""
    files = sorted(code_parts.FOLDER.glob("*.json"))
    parts = [code_parts.read_sizes(path).part.sections for path in files]
    sizes = [
        section["size"] for part in parts for name, section in part.items() if name.startswith("port/dqt_protect:")
    ]
    return f"{min(sizes)} to {max(sizes)}"
