"""Promise: files that users reported come in as TFLite runs them: 1-D networks, float16, reshaped inputs, sigmoids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import BadFileError, DqtError, UnsupportedError
from dqt_edge.graph import interpreter, nested
from dqt_edge.graph.samples import sample_shape
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.tflite import read_network
from tests.support.converted import convert, samples
from tests.support.operator_cases import unsettle

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
]
SHARED = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/cases with reported files is not here")


def mean_1d(keras: Any) -> list[Any]:
    return [keras.Input((24, 3)), keras.layers.Conv1D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling1D()]


def causal_1d(keras: Any) -> list[Any]:
    layers = keras.layers
    return [keras.Input((24, 3)), layers.Conv1D(4, 3, padding="causal"), layers.ZeroPadding1D(2), layers.Flatten()]


def reshaped_input(keras: Any) -> list[Any]:
    layers = keras.layers
    return [
        keras.Input((8, 8)),
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(4, 3),
        layers.MaxPooling2D(),
        layers.Flatten(),
    ]


BODIES: dict[str, Callable[[Any], list[Any]]] = {"mean": mean_1d, "padding": causal_1d, "reshape": reshaped_input}


def network(keras: Any, body: str, head: Any = None) -> Any:
    keras.utils.set_random_seed(2)
    return unsettle(keras.Sequential([*BODIES[body](keras), head or keras.layers.Dense(2)]))


def real_outputs(graph: Any, inputs: np.ndarray) -> np.ndarray:
    source, last = graph.tensor(graph.input), graph.tensor(graph.output)
    codes = nested.quantize(inputs.reshape(-1, *source.shape), source.scale, source.zero_point)
    return last.scale * (interpreter.run(graph, codes, "8x8").outputs.astype(float) - last.zero_point)


@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("body", BODIES)
def test_an_integer_file(body: str, batch: int | None, keras: Any, tmp_path: Path) -> None:
    path = convert(network(keras, body), tmp_path / "model.tflite", batch=batch)
    graph = assemble(read_network(path))
    codes = np.random.default_rng(1).integers(0, 256, (20, *sample_shape(graph)), dtype=np.uint8)
    assert compare(graph, path, codes).largest_alone <= 1


def test_an_open_batch_changes_nothing(keras: Any, tmp_path: Path) -> None:
    graphs = []
    for batch in (None, 1):
        path = convert(network(keras, "reshape"), tmp_path / f"{batch}.tflite", batch=batch)
        graphs.append(assemble(read_network(path)))
    codes = np.random.default_rng(1).integers(0, 256, (20, *sample_shape(graphs[0])), dtype=np.uint8)
    first, second = (interpreter.run(graph, codes, "8x8").outputs for graph in graphs)
    np.testing.assert_array_equal(first, second)


def test_a_float16_file_is_a_floating_point_model(keras: Any, tmp_path: Path) -> None:
    model = network(keras, "padding")
    read = read_network(convert(model, tmp_path / "half.tflite", "float16"))
    (inputs,) = samples(model, 200)
    assert not read.integer
    graph = assemble(calibrate(read, inputs[:, None]))
    away = np.abs(real_outputs(graph, inputs) - np.asarray(model(inputs))).max()
    assert away < 6 * graph.tensor(graph.output).scale, "quantised to 8 bits"


def test_a_sigmoid_at_the_end_is_dropped(keras: Any, tmp_path: Path) -> None:
    model = network(keras, "mean", keras.layers.Dense(1, activation="sigmoid"))
    graph = assemble(read_network(convert(model, tmp_path / "sigmoid.tflite")))
    assert graph.provenance["dropped"] == ["sigmoid"]
    (inputs,) = samples(model, 100)
    wanted = np.asarray(model(inputs))
    sure = np.abs(wanted - 0.5) > 0.1
    assert sure.sum() > 10
    assert ((real_outputs(graph, inputs) > 0) == (wanted > 0.5))[sure].all(), "the side of one half"


def test_activations_of_16_bits_are_refused_in_one_sentence(keras: Any, tmp_path: Path) -> None:
    path = convert(network(keras, "reshape"), tmp_path / "wide.tflite", "int16x8")
    with pytest.raises(UnsupportedError) as caught:
        read_network(path)
    assert caught.value.what == "its activations have 16 bits"


# --- The files themselves -------------------------------------------------------------------------------------


@needs_cases
@pytest.mark.parametrize("name", ["1d-mean", "1d-pad", "reshape-of-input", "sigmoid-head", "float16"])
def test_a_reported_file(name: str) -> None:
    folder = SHARED / f"tflite-{name}"
    stored = np.load(folder / "tflite-reference.npz")
    inputs, wanted = stored["inputs"], stored["outputs"].reshape(len(stored["outputs"]), -1).astype(float)
    found = []
    for path in sorted(folder.glob("*.tflite")):
        read = read_network(path)
        if not read.integer:
            read = calibrate(read, inputs.reshape(-1, *read.edges[read.input].shape))
        graph = assemble(read)
        source, last = graph.tensor(graph.input), graph.tensor(graph.output)
        real = inputs if inputs.dtype.kind == "f" else source.scale * (inputs.astype(float) + 128 - source.zero_point)
        found.append(real_outputs(graph, real))
        if graph.provenance.get("dropped"):
            assert ((found[-1] > 0) == (wanted > 0.5)).all()
        elif inputs.dtype == np.int8:
            codes = found[-1] / last.scale + last.zero_point - 128
            assert np.abs(codes - wanted).max() < 2.5, "each layer rounds once here, and twice in TFLite"
        else:
            assert np.abs(found[-1] - wanted).max() <= 3 * last.scale
    assert all((one == found[0]).all() for one in found), "an open batch and a fixed one are one network"


@needs_cases
@pytest.mark.parametrize("path", sorted(SHARED.glob("hostile/*.tflite")), ids=lambda path: path.stem)
def test_a_hostile_file(path: Path) -> None:
    """A typed error, or what TFLite makes of it: some damage lies in what neither reads."""
    try:
        graph = assemble(read_network(path))
    except (BadFileError, UnsupportedError):
        return
    codes = np.random.default_rng(1).integers(0, 256, (3, *sample_shape(graph)), dtype=np.uint8)
    assert compare(graph, path, codes).largest_alone <= 1


def test_data_of_a_series_has_the_files_own_shape(keras: Any, tmp_path: Path) -> None:
    """[samples, steps, channels], although a Graph sees a series as an image of one row."""
    import dqt_edge as dqt  # noqa: PLC0415

    path = convert(network(keras, "mean"), tmp_path / "series.tflite")
    graph = dqt.import_model(path)
    (inputs,) = samples(network(keras, "mean"), 10)
    assert inputs.shape == (10, 24, 3)
    assert dqt.compare(graph, path, inputs).samples == 10
    with pytest.raises(DqtError, match="shape"):
        dqt.compare(graph, path, inputs.transpose(0, 2, 1))
