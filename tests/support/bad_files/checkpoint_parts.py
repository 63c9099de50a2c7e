"""A checkpoint taken apart, so that one thing in it can be made wrong, and put together again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as encode

from dqt_edge.graph import Graph, checkpoint

from .case import Case
from .good_graph import every_layer, with_state

KEY = "dqt_edge"
Arrays = dict[str, npt.NDArray[Any]]


@cache
def _encoded(graph: Callable[[], Graph]) -> tuple[Arrays, str]:
    arrays, metadata = checkpoint._encode(graph())
    return arrays, metadata[KEY]


class Parts:
    """Manifest and arrays of a checkpoint; the digest is made anew."""

    def __init__(self, graph: Callable[[], Graph]) -> None:
        arrays, manifest = _encoded(graph)
        self.arrays: Arrays = dict(arrays)
        self.manifest: dict[str, Any] = json.loads(manifest)

    @property
    def graph(self) -> dict[str, Any]:
        """What the manifest says of the graph."""
        found: dict[str, Any] = self.manifest["graph"]
        return found

    def layer(self, name: str) -> dict[str, Any]:
        """A layer, that of the controller and of heads too."""
        lists = [self.graph["layers"], self.graph["controller"]["layers"] if self.graph["controller"] else []]
        lists += [point["layers"] for point in self.graph.get("points", [])]
        return next(item for layers in lists for item in layers if item["name"] == name)

    def tensor(self, name: str) -> dict[str, Any]:
        """A tensor."""
        return next(item for item in self.graph["tensors"] if item["name"] == name)

    def encode(self) -> bytes:
        """The whole file."""
        self.manifest["sha256"] = checkpoint._digest(self.arrays)
        return encode(self.arrays, {KEY: json.dumps(self.manifest)})


Edit = Callable[[Parts], object]


@cache
def good(graph: Callable[[], Graph] = every_layer) -> bytes:
    """The file of a good graph."""
    return Parts(graph).encode()


def changed(edit: Edit, told: str, graph: Callable[[], Graph] = every_layer) -> Case:
    """A checkpoint whose parts were changed."""

    def make() -> bytes:
        parts = Parts(graph)
        edit(parts)
        return parts.encode()

    return Case(make, told)


def streaming(edit: Edit, told: str) -> Case:
    """The same of the network with a state."""
    return changed(edit, told, with_state)


def raw(edit: Callable[[bytes], bytes], told: str) -> Case:
    """A checkpoint whose bytes were changed."""
    return Case(lambda: edit(good()), told)


def header(edit: Callable[[dict[str, Any]], object], told: str) -> Case:
    """A checkpoint whose header of safetensors was changed."""

    def make() -> bytes:
        found, data = split(good())
        edit(found)
        return joined(json.dumps(found), data)

    return Case(make, told)


def text(edit: Callable[[str], str], told: str) -> Case:
    """A checkpoint whose manifest was changed as text: what no program that writes JSON would make."""

    def make() -> bytes:
        found, data = split(good())
        found["__metadata__"][KEY] = edit(found["__metadata__"][KEY])
        return joined(json.dumps(found), data)

    return Case(make, told)


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header, and the bytes behind it."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(header_text: str, data: bytes) -> bytes:
    """A file of safetensors with that header."""
    head = header_text.encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + data


def edited(content: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The checkpoint with its manifest changed by a function."""
    found, data = split(content)
    manifest = json.loads(found["__metadata__"][KEY])
    change(manifest)
    found["__metadata__"][KEY] = json.dumps(manifest)
    return joined(json.dumps(found), data)


# --- Edits ----------------------------------------------------------------------------------------------------


def on_layer(name: str, /, **values: Any) -> Edit:
    """Other values in fields of a layer."""
    return lambda parts: parts.layer(name).update(values)


def on_tensor(name: str, /, **values: Any) -> Edit:
    """Other values in fields of a tensor."""
    return lambda parts: parts.tensor(name).update(values)


def on_graph(**values: Any) -> Edit:
    """Other values in fields of the graph."""
    return lambda parts: parts.graph.update(values)


def on_controller(**values: Any) -> Edit:
    """Other values in fields of the controller."""
    return lambda parts: parts.graph["controller"].update(values)


def on_point(**values: Any) -> Edit:
    """Other values in fields of the decision point."""
    return lambda parts: parts.graph["points"][0].update(values)


def on_setting(**values: Any) -> Edit:
    """Other values in the first tuned point's setting."""
    return lambda parts: parts.graph["tuned"][0]["setting"].update(values)


def without(field: str, *place: Any) -> Edit:
    """A field of the manifest that is missing; ``place``: keys down to what has it."""

    def edit(parts: Parts) -> None:
        found: Any = parts.manifest
        for key in place:
            found = found[key]
        del found[field]

    return edit


def window(name: str, /, **values: Any) -> Edit:
    """Other values in a layer's window."""
    return lambda parts: parts.layer(name)["window"].update(values)


def array(name: str, edit: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Edit:
    """Another array under a name."""
    return lambda parts: parts.arrays.update({name: np.ascontiguousarray(edit(parts.arrays[name]))})


def element(name: str, place: Any, value: int) -> Edit:
    """Another value of one element."""

    def edit(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
        made = found.copy()
        made[place] = value
        return made

    return array(name, edit)


def cases(table: Mapping[str, tuple[Edit, str]], make: Callable[[Edit, str], Case] = changed) -> dict[str, Case]:
    """Cases of a table of edits and what is told of them."""
    return {name: make(*row) for name, row in table.items()}
