"""Promise: training starts with the function that a finished model computes, and from an earlier run's network."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError, UnsupportedError
from dqt_edge.training.options import Options
from dqt_edge.training.state import read_earlier
from tests.training.conftest import SHORT
from tests.training.test_train_command import exit_code

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


@pytest.fixture(scope="module")
def keras_file(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual network for 8x8x1 images with pixels 0..255, BatchNorm and ReLU6 in it."""
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", kernel_initializer=keras.initializers.RandomNormal(stddev=2e-3))(image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same")(layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x))
    y = layers.ReLU()(layers.Add()([x, y]))
    y = layers.MaxPooling2D(2)(y)
    model = keras.Model(image, layers.Dense(10)(layers.Flatten()(y)))
    path = tmp_path_factory.mktemp("keras") / "net.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    path = tmp_path_factory.mktemp("pixels") / "pixels.npz"
    np.savez(path, x=(bunch.images * 15.9).astype(np.uint8), y=bunch.target)
    return path


def test_the_float_pass_is_the_models_own(keras_file: Path, pixels: Path, tensorflow: Any) -> None:
    import keras

    from dqt_edge.data.load import load_data
    from dqt_edge.training.from_model import read_trainable
    from dqt_edge.training.layers import Run
    from dqt_edge.training.loop import build_model

    data = load_data(str(pixels))
    options = Options(data=str(pixels), model=str(keras_file), init=str(keras_file), epochs=2)
    model = build_model(options, data, read_trainable(keras_file))
    x = data.x_test[:20]
    expected = keras.models.load_model(keras_file).predict(x, verbose=0)
    found = model(tensorflow.constant(model.on_codes(x)), run=Run(nested=False))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert [node.adaptive for node in model.spec.nodes if hasattr(node, "adaptive")] == [False, True, True, False]


def test_a_warm_up_starts_with_the_network_it_is_given(pixels: Path, tensorflow: Any) -> None:
    from dqt_edge.architectures.models import spec_of
    from dqt_edge.architectures.spec import MacNode
    from dqt_edge.data.load import load_data
    from dqt_edge.training.initial import Initial, LayerWeights
    from dqt_edge.training.layers import Run
    from dqt_edge.training.loop import Trainer, build_model

    rng = np.random.default_rng(6)
    options = Options(data=str(pixels), model="tiny", init="finished.keras", epochs=3)
    data, spec = load_data(str(pixels)), spec_of("tiny", 10)
    layers = {
        node.name: build_model(options, data).parts[node.name] for node in spec.nodes if isinstance(node, MacNode)
    }
    weights = {
        name: LayerWeights(rng.normal(0.1, 0.3, part.kernel.shape), rng.normal(0, 0.5, part.channels))
        for name, part in layers.items()
    }
    assert any(part.norm is not None for part in layers.values())
    initial = Initial("finished.keras", spec, weights)
    x = build_model(options, data).of_codes(data.train.codes(np.linspace(0, len(data.y_train) - 1, 256).astype(int)))

    def logits(warmup: int, run: Run) -> Any:
        trainer = Trainer(replace(options, warmup=warmup), data, initial)
        return trainer.model(tensorflow.constant(x), run=run)[0].numpy()

    given = logits(0, Run(nested=False))
    np.testing.assert_allclose(logits(1, Run(nested=False)), given, rtol=1e-3, atol=1e-3)
    first = logits(1, Run(nested=False, batch_statistics=True))
    assert np.abs(first - given).max() < 0.1 * np.abs(given).max()


def test_weights_of_another_network_are_refused(keras_file: Path, pixels: Path) -> None:
    from dqt_edge.data.load import load_data
    from dqt_edge.training.from_model import read_trainable
    from dqt_edge.training.loop import build_model

    data, initial = load_data(str(pixels)), read_trainable(keras_file)
    with pytest.raises(UnsupportedError, match="are those of 4 layers, model 'tiny' has 6"):
        build_model(Options(model="tiny", init="x"), data, initial)
    nodes = (replace(initial.spec.nodes[0], kernel=(5, 5)), *initial.spec.nodes[1:])
    with pytest.raises(UnsupportedError, match="takes weights"):
        build_model(Options(model="m", init="m"), data, replace(initial, spec=replace(initial.spec, nodes=nodes)))


def test_a_recipe_trains_a_model_file_and_gives_a_dial(keras_file: Path, pixels: Path, tmp_path: Path) -> None:
    from dqt_edge.data.load import codes, load_data
    from dqt_edge.graph.bitops import bitops
    from dqt_edge.graph.checkpoint import load
    from dqt_edge.graph.interpreter import run
    from dqt_edge.graph.policy import parse_policy

    recipe = tmp_path / "recipe.toml"
    recipe.write_text('candidates = "8x8,4x4"\nepochs = 3\nnarrow_share = 0.5\nbudget = 0.9\nlearning_rate = 0.001\n')
    out = tmp_path / "net.safetensors"
    command = ["train", "--recipe", str(recipe), "--data", str(pixels), "--model", str(keras_file), "--budget", "0.6"]
    assert exit_code([*command, "--out", str(out)]) == 0
    graph = load(out)
    assert graph.provenance["options"]["narrow_share"] == 0.5
    assert graph.provenance["options"]["budget"] == 0.6, "the command line wins over the recipe"
    assert graph.controller is not None
    dial = graph.controller.dial
    assert len(dial) >= 2
    validation = load_data(str(pixels)).validation
    x = codes(validation.images(np.arange(len(validation.labels))), graph)
    for point in dial:
        text = f"dynamic:{point.thousandths / 1000:.3f}"
        choices = run(graph, x, parse_policy(text, graph)).choices
        assert float(bitops(graph, choices).mean()) == pytest.approx(point.target, abs=2e-3), text
    assert float(bitops(graph, run(graph, x, "dynamic").choices).mean()) <= 0.6


def test_a_recipe_with_an_unknown_option_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("epoch = 3\n")
    command = ["train", "--recipe", str(recipe), "--out", str(tmp_path / "a.safetensors")]
    assert exit_code(command) == 2
    recipe.write_text("epoch = \n")
    assert exit_code(command) == 8


def test_a_run_starts_with_an_earlier_runs_network(short_run: Any, tmp_path: Path) -> None:
    from dqt_edge.data.load import load_data
    from dqt_edge.training.loop import Trainer, train

    out = tmp_path / "first.safetensors"
    with pytest.raises(BadFileError, match="no training state"):
        read_earlier(out)
    train(SHORT, out)
    earlier = read_earlier(out)
    trainer = Trainer(replace(SHORT, init=str(out), seed=9), load_data("digits"), earlier)
    trainer._calibrate()
    own = {id(v) for v in trainer.model.controller.variables}
    pairs = list(zip(trainer.model.variables, short_run.model.variables, strict=True))
    for mine, theirs in pairs:
        if id(mine) not in own:
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert any((mine.numpy() != theirs.numpy()).any() for mine, theirs in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["paper", "plain"])
def test_other_views_train_but_are_not_exported(view: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "other.safetensors"
    command = ["train", "--model", "tiny", "--epochs", "4", "--view", view, "--scales", "ema", "--out", str(out)]
    assert exit_code(command) == 0
    assert not out.exists()
    assert "no integer path" in capsys.readouterr().out
    assert out.with_suffix(".csv").exists()
