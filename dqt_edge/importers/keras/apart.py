"""Reads Keras files in a process of its own, which has limits, no network, and can start no other program.

TensorFlow, Keras and HDF5 read parts of the file. Where one of them crashes, hangs or takes memory without end over a
stranger's file, that process ends, and this one says so. What comes back are numbers and text, each checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ...errors import BadFileError, DqtError, ToolchainError, UnsupportedError
from ...system.confine import child_path, limit, why_it_ended
from ...system.files import read_capped
from .. import network_file
from ..network import Network
from ..reading import read_bytes
from .config import bad
from .files import read_keras

MEMORY, MEMORY_RATIO = 4 << 30, 8
"""Bytes that reading may take: so many, and so many times the size of the file."""
SECONDS = 600
"""Of processor time."""
DEADLINE = 3600
"""Seconds of a process that does nothing; it is far beyond any wait for a processor."""
_FEW_THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""One thread for each core would take the memory for its stack, and has nothing to do."""
_NETWORK, _ERROR = "network", "error"
_ERROR_MAX = 16 << 20
_ERRORS = {kind.__name__: kind for kind in (BadFileError, UnsupportedError, ToolchainError)}
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {0} import main; main(*sys.argv[2:])"
_read = set[str]()
"""SHA-256 of files that were read here without harm."""


def read_apart(path: Path) -> Network:
    """As :func:`~dqt_edge.importers.keras.files.read_keras`; BadFileError too if the limits are exceeded."""
    content = read_bytes(path)
    memory = MEMORY + MEMORY_RATIO * len(content)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = [sys.executable, "-I", "-c", _START.format(__name__), json.dumps(child_path())]
        quiet = subprocess.DEVNULL
        try:
            done = subprocess.run(
                [*start, str(path), name, str(memory), str(SECONDS)],
                env=os.environ | _FEW_THREADS,
                stdin=quiet,
                stdout=quiet,
                stderr=quiet,
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise bad("it takes too much time", path) from error
        if done.returncode != 0:
            raise bad(why_it_ended(done.returncode), path)
        if (folder / _ERROR).exists():
            raise _told(folder / _ERROR, path)
        try:
            network = network_file.decode(read_capped(folder / _NETWORK, memory))
        except (OSError, ValueError, DqtError) as error:
            raise bad(f"its reader made no network of it ({error})", path) from error
    _read.add(hashlib.sha256(content).hexdigest())
    return network


def require_read(path: Path) -> str:
    """SHA-256 of a file that a process of its own has read without harm, in this run of the program; reads it if not.

    Raises as :func:`read_apart`.
    """
    digest = hashlib.sha256(read_bytes(path)).hexdigest()
    if digest not in _read:
        read_apart(path)
    return digest


def _told(told: Path, path: Path) -> DqtError:
    """The error that the child found."""
    try:
        found = json.loads(read_capped(told, _ERROR_MAX))
        kind = _ERRORS[found["kind"]]
        return kind(str(found["what"]), where=str(found["where"]), next_step=str(found["next_step"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return bad("its reader did not say what is wrong", path)


def main(path: str, folder: str, memory: str, seconds: str) -> None:
    """The child: read a file, and leave the Network or the error in a folder."""
    limit(int(memory), int(seconds))
    try:
        made = network_file.encode(read_keras(Path(path), confine=True))
    except tuple(_ERRORS.values()) as error:
        _tell(error, Path(folder))
    except MemoryError:
        _tell(bad(f"it takes more than {int(memory) >> 20:,} MiB to read", Path(path)), Path(folder))
    else:
        (Path(folder) / _NETWORK).write_bytes(made)


def _tell(error: DqtError, folder: Path) -> None:
    told = {"kind": type(error).__name__, "what": error.what, "where": error.where, "next_step": error.next_step}
    (folder / _ERROR).write_text(json.dumps(told), encoding="utf-8")
