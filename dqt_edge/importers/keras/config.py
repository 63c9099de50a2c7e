"""Looks at the configuration of a Keras file before anything of it is loaded: only Keras' own, and no code."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadFileError
from ..problems import Problem, Problems
from .activations import ACTIVATIONS
from .layers import LAYERS
from .legacy import MODELS, modern
from .operations import OPERATIONS
from .refusals import REFUSED, UNLOADED

CONFIG_MAX = 32 << 20
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


def check_config(path: Path) -> Checked:
    """Refuse whatever is not a model of layers and operations that Keras itself has.

    What is Keras's own and cannot be imported may be loaded, so that it is told with everything else about the model.

    Raises:
        BadFileError: No Keras file.
        UnsupportedError: Lists every layer of an unknown kind, and everything that would run code.
    """
    config, version = _read(path)
    problems = Problems(str(path))
    try:
        # What Keras 3 wrote into an archive it can load; .h5 files of both need some help.
        made = config if zipfile.is_zipfile(path) and not version.startswith("2.") else modern(config)
        if made["class_name"] not in MODELS or made.get("registered_name") not in (None, made["class_name"]):
            reason = "it is no Functional or Sequential model"
            problems.found.append(Problem(path.name, str(made["class_name"]), reason, "one of them"))
        else:
            _check_model(made, "", problems)
        _check_parts({key: value for key, value in made.items() if key != "compile_config"}, path.name, problems)
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError, IndexError) as error:
        raise bad(f"its configuration is damaged ({type(error).__name__}: {error})", path) from error
    if problems.found:
        _add_refused(made, "", problems)
    problems.refuse()
    return Checked(made, made != config, version)


def _check_model(model: dict[str, Any], prefix: str, problems: Problems) -> None:
    """Every layer is of a kind that Keras has and may be loaded."""
    for layer, kind, label in _layers(model, prefix):
        if layer.get("registered_name") not in (None, kind):
            reason = f"it is registered as {layer['registered_name']!r}, so its code is not Keras's own"
            problems.found.append(Problem(label, kind, reason, "layers of Keras that compute the same"))
        elif kind in MODELS:
            _check_model(layer, f"{label[1:-1]}/", problems)
        elif kind in UNLOADED:
            problems.found.append(Problem(label, kind, *REFUSED[kind]))
        elif kind in ("TFOpLambda", "SlicingOpLambda"):
            reason = f"it is TensorFlow's function {layer['config']['function']}, which is not supported"
            problems.found.append(Problem(label, kind, reason, "a layer of Keras, or + - * / between tensors"))
        elif not _is_operation(layer) and kind not in ("InputLayer", *LAYERS, *REFUSED):
            problems.found.append(Problem(label, kind, "Keras has no such layer", "layers of Keras"))


def _add_refused(model: dict[str, Any], prefix: str, problems: Problems) -> None:
    """What is refused by its kind alone, so that the list of a model that is not loaded is as long as it can be."""
    known = {problem.layer for problem in problems.found}
    for layer, kind, label in _layers(model, prefix) if model["class_name"] in MODELS else ():
        if kind in MODELS:
            _add_refused(layer, f"{label[1:-1]}/", problems)
        elif kind in REFUSED and label not in known:
            problems.found.append(Problem(label, kind, *REFUSED[kind]))


def _layers(model: dict[str, Any], prefix: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    for layer in model["config"]["layers"]:
        name = layer["config"].get("name", layer.get("name", "?"))
        yield layer, str(layer["class_name"]), repr(f"{prefix}{name}")


def _is_operation(layer: dict[str, Any]) -> bool:
    """Whether it is one of Keras's operations; those that take functions are left out."""
    module = _plain(layer.get("module"))
    kind = layer["class_name"]
    if module in ("keras.ops.core", "keras.activations.activations"):
        return kind in OPERATIONS
    return module in ("keras.ops.numpy", "keras.ops.nn", "keras.ops.math", "keras.ops.image")


def _check_parts(config: Any, name: str, problems: Problems) -> None:  # noqa: ANN401 - JSON
    """No part at any depth names code, or a class or function from elsewhere."""
    listed = {problem.type for problem in problems.found}
    for part in _parts(config):
        kind, module = str(part["class_name"]), part.get("module")
        if kind in _CODE or (kind in UNLOADED and kind not in listed):
            problems.found.append(Problem(name, kind, "it holds code, which is never run", "Keras' own by name"))
        elif kind == "function":
            function = part["config"]
            if not _is_below(_plain(module), _FUNCTION_MODULES) or function not in (*ACTIVATIONS, "log_softmax", "glu"):
                reason = f"it names the function {function!r} of module {module!r}"
                problems.found.append(Problem(name, kind, reason, "an activation of Keras by its name"))
        elif module not in (None, "keras") and not _is_below(_plain(module), _MODULES):
            reason = f"it comes from module {module!r}, which would be imported"
            problems.found.append(Problem(name, kind, reason, "what Keras itself has"))


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


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """Configuration, and version of Keras."""
    try:
        text, version = _text_of_archive(path) if zipfile.is_zipfile(path) else _text_of_hdf5(path)
        config = json.loads(text)
    except FileNotFoundError as error:
        raise BadFileError("the model does not exist", where=str(path), next_step="check the path") from error
    except OSError as error:
        raise bad(str(error.strerror or "it is no archive of Keras"), path) from error
    except (ValueError, KeyError, zipfile.BadZipFile, RecursionError, EOFError, NotImplementedError) as error:
        raise bad(f"its configuration cannot be read ({error})", path) from error
    if not isinstance(config, dict):
        raise bad("its configuration is no object", path)
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
                found = json.loads(file.read(1 << 16).decode("utf-8"))
            version = str(found.get("keras_version", "")) if isinstance(found, dict) else ""
        return text, version


def _text_of_hdf5(path: Path) -> tuple[str, str]:
    import h5py  # noqa: PLC0415 - comes with Keras

    with path.open("rb"), h5py.File(path, "r") as file:
        text, version = (file.attrs.get(name, "") for name in ("model_config", "keras_version"))
        if not text:
            raise KeyError("model_config")
    return _decoded(text), _decoded(version)


def _decoded(text: Any) -> str:  # noqa: ANN401 - an attribute of HDF5
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)
