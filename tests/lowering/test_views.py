"""A tensor that is only another shape of one lies where that one does: nothing is copied, and no memory is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, Lookup, Multiply, Rearrange, Requantize, State, Tensor, interpreter
from dqt_edge.lowering.arena import Overlap, Step
from dqt_edge.lowering.memory import MemoryPlan, _seen_through, plan_memory
from tests.support.native_model import NativeModel

SHAPE = (4, 4, 32)
SIZE = 4 * 4 * 32


def table(name: str, source: str, output: str) -> Lookup:
    return Lookup(name, source, output, np.random.default_rng(len(name)).integers(0, 256, (1, 256)).astype(np.uint8))


def graph_of(*layers, output: str = "y", **more) -> Graph:
    shapes = {"x": SHAPE, "a": SHAPE, "flat": (1, 16, 32), "part": (3, 4, 32), "row": (1, 1, SIZE), "y": (1, 16, 32)}
    shapes |= {"turned": SHAPE, "z": SHAPE, "p": (3, 4, 32)}
    used = {"x", *(layer.output for layer in layers), *more.pop("also", ())}
    tensors = tuple(Tensor(name, shape, 0.1) for name, shape in shapes.items() if name in used)
    return Graph("views", tensors, layers, "x", output, **more)


def planned(graph: Graph) -> MemoryPlan:
    return plan_memory(graph, load_board("host"))


def same(a: str, b: str, size: int = SIZE) -> Rearrange:
    return Rearrange(f"{a}.{b}", a, b, 0, (size,), (1,))


FLAT = (table("one", "x", "a"), same("a", "flat"), table("two", "flat", "y"))
USED_AGAIN = (table("one", "x", "a"), same("a", "flat"), same("a", "part", 3 * 4 * 32), table("two", "flat", "y"),
              table("three", "a", "z"), table("four", "part", "p"))  # fmt: skip


def test_another_shape_takes_no_memory_and_lies_where_its_source_does() -> None:
    memory = planned(graph_of(*FLAT))
    assert memory.placement.offsets["flat"] == memory.placement.offsets["a"]
    assert memory.placement.size == SIZE
    assert memory.views == {"flat": "a"}


def test_views_of_views_and_of_the_first_rows() -> None:
    memory = planned(graph_of(*USED_AGAIN, same("flat", "row"), output="p"))
    offsets = memory.placement.offsets
    assert memory.views == {"flat": "a", "part": "a", "row": "a"}
    assert offsets["flat"] == offsets["part"] == offsets["row"] == offsets["a"]


@pytest.mark.parametrize(
    "layer",
    [
        Rearrange("r", "a", "turned", SIZE - 1, (SIZE,), (-1,)),
        Rearrange("r", "a", "part", 4 * 32, (3 * 4 * 32,), (1,)),
        Rearrange("r", "a", "turned", 0, (4, 4, 32), (32, 128, 1)),
    ],
)
def test_another_order_is_no_view(layer: Rearrange) -> None:
    assert not layer.is_view
    assert planned(graph_of(table("one", "x", "a"), layer, output=layer.output)).views == {}


def test_what_is_still_read_by_its_first_name_is_not_overwritten(tmp_path: Path) -> None:
    """The view has a reader that could write in place, were it alone."""
    graph = graph_of(*USED_AGAIN, output="p")
    codes = np.random.default_rng(1).integers(0, 256, (1, *SHAPE)).astype(np.uint8)
    want = interpreter.run(graph, codes, [], keep_tensors=True)
    output, _, _ = NativeModel(graph, tmp_path, sanitize=True).run(codes[0], None, None)
    np.testing.assert_array_equal(output, want.outputs[0])


def test_a_view_of_the_input_may_be_the_output() -> None:
    memory = planned(graph_of(same("x", "flat"), output="flat"))
    assert memory.placement.offsets["flat"] == memory.placement.offsets["x"]


def test_a_state_is_never_seen_through() -> None:
    """After the inference the state is overwritten, and the output is still to be read."""
    graph = graph_of(same("a", "flat"), table("next", "x", "z"), output="flat", also=("a",),
                     states=(State("a", "z", 3),))  # fmt: skip
    memory = planned(graph)
    offsets = memory.placement.offsets
    assert memory.views == {}
    assert abs(offsets["flat"] - offsets["a"]) >= SIZE


def test_a_tensor_under_two_names_keeps_to_the_rules_of_both() -> None:
    views = {"b": "a"}
    joined = _seen_through(views, Step(("a", "b"), "y", {"a": Overlap(3, 2), "b": Overlap(5, 3)}, 16))
    assert joined == Step(("a", "a"), "y", {"a": Overlap(5, 6)}, 16)
    assert _seen_through(views, Step(("a", "b"), "y", {"a": Overlap(3)})).overlaps == {}
    assert _seen_through(views, Step(("a", "b"), "y", {"b": Overlap(3)})).overlaps == {}


def test_an_input_that_broadcasts_under_its_other_name_stays_whole(tmp_path: Path) -> None:
    """One tensor as (4, 1, 1) and as (1, 4, 1): the product reads each code many times."""
    rq = Requantize(np.array([2**20], np.int32), np.array([32], np.uint8))
    tensors = (Tensor("x", (4, 1, 1), 0.1), Tensor("a", (4, 1, 1), 0.1), Tensor("b", (1, 4, 1), 0.1))
    layers = (
        table("one", "x", "a"),
        same("a", "b", 4),
        Multiply("m", ("a", "b"), "y", np.array([7], np.int32), replace(rq, multiplier=np.array([2**28], np.int32))),
    )
    graph = Graph("g", (*tensors, Tensor("y", (4, 4, 1), 0.1)), layers, "x", "y")
    codes = np.array([3, 9, 200, 77], np.uint8).reshape(1, 4, 1, 1)
    want = interpreter.run(graph, codes, [])
    output, _, _ = NativeModel(graph, tmp_path, sanitize=True).run(codes[0], None, None)
    np.testing.assert_array_equal(output, want.outputs[0])
