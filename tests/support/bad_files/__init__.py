"""Bad files made by hand, a few hundred of every format: what broken programs and people of ill will would write.

Each names another fault or another place, and what an error must say of it. ``tests/test_bad_files.py`` reads them all,
and so does ``python -m benchmarks.fuzz_files``, within limits of time and memory; both count them.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from .case import Case, Format

_FORMATS = {
    "checkpoint": ("checkpoint", "CHECKPOINT", "safetensors"),
    "tflite": ("tflite", "TFLITE", "tflite"),
    "keras": ("keras", "KERAS", "h5py"),
    "onnx": ("onnx", "ONNX", "onnx"),
    "board": ("board", "BOARD", "rich"),
    "manifest": ("manifest", "MANIFEST_JSON", "safetensors"),
}
"""By name: the module, its format, and a package without which it can be neither made nor read."""
NAMES = tuple(_FORMATS)

__all__ = ["NAMES", "Case", "Format", "bad_files", "missing"]


def missing(name: str) -> str | None:
    """The package that a format needs and that is not installed."""
    package = _FORMATS[name][2]
    return None if find_spec(package) else package


def bad_files(name: str) -> Format:
    """A format with its bad files."""
    module, format_name, _ = _FORMATS[name]
    found: Format = getattr(import_module(f"{__name__}.{module}"), format_name)
    return found
