"""Looks at the configuration of a Keras file before anything of it is loaded: only known layers, and no code."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import BadFileError
from .problems import Problem, Problems

CONFIG_MAX = 32 << 20
UNPACKED_MAX = 1 << 30
LAYERS = {
    *(
        "InputLayer",
        "Conv2D",
        "DepthwiseConv2D",
        "Dense",
        "Add",
        "Concatenate",
        "BatchNormalization",
        "ReLU",
        "Activation",
        "Softmax",
    ),
    *("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "ZeroPadding2D"),
    *("Flatten", "Reshape", "Dropout", "SpatialDropout2D", "GaussianNoise"),
}
MODELS = ("Functional", "Model", "Sequential")
_NEAREST = {
    "Lambda": "the same computation as layers of Keras; code from a file is never run",
    "Conv1D": "Conv2D with a kernel of Kx1",
    "SeparableConv2D": "DepthwiseConv2D and Conv2D with a kernel of 1x1",
    "Rescaling": "inputs that are scaled before the model",
    "Normalization": "inputs that are scaled before the model",
    "Functional": "the layers of the inner model in the outer one",
    "Sequential": "the layers of the inner model in the outer one",
}


def bad(reason: str, path: Path) -> BadFileError:
    """A Keras file that cannot be read."""
    return BadFileError(
        f"not a usable Keras model: {reason}",
        where=str(path),
        next_step="save the model again with model.save()",
    )


def check_config(path: Path) -> None:
    """Refuse whatever is not a model of known layers.

    Raises:
        BadFileError: No Keras file.
        UnsupportedError: Lists every layer of an unknown kind, and everything that would run code.
    """
    config = _read(path)
    problems = Problems(str(path))
    try:
        if config["class_name"] not in MODELS:
            problems.found.append(
                Problem(
                    path.name,
                    str(config["class_name"]),
                    "it is no Functional or Sequential model",
                    "one of them",
                )
            )
        else:
            for layer in config["config"]["layers"]:
                _check_layer(layer, problems)
        for part in _parts(config):
            if part["class_name"] == "__lambda__":
                reason = "it holds code, which is never run"
                problems.found.append(Problem(path.name, "__lambda__", reason, "a function of Keras by its name"))
            module = part.get("module")
            if module not in (None, "builtins") and str(module).split(".")[0] != "keras":
                reason = f"it comes from module {module!r}, which would be imported"
                problems.found.append(Problem(path.name, str(part.get("class_name")), reason, "what Keras itself has"))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise bad(f"its configuration is damaged ({type(error).__name__}: {error})", path) from error
    problems.refuse()


def _check_layer(layer: dict[str, Any], problems: Problems) -> None:
    kind = str(layer["class_name"])
    if kind not in LAYERS:
        nearest = _NEAREST.get(kind, f"one of {', '.join(sorted(LAYERS - {'InputLayer'}))}")
        name = repr(layer["config"].get("name", layer.get("name", "?")))
        problems.found.append(Problem(name, kind, "this kind of layer is not supported", nearest))
        return
    if layer.get("registered_name") not in (None, kind):
        reason = f"it is registered as {layer['registered_name']!r}"
        problems.found.append(Problem(repr(layer["config"].get("name")), kind, reason, f"keras.layers.{kind}"))


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


def _read(path: Path) -> dict[str, Any]:
    try:
        text = _text_of_archive(path) if zipfile.is_zipfile(path) else _text_of_hdf5(path)
        config = json.loads(text)
    except FileNotFoundError as error:
        raise BadFileError("the model does not exist", where=str(path), next_step="check the path") from error
    except OSError as error:
        raise bad(str(error.strerror or "it is no archive of Keras"), path) from error
    except (ValueError, KeyError, zipfile.BadZipFile, RecursionError, EOFError, NotImplementedError) as error:
        raise bad(f"its configuration cannot be read ({error})", path) from error
    if not isinstance(config, dict):
        raise bad("its configuration is no object", path)
    return config


def _text_of_archive(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > CONFIG_MAX:
            raise ValueError("larger than 32 MiB")
        if sum(member.file_size for member in archive.infolist()) > UNPACKED_MAX:
            raise ValueError("the archive unpacks to more than 1 GiB")
        with archive.open("config.json") as file:
            return file.read(CONFIG_MAX + 1).decode("utf-8")


def _text_of_hdf5(path: Path) -> str:
    import h5py  # noqa: PLC0415 - comes with Keras

    with path.open("rb"), h5py.File(path, "r") as file:
        text = file.attrs["model_config"]
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)
