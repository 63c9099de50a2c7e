"""Models with several inputs and outputs, and states, through the public functions: data by the inputs' names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.errors import LostStreamError, UsageError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.samples import join_inputs
from dqt_edge.project.manifest import Project
from dqt_edge.tasks import every_output, reals
from tests.support.random_streams import random_samples, random_stream

COUNT = 6


def several(*, states: bool) -> Graph:
    """Two inputs, three outputs, and widths to choose from."""
    found = (random_stream(seed, states=states) for seed in range(100))
    return replace(next(g for g in found if g.controller is None and len(g.adaptive) > 1), task="outputs")


def first_widths(graph: Graph) -> list:
    return [layer.candidates[0] for layer in graph.adaptive]


def in_units(graph: Graph, samples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same inputs as numbers in the model's own units, with targets that the interpreter answers."""
    tensors = {name: graph.tensor(name) for name in graph.inputs}
    found = {name: t.scale * (samples[name].astype(float) - t.zero_point) for name, t in tensors.items()}
    return found | {"y": reals(graph, every_output(interpreter.run(graph, samples, first_widths(graph))))}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "states"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Project]:
    graph = several(states=request.param)
    project = dqt.export(graph, "host", tmp_path_factory.mktemp("several") / "p")
    dqt.build(project)
    return graph, project


def test_a_device_takes_inputs_by_name(made: tuple[Graph, Project]) -> None:
    graph, project = made
    samples = random_samples(1, graph, COUNT)
    want = interpreter.run(graph, samples, first_widths(graph)).output_codes
    numbers = in_units(graph, samples)
    with dqt.connect(project) as device:
        for start in (False, True):
            for i in range(COUNT):
                source = samples if i % 2 else {name: numbers[name] for name in graph.inputs}
                one = {name: codes[i] for name, codes in source.items()}
                answer = device.infer(one, first_widths(graph), start=start and i == 0)
                assert list(answer.outputs) == list(graph.outputs)
                for name, values in answer.outputs.items():
                    tensor = graph.tensor(name)
                    codes = want[name][i].reshape(tensor.shape).astype(float)
                    np.testing.assert_array_equal(values, tensor.scale * (codes - tensor.zero_point))
        if graph.states:
            device.client.reset()
            with pytest.raises(LostStreamError):
                device.infer(one, first_widths(graph))
            assert device.infer(one, first_widths(graph), start=True).outputs


@pytest.mark.parametrize("kind", ["codes", "codes in a row", "numbers", "file"])
def test_a_profile_takes_inputs_by_name(made: tuple[Graph, Project], kind: str, tmp_path: Path) -> None:
    graph, project = made
    samples = random_samples(2, graph, COUNT)
    numbers = in_units(graph, samples)
    np.savez(tmp_path / "data.npz", **numbers)
    data = {"codes": samples, "codes in a row": join_inputs(graph, samples), "numbers": numbers}
    found = dqt.profile(project, data.get(kind, tmp_path / "data.npz"), policy=tuple(first_widths(graph)))
    found.require_agreement()
    assert found.session.samples == COUNT
    if kind in ("numbers", "file"):
        score = dqt.validate(graph, data.get(kind, tmp_path / "data.npz"), policy=tuple(first_widths(graph))).score
        assert score == found.session.score
        assert score.figures[0].value == 0, "the targets are the answers"


def test_a_search_runs_on_inputs_by_name(made: tuple[Graph, Project]) -> None:
    """Every vector that is found is judged as the model runs, states and all."""
    graph, _ = made
    data = in_units(graph, random_samples(3, graph, 24))
    found = dqt.search(graph, data, budget=1.0, trials=0)
    assert found.graph.inputs == graph.inputs
    assert found.graph.states == graph.states
    assert found.graph.outputs == graph.outputs
    assert dqt.validate(found.graph, data, policy=()).score.samples > 0


def test_a_report_lists_every_input_and_output(made: tuple[Graph, Project]) -> None:
    graph, project = made
    (told,) = dqt.plan(graph, "qemu-m4").as_json()["models"]
    facts = project.model().facts
    assert [end["name"] for end in told["inputs"]] == list(graph.inputs)
    assert [end["name"] for end in told["outputs"]] == list(graph.outputs)
    assert told["states"] == facts["states"] == len(graph.states)
    assert (facts["inputs"], facts["outputs"]) == (told["inputs"], told["outputs"])
    for end in (*told["inputs"], *told["outputs"]):
        tensor = graph.tensor(end["name"])
        wanted = (list(tensor.shape), tensor.size, tensor.scale, tensor.zero_point)
        assert (end["shape"], end["size"], end["scale"], end["zero_point"]) == wanted


def test_wrong_arrays_are_refused_by_name(made: tuple[Graph, Project]) -> None:
    graph, project = made
    samples = random_samples(4, graph, COUNT)
    first, second = graph.inputs
    wrong = [
        ({first: samples[first]}, "the model's inputs are input, input1"),
        ({**samples, "z": samples[first]}, "there are arrays"),
        ({**samples, second: samples[second][:-1]}, "different numbers of them"),
        ({**samples, second: samples[second].astype(float)}, "some inputs are codes"),
        ({**samples, second: np.zeros((COUNT, 999), np.uint8)}, f"array {second!r} has shape ({COUNT}, 999)"),
        ({name: codes[:0] for name, codes in samples.items()}, "have no samples"),
    ]
    with dqt.connect(project) as device:
        for data, reason in wrong:
            with pytest.raises(UsageError) as caught:
                dqt.profile(device, data, policy=tuple(first_widths(graph)))
            assert reason in caught.value.what
        with pytest.raises(UsageError, match="takes no targets"):
            device.infer({**{n: c[0] for n, c in samples.items()}, "y": np.zeros(1)}, first_widths(graph))
