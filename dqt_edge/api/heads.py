"""Heads for a finished network: early answers, without a change of the network itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from ..graph import Graph, Pair, checkpoint
from ..system.show import Facts, Shown, percent
from ..system.tensorflow import start_tensorflow
from ..training.heads.attach import require_fit
from ..training.heads.options import HeadOptions, parse_grid, parse_points, parse_widths
from .given import Data, FilePath, Model, Progress, checkpoint_path, dataset_of, graph_of, silent
from .importing import import_model

Row = dict[str, Any]
INTEGER_SUFFIXES = (".tflite", ".onnx")


@dataclass(frozen=True, repr=False)
class Heads(Shown):
    """A network with decision points.

    Attributes:
        graph: The network, whose own layers are what they were, with the points.
        log: A row for each epoch of each head: point, epoch, epochs, phase, loss, val_loss, best.
        files: What was written.
    """

    graph: Graph
    log: tuple[Row, ...]
    files: tuple[Path, ...]

    @property
    def results(self) -> Mapping[str, Any]:
        """Figures of the full network and of each point on the validation samples, as the checkpoint keeps them."""
        found: Mapping[str, Any] = self.graph.provenance["heads"]
        return found

    @property
    def points(self) -> Sequence[Mapping[str, Any]]:
        """Of each point: name, the layer it lies behind and why, its head, and by widths what it answers alone."""
        found: Sequence[Mapping[str, Any]] = self.results["points"]
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.graph.name,
            **self.results,
            "log": [dict(row) for row in self.log],
            "files": [str(path) for path in self.files],
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        rows = []
        for point in self.points:
            told = [f"{pair} agrees {percent(found['agreement'])}" for pair, found in point["figures"].items()]
            rows.append((point["name"], f"after {point['after']!r}, {point['head']}: {', '.join(told)}"))
        return f"{self.graph.name!r}, heads {percent(self.results['macs_share'])} of the MACs", rows


def train_heads(
    model: Model,
    data: Data,
    *,
    out: FilePath | None = None,
    points: int | str | Sequence[str] = HeadOptions.points,
    head_grid: str | int | Sequence[int] | None = None,
    head_hidden: int | None = None,
    widths: str | Sequence[Pair] | None = None,
    labels: Literal["given", "none"] = HeadOptions.labels,
    samples: int | None = None,
    epochs: int | None = None,
    seed: int = HeadOptions.seed,
    batch: int = HeadOptions.batch,
    learning_rate: float = HeadOptions.learning_rate,
    balance: float = HeadOptions.balance,
    shift: int = HeadOptions.shift,
    flip: bool = HeadOptions.flip,
    validation: float = HeadOptions.validation,
    progress: Progress = silent,
    on_stage: Callable[[str], None] = lambda _: None,
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> Heads:
    """Give a finished network early answers: decision points, of which only the heads learn.

    The network runs the training samples once, in integers, and only what the heads read is kept. Its own layers stay
    bit for bit what they are, and so do its answers at given widths. The same seed, model and data give the same heads.

    Args:
        model: A graph, the path of a checkpoint, or an int8 or uint8 ``.tflite`` or ``.onnx`` file. Points that it has
            are replaced, and its tuned settings dropped.
        data: As for ``train``.
        out: Checkpoint to write, ``.safetensors``. None: nothing is written.
        points: How many decision points at most, or the layers that they lie behind: names, or text with commas
            between. A number is put behind those layers that all paths lead through and that are nearest to even steps
            of the network's multiply-accumulates, 25 and 50 % for two.
        head_grid: Rows and columns that a layer's output is pooled to: ``"4x4"``, ``(8, 1)``. None: the largest of a
            few sizes with which all heads together take up to 3 % of the network's multiply-accumulates.
        head_hidden: Units of a head's hidden layer; None is chosen in the same way.
        widths: Pairs such as ``"8x8,4x4"``: the heads learn from what the network makes with each of them in all
            layers. None: with all of the model's candidates.
        labels: ``"given"``: learn from labels and from the full network's outputs; ``"none"``: from those alone.
        samples: Most training samples to learn from, chosen at random, each class in proportion; None is all.
        epochs: Passes over the features, 2 or more; None for about 3000 steps, in 30 to 200 passes.
        seed: The same seed repeats a run on the same machine.
        batch: Features of a step.
        learning_rate: Peak of the cosine schedule.
        balance: 0 weighs all samples alike, 1 all classes.
        shift: Also learn from a copy of each training image, moved at random by up to so many pixels.
        flip: Also learn from a copy of each training image, of which every other one is mirrored.
        validation: Part of the training samples that only serves to choose the epoch and to report, up to 0.5.
        progress: Called as samples run through the network.
        on_stage: Called with the name of each stage as it begins.
        on_epoch: Called with the row of each epoch.

    Returns:
        The graph with its points, and how good each is alone on the validation samples.

    Raises:
        UnsupportedError: A network that can have no heads: no classifier, several inputs or outputs, or states.
        UsageError: A value out of range, a layer that the network does not have, or labels that do not fit.
        BadFileError: The data or model is missing or damaged, or ``out`` cannot be written.
        ToolchainError: TensorFlow is not installed.
        MismatchError: A head's integers answer otherwise than what was trained; nothing is written.

    Example:
        ```python
        import dqt_edge as dqt

        heads = dqt.train_heads("digits.safetensors", "digits", points=1, epochs=4)
        print(heads)
        print(heads.points[0]["figures"]["8x8"]["agreement"])
        ```
    """
    options = HeadOptions(
        data=os.fspath(data) if isinstance(data, str | os.PathLike) else "arrays",
        points=parse_points(points), head_grid=parse_grid(head_grid), head_hidden=head_hidden,
        widths=parse_widths(widths), labels=labels, samples=samples, epochs=epochs, seed=seed, batch=batch,
        learning_rate=learning_rate, balance=balance, shift=shift, flip=flip, validation=validation,
    )  # fmt: skip
    path = None if out is None else checkpoint_path(out)
    graph = _graph_of(model)
    require_fit(graph)
    dataset = dataset_of(data, options.validation, shape=graph.tensor(graph.input).shape)
    on_stage("starting TensorFlow")
    start_tensorflow()
    from ..training.heads.run import train_heads as run

    made, log = run(graph, dataset, options, progress=progress, on_stage=on_stage, on_epoch=on_epoch)
    if path is not None:
        checkpoint.save(made, path)
    return Heads(made, tuple(log), () if path is None else (path,))


def _graph_of(model: Model) -> Graph:
    """The graph, of a checkpoint, or of a file of integers."""
    from ..importers.files import read_model

    if isinstance(model, Graph) or Path(model).suffix == ".safetensors":
        return graph_of(model)
    path = Path(model)
    if path.suffix not in INTEGER_SUFFIXES or not read_model(path).integer:
        raise UsageError(
            "the model computes in floating point and has no scales",
            where=str(path),
            next_step="make a checkpoint of it with 'dqt-edge import' and calibration data, and give that",
        )
    return import_model(path)
