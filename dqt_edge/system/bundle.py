"""What an issue needs to know of a machine, as one file without names, folders and secrets of its user."""

from __future__ import annotations

import getpass
import importlib.metadata
import json
import os
import platform
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import plain
from .doctor import Finding
from .files import read_capped, write_atomically

DISTRIBUTION = "dqt-edge"
LAST, MANIFEST = ".dqt-edge.json", "manifest.json"
SIZE_MAX = 4 << 20
KEPT = ("format", "dqt_edge", "board", "outlet", "text_protocol", "trigger", "watchdog", "predicted")
"""What is taken of the last project's manifest, beside names and hashes of its models."""
SECRET = re.compile(r"(?i)token|secret|passw|credential|api_?key|private_?key|auth")
"""Names of environment variables whose values are secrets."""
SECRET_LEAST = 6
"""Characters from which on a secret is looked for in the text: shorter ones are parts of words."""
LOG_LINES = 40


def write_bundle(path: Path, findings: list[Finding], boards: tuple[str, ...], log: Path | None = None) -> None:
    """Write versions, findings, boards, the last project and the end of a log as JSON.

    Args:
        path: The file; an earlier one is replaced.
        findings: Of ``doctor``.
        boards: Ids of all boards.
        log: What a command printed, or a build's log.

    Raises:
        BadFileError: It cannot be written.
    """
    body = {
        "dqt_edge": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": versions(),
        "findings": [vars(finding) for finding in findings],
        "boards": list(boards),
        "project": last_project(Path.cwd()),
        "log": None if log is None else log_end(log),
    }
    write_atomically(path, (json.dumps(scrubbed(body, secrets()), indent=2) + "\n").encode())


def versions() -> dict[str, str]:
    """Installed version of each package that dqt-edge or an extra of it asks for; absent ones are left out."""
    try:
        asked = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    names = {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in asked}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def last_project(folder: Path) -> dict[str, Any] | None:
    """What was exported last from a folder: board, sizes, names and hashes of its models. None if nothing readable."""
    try:
        noted = json.loads(read_capped(folder / LAST, SIZE_MAX))
        manifest = json.loads(read_capped(folder / noted["last_export"] / MANIFEST, SIZE_MAX))
        models = [{key: model[key] for key in ("name", "hash")} for model in manifest["models"]]
        return {**{key: manifest[key] for key in KEPT if key in manifest}, "models": models}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def log_end(path: Path) -> list[str]:
    """The last lines of a log, as text; raises BadFileError if it cannot be read."""
    from ..errors import BadFileError  # noqa: PLC0415 - beside its only use

    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - (1 << 16)))
            text = handle.read().decode("utf-8", "replace")
    except OSError as error:
        raise BadFileError(
            f"cannot read the log: {error.strerror or error}", where=str(path), next_step="give a text file"
        ) from error
    return [plain(line) for line in text.splitlines()[-LOG_LINES:]]


def secrets() -> dict[str, str]:
    """What must not leave the machine, and what stands in its place; longer texts first."""
    hidden = {str(Path.home()): "~"} if _has_home() else {}
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SECRET_LEAST:
            hidden[value] = "***"
        elif name in ("HOME", "USERPROFILE") and len(value) > 1:
            hidden[value] = "~"
    for value, word in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if len(value) > 1:
            hidden.setdefault(value, word)
    return dict(sorted(hidden.items(), key=lambda entry: -len(entry[0])))


def _has_home() -> bool:
    try:
        return len(str(Path.home())) > 1
    except RuntimeError:
        return False


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # nobody, as in some containers
        return ""


def scrubbed(value: Any, hidden: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
    """A JSON value with other words for what is hidden. Names count as whole words; keys are not ours to change."""
    if isinstance(value, str):
        for text, word in hidden.items():
            edge = r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9_])"
            pattern = f"{edge[0]}{re.escape(text)}{edge[1]}" if word in ("USER", "HOST") else re.escape(text)
            value = re.sub(pattern, lambda _, word=word: word, value)  # type: ignore[misc]
        return value
    if isinstance(value, Mapping):
        return {key: scrubbed(each, hidden) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(each, hidden) for each in value]
    return value
