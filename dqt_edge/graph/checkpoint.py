"""A Graph in one ``.safetensors`` file. Readers take the file as hostile.

Metadata key ``dqt_edge`` holds the manifest as JSON: format version, graph, provenance, and the SHA-256 of the tensor
bytes. Integer tensors are int8, uint8 or int32. See ``docs/checkpoint.md``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, DqtError
from ..system.files import read_capped, write_atomically
from ..system.plain_json import read_json
from .checkpoint_fields import build, build_each, has_fields, items, record, text
from .checkpoint_header import KEY, manifest_text
from .dial import POINTS_MAX, DialPoint
from .graph import TASKS, Controller, Graph
from .layers import LATER_LAYERS, LAYER_NAMES, Layer, MacLayer
from .layers_elementwise import Add
from .points import DECISION_POINTS_MAX, TUNED_MAX, DecisionPoint, TunedPoint
from .terminals import TERMINALS_MAX, State
from .values import Requantize, Tensor, Window, in_layer

FORMATS = (1, 2, 3, 4)
"""Format 2 adds the controller's dial; format 3 the task, several inputs and outputs, states, layers without weights
beside addition and concatenation, broadcasting, dilation, and weight offsets; format 4 decision points, tuned points,
the second pass and layers that may be skipped. A graph is written in the least format
that holds it: a reader of an earlier one would pass over what it does not know without a word."""
FILE_MAX = 256 << 20
MANIFEST_MAX = 8 << 20
LAYERS_MAX = 4096
TENSORS_MAX = 2 * LAYERS_MAX + 2 * TERMINALS_MAX
CLASSES_MAX = 1 << 15
Arrays = dict[str, npt.NDArray[Any]]

_NEEDED = {"name", "tensors", "layers", "input", "output", "classes", "controller", "provenance"}
"""Fields of every graph."""
_MANIFEST = {"format", "graph", "sha256"}
_CONTROLLER = {"after", "layers", "decides"}
_LAYERS: dict[str, type[Any]] = {name: cls for cls, name in LAYER_NAMES.items()}
_OPTIONAL = {"bias_by_width": None, "skip_bias": None, "dilation": (1, 1), "weight_offset": 0}
"""Fields that are left out at these values, so that a model without them has the bytes it always had."""


# --- Writing --------------------------------------------------------------------------------------------------


def save(graph: Graph, path: Path) -> None:
    """Write a checkpoint atomically. The same graph gives the same bytes."""
    from safetensors.numpy import save as encode  # noqa: PLC0415 - keeps the command line's start fast

    content = encode(*_encode(graph))
    write_atomically(path, content)


def model_hash(graph: Graph) -> bytes:
    """SHA-256 of what a device computes with: all integers and the structure; not class names, provenance, task."""
    _, metadata = _encode(graph)
    manifest = json.loads(metadata[KEY])
    manifest["graph"].pop("classes")
    manifest["graph"].pop("provenance")
    manifest["graph"].pop("task", None)
    digest = hashlib.sha256(json.dumps(manifest["graph"], sort_keys=True).encode())
    digest.update(manifest["sha256"].encode())
    return digest.digest()


def _encode(graph: Graph) -> tuple[Arrays, dict[str, str]]:
    arrays: Arrays = {}

    def value(owner: str, name: str, item: Any) -> Any:  # noqa: ANN401 - any field of a layer
        if isinstance(item, np.ndarray):
            key = f"{owner}/{name}"
            arrays[key] = np.ascontiguousarray(item)
            return {"array": key}
        if isinstance(item, Requantize | Window):
            return {k: value(f"{owner}/{name}", k, v) for k, v in _given(item).items()}
        return item

    def layer(item: Layer) -> dict[str, Any]:
        return {"type": LAYER_NAMES[type(item)], **{k: value(item.name, k, v) for k, v in _given(item).items()}}

    controller = graph.controller
    body: dict[str, Any] = {
        "name": graph.name,
        "tensors": [{f.name: getattr(t, f.name) for f in fields(t)} for t in graph.tensors],
        "layers": [layer(item) for item in graph.layers],
        "input": graph.input,
        "output": graph.output,
        "classes": graph.classes,
        "controller": None
        if controller is None
        else {
            "after": controller.after,
            "layers": [layer(item) for item in controller.layers],
            "decides": controller.decides,
        },
        "provenance": dict(graph.provenance),
    }
    if controller is not None and controller.dial:
        body["controller"]["dial"] = [{"target": point.target, "bias": point.bias} for point in controller.dial]
    if graph.task != TASKS[0]:
        body["task"] = graph.task
    more = {"more_inputs": graph.more_inputs, "more_outputs": graph.more_outputs}
    body |= {key: list(names) for key, names in more.items() if names}
    if graph.states:
        body["states"] = [{f.name: getattr(state, f.name) for f in fields(state)} for state in graph.states]
    if graph.points:
        body["points"] = [
            {"name": point.name, "after": point.after, "layers": [layer(item) for item in point.layers]}
            for point in graph.points
        ]
    if graph.tuned:
        body["tuned"] = [asdict(point) for point in graph.tuned]
    if graph.second_pass:
        body["second_pass"] = True
    manifest = {"format": _format(graph), "graph": body, "sha256": _digest(arrays)}
    return arrays, {KEY: json.dumps(manifest, sort_keys=True)}


def _given(item: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """Fields of a part by name, without those that are left out."""
    found = {f.name: getattr(item, f.name) for f in fields(item)}
    return {k: v for k, v in found.items() if isinstance(v, np.ndarray) or k not in _OPTIONAL or v != _OPTIONAL[k]}


def _format(graph: Graph) -> int:
    """The least format that holds the graph."""
    skips = any(isinstance(layer, MacLayer) and layer.skip_bias is not None for layer in graph.all_layers)
    if graph.points or graph.tuned or graph.second_pass or skips:
        return 4
    if graph.task != TASKS[0] or graph.more_inputs or graph.more_outputs or graph.states:
        return 3
    for layer in graph.all_layers:
        window = getattr(layer, "window", None)
        broadcasts = isinstance(layer, Add) and len({graph.tensor(name).shape for name in layer.inputs}) > 1
        if isinstance(layer, LATER_LAYERS) or (window is not None and window.dilation != (1, 1)) or broadcasts:
            return 3
        if isinstance(layer, MacLayer) and layer.weight_offset:
            return 3
    return 2 if graph.controller is not None and graph.controller.dial else 1


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


# --- Reading --------------------------------------------------------------------------------------------------


def load(path: Path) -> Graph:
    """Read and check a checkpoint.

    Raises:
        BadFileError: Missing, too large, truncated, tampered with, or of another format version.
    """
    return decode(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        return read_capped(path, FILE_MAX)
    except ValueError as error:
        raise _bad(str(error), str(path)) from error
    except OSError as error:
        raise BadFileError(
            f"cannot read the checkpoint: {error.strerror or error}",
            where=str(path),
            next_step="check the path; 'dqt-edge train' and 'dqt-edge import' make checkpoints",
        ) from error


def _bad(reason: str, where: str) -> BadFileError:
    return BadFileError(
        f"not a usable checkpoint: {reason}",
        where=where,
        next_step="copy the file again, or make it anew with 'dqt-edge train'",
    )


def decode(content: bytes, where: str = "checkpoint") -> Graph:
    """Graph of a checkpoint's bytes; raises BadFileError for anything that is not one."""
    try:
        text = manifest_text(content, MANIFEST_MAX)
    except ValueError as error:
        raise _bad(str(error), where) from error
    try:
        from safetensors.numpy import load as decode_tensors  # noqa: PLC0415 - keeps the command line's start fast

        arrays = decode_tensors(content)
    except Exception as error:  # safetensors raises its own, undocumented types
        raise _bad(f"tensors cannot be read ({error})", where) from error
    try:
        manifest = record(read_json(text), "the manifest")
    except ValueError as error:
        raise _bad(f"the manifest is no JSON ({str(error)[:200]})", where) from error
    found = manifest.get("format")
    if type(found) is not int or found not in FORMATS:
        raise _bad(f"format version {found!r}, this program reads {FORMATS[0]} to {FORMATS[-1]}", where)
    try:
        has_fields(manifest, _MANIFEST, "the manifest", None)
        if manifest["sha256"] != _digest(arrays):
            raise _bad("the tensor bytes do not match their SHA-256", where)
        return _graph(record(manifest["graph"], "graph"), arrays)
    except BadFileError:
        raise
    except DqtError as error:
        placed = error.what.startswith(("layer ", "tensor "))
        raise _bad(error.what if placed else f"{error.what} ({error.where})", where) from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        RecursionError,
        OverflowError,
        MemoryError,
    ) as error:
        raise _bad(f"the manifest is damaged ({type(error).__name__}: {error})", where) from error


def _dial(points: Any) -> tuple[DialPoint, ...]:  # noqa: ANN401 - JSON
    return build_each(DialPoint, items(points, POINTS_MAX, "dial"), {}, "dial")


def _layers(found: Any, arrays: Arrays) -> tuple[Layer, ...]:  # noqa: ANN401 - JSON
    listed = enumerate(items(found, LAYERS_MAX, "layers"))
    return tuple(_layer(record(item, f"layers[{i}]"), arrays, f"layers[{i}]") for i, item in listed)


def _layer(item: dict[str, Any], arrays: Arrays, where: str) -> Layer:
    if missing := {"type", "name"} - set(item):
        raise ValueError(f"{where} lacks {sorted(missing)}")
    kind = text(item["type"], f"{where}/type")
    if kind not in _LAYERS:
        raise ValueError(f"{where}: there is no layer of type {kind[:80]!r}")
    with in_layer(text(item["name"], f"{where}/name")):
        made = build(_LAYERS[kind], {k: v for k, v in item.items() if k != "type"}, arrays, f"layer {item['name']!r}")
    return cast(Layer, made)


def _controller(body: dict[str, Any], arrays: Arrays) -> Controller:
    has_fields(body, _CONTROLLER, "controller", None)
    return Controller(
        text(body["after"], "after of the controller"),
        _layers(body["layers"], arrays),
        _names(body["decides"], "decides of the controller", LAYERS_MAX),
        _dial(body.get("dial", [])),
    )


def _point(item: Any, arrays: Arrays, where: str) -> DecisionPoint:  # noqa: ANN401 - JSON
    has_fields(record(item, where), {"name", "after", "layers"}, where)
    name, after = text(item["name"], f"{where}/name"), text(item["after"], f"{where}/after")
    return DecisionPoint(name, after, _layers(item["layers"], arrays))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"second_pass is {str(value)[:80]}, must be true or false")
    return value


def _graph(body: dict[str, Any], arrays: Arrays) -> Graph:
    has_fields(body, _NEEDED, "graph", None)
    controller = body["controller"]
    tensors = items(body["tensors"], TENSORS_MAX, "tensors")

    def listed(name: str, most: int) -> list[Any]:
        return items(body.get(name, []), most, name)

    return Graph(
        name=text(body["name"], "name of the graph"),
        tensors=build_each(Tensor, tensors, arrays, "tensors"),
        layers=_layers(body["layers"], arrays),
        input=text(body["input"], "input"),
        output=text(body["output"], "output"),
        classes=_names(body["classes"], "classes", CLASSES_MAX),
        controller=None if controller is None else _controller(record(controller, "controller"), arrays),
        provenance=record(body["provenance"], "provenance"),
        task=text(body.get("task", TASKS[0]), "task"),
        more_inputs=_names(body.get("more_inputs", []), "more_inputs"),
        more_outputs=_names(body.get("more_outputs", []), "more_outputs"),
        states=build_each(State, listed("states", TERMINALS_MAX), arrays, "states"),
        points=tuple(
            _point(item, arrays, f"points[{i}]") for i, item in enumerate(listed("points", DECISION_POINTS_MAX))
        ),
        tuned=build_each(TunedPoint, listed("tuned", TUNED_MAX), {}, "tuned"),
        second_pass=_flag(body.get("second_pass", False)),
    )


def _names(found: Any, where: str, most: int = TERMINALS_MAX) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    return tuple(text(item, f"a name in {where}") for item in items(found, most, where))
