"""From a Keras model to a floating-point Network, without running code of the file."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from ...errors import ToolchainError
from ...system.confine import cut_off
from ...system.tensorflow import start_tensorflow
from ..network import Network
from ..reading import graph_name
from .config import Checked, bad, check_config, is_archive
from .opened import WEIGHTS, private_copy
from .reader import Reader
from .rewrite import modernised
from .weights import count_values, weights_within


def read_keras(path: Path, *, confine: bool = False) -> Network:
    """Read a ``.keras`` or ``.h5`` file of Keras 2 or 3, in this process.

    Args:
        path: The file.
        confine: Once TensorFlow has started, cut this process off; see :func:`dqt_edge.system.confine.cut_off`.

    Raises:
        BadFileError: No model of Keras, or a damaged one.
        UnsupportedError: Lists every layer that cannot be imported, and whatever would run code.
        ToolchainError: TensorFlow is not installed.
    """
    model, checked, content = load(path, confine=confine)
    reader = Reader(path.name, graph_name(path), old=checked.version.startswith("2."))
    return reader.network(model, hashlib.sha256(content).hexdigest())


def load(path: Path, *, confine: bool = False) -> tuple[Any, Checked, bytes]:
    """The model of a file that has been checked, what was found, and the file's bytes; as :func:`read_keras`."""
    with tempfile.TemporaryDirectory() as folder:
        copy, content = private_copy(path, Path(folder))
        _start(path)
        if confine:
            cut_off()
        checked, values = looked_at(copy, Path(folder), path)
        try:
            with weights_within(values):
                return _load(copy, Path(folder), checked), checked, content
        except MemoryError:
            raise
        except Exception as error:  # Keras raises whatever its layers do
            reason = (str(error).splitlines() or [""])[0][:200]
            raise bad(f"Keras cannot load it ({type(error).__name__}: {reason})", path) from error


def looked_at(copy: Path, folder: Path, shown: Path) -> tuple[Checked, int]:
    """All that is looked at before Keras loads a file: its configuration, and how many values its weights have.

    Args:
        copy: A private copy of the file.
        folder: Where there is room for its weights.
        shown: The file, for messages.

    Raises:
        BadFileError, UnsupportedError: As :func:`read_keras`.
    """
    return check_config(copy, shown), _count(copy, folder, shown)


def _start(path: Path) -> None:
    try:
        start_tensorflow()
    except ToolchainError as error:
        raise ToolchainError(
            f"reading Keras models needs TensorFlow ({error.what})",
            where=str(path),
            next_step=error.next_step,
        ) from error


def _count(copy: Path, folder: Path, shown: Path) -> int:
    """Values that the file's weights have; refuses what is no array of the file itself."""
    import h5py  # noqa: PLC0415 - comes with Keras

    weights = copy
    try:
        if is_archive(copy):
            with zipfile.ZipFile(copy) as archive:
                weights = Path(archive.extract(WEIGHTS, folder))
        with h5py.File(weights, "r") as file:
            return count_values(file, shown.stat().st_size, shown)
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        raise bad(f"its weights cannot be read ({str(error)[:200]})", shown) from error


def from_model(model: Any, source: str, name: str, sha256: str = "") -> Network:  # noqa: ANN401 - a Keras model
    """Network of a loaded model; ``source`` names it in messages.

    Raises:
        UnsupportedError: Lists every layer that cannot be imported.
    """
    return Reader(source, name).network(model, sha256)


def _load(path: Path, folder: Path, checked: Checked) -> Any:  # noqa: ANN401 - a Keras model
    import keras  # noqa: PLC0415 - TensorFlow is large

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old arguments, which are known here
        if checked.changed:
            own = folder / "changed"
            own.mkdir()
            path = modernised(path, own, checked.config)
        return keras.models.load_model(path, compile=False, safe_mode=True)
