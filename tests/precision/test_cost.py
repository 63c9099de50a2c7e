"""Promise: costs follow from the shapes as defined; a structure, a checkpoint and a model file agree on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dqt_edge import errors
from dqt_edge.architectures.published import architecture, names
from dqt_edge.cli import cli
from dqt_edge.graph import Graph, MacLayer
from dqt_edge.graph.bitops import bitops
from dqt_edge.precision import cost as costs
from tests.support.random_graphs import random_graph


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["cost", *map(str, arguments)])


def layers_of(name: str) -> tuple[costs.CostLayer, ...]:
    make, shape, classes = architecture(name)
    return costs.of_spec(make(classes), shape)


@pytest.mark.parametrize(
    ("name", "macs", "weights"),
    [
        ("resnet50", 4_089_184_256, 25_502_912),  # He et al.; biases and BatchNorm not counted
        ("resnet18-imagenet", 1_814_073_344, 11_678_912),
        ("resnet34-imagenet", 3_663_761_408, 21_779_648),
        ("resnet18-cifar", 555_422_720, 11_164_352),
    ],
)
def test_known_networks_have_their_known_sizes(name: str, macs: int, weights: int) -> None:
    layers = layers_of(name)
    assert sum(layer.macs for layer in layers) == macs
    assert sum(layer.weights for layer in layers) == weights


def test_the_terms_follow_their_definitions() -> None:
    layers = (costs.CostLayer("a", "Conv", 100, 10, 7), costs.CostLayer("b", "Conv", 300, 21, 9))
    found = costs.cost(layers, [(4, 8), (2, 4)])
    assert found.bitops == 100 * 32 + 300 * 8
    assert found.bitops_ratio == found.bitops / (400 * 64)
    assert found.transitions == 10 + 21 + 9
    assert found.dequantising == 2 * found.transitions
    assert found.device == 3 + 6 + 3 * 3
    whole = costs.cost(layers, [(8, 8), (8, 8)])
    assert (whole.bitops_ratio, whole.transitions, whole.device) == (1.0, 0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_the_ratio_is_the_interpreters(seed: int) -> None:
    graph = random_graph(seed)
    rng = np.random.default_rng(seed)
    choices = [int(rng.integers(len(layer.candidates))) for layer in graph.adaptive]
    chosen = {layer.name: layer.candidates[k] for layer, k in zip(graph.adaptive, choices, strict=True)}
    pairs = [chosen.get(x.name, x.candidates[0]) for x in graph.layers if isinstance(x, MacLayer)]
    found = costs.cost(costs.of_graph(graph, all_adaptive=False), pairs)
    assert found.bitops_ratio == pytest.approx(bitops(graph, np.array([choices]))[0], rel=1e-12)


def test_a_structure_and_its_trained_checkpoint_cost_the_same(graph: Graph) -> None:
    trained = costs.of_graph(graph, all_adaptive=False)
    for ours, theirs in zip(layers_of("tiny"), trained, strict=True):
        assert (ours.macs, ours.weights, ours.inputs) == (theirs.macs, theirs.weights, theirs.inputs)
        assert ours.adaptive == theirs.adaptive


def test_every_name_has_a_cost() -> None:
    for name in names():
        whole = costs.uniform(layers_of(name), (8, 8))
        assert (whole.bitops_ratio, whole.transitions) == (1.0, 0)


def test_an_input_with_a_zero_point_is_counted_at_8_bits() -> None:
    layer = costs.CostLayer("a", "Conv2D", 100, 10, 7, narrow_inputs=False)
    assert layer.at((4, 4)) == (4, 8)
    assert costs.uniform([layer], (4, 4)).transitions == 10


def test_the_command_prints_definitions_and_whose_number_is_whose() -> None:
    done = run("resnet50", "--candidates", "8x8,4x4")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert all(definition in text for definition in costs.DEFINITIONS.values())
    assert "The DQT paper (arXiv 2508.09176) states 28.3M against 56.6M" in text
    assert "always at 8x8: stem, classifier" in text
    told = json.loads(run("resnet50", "--candidates", "8x8,4x4", "--ends", "--json").output)
    assert told["costs"]["4x4"]["transitions"] == told["weights"] + told["inputs"]
    assert told["costs"]["4x4"]["bitops_ratio"] == pytest.approx(0.25)


def test_the_command_counts_a_width_vector_of_a_checkpoint(model_file: Path) -> None:
    told = json.loads(run(model_file, "--policy", "8x8,4x4,2x4,4x4", "--json").output)
    assert list(told["costs"]) == ["8x8", "4x4", "2x4", "8x8,4x4,2x4,4x4"]
    layers = {layer["name"]: layer for layer in told["layers"]}
    adaptive = [name for name, layer in layers.items() if layer["adaptive"]]
    narrow = sum(layers[name]["weights"] + layers[name]["inputs"] for name in adaptive[1:])
    assert told["costs"]["8x8,4x4,2x4,4x4"]["transitions"] == narrow
    shown = run(model_file, "--layers").output
    assert all(name in shown for name in layers)


def test_another_input_shape_changes_the_counts() -> None:
    told = json.loads(run("resnet18-cifar", "--input", "16x16x3", "--classes", 100, "--json").output)
    assert told["layers"][0]["inputs"] == 16 * 16 * 3
    assert told["layers"][-1]["weights"] == 512 * 100


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (["resnet51"], errors.UsageError, "unknown model 'resnet51'"),
        (["resnet50", "--input", "224x224"], errors.UsageError, "'224x224' is no input shape"),
        (["resnet50", "--policy", "8x8"], errors.UsageError, "a width vector needs a checkpoint"),
        (["resnet50", "--candidates", "9x9"], errors.UsageError, "'9x9' is no width pair"),
        (["none.safetensors"], errors.BadFileError, "cannot read the checkpoint"),
        (["none.tflite"], errors.BadFileError, "cannot read the model"),
    ],
)
def test_errors(arguments: list[str], kind: type[Exception], text: str, here: Path) -> None:
    found = run(*arguments).exception
    assert isinstance(found, kind)
    assert text in str(found)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("ResNet-50, 224x224", "resnet50"),
        ("ResNet-18, 224x224", "resnet18-imagenet"),
        ("ResNet-18, 32x32, stem of 3x3", "resnet18-cifar"),
    ],
)
def test_the_page_shows_what_the_command_counts(title: str, name: str) -> None:
    layers = costs.fix_ends(layers_of(name))
    found = costs.uniform(layers, (4, 4))
    counts = [sum(x.macs for x in layers), f"{found.bitops_ratio:.4f}", found.transitions, found.dequantising]
    cells = [title, *(c if isinstance(c, str) else f"{c:,}" for c in counts), f"{found.device:,}"]
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    assert f"| {' | '.join(cells)} |" in page
