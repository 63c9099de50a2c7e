"""A private copy of a Keras file: what is checked is what is loaded, whatever becomes of the file meanwhile."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ...system.files import NO_ROOM, cannot_write, write_atomically
from ..reading import read_bytes
from .config import UNPACKED_MAX, bad
from .weights import FREE_BYTES, RATIO_MAX

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
_KINDS = {".keras": (_ZIP, "an archive of Keras"), ".h5": (_HDF5, "an HDF5 file")}
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
PIECE = 1 << 20
"""Bytes that are read at once. zipfile takes memory for all that it is asked for, if a member claims to have it."""
_MEMBERS = (CONFIG, METADATA, WEIGHTS)


def private_copy(path: Path, folder: Path) -> tuple[Path, bytes]:
    """Copy a file into an empty folder of one's own; returns the copy's path, and what was read.

    Of an archive, only the members that make a model are copied, each of which must be there once.

    Raises:
        BadFileError: It cannot be read, is too large, or does not hold what its name says; or the copy has no room.
    """
    content = read_bytes(path)
    first, kind = _KINDS[path.suffix]
    if not content.startswith(first):
        raise bad(f"it is not {kind}", path)
    copy = folder / f"model{path.suffix}"
    if path.suffix == ".h5":
        write_atomically(copy, content)
        return copy, content
    packed = folder / "packed"
    write_atomically(packed, content)
    try:
        with zipfile.ZipFile(packed) as source, zipfile.ZipFile(copy, "w") as target:
            _copy_members(source, target, path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise cannot_write(copy, error) from error
        raise bad(f"its archive is damaged ({error})", path) from error
    packed.unlink()
    return copy, content


def _copy_members(source: zipfile.ZipFile, target: zipfile.ZipFile, shown: Path) -> None:
    names = [member.filename for member in source.infolist()]
    twice = next((name for name in _MEMBERS if names.count(name) > 1), None)
    if twice is not None:
        raise bad(f"its archive holds {twice} twice", shown)
    claimed = sum(member.file_size for member in source.infolist() if member.filename in _MEMBERS)
    most = min(UNPACKED_MAX, FREE_BYTES + RATIO_MAX * shown.stat().st_size)
    if claimed > most:  # zipfile unpacks no more of a member than it claims to have
        raise bad(f"its archive unpacks to {claimed:,} bytes, more than {most:,}", shown)
    for name in (name for name in _MEMBERS if name in names):
        with source.open(name) as member, target.open(name, "w") as copy:
            while content := member.read(PIECE):
                copy.write(content)
