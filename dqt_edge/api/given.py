"""What callers may hand in, and what is made of it: models, boards, data sets, samples, outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..boards import Board, load_board
from ..data.checks import check_codes, check_inputs
from ..data.choose import SEED, choose
from ..data.dataset import Dataset
from ..data.sources import has_targets
from ..errors import BadFileError, UsageError
from ..graph import Graph, Shape, checkpoint

if TYPE_CHECKING:
    from ..project.manifest import Project

FilePath = str | os.PathLike[str]
Model = Graph | FilePath
"""A graph, or the path of its checkpoint."""
Array = npt.NDArray[Any]
Data = FilePath | Dataset | Array | Sequence[Array]
"""A named data set, a file or folder, a Dataset, or arrays: ``x``, ``(x, y)`` or ``(x, y, x_test, y_test)``."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(_: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def graph_of(model: Model) -> Graph:
    """The graph itself, or what its checkpoint holds; raises BadFileError."""
    return model if isinstance(model, Graph) else checkpoint.load(Path(model))


def graphs_of(models: Model | Sequence[Model]) -> list[Graph]:
    """The graphs of one model or several; raises BadFileError, or UsageError for none."""
    several = [models] if isinstance(models, Graph | str | os.PathLike) else list(models)
    if not several:
        raise UsageError("there is no model", where="parameter `model`", next_step="give at least one")
    return [graph_of(model) for model in several]


def board_of(board: Board | FilePath) -> Board:
    """The board itself, or that of an id; raises UsageError or BadFileError."""
    return board if isinstance(board, Board) else load_board(os.fspath(board))


def dataset_of(
    data: Data, validation: float | None = None, *, shape: Shape | None = None, crop_area: float = 1.0
) -> Dataset:
    """A data set of three parts.

    Args:
        data: See ``Data``; arrays are split as those of a file are.
        validation: Part of the training samples that is kept to choose by, 0..1; None is the usual part.
        shape: (height, width, channels) that the images of a folder get.
        crop_area: Least part of a folder's training image that a random crop shows.

    Raises:
        UsageError, BadFileError: It is unknown, missing, damaged, or no images and labels.
    """
    from ..data.load import VALIDATION_SHARE, load_data
    from ..data.npz import from_arrays

    validation = VALIDATION_SHARE if validation is None else validation
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        return load_data(os.fspath(data), validation, shape=shape, crop_area=crop_area)
    arrays = _arrays(data)
    if len(arrays) not in (1, 2, 4):
        raise _no_data(f"{len(arrays)} arrays are no data set", "give (x, y), (x, y, x_test, y_test), or x alone")
    return from_arrays(dict(zip(("x", "y", "x_test", "y_test"), arrays, strict=False)), "arrays", validation)


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of a model.

    Attributes:
        codes: uint8 [samples, height, width, channels].
        labels: Targets as the model's task takes them, class indices say, or None.
        real: The inputs in the data's own units; None where codes were given.
    """

    codes: npt.NDArray[np.uint8]
    labels: Array | None
    real: Array | None


def samples_of(data: Data, graph: Graph, count: int | None = None, *, seed: int = SEED, first: bool = False) -> Samples:
    """Samples to run a model on: the test part of a data set, or all of the arrays ``x`` or ``(x, y)``.

    An array of type uint8 holds codes, any other the model's own units. Inputs that do not suit the model's input scale
    are warned of.

    Args:
        data: See ``Data``.
        graph: The model.
        count: How many; None is all. They are chosen at random, each class in proportion.
        seed: Of the choice.
        first: Take the first ones instead, as a model with states always does: a stream has no gaps.

    Raises:
        UsageError, BadFileError: It is no data, not of the model's shape, or has targets that the model cannot answer.
    """
    from ..data.load import codes
    from ..tasks import task_of

    if isinstance(data, str | os.PathLike | Dataset):
        test = dataset_of(data, shape=graph.tensor(graph.input).shape).test
        indices = choose(len(test.labels), count, test.labels, seed=seed, first=first or bool(graph.states))
        labels, real = test.labels[indices], test.images(indices)
        _check_units(real, graph)
        return Samples(codes(real, graph), task_of(graph).targets(labels) if has_targets(labels) else None, real)
    arrays = _arrays(data)
    if len(arrays) > 2:
        raise _no_data(f"{len(arrays)} arrays are no samples", "give x, or (x, y)")
    x, y = arrays[0], None if len(arrays) == 1 else arrays[1]
    if y is not None and (not y.ndim or len(y) != len(x)):
        raise _no_data(f"targets of shape {y.shape} for {len(x)} samples", "give targets for each sample")
    if not len(x):
        raise _no_data("there are no samples", "give at least one")
    indices = choose(len(x), count, y, seed=seed, first=first or bool(graph.states))
    x, y = x[indices], None if y is None else y[indices]
    _check_units(x, graph)
    targets = None if y is None else task_of(graph).targets(y)
    return Samples(input_codes(x, graph), targets, None if x.dtype == np.uint8 else x)


def input_codes(x: Array, graph: Graph) -> npt.NDArray[np.uint8]:
    """Codes of inputs [samples, ...]: uint8 as it is, anything else by the input tensor's scale and zero point."""
    from ..data.load import codes

    shape = graph.tensor(graph.input).shape
    if x.shape[1:] == shape[:2] and shape[2] == 1:
        x = x[..., None]
    elif x.ndim == 2 and x.shape[1] == shape[2] and shape[:2] == (1, 1):
        x = x[:, None, None, :]
    if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)) or not np.isfinite(x).all():
        raise _no_data(f"the inputs of type {x.dtype} are not all finite numbers", "give finite numbers")
    return codes(x, graph) if x.dtype != np.uint8 or x.shape[1:] != shape else x


def _check_units(x: Array, graph: Graph) -> None:
    """Warn of inputs, codes if they are uint8, that hardly are what the model takes."""
    tensor, where = graph.tensor(graph.input), f"the inputs of model {graph.name!r}"
    if graph.more_inputs:  # which lie one behind another, each with a scale of its own
        return
    if x.dtype == np.uint8:
        check_codes(x, tensor.zero_point, where)
    elif np.issubdtype(x.dtype, np.number):
        check_inputs(x, tensor.scale, tensor.zero_point, where)


def project_of(project: Project | FilePath | None) -> Project:
    """The project itself, that of a folder, or the last one that was exported from the current folder."""
    from ..project.manifest import Project, find_project

    if isinstance(project, Project):
        return project
    return find_project(None if project is None else Path(project))


def checkpoint_path(out: FilePath) -> Path:
    """The path, refused before the work if a checkpoint could not be written there."""
    path = Path(out)
    if path.suffix != ".safetensors":
        raise UsageError(
            f"the checkpoint's name {path.name!r} does not end in .safetensors",
            where="parameter `out`",
            next_step=f"give `out` as {path.with_suffix('.safetensors')}",
        )
    if not path.parent.is_dir() or path.is_dir():
        raise BadFileError(
            "the output is a folder" if path.is_dir() else "the folder of the output does not exist",
            where=str(path),
            next_step="create the folder first, or choose another `out`",
        )
    return path


def _arrays(data: Array | Sequence[Array]) -> list[Array]:
    if isinstance(data, np.ndarray):
        return [data]
    if not isinstance(data, tuple | list) or not all(isinstance(part, np.ndarray) for part in data):
        raise _no_data(f"{type(data).__name__} is no data", "give a name, a path, or a tuple of numpy arrays")
    return list(data)


def _no_data(what: str, next_step: str) -> UsageError:
    return UsageError(what, where="parameter `data`", next_step=next_step)
