"""What the scripts share: reading arrays, checking sums, writing the result."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


def fail(what: str, next_step: str) -> NoReturn:
    """Stop with a message."""
    sys.exit(f"error: {what}\n  next: {next_step}")


def arrays_of(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of an ``.npz`` file by name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file.files]
            if missing:
                fail(f"{path}: array {missing[0]!r} is missing", f"give a file with {', '.join(names)}")
            return {name: file[name] for name in names}
    except (OSError, ValueError) as error:
        fail(f"{path}: {error}", "give a whole .npz file")


def check_sums(folder: Path) -> None:
    """Compare the files of a folder with its ``SHA256SUMS.txt``, where it has one."""
    listed = folder / "SHA256SUMS.txt"
    if not listed.exists():
        print(f"note: {listed} is missing, so the files are not checked", file=sys.stderr)
        return
    for line in listed.read_text().splitlines():
        wanted, name = line.split(maxsplit=1)
        path = folder / name.lstrip("*")
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            fail(f"{path} is damaged: its SHA-256 is not the one in {listed.name}", "download it again")


def digest(arrays: Arrays) -> str:
    """SHA-256 of the arrays: for each by name its name, type, shape and bytes, so that packing plays no part."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def report(out: Path, arrays: Arrays, known: str | None) -> None:
    """Write ``out``, print what is in it, and say whether it is the file that the published results came from."""
    np.savez_compressed(out, **dict(arrays))  # type: ignore[arg-type] # it takes options too
    for name, array in arrays.items():
        span = "" if array.dtype.kind in "US" else f", {array.min():g} to {array.max():g}"
        counts = f", samples by class {np.bincount(array).tolist()}" if name.split("_")[0] == "y" else ""
        print(f"{name}: {array.dtype.name} {list(array.shape)}{span}{counts}")
    found = digest(arrays)
    print(f"arrays' SHA-256 {found}")
    if known is not None and found != known:
        fail(f"{out} differs from the data of docs/results.md, whose SHA-256 is {known}",
             "use the version of the data set that the script names; the file was written")  # fmt: skip
    print(f"wrote {out}")
