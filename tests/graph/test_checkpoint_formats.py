"""Checkpoints of layers that came later: written in format 3 and only where they are, and read as hostile."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as encode

from dqt_edge.errors import BadFileError
from dqt_edge.graph import Add, Conv2D, Graph, Rearrange, Requantize, Tensor, Window, checkpoint
from tests.support.random_graphs import random_graph
from tests.support.random_unweighted import random_unweighted_graph

DIGITS = Path(__file__).parents[1] / "files" / "digits.safetensors"


def format_of(graph: Graph) -> int:
    return int(json.loads(checkpoint._encode(graph)[1]["dqt_edge"])["format"])


def test_a_file_that_was_written_before_keeps_its_bytes() -> None:
    content = DIGITS.read_bytes()
    graph = checkpoint.decode(content)
    assert encode(*checkpoint._encode(graph)) == content


@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed: int) -> None:
    graph = random_unweighted_graph(seed)
    content = encode(*checkpoint._encode(graph))
    loaded = checkpoint.decode(content)
    assert loaded == graph
    assert checkpoint.model_hash(loaded) == checkpoint.model_hash(graph)
    assert encode(*checkpoint._encode(loaded)) == content


def conv_graph(dilation: tuple[int, int]) -> Graph:
    rq = Requantize(np.full(2, 2**20, np.int32), np.full(2, 32, np.uint8))
    window = Window((2, 2), (1, 1), (0, 0, 0, 0), dilation)
    layer = Conv2D("c", "x", "y", np.ones((2, 2, 2, 1), np.int8), np.zeros(2, np.int32), rq, window=window)
    out = (*window.output_size(6, 6), 2)
    return Graph("g", (Tensor("x", (6, 6, 1), 1.0), Tensor("y", out, 1.0)), (layer,), "x", "y")


def add_graph(second: tuple[int, int, int]) -> Graph:
    tensors = (Tensor("x", (2, 2, 2), 1.0), Tensor("z", second, 1.0), Tensor("y", (2, 2, 2), 1.0))
    sums = Add("a", ("x", "z"), "y", (256, 256), 0, 8)
    taken = Rearrange("r", "x", "z", 0, second, (4, 2, 1))
    return Graph("g", tensors, (taken, sums), "x", "y")


def test_format_3_is_written_only_for_what_needs_it() -> None:
    assert {format_of(random_graph(seed)) for seed in range(20)} == {1, 2}
    assert format_of(conv_graph((1, 1))) == 1
    assert format_of(conv_graph((2, 1))) == 3
    assert format_of(add_graph((1, 2, 2))) == 3
    for seed in range(10):
        assert format_of(random_unweighted_graph(seed)) == 3


def test_a_window_without_dilation_is_written_as_before() -> None:
    def window(graph: Graph) -> dict:
        return json.loads(checkpoint._encode(graph)[1]["dqt_edge"])["graph"]["layers"][0]["window"]

    assert set(window(conv_graph((1, 1)))) == {"kernel", "stride", "padding"}
    assert window(conv_graph((2, 1)))["dilation"] == [2, 1]
    assert checkpoint.decode(encode(*checkpoint._encode(conv_graph((2, 1))))) == conv_graph((2, 1))


def edited(graph: Graph, kind: str, field: str, value) -> bytes:
    arrays, metadata = checkpoint._encode(graph)
    manifest = json.loads(metadata["dqt_edge"])
    layer = next(item for item in manifest["graph"]["layers"] if item["type"] == kind)
    if value is None:
        layer.pop(field)
    else:
        (layer["window"] if field == "dilation" else layer)[field] = value
    return encode(arrays, {"dqt_edge": json.dumps(manifest)})


def holding(kind: str) -> Graph:
    if kind == "Conv2D":
        return conv_graph((2, 1))
    graphs = map(random_unweighted_graph, range(200))
    return next(g for g in graphs if any(type(layer).__name__ == kind for layer in g.layers))


FIELDS = {
    "Lookup": ("table",),
    "Multiply": ("inputs", "bias_twice", "requantize"),
    "Maximum": ("inputs",),
    "Minimum": ("inputs",),
    "Softmax": ("exponentials",),
    "Rearrange": ("start", "sizes", "strides"),
    "Pad": ("before", "step", "value"),
    "Resize": ("rows", "columns"),
    "Conv2D": ("dilation",),
}
WRONG = (
    [],
    [[]],
    {},
    {"array": "nowhere"},
    {"array": 7},
    "text",
    ["x", "y", "z"],
    7.5,
    [1.0, 2],
    True,
    [True, True],
    -1,
    [-1, 1],
    [0, 0, 0, 0, 0, 0, 0],
    10**400,
    [10**400, 10**400],
    [None, 1],
    [[1, 2], [3, 4]],
)


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, names in FIELDS.items() for field in names])
def test_wrong_values_are_refused(kind: str, field: str) -> None:
    """Every field with values of every wrong type, out of range, and left out."""
    graph = holding(kind)
    for value in (*WRONG, {"array": f"{graph.layers[0].name}/surprise"}):
        with pytest.raises(BadFileError, match="not a usable checkpoint"):
            checkpoint.decode(edited(graph, kind, field, value))
    if field != "dilation":
        with pytest.raises(BadFileError, match="not a usable checkpoint"):
            checkpoint.decode(edited(graph, kind, field, None))


@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind not in ("Rearrange", "Pad")])
def test_an_array_where_integers_belong_and_another_array_are_refused(kind: str) -> None:
    """A key of the file that names an array of another kind: a typed refusal, no other error."""
    graph = holding(kind)
    keys = sorted(checkpoint._encode(graph)[0])
    for field in FIELDS[kind]:
        for key in keys:
            content = edited(graph, kind, field, {"array": key})
            with suppress(BadFileError):  # it may be the same array, or one of the same kind
                checkpoint.decode(content)
