"""Checkpoints: no value of a wrong type in any field becomes part of a Graph, and so none reaches C."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from safetensors.numpy import save as encode

from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.graph import Graph, checkpoint
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.render import ModelNames, model_files
from tests.support.random_graphs import random_graph

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


def decoded(content: bytes) -> Graph | None:
    """The graph, or None where the file is refused as it should be."""
    try:
        return checkpoint.decode(content)
    except BadFileError:
        return None


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_a_wrong_value_in_any_field_is_refused_or_is_one_of_its_type(seed: int) -> None:
    """What is accepted has another value of the same type: it lowers, or is refused in words, and renders to C."""
    arrays, metadata = checkpoint._encode(random_graph(seed))
    manifest = json.loads(metadata["dqt_edge"])
    name = sorted(arrays)[0]
    found = [path for path in places(manifest["graph"]) if path[0] != "provenance"]
    accepted = 0
    for i, path in enumerate(found):
        for j, value in enumerate(WRONG):
            changed = copy.deepcopy(manifest)
            put(changed["graph"], path, {"array": name} if value == {"array": "?"} else value)
            content = encode(arrays, {"dqt_edge": json.dumps(changed)})
            graph = decoded(content)
            if graph is None:
                continue
            accepted += 1
            assert checkpoint.decode(encode(*checkpoint._encode(graph))) == graph
            if (i + j) % 7 == 0:
                try:
                    plan = make_plan(graph, load_board("host"))
                    model_files(plan, ModelNames.of(plan))
                except DqtError:
                    continue
    assert accepted < 0.1 * len(found) * len(WRONG)
