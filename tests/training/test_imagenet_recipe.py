"""Promise: the ImageNet recipe runs end to end on a folder of images, with its own options, to a checkpoint."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.architectures import models
from dqt_edge.architectures.spec import shapes
from dqt_edge.graph import MaxPool2D, checkpoint
from dqt_edge.training.options import Options, parse_candidates

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).parents[2] / "recipes" / "imagenet-resnet50.toml"


def test_resnet50_has_the_published_size() -> None:
    spec = models.spec_of("resnet50", 1000)
    found = shapes(spec, (224, 224, 3))
    assert (found["stem"], found["stem_pool"]) == ((112, 112, 64), (56, 56, 64))
    assert [found[f"stage{i}_1_sum"] for i in (1, 2, 3, 4)] == [
        (56, 56, 256), (28, 28, 512), (14, 14, 1024), (7, 7, 2048),
    ]  # fmt: skip
    assert sum(node.name.endswith("_sum") for node in spec.nodes) == 16
    # All convolutions and the classifier, without shortcuts, are the 50 layers of the name.
    weighted = [node for node in spec.nodes if isinstance(node, (models.Conv, models.Fully))]
    assert sum(not node.name.endswith("_shortcut") for node in weighted) == 50
    assert len(spec.fused()) == 16


@pytest.mark.slow
@pytest.mark.train
def test_the_recipe_runs_on_a_folder_of_images(here: Path, monkeypatch: pytest.MonkeyPatch, tensorflow: Any) -> None:
    from dqt_edge.training.finish import finished_graph
    from dqt_edge.training.loop import train

    tf, rng = tensorflow, np.random.default_rng(5)
    for part, count in (("train", 12), ("val", 3)):
        for index, name in enumerate(("n01440764", "n01443537")):
            folder = here / "images" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                size = (int(rng.integers(40, 60)), int(rng.integers(40, 60)), 1 if i == 0 else 3)
                pixels = (rng.integers(0, 120, size) + 120 * index).astype(np.uint8)
                (folder / f"{name}_{i}.JPEG").write_bytes(tf.io.encode_jpeg(pixels).numpy())
    small = partial(models._resnet50, width=4, blocks=(2, 1))
    monkeypatch.setitem(models.MODELS, "resnet50", small)
    recipe = tomllib.loads(RECIPE.read_text())
    recipe |= {"budget": 0.9, "epochs": 4, "warmup": 2, "batch": 8, "image_size": 32, "validation": 0.2}
    save_every = recipe.pop("save_every")
    options = Options(data="images", candidates=parse_candidates(recipe.pop("candidates")), **recipe)
    outcome = train(options, here / "small.safetensors", save_every=save_every)
    checkpoint.save(finished_graph(outcome, options), here / "small.safetensors")
    graph = checkpoint.load(here / "small.safetensors")
    assert graph.classes == ("n01440764", "n01443537")
    assert any(isinstance(layer, MaxPool2D) and layer.window.padding == (1, 1, 1, 1) for layer in graph.layers)
    assert graph.controller is not None
    assert graph.provenance["data"] == {"name": "images", "train": 19, "validation": 5, "test": 6}
    assert graph.provenance["keras"]["dynamic"]["compared"] == 6
    assert (graph.provenance["options"]["image_size"], graph.provenance["options"]["flip"]) == (32, True)
