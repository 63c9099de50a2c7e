"""What a manifest must hold, checked field by field; see :mod:`.manifest`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZES = ("flash", "ram", "stack")
_PEAK = ("tensors", "scratch")
_TRIGGER = ("pin", "where")


def check_manifest(manifest: Any, formats: int) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The manifest of a project or a library, whose format is known; raises ValueError, which names the field."""
    if not isinstance(manifest, dict):
        raise ValueError(f"it is {_shown(manifest)}, must be an object")
    found = _part(manifest, "format", "")
    if type(found) is not int or found != formats:
        raise ValueError(f"format {_shown(found)}, this program reads {formats}")
    return manifest


def check_project(manifest: dict[str, Any], *, sized: bool) -> None:
    """Raise ValueError, which names the field, unless the manifest is that of a project.

    Args:
        manifest: Whose format and board are known.
        sized: Whether the board's memory is known, and with it what the project takes of it.
    """
    check_files(manifest)
    _check_models(_part(manifest, "models", ""), manifest["files"])
    _check_predicted(_part(manifest, "predicted", ""), sized=sized)
    if "trigger" in manifest:
        for key in _TRIGGER:
            _text(_record(manifest["trigger"], "trigger"), key, "trigger/")
    if "text_protocol" in manifest:
        _text(manifest, "text_protocol", "")


def check_files(manifest: dict[str, Any]) -> dict[str, str]:
    """The SHA-256 of each file by its path in the folder; raises ValueError, which names the file."""
    files = _record(_part(manifest, "files", ""), "files")
    for name, digest in files.items():
        require_inside(name, "files")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise ValueError(f"files/{name} is {_shown(digest)}, must be a SHA-256")
    return dict(files)


def require_inside(name: str, where: str) -> None:
    """Raise ValueError unless a path lies in the folder that it is relative to."""
    path = PurePosixPath(name)
    if not name.isprintable() or "\\" in name or path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{where}: {name[:80]!r} lies outside the project")


def _check_models(models: Any, files: dict[str, Any]) -> None:  # noqa: ANN401 - JSON
    if not isinstance(models, list) or not models:
        raise ValueError(f"models is {_shown(models)}, must be a list of one or more")
    seen: dict[str, set[str]] = {"name": set(), "symbol": set(), "checkpoint": set()}
    for number, facts in enumerate(models):
        where = f"models[{number}]"
        _record(facts, where)
        digest = _text(facts, "hash", f"{where}/")
        if not _SHA256.fullmatch(digest):
            raise ValueError(f"{where}/hash is {_shown(digest)}, must be a SHA-256")
        for key, known in seen.items():
            value = _text(facts, key, f"{where}/")
            if value in known:
                raise ValueError(f"{where}/{key} is {_shown(value)}, as that of another model")
            known.add(value)
        if not _SYMBOL.fullmatch(facts["symbol"]):
            raise ValueError(f"{where}/symbol is {_shown(facts['symbol'])}, must be a name in C")
        require_inside(facts["checkpoint"], f"{where}/checkpoint")
        if facts["checkpoint"] not in files:
            raise ValueError(f"{where}/checkpoint is {_shown(facts['checkpoint'])}, which is none of the files")
        dial = facts.get("dial", [])
        if not isinstance(dial, list) or not all(type(n) in (int, float) and 0 <= n <= 1 for n in dial):
            raise ValueError(f"{where}/dial is {_shown(dial)}, must be numbers within 0..1")


def _check_predicted(predicted: Any, *, sized: bool) -> None:  # noqa: ANN401 - JSON
    if predicted is None and not sized:
        return
    _record(predicted, "predicted")
    for key in _SIZES:
        _size(predicted, key, "predicted/")
    _text(predicted, "compiler", "predicted/")
    peaks = predicted.get("peaks", [])
    if not isinstance(peaks, list):
        raise ValueError(f"predicted/peaks is {_shown(peaks)}, must be a list")
    for number, peak in enumerate(peaks):
        where = f"predicted/peaks[{number}]"
        _text(_record(peak, where), "model", f"{where}/")
        for key in _PEAK:
            _size(peak, key, f"{where}/")


def _part(body: dict[str, Any], key: str, where: str) -> Any:  # noqa: ANN401 - JSON
    if key not in body:
        raise ValueError(f"{where}{key} is missing")
    return body[key]


def _text(body: dict[str, Any], key: str, where: str) -> str:
    value = _part(body, key, where)
    if not isinstance(value, str):
        raise ValueError(f"{where}{key} is {_shown(value)}, must be text")
    return value


def _size(body: dict[str, Any], key: str, where: str) -> None:
    value = _part(body, key, where)
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError(f"{where}{key} is {_shown(value)}, must be a number of bytes")


def _record(value: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {_shown(value)}, must be an object")
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
