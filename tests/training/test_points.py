"""Promise: decision points are trained with the network, and the graph's answer what Keras's did."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.architectures.models import MODELS, spec_of
from dqt_edge.architectures.published import architecture
from dqt_edge.architectures.spec import INPUT, Conv, Fully, MaxPool, Place, Spec, Sum, shapes
from dqt_edge.errors import UnsupportedError, UsageError
from dqt_edge.graph import checkpoint, interpreter, nested
from dqt_edge.graph.points import Setting, full_setting
from dqt_edge.precision.cost import of_spec
from dqt_edge.training.options import Options, parse_points
from dqt_edge.training.places import SHARE, head_macs, with_points
from tests.training.test_evaluation import calibrated

TINY = (8, 8, 1)
WITH_POINTS = [name for name in MODELS if spec_of(name, 5).points]


def chain(**facts: Any) -> Spec:
    """Two convolutions, a pooling and an answer; nothing is known of places for points."""
    nodes = (Conv("a", INPUT, 4), Conv("b", "a", 8), MaxPool("c", "b"), Fully("d", "c", 3))
    return Spec("chain", nodes, **facts)


# --- Places -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_POINTS)
def test_the_heads_of_named_models_cost_little_and_lie_before_the_end(name: str) -> None:
    make, shape, classes = architecture(name)
    spec = make(classes)
    sizes = shapes(spec, shape)
    heads = sum(head_macs(place, sizes[place.after], sizes[spec.nodes[-1].name]) for place in spec.points)
    assert 0 < heads <= SHARE * sum(layer.macs for layer in of_spec(spec, shape))
    order = [node.name for node in spec.nodes]
    at = [order.index(place.after) for place in spec.points]
    assert at == sorted(set(at))
    assert at[-1] < len(order) - 1


def test_a_run_has_no_points_unless_it_asks_for_them() -> None:
    assert Options().points is False
    assert with_points(spec_of("ecg", 5), False, (128, 1, 4), "classifier").points == ()
    assert [p.after for p in with_points(spec_of("ecg", 5), True, (128, 1, 4), "classifier").points] == ["conv1", "sum"]


def test_named_layers_become_points_in_the_networks_order() -> None:
    spec = with_points(spec_of("tiny", 5), ("pointwise", "conv1"), TINY, "classifier")
    assert [place.after for place in spec.points] == ["conv1", "pointwise"]
    assert spec.points[0] == spec_of("tiny", 5).points[0]


def test_heads_of_layers_named_by_hand_are_as_large_as_their_share_allows() -> None:
    spec, shape = spec_of("resnet8", 10), (32, 32, 3)
    wide = with_points(spec, ("stage1_conv1", "stage2_conv1"), shape, "classifier").points
    assert [(place.grid, place.hidden) for place in wide] == [(4, 64), (4, 64)]
    small = with_points(chain(), ("a", "b"), TINY, "classifier")
    sizes = shapes(small, TINY)
    total = sum(layer.macs for layer in of_spec(small, TINY))
    assert sum(head_macs(p, sizes[p.after], sizes["d"]) for p in small.points) <= SHARE * total


REFUSED: dict[str, tuple[Spec, bool | tuple[str, ...], str, str]] = {
    "no such layer": (spec_of("tiny", 5), ("conv3",), "classifier", "there is no layer 'conv3'"),
    "the last layer": (spec_of("tiny", 5), ("classifier",), "classifier", "there is no layer 'classifier'"),
    "twice": (spec_of("tiny", 5), ("conv1", "conv1"), "classifier", "2 layers are named, 1 different"),
    "no layer": (spec_of("tiny", 5), (), "classifier", "0 layers are named"),
    "nothing known": (chain(), True, "classifier", "not known where model 'chain'"),
    "no classes": (spec_of("tiny", 5), True, "regression", "and this is a regression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_points_that_cannot_be_are_refused(case: str) -> None:
    spec, points, task, reason = REFUSED[case]
    with pytest.raises(UsageError, match=reason):
        with_points(spec, points, TINY, task)


def test_a_convolution_that_a_point_looks_at_absorbs_no_addition() -> None:
    nodes = (Conv("a", INPUT, 4), Conv("b", "a", 4, relu=False), Sum("s", ("a", "b")))
    assert Spec("s", nodes).fused() == {"s": ("b", "a")}
    assert Spec("s", nodes, points=(Place("b"),)).fused() == {}


def test_a_map_that_a_head_cannot_pool_is_refused_before_training() -> None:
    with pytest.raises(UnsupportedError, match="point 'a_exit' would pool a tensor of 600x600"):
        shapes(chain(points=(Place("a", grid=2),)), (600, 600, 1))


def test_points_are_read_as_text_and_names() -> None:
    assert parse_points("conv1, sum") == parse_points(["conv1", "sum"]) == ("conv1", "sum")
    assert parse_points(True) is True
    assert Options(points=("conv1",)).as_json()["points"] == ["conv1"]


# --- The same integers --------------------------------------------------------------------------------------


def cases() -> dict[str, tuple[Spec, tuple[int, int, int], tuple[float, int]]]:
    """Points behind a plain and a fused layer, with and without a controller, and behind a tensor with a zero point."""
    tiny = spec_of("tiny", 5)
    return {
        "no controller": (replace(tiny, control=None), TINY, (1 / 255, 0)),
        "beside the controller": (tiny, (9, 7, 2), (0.01, 128)),
        "behind a linear layer": (
            replace(tiny, control=None, points=(Place("conv2", grid=3, hidden=8),)), TINY, (0.02, 3),
        ),
    }  # fmt: skip


@pytest.mark.train
@pytest.mark.parametrize("name", cases())
def test_keras_answers_early_as_the_interpreter_does(name: str, tensorflow: Any) -> None:
    from dqt_edge.training.integer import evaluate
    from dqt_edge.training.to_graph import to_graph

    model, x = calibrated(*cases()[name])
    graph = to_graph(model, "early")
    codes = nested.quantize(x, model.input_scale, model.input_zero_point)
    count = len(graph.points)
    settings = [full_setting(graph), Setting((2,) * len(graph.adaptive), (0,) * count, (0,) * count)]
    median = np.median(interpreter.run(graph, codes, settings[0]).margins[:, 0])
    settings.append(replace(settings[0], exits=(int(median), *settings[0].exits[1:])))
    if graph.controller is not None:
        settings.append(replace(settings[-1], widths=None))
    for setting in settings:
        found, oracle = evaluate(graph, x, setting), interpreter.run(graph, codes, setting)
        for what in ("outputs", "points", "early", "margins", "choices"):
            np.testing.assert_array_equal(getattr(found, what), getattr(oracle, what), err_msg=what)
    assert 0 < (oracle.points == 0).mean() < 1


@pytest.mark.train
def test_a_point_behind_an_absorbed_addition_lies_behind_the_layer_that_makes_its_tensor(tensorflow: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    model, _ = calibrated(*cases()["no controller"])
    graph = to_graph(model, "early")
    assert [(point.name, point.after) for point in graph.points] == [("conv1_exit", "conv1"), ("sum_exit", "conv2")]
    assert graph.points[1].layers[0].inputs == ("sum_out",)
    assert [layer.name for layer in graph.points[1].layers] == ["sum_exit_pool", "sum_exit_hidden", "sum_exit_logits"]


@pytest.mark.train
def test_the_training_passes_early_logits_are_the_integers(tensorflow: Any) -> None:
    from dqt_edge.training.layers import Run
    from dqt_edge.training.to_graph import to_graph

    tf = tensorflow
    model, x = calibrated(*cases()["no controller"])
    graph = to_graph(model, "early")
    choice = tf.zeros(len(model.adaptive), tf.int32)
    real = model.passed(tf.constant(model.on_codes(x)), run=Run(nested=True, choice=choice)).early
    oracle = interpreter.run(graph, nested.quantize(x, model.input_scale, model.input_zero_point), full_setting(graph))
    for index, (logits, head) in enumerate(zip(real, model.heads.values(), strict=True)):
        ordered = np.sort(np.asarray(logits), axis=1)
        # An accumulator counts halves of its unit.
        unit = float(np.exp(head.logits.log_scale[0]) * head.hidden.output_quantizer.scale()) / 2
        margins = oracle.margins[:, index] * unit
        np.testing.assert_allclose(ordered[:, -1] - ordered[:, -2], margins, atol=0.05 * np.ptp(ordered))


# --- A run --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of the command, with a recipe that asks for points."""
    from dqt_edge.cli import main

    folder = tmp_path_factory.mktemp("points")
    recipe = 'model = "tiny"\nepochs = 8\nbatch = 128\npoints = true\ncandidates = "8x8,4x4"\n'
    (folder / "points.toml").write_text(recipe)
    with pytest.raises(SystemExit) as caught:
        main(["train", "--recipe", str(folder / "points.toml"), "--out", str(folder / "m.safetensors")])
    assert not caught.value.code
    return folder


@pytest.mark.train
def test_a_run_with_points_learns_to_answer_early(trained: Path) -> None:
    graph = checkpoint.load(trained / "m.safetensors")
    assert [point.name for point in graph.points] == ["conv1_exit", "sum_exit"]
    assert graph.controller is None
    figures = graph.provenance["keras"]
    assert set(figures) == {"8x8", "4x4", "conv1_exit", "sum_exit"}
    assert all(figures[name]["accuracy"] > 0.4 for name in figures)
    costs = [figures[name]["bitops_ratio"] for name in ("conv1_exit", "sum_exit", "8x8")]
    assert costs == sorted(costs)
    assert graph.provenance["options"]["points"] is True
    rows = list(csv.DictReader((trained / "m.csv").read_text().splitlines()))
    assert all(float(row["val_conv1_exit"]) > 0 and float(row["val_sum_exit"]) > 0 for row in rows)


@pytest.mark.train
def test_a_run_without_points_is_gone_on_with_by_one_that_has_some(trained: Path, tensorflow: Any) -> None:
    from dqt_edge.data.load import load_data
    from dqt_edge.training.build import build_model
    from dqt_edge.training.state import read_earlier

    earlier = read_earlier(trained / "m.safetensors")
    without = replace(earlier, values={n: v for n, v in earlier.values.items() if not n.startswith("sum_exit")})
    options = Options(points=True, candidates=((8, 8), (4, 4)))
    model = build_model(options, load_data("digits", options.validation))
    fresh = [v.numpy() for v in model.heads["sum"].variables]
    without.load(model)
    kernel = model.heads["conv1"].hidden.kernel
    np.testing.assert_array_equal(kernel.numpy(), earlier.values[kernel.path.replace("/", ".")])
    for variable, value in zip(model.heads["sum"].variables, fresh, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("given", ["1.5", "[1, 2]"])
def test_a_recipe_with_points_of_no_kind_is_refused(given: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dqt_edge.cli import main

    (here / "bad.toml").write_text(f"points = {given}\n")
    with pytest.raises(SystemExit) as caught:
        main(["train", "--recipe", "bad.toml", "--out", "m.safetensors"])
    assert caught.value.code == 2
    assert "nor names of layers" in capsys.readouterr().err


@pytest.mark.train
def test_points_come_without_a_controller_unless_it_is_asked_for(tensorflow: Any) -> None:
    from dqt_edge.data.load import load_data
    from dqt_edge.training.build import build_model

    dataset = load_data("digits", Options.validation)
    given = [{"points": True}, {"points": True, "controller": "own"}, {"controller": "none"}, {}]
    models = [build_model(Options(**facts), dataset) for facts in given]  # type: ignore[arg-type]
    assert [model.controller is not None for model in models] == [False, True, False, True]
    assert [len(model.heads) for model in models] == [2, 2, 0, 0]


@pytest.mark.train
def test_a_keras_model_gets_points_behind_its_layers_without_a_warm_up(tensorflow: Any) -> None:
    import keras

    import dqt_edge as dqt

    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 240)
    x = (rng.normal(0, 0.3, (240, 6, 6, 1)) + np.eye(3)[y].repeat(12, axis=1).reshape(-1, 6, 6, 1)).astype(np.float32)
    model = keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            keras.layers.Conv2D(8, 3, activation="relu", name="first"),
            keras.layers.Conv2D(8, 3, activation="relu", name="second"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="end"),
        ]
    )
    trained = dqt.train((x, y), model, points="first", epochs=3, batch=16, candidates="8x8,4x4", learning_rate=0.01)
    assert [point.after for point in trained.graph.points] == ["first"]
    assert trained.results["first_exit"]["accuracy"] > 0.8
