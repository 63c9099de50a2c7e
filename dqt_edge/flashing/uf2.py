"""UF2: files that boot loaders take by a copy to the drive that they show (https://github.com/microsoft/uf2)."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from ..boards import Board, Uf2
from ..errors import BadFileError, FlashError, UsageError
from ..system.files import read_capped
from .base import FlashPlan, Segment

ERASED = 0xFF
"""What is missing of a block: a byte of erased flash."""

INFO = "INFO_UF2.TXT"
"""What a boot loader says of itself, on its drive."""
INFO_MAX = 1 << 16

BLOCK, PAYLOAD = 512, 256
"""Bytes of a block, and of those that it carries: a page of flash, aligned to its size."""
FIRST, SECOND, LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30
"""The magic numbers of a block."""
FAMILY_PRESENT = 0x2000
"""Flag: the block says for which family of chips it is."""

SECTOR = 4096
"""Bytes that the boot ROMs of RP2040 and RP2350 erase at once."""

_HEAD = struct.Struct("<8I")
_ID = re.compile(r"^Board-ID:\s*(\S.*?)\s*$", re.MULTILINE)


def encode(segments: Sequence[Segment], family: int) -> bytes:
    """A UF2 file of segments, in blocks of 256 bytes, whole sectors of 4 KB, the vectors last.

    The boot ROM erases a sector when the first of 16 numbers of blocks comes, whatever address that block has
    (RP2040-E14, and ``bootrom/virtual_disk.c`` of its source). So blocks are numbered by their address, and no page of
    a sector is left out. It takes blocks in any order, and restarts the board when all have come. So they lie in the
    file in an order of which no copy that is cut off starts: first a page behind the vectors, with which the old ones
    are erased, last the two pages that hold the vectors, the seal and an RP2040's second boot stage.

    Args:
        segments: Ascending and apart; what is missing of a sector is that of erased flash.
        family: Of chips, 32 bits.
    """
    pages: dict[int, bytearray] = {}
    for segment in segments:
        for offset, byte in enumerate(segment.data):
            start, place = divmod(segment.address + offset, SECTOR)
            if start * SECTOR not in pages:
                pages |= {start * SECTOR + at: bytearray([ERASED]) * PAYLOAD for at in range(0, SECTOR, PAYLOAD)}
            pages[start * SECTOR + place // PAYLOAD * PAYLOAD][place % PAYLOAD] = byte
    numbered = list(enumerate(sorted(pages)))
    blocks = []
    for number, address in (*numbered[2:], *reversed(numbered[:2])):
        head = _HEAD.pack(FIRST, SECOND, FAMILY_PRESENT, address, PAYLOAD, number, len(pages), family)
        blocks.append(head + bytes(pages[address]).ljust(BLOCK - _HEAD.size - 4, b"\0") + struct.pack("<I", LAST))
    return b"".join(blocks)


def decode(content: bytes, where: str = "UF2") -> tuple[tuple[Segment, ...], int]:
    """Pages, in the order of the file, and family of a UF2 file as :func:`encode` writes it.

    Raises:
        BadFileError: It is damaged, or of another make.
    """
    segments, families, numbers = [], set(), set()
    total = len(content) // BLOCK
    for at in range(0, len(content), BLOCK):
        block = content[at : at + BLOCK]
        whole = len(block) == BLOCK and struct.unpack("<I", block[-4:])[0] == LAST
        first, second, flags, address, size, number, count, family = _HEAD.unpack(block[: _HEAD.size].ljust(32, b"\0"))
        facts = (first, second, flags, size, count)
        known = number < total and number not in numbers
        if not (whole and known) or facts != (FIRST, SECOND, FAMILY_PRESENT, PAYLOAD, total):
            raise BadFileError(f"block {at // BLOCK} is damaged", where=where, next_step="build the project again")
        segments.append(Segment(address, block[_HEAD.size : _HEAD.size + PAYLOAD]))
        families.add(family)
        numbers.add(number)
    if len(families) != 1:
        raise BadFileError("it is empty or for several families", where=where, next_step="build the project again")
    return tuple(segments), families.pop()


def uf2_of(board: Board, volume: Path | None) -> Uf2:
    """What a board takes, and whether a volume was named for it.

    Raises:
        UsageError: The board has no such boot loader, or none was named.
    """
    if board.uf2 is None:
        raise UsageError(
            f"board {board.id!r} has no UF2 boot loader", where="`volume`", next_step="leave out the `volume`"
        )
    if volume is None:
        raise UsageError(
            f"board {board.id!r} is flashed by a copy to its drive, and none is named",
            where="`volume`",
            next_step=f"plug the board in with BOOTSEL held; `volume` is the drive with Board-ID {board.uf2.board_id}",
        )
    return board.uf2


def refuse(**wishes: object) -> None:
    """Raises UsageError for what is wished of a debug probe: there is none."""
    for name, value in wishes.items():
        if value is not None:
            raise UsageError(
                f"a board with a UF2 boot loader is flashed without a probe: there is no {name}",
                where=f"`{name}`",
                next_step=f"leave out the `{name}`",
            )


def check_volume(volume: Path, wanted: Uf2) -> None:
    """Make sure that a volume is the drive of a boot loader for that chip.

    Raises:
        FlashError: It is no drive of a boot loader, or of one for another chip. Nothing was written.
    """
    where = str(volume / INFO)
    try:
        text = read_capped(volume / INFO, INFO_MAX).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise FlashError(
            f"{volume} is not the drive of a UF2 boot loader: {getattr(error, 'strerror', None) or error}",
            where=where,
            next_step="plug the board in with BOOTSEL held, and name the drive that appears; nothing was written",
        ) from error
    found = _ID.search(text.replace("\r", ""))
    if found is None or found[1] != wanted.board_id:
        stated = "no Board-ID" if found is None else f"Board-ID {found[1]!r}"
        raise FlashError(
            f"the drive states {stated}, not {wanted.board_id!r}",
            where=where,
            next_step="connect the board of the project, or export for this one; nothing was written",
        )


def _settle(descriptor: int, volume: Path) -> None:
    """Wait until the drive has everything. It vanishes with the last block: that is no error."""
    try:
        os.fsync(descriptor)
    except OSError:
        if (volume / INFO).exists():
            raise


def copy(planned: FlashPlan, volume: Path) -> None:
    """Write a planned image to the drive of a board's boot loader, which programs it and restarts the board.

    What is in flash then cannot be read back by this way: the board's answer to HELLO is the only proof.

    Raises:
        FlashError: The drive is not that of the board, or cannot be written.
        UsageError: The board has no UF2 boot loader.
    """
    wanted = uf2_of(planned.board, volume)
    check_volume(volume, wanted)
    content = encode(planned.segments, wanted.family)
    target = volume / "model.uf2"
    try:
        with target.open("wb") as handle:
            handle.write(content)
            handle.flush()
            _settle(handle.fileno(), volume)
    except OSError as error:
        raise FlashError(
            f"cannot write the drive: {error.strerror or error}",
            where=str(target),
            next_step="mount it writable, or plug the board in again with BOOTSEL held",
        ) from error
