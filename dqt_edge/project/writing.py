"""Writes a folder of exported files: whole or not at all, and never over a file that somebody has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadFileError, UsageError
from ..system.files import exchange
from .manifest import MANIFEST, files_of_older_export, listed_files

Content = bytes | Callable[[Path], None]
"""Of a file: its bytes, or what writes it."""


def require_replaceable(folder: Path, *, force: bool) -> None:
    """Refuse a folder with anything of the user's in it, so that nothing can be lost.

    Raises:
        UsageError: It holds something else than an export; or files that were changed since, unless ``force``.
        BadFileError: It cannot be looked into.
    """
    next_step = "choose another folder as `out`, or empty this one"
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            reason = "the output is a link or a file, not a folder"
        elif Path.cwd().is_relative_to(folder.resolve()):
            reason = "the output is the current folder or holds it"
        elif not folder.exists():
            return
        elif (foreign := _foreign_file(folder)) is not None:
            reason = f"the folder holds {foreign!r}, which is no part of an earlier export"
        elif not force and (changed := _changed_file(folder)) is not None:
            reason = changed
            next_step = "choose another folder as `out`; `force` takes the change back"
        else:
            return
    except OSError as error:
        raise BadFileError(
            f"cannot look into the folder: {error.strerror or error}",
            where=str(folder),
            next_step="choose another `out`",
        ) from error
    raise UsageError(reason, where=f"`out` {folder}", next_step=next_step)


def _foreign_file(folder: Path) -> str | None:
    """A file that no export wrote, or None."""
    found = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_symlink() or not p.is_dir()]
    own = {MANIFEST, *_listed(folder)} if found else set()
    built = ("build/", "build-examples/")
    return next((name for name in found if name not in own and not (len(own) > 1 and name.startswith(built))), None)


def _listed(folder: Path) -> dict[str, str | None]:
    """Files of the export in a folder with their SHA-256, or None where an older program kept none."""
    try:
        return dict(listed_files(folder))
    except BadFileError:
        names = files_of_older_export(folder)
        return dict.fromkeys(names)


def _changed_file(folder: Path) -> str | None:
    """What would be lost, or None: a file that is no longer what was exported. A deleted one is no loss."""
    for name, digest in _listed(folder).items():
        path = folder / name
        if digest is None:
            return f"{str(folder)!r} holds an export of an older program, which kept no account of changes"
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return f"{name!r} was changed since the export"
    return None


def write_folder(folder: Path, files: Mapping[str, Content], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a temporary folder beside the target, then swap it in.

    Args:
        folder: The target; what it holds is replaced, see :func:`require_replaceable`.
        files: By path in the folder.
        facts: The manifest, but for ``files``, the SHA-256 of each file.

    Returns:
        The whole manifest.

    Raises:
        BadFileError: The disk is full or not writable; nothing is left behind.
    """
    temporary: Path | None = None
    aside: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)
        manifest = {**facts, "files": {name: _write_file(temporary / name, files[name]) for name in files}}
        _write_file(temporary / MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
        if not folder.exists():
            temporary.replace(folder)
        elif not exchange(temporary, folder):  # after which the old export is in the temporary folder
            # Some file systems cannot. The old export is moved aside and deleted last; one that is killed right between
            # the two steps leaves it there.
            aside = temporary.with_name(f"{temporary.name}.old")
            folder.replace(aside)
            temporary.replace(folder)
            shutil.rmtree(aside, ignore_errors=True)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise BadFileError(
            f"cannot write the project: {getattr(error, 'strerror', None) or error}",
            where=str(folder),
            next_step="check that the disk has free space and the folder is writable; nothing was left behind",
        ) from error
    finally:
        if aside is not None and aside.exists() and not folder.exists():
            aside.replace(folder)
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _write_file(path: Path, content: Content) -> str:
    """Write a file through to the disk; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(content):
        content(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    return hashlib.sha256(content).hexdigest()
