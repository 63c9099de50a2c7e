"""One entry for all kinds of model files."""

from __future__ import annotations

from pathlib import Path

from ..errors import UsageError
from .network import Network
from .tflite import read_network

SUFFIXES = (".tflite", ".onnx", ".keras", ".h5")


def read_model(path: Path) -> Network:
    """Network of a model file, by its suffix.

    Raises:
        UsageError: Another suffix.
        BadFileError, UnsupportedError, ToolchainError: As the reader says.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path.suffix or 'a file without suffix'!r} is no kind of model that can be imported",
            where=str(path),
            next_step=f"give a file that ends in {', '.join(SUFFIXES)}",
        )
    if path.suffix == ".tflite":
        return read_network(path)
    if path.suffix == ".onnx":
        from .onnx import read_onnx  # noqa: PLC0415 - an optional dependency

        return read_onnx(path)
    from .keras.apart import read_apart  # noqa: PLC0415 - an optional dependency

    return read_apart(path)
