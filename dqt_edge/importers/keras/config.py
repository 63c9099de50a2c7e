"""Looks at the configuration of a Keras file before anything of it is loaded: only Keras' own, and no code."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadFileError
from ...system.plain_json import read_json
from ..problems import Problem, Problems
from .activations import ACTIVATIONS
from .form import require_model
from .layers import LAYERS
from .legacy import MODELS, modern, without_own_training
from .operations import OPERATIONS
from .refusals import REFUSED, UNLOADED

CONFIG_MAX = 32 << 20
METADATA_MAX = 1 << 16
UNPACKED_MAX = 1 << 30
_MODULES = (
    *("builtins", "keras.layers", "keras.models", "keras.initializers", "keras.regularizers"),
    *("keras.constraints", "keras.dtype_policies", "keras.activations", "keras.random", "keras.quantizers"),
    *("keras.losses", "keras.metrics", "keras.optimizers", "keras.applications"),
    *("keras.ops.numpy", "keras.ops.nn", "keras.ops.math", "keras.ops.image", "keras.ops.core"),
)
"""Whose classes may be named, and those of ``keras`` itself; ``keras.src`` counts as ``keras``."""
_FUNCTION_MODULES = ("builtins", "keras.activations", "keras.ops")
_CODE = ("__lambda__", "__typespec__")
_ACTIVATIONS = (*ACTIVATIONS, "glu", "sparsemax", "sparse_plus", "sparse_sigmoid", "threshold")
"""Functions of Keras that may be loaded; not all of them can be imported."""


@dataclass(frozen=True)
class Checked:
    """A file's configuration that may be loaded: Keras 3's, and whether the file has another one.

    ``version`` is that of the Keras that wrote the file, or "".
    """

    config: dict[str, Any]
    changed: bool
    version: str


def bad(reason: str, path: Path) -> BadFileError:
    """A Keras file that cannot be read."""
    return BadFileError(
        f"not a usable Keras model: {reason}",
        where=str(path),
        next_step="save the model again with model.save()",
    )


def check_config(path: Path, shown: Path | None = None) -> Checked:
    """Refuse whatever is not a model of layers and operations that Keras itself has.

    What is Keras's own and cannot be imported may be loaded, so that it is told with everything else about the model.

    Args:
        path: The file.
        shown: What it is a copy of, for messages.

    Raises:
        BadFileError: No Keras file.
        UnsupportedError: Lists every layer of an unknown kind, and everything that would run code.
    """
    shown = shown or path
    config, version = _read(path, shown)
    checker = _Checker(shown)
    try:
        require_model(config, "")
    except ValueError as error:
        raise bad(f"its configuration is damaged: {error}", shown) from error
    try:
        # What Keras 3 wrote into an archive it can load; .h5 files of both need some help.
        archive = is_archive(path) and not version.startswith("2.")
        made = without_own_training(config) if archive else modern(config)
        kind = str(made["class_name"])
        if kind not in MODELS or made.get("registered_name") not in (None, kind):
            checker.block(
                shown.name,
                kind,
                "it is a class of your own, or no Functional or Sequential model",
                "keras.Model(model.inputs, model.outputs), saved again",
            )
        else:
            checker.model(made, "", shown.name, top=True)
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError, IndexError) as error:
        raise bad(f"its configuration is damaged ({type(error).__name__}: {error})", shown) from error
    if checker.blocked:
        checker.problems.refuse()
    return Checked(made, made != config, version)


def is_archive(path: Path) -> bool:
    """Whether Keras will read it as an archive: by its name, so that nothing else is checked than what is loaded."""
    return path.suffix == ".keras"


class _Checker:
    """Walks a configuration. ``blocked``: it must not be loaded; other problems are told when it is."""

    def __init__(self, path: Path) -> None:
        self.problems = Problems(str(path))
        self.blocked = False

    def block(self, label: str, kind: str, reason: str, nearest: str) -> None:
        """Note what must not be loaded."""
        self.blocked = True
        self.problems.found.append(Problem(label, kind, reason, nearest))

    def model(self, model: dict[str, Any], prefix: str, label: str, *, top: bool = False) -> None:
        """A model's layers, and what else its configuration holds; how the whole was compiled is not loaded."""
        for layer in model["config"]["layers"]:
            self.layer(layer, prefix)
        rest = {key: value for key, value in model["config"].items() if key != "layers"}
        others = {key: value for key, value in model.items() if key not in ("class_name", "config")}
        if top:
            others.pop("compile_config", None)
        self.parts([rest, others], label)

    def layer(self, layer: dict[str, Any], prefix: str) -> None:
        """One entry of the list at most."""
        kind, name = str(layer["class_name"]), f"{prefix}{layer['config'].get('name', layer.get('name', '?'))}"
        label, registered = repr(name), layer.get("registered_name")
        if registered not in (None, kind):
            reason = f"it is registered as {registered!r}, so its code is not Keras's own"
            self.block(label, kind, reason, "layers of Keras that compute the same")
        elif kind in MODELS:
            self.model(layer, f"{name}/", label)
        elif kind in UNLOADED:
            self.block(label, kind, *REFUSED[kind])
        elif kind in ("TFOpLambda", "SlicingOpLambda"):
            reason = f"it is TensorFlow's function {layer['config']['function']}, which is not supported"
            self.block(label, kind, reason, "a layer of Keras, or + - * / between tensors")
        elif not _is_operation(layer) and kind not in ("InputLayer", *LAYERS, *REFUSED):
            self.block(label, kind, "Keras has no such layer", "layers of Keras")
        elif not self.parts(layer, label) and kind in REFUSED:
            self.problems.found.append(Problem(label, kind, *REFUSED[kind]))

    def parts(self, config: Any, label: str) -> bool:  # noqa: ANN401 - JSON
        """Whether a part at any depth names code, or a class or function from elsewhere."""
        for part in _parts(config):
            kind, module = str(part["class_name"]), part.get("module")
            if kind in (*_CODE, *UNLOADED) or not kind.isidentifier():
                self.block(label, kind, "it holds code, which is never run", "what Keras has by its name")
                return True
            if kind == "function":
                function = part["config"]
                if not _is_below(_plain(module), _FUNCTION_MODULES) or function not in _ACTIVATIONS:
                    reason = f"it names the function {function!r} of module {module!r}"
                    self.block(label, kind, reason, "an activation of Keras by its name")
                    return True
            elif module not in (None, "keras") and not _is_below(_plain(module), _MODULES):
                reason = f"it comes from module {module!r}, which would be imported"
                self.block(label, kind, reason, "what Keras itself has")
                return True
            name = _own_activation(part.get("config"))
            if name is not None:
                self.block(label, kind, f"its activation {name!r} is a function of your own", "an activation of Keras")
                return True
        return False


def _own_activation(config: Any) -> str | None:  # noqa: ANN401 - JSON
    """Name of an activation that Keras does not have, which stands there for somebody's function."""
    name = config.get("activation") if isinstance(config, dict) else None
    return name if isinstance(name, str) and name not in _ACTIVATIONS else None


def _is_operation(layer: dict[str, Any]) -> bool:
    """Whether it is one of Keras's operations; those that take functions are left out."""
    module = _plain(layer.get("module"))
    kind = layer["class_name"]
    if module in ("keras.ops.core", "keras.activations.activations"):
        return kind in OPERATIONS
    return module in ("keras.ops.numpy", "keras.ops.nn", "keras.ops.math", "keras.ops.image")


def _plain(module: Any) -> str:  # noqa: ANN401 - JSON
    """Keras's own modules without their ``src``."""
    text = str(module)
    return "keras" + text[len("keras.src") :] if text == "keras.src" or text.startswith("keras.src.") else text


def _is_below(module: str, known: tuple[str, ...]) -> bool:
    return module in known or any(module.startswith(f"{name}.") for name in known)


def _parts(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Every object of the configuration that names a class."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for item in value.values():
            yield from _parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parts(item)


def _read(path: Path, shown: Path) -> tuple[dict[str, Any], str]:
    """Configuration, and version of Keras."""
    try:
        text, version = _text_of_archive(path) if is_archive(path) else _text_of_hdf5(path, shown)
        config = read_json(text)
    except FileNotFoundError as error:
        raise BadFileError("the model does not exist", where=str(shown), next_step="check the path") from error
    except OSError as error:
        raise bad(str(error.strerror or "it is no archive of Keras"), shown) from error
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise bad(f"its configuration cannot be read ({error})", shown) from error
    if not isinstance(config, dict):
        raise bad("its configuration is no object", shown)
    return config, version


def _text_of_archive(path: Path) -> tuple[str, str]:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > CONFIG_MAX:
            raise ValueError("larger than 32 MiB")
        if sum(member.file_size for member in archive.infolist()) > UNPACKED_MAX:
            raise ValueError("the archive unpacks to more than 1 GiB")
        with archive.open("config.json") as file:
            text = file.read(CONFIG_MAX + 1).decode("utf-8")
        version = ""
        if "metadata.json" in archive.namelist():
            with archive.open("metadata.json") as file:
                found = _metadata(file.read(METADATA_MAX))
            version = str(found.get("keras_version", "")) if isinstance(found, dict) else ""
        return text, version


def _metadata(content: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return read_json(content)
    except ValueError as error:
        raise ValueError(f"metadata.json: {error}") from error


def _text_of_hdf5(path: Path, shown: Path) -> tuple[str, str]:
    import h5py  # noqa: PLC0415 - comes with Keras

    with path.open("rb"), h5py.File(path, "r") as file:
        text, version = (file.attrs.get(name, "") for name in ("model_config", "keras_version"))
        if not text:
            raise bad("it holds weights without the model that they belong to", shown)
    return _decoded(text), _decoded(version)


def _decoded(text: Any) -> str:  # noqa: ANN401 - an attribute of HDF5
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)
