"""Checkpoints: no value of a wrong type in any field becomes part of a Graph, and so none reaches C."""

from __future__ import annotations

import copy
import json
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as encode

from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.graph import Graph, checkpoint, checkpoint_fields
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.render import ModelNames, model_files
from tests.support.random_graphs import random_graph
from tests.support.random_points import pointed_graph

WRONG = ({"array": "?"}, {"array": 3}, {}, [], [255], [[1]], 1.5, -1, 10**30, float("nan"), True, None, "x", "*/ x")


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values in JSON, those of lists and objects too."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


def put(part: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value


def decoded(content: bytes, path: tuple[Any, ...], before: object, after: object) -> Graph | None:
    """The graph, or None where the file is refused as it should be: by the field's name if it is of a wrong type."""
    try:
        return checkpoint.decode(content)
    except BadFileError as error:
        said = error.what
    field = next(key for key in reversed(path) if isinstance(key, str))
    if type(before) is not type(after) and {type(before), type(after)} != {int, float} and before is not None:
        optional = after is None and field.startswith(("residual", "requantize"))  # what is absent, others miss
        assert optional or field in said or field.removesuffix("s") in said, (path, after, said)
    return None


def at(part: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        part = part[key]
    return part


GRAPHS = {"small": random_graph(3), "other": random_graph(5), "points": pointed_graph(0, controller=True)}


@pytest.mark.some(2)
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_a_wrong_value_in_any_field_is_refused_or_is_one_of_its_type(graph: Graph) -> None:
    """What is accepted has another value of the same type: it lowers, or is refused in words, and renders to C."""
    arrays, metadata = checkpoint._encode(graph)
    manifest = json.loads(metadata["dqt_edge"])
    name = sorted(arrays)[0]
    found = [path for path in places(manifest["graph"]) if path[0] != "provenance"]
    accepted = 0
    for i, path in enumerate(found):
        for j, value in enumerate(WRONG):
            if graph.points and (i + j) % 4:
                continue  # of a large file a part
            changed = copy.deepcopy(manifest)
            wrong = {"array": name} if value == {"array": "?"} else value
            put(changed["graph"], path, wrong)
            content = encode(arrays, {"dqt_edge": json.dumps(changed)})
            made = decoded(content, path, at(manifest["graph"], path), wrong)
            if made is None:
                continue
            accepted += 1
            assert checkpoint.decode(encode(*checkpoint._encode(made))) == made
            if (i + j) % 7 == 0:
                try:
                    plan = make_plan(made, load_board("host"))
                    model_files(plan, ModelNames.of(plan))
                except DqtError:
                    continue
    assert accepted < 0.1 * len(found) * len(WRONG)


def test_an_array_type_that_stays_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    """As NumPy 2.5 and later declare NDArray, where Python has such aliases."""

    class Alias:
        pass

    monkeypatch.setitem(checkpoint_fields._GENERIC, Alias, checkpoint_fields._numbers)
    kind, array = types.GenericAlias(Alias, (np.int32,)), np.arange(3, dtype=np.int32)
    assert checkpoint_fields._value(kind, {"array": "a"}, {"a": array}, "field x") is array
    with pytest.raises(ValueError, match="array of int64"):
        checkpoint_fields._value(kind, {"array": "a"}, {"a": array.astype(np.int64)}, "field x")
