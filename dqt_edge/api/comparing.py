"""An imported model beside the one that it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data.choose import SEED
from ..graph.samples import sample_shape
from ..importers.comparison import Comparison
from ..importers.comparison import compare as run_comparison
from .given import Data, FilePath, Model, Progress, Samples, graph_of, samples_of, silent

RANDOM_SAMPLES = 100


def compare(
    model: Model,
    original: FilePath,
    data: Data | None = None,
    *,
    count: int | None = None,
    seed: int = SEED,
    first: bool = False,
    progress: Progress = silent,
) -> Comparison:
    """Run an imported model at 8x8 beside its file's runtime: TFLite's reference kernels, ONNX Runtime, Keras.

    Args:
        model: What ``import_model`` made, or the path of its checkpoint.
        original: The ``.tflite``, ``.onnx``, ``.keras`` or ``.h5`` file that it was imported from.
        data: A data set, of which the test part is run, a file, or arrays ``x`` or ``(x, y)``; None is random inputs.
        count: Number of samples, chosen at random, each class in proportion; None is all, or 100 random inputs.
        seed: Of the choice, and of random inputs.
        first: Take the first ``count`` samples instead.
        progress: Called with the samples done and the samples in all.

    Returns:
        For each layer the largest difference in codes when it reads the runtime's own tensors, and when both networks
        run from their input; how good both are by the model's task, and answers that differ.

    Raises:
        UsageError: The model was not imported from this file, or the data does not belong to it.
        BadFileError: A file is missing or damaged.
        ToolchainError: The runtime is not installed.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.import_model("small.tflite")
        found = dqt.compare(graph, "small.tflite", count=20)
        print(found)
        assert found.largest_alone <= 1
        ```
    """
    graph = graph_of(model)
    if data is None:
        shape = (count or RANDOM_SAMPLES, *sample_shape(graph))
        codes = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        samples = Samples(codes, None, None)
    else:
        samples = samples_of(data, graph, count, seed=seed, first=first)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        progress("comparing", done, len(samples.codes))

    return run_comparison(graph, Path(original), samples.codes, samples.labels, samples.real, advance)
