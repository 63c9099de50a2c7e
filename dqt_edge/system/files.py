"""Files as they should be read and written: whole, capped, and never half."""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOG = logging.getLogger(__name__)
TOML_MAX = 1 << 20
NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
"""Numbers of an OSError that says that there is no room for a file."""


def read_capped(path: Path, limit: int) -> bytes:
    """Content of a regular file of at most ``limit`` bytes.

    A device or a pipe is refused before it is opened: it may have no end, or wait for ever.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, larger, or grows meanwhile.
    """
    known = path.stat()
    if not stat.S_ISREG(known.st_mode):
        raise ValueError("it is no regular file")
    LOG.info("read %s", path)
    with path.open("rb") as handle:
        content = handle.read(min(known.st_size, limit) + 1)  # as much memory is taken as is asked for
    if len(content) > limit:
        raise ValueError(f"it has more than the limit of {limit} bytes")
    if len(content) > known.st_size:
        raise ValueError("it grew while it was read")
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file of at most 1 MiB.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, larger, or no TOML.
    """
    return tomllib.loads(read_capped(path, TOML_MAX).decode("utf-8"))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary name, fsync, rename.

    Raises:
        BadFileError: The folder is missing, the disk is full, or writing is not permitted.
    """
    temporary: list[Path] = []
    try:
        _write_beside(path, content, temporary)
        temporary[0].replace(path)
        LOG.info("wrote %s, %s bytes", path, f"{len(content):,}")
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        for left in temporary:
            left.unlink(missing_ok=True)


def write_together(folder: Path, contents: Mapping[str, bytes], others: Sequence[str] = ()) -> list[Path]:
    """Write files that belong together, so that the folder never holds those of two runs.

    All are written under temporary names; then those of an earlier run are removed, and these take their names. Who
    is stopped in between leaves fewer files, of one run. Runs that end at the same time wait for each other.

    Args:
        folder: Where to; it exists.
        contents: By file name.
        others: Patterns of files that another run may have left, and that this one does not have.

    Returns:
        Paths, in the order of ``contents``.

    Raises:
        BadFileError: The folder is missing, the disk is full, or writing is not permitted.
    """
    temporary: list[Path] = []
    targets = [folder / name for name in contents]
    try:
        for path, content in zip(targets, contents.values(), strict=True):
            _write_beside(path, content, temporary)
        with alone(folder):
            for old in {*targets, *(path for pattern in others for path in folder.glob(pattern))}:
                old.unlink(missing_ok=True)
            for made, path in zip(temporary, targets, strict=True):
                made.replace(path)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        for left in temporary:
            left.unlink(missing_ok=True)
    return targets


def exchange(one: Path, other: Path) -> bool:
    """Let two paths change their places in one step of the file system; False, and nothing done, where it has none."""
    import ctypes  # noqa: PLC0415 - slow to load

    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    if hasattr(libc, "renameat2"):  # Linux
        here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        return bool(libc.renameat2(here, paths[0], here, paths[1], swap) == 0)
    if hasattr(libc, "renamex_np"):  # macOS
        swap = 2  # RENAME_SWAP
        return bool(libc.renamex_np(*paths, swap) == 0)
    return False


def _write_beside(path: Path, content: bytes, made: list[Path]) -> None:
    """Write content to a temporary file beside ``path``, whose path is added to ``made``."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
        made.append(Path(handle.name))
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    made[-1].chmod(0o644)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here with this folder; one that is killed is no longer in here.

    Raises:
        OSError: The folder cannot be opened.
    """
    import fcntl  # noqa: PLC0415 - used where a folder is changed only

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.info("wait for another process that works in %s", folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> BadFileError:
    """The error for a file that cannot be written."""
    return BadFileError(
        f"cannot write: {error.strerror or error}",
        where=str(path),
        next_step="check that the folder exists, is writable and has free space; nothing was changed",
    )
