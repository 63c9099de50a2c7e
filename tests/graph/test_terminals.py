"""Several inputs and outputs, and states: what is accepted, what the interpreter makes of them, and their file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save as encode

from dqt_edge.errors import BadFileError, UnsupportedError, UsageError
from dqt_edge.graph import Add, Conv2D, Dense, Graph, Requantize, State, Tensor, Window, checkpoint, interpreter
from dqt_edge.graph.samples import join_inputs, sample_shape, split_inputs
from tests.support.bad_files.checkpoint_parts import edited
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_streams import random_samples, random_stream

SHAPE = (1, 2, 3)


def small(**changes) -> Graph:
    """Two inputs; the running sum of their sum, and the sum that was."""
    tensors = [Tensor(name, SHAPE, 1.0) for name in ("a", "b", "sum", "total", "kept")]
    fields = {
        "name": "small",
        "tensors": tuple(tensors),
        "layers": (
            Add("first", ("a", "b"), "sum", (256, 256), 0, 8),
            Add("second", ("sum", "kept"), "total", (256, 256), 0, 8),
        ),
        "input": "a",
        "output": "total",
        "more_inputs": ("b",),
        "more_outputs": ("sum",),
        "states": (State("kept", "total", 5),),
    }
    return Graph(**(fields | changes))


def test_a_stream_is_summed_up_from_the_initial_state_at_each_run() -> None:
    graph = small()
    a, b = (np.full((4, *SHAPE), value, np.uint8) for value in (2, 1))
    for _ in range(2):
        found = interpreter.run(graph, {"a": a, "b": b}, ())
        assert list(found.output_codes) == ["total", "sum"]
        assert found.outputs[:, 0].tolist() == [8, 11, 14, 17]
        assert found.output_codes["sum"].tolist() == [[3] * 6] * 4
        np.testing.assert_array_equal(found.outputs, found.output_codes["total"])


def test_states_are_kept_at_once() -> None:
    """A state that keeps an input holds the one before, whatever the other states keep."""
    layers = (Add("sum1", ("a", "d1"), "y1", (256, 256), 0, 8), Add("sum2", ("y1", "d2"), "y2", (256, 256), 0, 8))
    names = ("a", "d1", "y1", "d2", "y2")
    graph = Graph(
        "delays",
        tuple(Tensor(name, (1, 1, 1), 1.0) for name in names),
        layers,
        "a",
        "y2",
        states=(State("d2", "y1"), State("d1", "a", 100)),
    )
    codes = np.array([1, 2, 3, 4], np.uint8).reshape(4, 1, 1, 1)
    assert interpreter.run(graph, codes, ()).outputs.ravel().tolist() == [101, 104, 8, 12]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("policy", ["dynamic", "first"])
def test_a_stream_equals_its_layers_run_one_by_one(seed: int, policy: str) -> None:
    """The same network as a plain one whose states are inputs, fed by hand."""
    graph = random_stream(seed)
    if policy == "first" or graph.controller is None:
        policy = [layer.candidates[0] for layer in graph.adaptive]
    samples = random_samples(seed, graph, 5)
    found = interpreter.run(graph, samples, policy, keep_tensors=True)
    reads, writes = [s.read for s in graph.states], [s.write for s in graph.states]
    plain = replace(graph, more_inputs=(*graph.more_inputs, *reads), states=())
    kept = {s.read: np.full((1, *graph.tensor(s.read).shape), s.initial, np.uint8) for s in graph.states}
    for i in range(5):
        one = {name: codes[i : i + 1] for name, codes in samples.items()}
        want = interpreter.run(plain, one | kept, policy, keep_tensors=True)
        for name, codes in want.tensors.items():
            np.testing.assert_array_equal(found.tensors[name][i], codes[0], err_msg=name)
        for name in graph.outputs:
            np.testing.assert_array_equal(found.output_codes[name][i], want.output_codes[name][0])
        np.testing.assert_array_equal(found.choices[i], want.choices[0])
        kept = {read: want.tensors[write] for read, write in zip(reads, writes, strict=True)}


def test_random_streams_have_what_their_tests_are_for() -> None:
    graphs = [random_stream(seed) for seed in range(12)]
    assert all(len(g.inputs) == 2 and len(g.outputs) == 3 and len(g.states) >= 3 for g in graphs)
    assert any(g.controller is not None for g in graphs)
    assert any(set(g.outputs) & {s.write for s in g.states} for g in graphs)
    assert any(set(g.outputs) & set(g.inputs) for g in graphs), "an output that is an input"
    assert any(g.tensor(s.read).zero_point for g in graphs for s in g.states)


def test_inputs_one_behind_another_are_the_same_samples() -> None:
    graph = random_stream(3, inputs=3, states=False)
    samples = random_samples(1, graph, 40)
    flat = join_inputs(graph, samples)
    assert flat.shape == (40, *sample_shape(graph)) == (40, sum(graph.tensor(name).size for name in graph.inputs))
    assert flat[7].tobytes() == b"".join(samples[name][7].tobytes() for name in graph.inputs)
    for name, codes in split_inputs(graph, flat).items():
        np.testing.assert_array_equal(codes, samples[name])
    vector = [layer.candidates[0] for layer in graph.adaptive]
    a, b = interpreter.run(graph, flat, vector), interpreter.run(graph, samples, vector)
    for name in graph.outputs:
        np.testing.assert_array_equal(a.output_codes[name], b.output_codes[name])


def test_one_input_can_be_given_by_name() -> None:
    graph = random_graph(2)
    codes = random_codes(2, graph, 3)
    vector = [layer.candidates[0] for layer in graph.adaptive]
    a, b = interpreter.run(graph, codes, vector), interpreter.run(graph, {graph.input: codes}, vector)
    np.testing.assert_array_equal(a.outputs, b.outputs)
    assert list(a.output_codes) == [graph.output]


CODES = np.zeros((2, *SHAPE), np.uint8)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"a": CODES}, "inputs ['a'] are given, the model takes ['a', 'b']"),
        ({"a": CODES, "b": CODES[:1]}, "different numbers of samples: [1, 2]"),
        ({"a": CODES, "b": CODES.astype(np.int8)}, "codes of input 'b' are int8 (1, 2, 3), the model takes uint8"),
        ({"a": CODES, "b": CODES[..., :1]}, "codes of input 'b' are uint8 (1, 2, 1)"),
        (CODES, "input codes are uint8 (1, 2, 3), the model takes uint8 (12,)"),
        (np.zeros((2, 12)), "input codes are float64 (12,)"),
    ],
)
def test_wrong_inputs_are_refused(inputs, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        interpreter.run(small(), inputs, ())
    assert reason in caught.value.what


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"more_inputs": ("b", "nothing")}, "the input tensor 'nothing' is not defined"),
        ({"more_inputs": ("b", "a")}, "tensor 'a' is an input twice"),
        ({"more_inputs": ("b", "sum")}, "output tensor 'sum' is undefined, or made twice"),
        ({"more_inputs": ()}, "input tensor 'b' is not made by an earlier layer"),
        ({"more_inputs": ("b", "kept")}, "tensor 'kept' is kept as a state and cannot be an input or output too"),
        ({"more_outputs": ("kept",)}, "tensor 'kept' is kept as a state and cannot be an input or output too"),
        ({"more_outputs": ("sum", "sum")}, "tensor 'sum' is an output twice"),
        ({"more_outputs": ("nothing",)}, "the output tensor 'nothing' is not defined"),
        ({"states": ()}, "input tensor 'kept' is not made by an earlier layer"),
        ({"states": (State("kept", "total", 256),)}, "initial code of state 'kept' is 256, must be 0..255"),
        ({"states": (State("kept", "total", -1),)}, "must be 0..255"),
        ({"states": (State("kept", "total", True),)}, "initial code of state 'kept' is True"),
        ({"states": (State("nothing", "total"),)}, "the state tensor 'nothing' is not defined"),
        ({"states": (State("kept", "nothing"),)}, "tensor 'nothing', which state 'kept' keeps, is not defined"),
        ({"states": (State("kept", "total"), State("kept", "a"))}, "state 'kept' is given twice"),
        ({"states": (State("kept", "kept"),)}, "state 'kept' is written from the state 'kept'"),
        ({"states": (State("sum", "total"), State("kept", "a"))}, "tensor 'sum' is kept as a state"),
        ({"states": (State("a", "total"), State("kept", "a"))}, "tensor 'a' is kept as a state"),
    ],
)
def test_what_cannot_be_lowered_is_refused(changes: dict, reason: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        small(**changes)
    assert reason in str(caught.value)


def test_a_state_keeps_only_what_is_made_and_fits() -> None:
    spare = Tensor("spare", SHAPE, 1.0)
    with pytest.raises(UnsupportedError, match="no layer makes 'spare', which state 'kept' keeps"):
        small(tensors=(*small().tensors, spare), states=(State("kept", "spare"),))
    with pytest.raises(UnsupportedError, match="no layer makes the output tensor 'spare'"):
        small(tensors=(*small().tensors, spare), more_outputs=("spare",))
    for other in (replace(spare, scale=2.0), replace(spare, zero_point=1), replace(spare, shape=(1, 3, 2))):
        with pytest.raises(UnsupportedError, match="differ in shape, scale or zero point"):
            small(tensors=(*small().tensors, other), states=(State("kept", "spare"),))


def test_an_output_is_not_made_by_the_controller() -> None:
    """A controller does not run where the widths are given."""
    graph = next(g for g in map(random_graph, range(100)) if g.controller is not None)
    assert graph.controller is not None
    with pytest.raises(UnsupportedError, match=r"no layer makes the output tensor 'ctl\.hidden'"):
        replace(graph, more_outputs=("ctl.hidden",))


@pytest.mark.parametrize(
    "graph", [small(), small(states=(State("kept", "a"),)), random_stream(4, states=False), random_stream(5)]
)
def test_the_file_is_format_3_and_holds_all(graph: Graph, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(graph, path)
    first = path.read_bytes()
    loaded = checkpoint.load(path)
    assert loaded == graph
    assert json.loads(checkpoint._encode(graph)[1]["dqt_edge"])["format"] == 3
    checkpoint.save(loaded, path)
    assert path.read_bytes() == first


def test_the_model_hash_tells_every_part() -> None:
    graphs = [
        small(),
        small(states=(State("kept", "total", 6),)),
        small(states=(State("kept", "sum", 5),)),
        small(more_outputs=()),
        small(output="sum", more_outputs=("total",)),
        small(input="b", more_inputs=("a",)),
    ]
    assert len({checkpoint.model_hash(graph) for graph in graphs}) == len(graphs)


def test_a_model_of_one_input_and_output_is_written_as_ever() -> None:
    graph = next(g for g in map(random_graph, range(100)) if g.controller is None)
    manifest = json.loads(checkpoint._encode(graph)[1]["dqt_edge"])
    assert manifest["format"] == 1
    assert set(manifest["graph"]) == {
        "name",
        "tensors",
        "layers",
        "input",
        "output",
        "classes",
        "controller",
        "provenance",
    }
    assert checkpoint.model_hash(exact_graph()).hex() == (
        "96adbaac64c47a0d4fdc352310ac79dc11d920956c44d5ed50f0aa0fe7055d94"
    )


def exact_graph() -> Graph:
    """The same on every processor: random graphs take exponentials, whose last bit may differ."""
    rng = np.random.default_rng(3)
    scales = Requantize(np.full(4, 1 << 20, np.int32), np.full(4, 32, np.uint8))
    weights, bias = (rng.integers(-128, 128, (4, n)).astype(np.int8) for n in (27, 64)), np.arange(4, dtype=np.int32)
    tensors = Tensor("x", (4, 4, 3), 0.5, 3), Tensor("y", (4, 4, 4), 0.25), Tensor("z", (1, 1, 4), 0.125)
    window = Window.same((4, 4), (3, 3), (1, 1))
    conv = Conv2D("c", "x", "y", next(weights).reshape(4, 3, 3, 3), bias, scales, ((8, 8), (4, 8)), window=window)
    return Graph("exact", tensors, (conv, Dense("d", "y", "z", next(weights), bias, scales)), "x", "z")


@pytest.mark.parametrize(
    "change",
    [
        *[
            lambda g, key=key, value=value: g.update({key: value})
            for key in ("more_inputs", "more_outputs", "states")
            for value in (None, 7, "b", {"b": 1}, [None], [3], [["b"]], ["nothing"], ["b"] * 65, [{"array": "x"}])
        ],
        lambda g: g["states"][0].pop("write"),
        lambda g: g["states"][0].update(surprise=1),
        *[
            lambda g, key=key, value=value: g["states"][0].update({key: value})
            for key in ("read", "write")
            for value in (None, 3, ["total"], {"array": "x"}, "nothing", True)
        ],
        *[
            lambda g, value=value: g["states"][0].update(initial=value)
            for value in (None, "5", 5.0, True, -1, 256, 10**400, [5], {"array": "x"}, float("nan"))
        ],
    ],
)
def test_hostile_files_are_refused(change) -> None:
    content = encode(*checkpoint._encode(small()))
    assert checkpoint.decode(edited(content, lambda m: None)) == small()
    with pytest.raises(BadFileError):
        checkpoint.decode(edited(content, lambda m: change(m["graph"])))
