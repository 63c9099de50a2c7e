"""Files as they should be read and written: whole, capped, and never half."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..errors import BadFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOML_MAX = 1 << 20


def read_capped(path: Path, limit: int) -> bytes:
    """Content of a regular file of at most ``limit`` bytes.

    A device or a pipe is refused before it is opened: it may have no end, or wait for ever.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no regular file, or larger.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is no regular file")
    with path.open("rb") as handle:
        content = handle.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than the limit of {limit} bytes")
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
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as handle:
            temporary = Path(handle.name)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise BadFileError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            next_step="check that the folder exists, is writable and has free space; nothing was changed",
        ) from error
