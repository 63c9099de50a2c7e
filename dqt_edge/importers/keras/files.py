"""From a Keras model to a floating-point Network, without running code of the file."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

from ...errors import ToolchainError
from ...system.tensorflow import start_tensorflow
from ..network import Network
from ..reading import graph_name, read_bytes
from .config import Checked, bad, check_config
from .reader import Reader
from .rewrite import modernised


def read_keras(path: Path) -> Network:
    """Read a ``.keras`` or ``.h5`` file of Keras 2 or 3.

    Raises:
        BadFileError: No model of Keras, or a damaged one.
        UnsupportedError: Lists every layer that cannot be imported, and whatever would run code.
        ToolchainError: TensorFlow is not installed.
    """
    content = read_bytes(path)
    model, checked = load(path)
    reader = Reader(path.name, graph_name(path), old=checked.version.startswith("2."))
    return reader.network(model, hashlib.sha256(content).hexdigest())


def load(path: Path) -> tuple[Any, Checked]:
    """The model of a file that has been checked, and what was found; raises as :func:`read_keras` does."""
    try:
        start_tensorflow()
    except ToolchainError as error:
        raise ToolchainError(
            f"reading Keras models needs TensorFlow ({error.what})",
            where=str(path),
            next_step=error.next_step,
        ) from error
    checked = check_config(path)
    try:
        return _load(path, checked), checked
    except Exception as error:  # Keras raises whatever its layers do
        reason = (str(error).splitlines() or [""])[0][:200]
        raise bad(f"Keras cannot load it ({type(error).__name__}: {reason})", path) from error


def from_model(model: Any, source: str, name: str, sha256: str = "") -> Network:  # noqa: ANN401 - a Keras model
    """Network of a loaded model; ``source`` names it in messages.

    Raises:
        UnsupportedError: Lists every layer that cannot be imported.
    """
    return Reader(source, name).network(model, sha256)


def _load(path: Path, checked: Checked) -> Any:  # noqa: ANN401 - a Keras model
    import keras  # noqa: PLC0415 - TensorFlow is large

    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of old arguments, which are known here
        if checked.changed:
            path = modernised(path, Path(folder), checked.config)
        return keras.models.load_model(path, compile=False, safe_mode=True)
