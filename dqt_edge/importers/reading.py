"""What every reader of model files needs first: the bytes, and a name."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadFileError
from ..system.files import read_capped

FILE_MAX = 256 << 20
COUNT_MAX = 10_000
"""Most tensors, operators or buffers: a count in a hostile file must not become a loop."""


def bad_model(reason: str, path: Path) -> BadFileError:
    """The error of a model file that is damaged."""
    return BadFileError(
        f"not a usable {path.suffix or 'model'} file: {reason}",
        where=str(path),
        next_step="copy the file again, or convert it anew",
    )


def read_bytes(path: Path) -> bytes:
    """Content of a model file; raises BadFileError if it is missing, no regular file, or over 256 MiB."""
    try:
        return read_capped(path, FILE_MAX)
    except ValueError as error:
        raise bad_model(str(error), path) from error
    except OSError as error:
        raise BadFileError(
            f"cannot read the model: {error.strerror or error}", where=str(path), next_step="check the path"
        ) from error


def graph_name(path: Path) -> str:
    """A name for the Graph out of the file's."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.stem)[:48]
    return name if re.match(r"[A-Za-z_]", name) else f"model_{name}"
