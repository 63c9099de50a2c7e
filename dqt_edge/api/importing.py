"""Finished models of other frameworks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.choose import SEED, choose
from ..data.dataset import Dataset
from ..errors import BadFileError, UsageError
from ..graph import FULL, Graph, Pair, interpreter
from ..graph.policy import candidate_pairs
from ..importers.assemble import assemble
from ..importers.calibrate import SAMPLES_MAX, calibrate
from ..importers.network import Network
from ..system.files import write_atomically
from ..tasks import every_output, reals, with_task
from ..tasks.kinds import Binary, Reconstruction, Regression
from ..tasks.statistics import best_threshold
from .given import Data, FilePath, _arrays, arrays_by_name, dataset_of, samples_of

EIGHT_BITS = "an imported model was made for 8 bits"


def import_model(
    model: FilePath | bytes | Any,  # noqa: ANN401 - a Keras model
    *,
    calibration: Data | None = None,
    seed: int = SEED,
    first: bool = False,
    candidates: str | Sequence[Pair] = (FULL,),
    classes: Sequence[str] = (),
    task: str | None = None,
    threshold: float | Data | None = None,
) -> Graph:
    """Make a graph of a finished model of TFLite, ONNX or Keras.

    An int8 or uint8 model keeps its weights and scales, and needs no calibration. A floating-point model gets scales
    that fit typical inputs.

    Args:
        model: Path of a ``.tflite``, ``.onnx``, ``.keras`` or ``.h5`` file, the content of one, or a Keras model in
            memory.
        calibration: A few hundred typical inputs for a floating-point model: a data set, whose training part is used
            if it has one, a file or folder, or an array ``x`` in the model's own units. 512 of them are used, chosen at
            random, each class in proportion.
        seed: Of that choice.
        first: Use the first 512 instead.
        candidates: Width pairs that each layer is offered, 8x8 among them: text such as ``"8x8,4x4"``, or pairs.
        classes: Names of the classes or outputs, or none.
        task: What the outputs stand for: ``"classifier"``, ``"binary"``, ``"regression"``, ``"reconstruction"``,
            ``"map"`` or ``"outputs"``; None is what they look like.
        threshold: Of task binary: the output above which the answer is 1, in the output's unit; or labelled data, whose
            training part chooses it if it has one, so that the mean of both recalls is best. None is a chance of one
            half.

    Returns:
        A graph without a controller; its widths are chosen by a policy, or by ``search``.

    Raises:
        UnsupportedError: Lists every layer that cannot be imported.
        UsageError: A floating-point model without calibration, an unknown suffix, wrong candidates, or a task that the
            outputs do not fit.
        BadFileError: The file is missing or damaged, or the calibration has another shape.
        ToolchainError: A package that reads such models is not installed.

    Example:
        ```python
        import keras
        import numpy as np
        import dqt_edge as dqt

        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )
        typical = np.random.default_rng(1).random((64, 8, 8, 1), np.float32)
        graph = dqt.import_model(model, calibration=typical, candidates="8x8,4x8")
        print(graph)
        ```
    """
    candidates = candidate_pairs(candidates, EIGHT_BITS)  # refused before a large file is read
    return graph_of_network(
        read_network(model),
        calibration=calibration,
        seed=seed,
        first=first,
        candidates=candidates,
        classes=classes,
        task=task,
        threshold=threshold,
    )


def graph_of_network(
    network: Network,
    *,
    calibration: Data | None,
    seed: int = SEED,
    first: bool = False,
    candidates: str | Sequence[Pair] = (FULL,),
    classes: Sequence[str] = (),
    task: str | None = None,
    threshold: float | Data | None = None,
) -> Graph:
    """The second half of :func:`import_model`, which says what is taken and raised."""
    pairs = candidate_pairs(candidates, EIGHT_BITS)
    if task in (Regression.name, Reconstruction.name):
        network = network.with_end()
    if not network.integer:
        if calibration is None:
            raise UsageError(
                "the model has no scales, because it computes in floating point",
                where=f"model {network.name!r}",
                next_step="give `calibration` with a few hundred typical inputs",
            )
        network = calibrate(network, _typical(calibration, network, seed=seed, first=first))
    graph = replace(with_task(assemble(network, pairs), task), classes=tuple(classes))
    return graph if threshold is None else _with_threshold(graph, threshold)


def _with_threshold(graph: Graph, threshold: float | Data) -> Graph:
    """The graph with a threshold in its provenance, given or chosen."""
    if graph.task != Binary.name:
        raise UsageError(
            f"a model of task {graph.task} has no threshold",
            where="parameter `threshold`",
            next_step="leave it out, or give `task` binary to a model with one output",
        )
    if not isinstance(threshold, int | float):
        samples = samples_of(labelled(threshold, graph), graph)
        outputs = reals(graph, every_output(interpreter.run(graph, samples.codes, (FULL,) * len(graph.adaptive))))
        found = None if samples.labels is None else best_threshold(outputs[:, 0], samples.labels == 1)
        if found is None:
            raise UsageError(
                "the data has no samples of both kinds to choose a threshold by",
                where="parameter `threshold`",
                next_step="give samples with labels 0 and 1, or a number",
            )
        threshold = found
    return replace(graph, provenance={**graph.provenance, "threshold": float(threshold)})


def labelled(data: Data, graph: Graph) -> Data:
    """Training inputs and targets of a data set if it has any, else its test part; arrays as they are."""
    if graph.more_inputs or not (isinstance(data, str | os.PathLike) or hasattr(data, "train")):
        return data
    whole = dataset_of(data, shape=graph.tensor(graph.input).shape)
    return (whole.x_train, whole.y_train) if len(whole.train.labels) else whole


def _typical(data: Data, network: Network, *, seed: int, first: bool) -> Any:  # noqa: ANN401 - an array, or by name
    """Inputs to calibrate with; images of a folder get the input's shape."""
    shape = network.edges[network.input].shape
    named = arrays_by_name(data, network.inputs) if len(network.inputs) > 1 or isinstance(data, Mapping) else None
    if named is not None:
        chosen = choose(len(named[network.input]), SAMPLES_MAX, named.get("y"), seed=seed, first=first)
        parts = {name: np.asarray(named[name][chosen], np.float32) for name in network.inputs}
        return {name: part.reshape(len(part), *network.edges[name].shape) for name, part in parts.items()}
    if isinstance(data, str | os.PathLike | Dataset):
        found = dataset_of(data, shape=shape)
        part = found.train if len(found.train.labels) else found.test
        return part.images(choose(len(part.labels), SAMPLES_MAX, part.labels, seed=seed, first=first))
    x, *more = _arrays(data)
    return x[choose(len(x), SAMPLES_MAX, more[0] if more else None, seed=seed, first=first)]


def read_network(model: FilePath | bytes | Any) -> Network:  # noqa: ANN401 - a Keras model
    """Network of whatever :func:`import_model` takes."""
    from ..importers.files import read_model

    if isinstance(model, str | os.PathLike):
        return read_model(Path(model))
    if isinstance(model, bytes):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{_suffix(model)}"
            write_atomically(path, model)
            return read_model(path)
    if not hasattr(model, "layers"):
        raise UsageError(
            f"{type(model).__name__} is no model",
            where="parameter `model`",
            next_step="give a path, the bytes of a file, or a Keras model",
        )
    return keras_network(model)


def keras_network(model: Any) -> Network:  # noqa: ANN401 - a Keras model
    """Network of a Keras model in memory."""
    from ..importers.keras import from_model
    from ..importers.reading import graph_name

    name = graph_name(Path(str(model.name)))
    return from_model(model, name, name)


def _suffix(content: bytes) -> str:
    """Which kind of file it is, by its first bytes."""
    for start, magic, suffix in (
        (4, b"TFL3", ".tflite"),
        (0, b"PK", ".keras"),
        (0, b"\x89HDF", ".h5"),
        (0, b"\x08", ".onnx"),
    ):
        if content[start : start + len(magic)] == magic:
            return suffix
    raise BadFileError(
        "the bytes are no model of TFLite, ONNX or Keras",
        where="parameter `model`",
        next_step="give the content of a model file",
    )
