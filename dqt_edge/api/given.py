"""What callers may hand in, and what is made of it: models, boards, data sets, samples, outputs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from ..graph.samples import same_data, sample_shape
from ..system.files import cannot_write

if TYPE_CHECKING:
    from ..data.recording import Recording
    from ..project.manifest import Project

FilePath = str | os.PathLike[str]
Model = Graph | FilePath
"""A graph, or the path of its checkpoint."""
Array = npt.NDArray[Any]
Data = FilePath | Dataset | Array | Sequence[Array] | Mapping[str, Array]
"""A named data set, a file or folder, a Dataset, or arrays: ``x``, ``(x, y)`` or ``(x, y, x_test, y_test)``.

For a model with several inputs: a mapping with an array for each input, by name, and targets ``y`` if there are some;
or an ``.npz`` file with these.
"""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


CHECKED = 512
"""Most inputs that are looked at, at once, for being in the model's unit."""


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
class Pieces:
    """Samples that are made when they are asked for, by a slice or an array of their numbers.

    Attributes:
        read: Gives samples by their numbers.
        count: How many there are.
    """

    read: Callable[[Array], Array]
    count: int

    def __len__(self) -> int:
        """How many samples there are."""
        return self.count

    def __getitem__(self, wanted: int | slice | Array) -> Array:
        """One sample by its number, or some."""
        if isinstance(wanted, int | np.integer):
            one: Array = self.read(np.array([wanted]))[0]
            return one
        return self.read(np.arange(self.count)[wanted])


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of a model.

    Attributes:
        pieces: Codes, uint8 [samples, height, width, channels]: an array, or read in pieces.
        labels: Targets as the model's task takes them, class indices say, or None.
        units: The inputs in the data's own units, likewise; None where codes were given.
    """

    pieces: npt.NDArray[np.uint8] | Pieces
    labels: Array | None
    units: Array | Pieces | None

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.pieces)

    @cached_property
    def codes(self) -> npt.NDArray[np.uint8]:
        """Codes of all samples, in memory."""
        return self.pieces[:]

    @cached_property
    def real(self) -> Array | None:
        """All inputs in the data's own units, in memory; None where codes were given."""
        return None if self.units is None else self.units[:]


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

    data = by_input(data, graph)
    if isinstance(data, str | os.PathLike | Dataset):
        test = dataset_of(data, shape=graph.tensor(graph.input).shape).test
        indices = choose(len(test.labels), count, test.labels, seed=seed, first=first or bool(graph.states))
        _check_units(test.images(_spread(indices)), graph)
        labels = test.labels[indices]
        targets = task_of(graph).targets(labels) if has_targets(labels) else None
        units = Pieces(lambda numbers: test.images(indices[numbers]), len(indices))
        _ = codes(units[:1], graph)  # refuses another shape before anything is run
        return Samples(Pieces(lambda numbers: codes(units[numbers], graph), len(indices)), targets, units)
    arrays = _arrays(data)
    if len(arrays) > 2:
        raise _no_data(f"{len(arrays)} arrays are no samples", "give x, or (x, y)")
    x, y = arrays[0], None if len(arrays) == 1 else arrays[1]
    if y is not None and (not y.ndim or len(y) != len(x)):
        raise _no_data(f"targets of shape {y.shape} for {len(x)} samples", "give targets for each sample")
    if not len(x):
        raise _no_data("there are no samples", "give at least one")
    indices = choose(len(x), count, y, seed=seed, first=first or bool(graph.states))
    _check_units(x[_spread(indices)], graph)
    targets = None if y is None else task_of(graph).targets(y[indices])
    units = Pieces(lambda numbers: x[indices[numbers]], len(indices))
    pieces = Pieces(lambda numbers: input_codes(units[numbers], graph), len(indices))
    for at in range(0, len(indices), CHECKED):
        _ = pieces[at : at + CHECKED]  # refuses what is no input before anything is run
    return Samples(pieces, targets, None if x.dtype == np.uint8 else units)


def _spread(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """As many of them as are looked at, from first to last."""
    return indices[:: -(-len(indices) // CHECKED)] if len(indices) else indices


def stream_samples(data: Data, graph: Graph, count: int | None = None) -> tuple[Samples, Recording]:
    """Samples of a recorded stream in order, all or the first ones, and when they were.

    Args:
        data: An ``.npz`` file, or a mapping of arrays; see :func:`~dqt_edge.data.recording.split_recording`.
        graph: The model.
        count: How many; None is all.

    Raises:
        UsageError, BadFileError: The data is no stream, or not of the model's shape.
    """
    from ..data.npz import from_arrays, read_npz
    from ..data.recording import split_recording

    if isinstance(data, str | os.PathLike) and Path(data).suffix == ".npz":
        where, given = os.fspath(data), read_npz(Path(data))
    elif isinstance(data, Mapping):
        where, given = "parameter `data`", {name: np.asarray(array) for name, array in data.items()}
    else:
        raise _no_data("it is no recorded stream", "give an .npz file with x, y and t, or a mapping of such arrays")
    arrays, recording = split_recording(given, where)
    kept: Data = arrays
    if "x_test" in arrays:
        codes = isinstance(data, Mapping) and arrays["x_test"].dtype == np.uint8
        parts = (arrays["x_test"], *((arrays["y_test"],) if "y_test" in arrays else ()))
        kept = parts if codes else from_arrays(arrays, Path(where).stem, 0.0, where)
    samples = samples_of(kept, graph, count, first=True)
    return samples, recording.head(len(samples))


def input_codes(x: Array, graph: Graph) -> npt.NDArray[np.uint8]:
    """Codes of inputs [samples, ...]: uint8 as it is, anything else by the input tensor's scale and zero point.

    Several inputs lie one behind another in each sample.
    """
    from ..data.load import codes

    shape = sample_shape(graph)
    if len(shape) == 3 and same_data(x.shape[1:], shape):
        x = x.reshape(len(x), *shape)
    if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer)) or not np.isfinite(x).all():
        raise _no_data(f"the inputs of type {x.dtype} are not all finite numbers", "give finite numbers")
    return codes(x, graph) if x.dtype != np.uint8 or x.shape[1:] != shape else x


def sample_codes(x: Array | Mapping[str, Array], graph: Graph) -> npt.NDArray[np.uint8]:
    """:func:`input_codes` of one sample, [1, ...]; of several inputs an array, or one for each by name."""
    if not isinstance(x, Mapping):
        return input_codes(np.asarray(x)[None], graph)
    found = by_input({name: np.asarray(part)[None] for name, part in x.items()}, graph)
    if not isinstance(found, np.ndarray):
        raise _no_data("an inference takes no targets", "leave out y")
    return input_codes(found, graph)


def arrays_by_name(data: Data, inputs: Sequence[str]) -> dict[str, Array] | None:
    """The arrays of a mapping or of an ``.npz`` file: one for each input, and targets ``y`` if there are some.

    None for any other data, such as a file with ``x``.

    Raises:
        UsageError, BadFileError: They have other names, or not the same number of samples; or the file is damaged.
    """
    from ..data.npz import read_npz

    given: Any = data
    if isinstance(data, str | os.PathLike) and Path(data).suffix == ".npz":
        given = read_npz(Path(data))
        if {"x", "x_test"} & (set(given) - set(inputs)):
            return None
    if not isinstance(given, Mapping):
        return None
    names = [*inputs, *(["y"] if "y" in given and "y" not in inputs else [])]
    if set(names) != set(given):
        raise _no_data(
            f"there are arrays {', '.join(sorted(given))}; the model's inputs are {', '.join(inputs)}",
            "give an array for each input by its name, and targets as y",
        )
    arrays = {name: np.asarray(given[name]) for name in names}
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1 or counts == {0}:
        raise _no_data("the arrays have no samples, or different numbers of them", "give as many of each")
    return arrays


def by_input(data: Data, graph: Graph) -> FilePath | Dataset | Array | Sequence[Array]:
    """Arrays by name as ``x`` or ``(x, y)``, the inputs one behind another; any other data as it is.

    Raises:
        UsageError, BadFileError: They are not the model's inputs, or the file is damaged.
    """
    several = graph.more_inputs or isinstance(data, Mapping)
    arrays = arrays_by_name(data, graph.inputs) if several else None
    if arrays is None:
        assert not isinstance(data, Mapping)
        return data
    count = len(arrays[graph.input])
    for name in graph.inputs:
        shape = graph.tensor(name).shape
        if arrays[name].size != count * graph.tensor(name).size:
            raise _no_data(
                f"array {name!r} has shape {arrays[name].shape}, for {count} inputs of shape {shape}",
                "give each input in its own shape",
            )
    if len({arrays[name].dtype == np.uint8 for name in graph.inputs}) > 1:
        raise _no_data("some inputs are codes, of type uint8, and some are numbers", "give all as codes, or none")
    x = np.concatenate([arrays[name].reshape(count, -1) for name in graph.inputs], axis=1)
    x = x.reshape(count, *sample_shape(graph))
    return (x, arrays["y"]) if len(arrays) > len(graph.inputs) else x


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
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _arrays(data: Array | Sequence[Array] | Mapping[str, Array]) -> list[Array]:
    if isinstance(data, np.ndarray):
        return [data]
    if not isinstance(data, tuple | list) or not all(isinstance(part, np.ndarray) for part in data):
        raise _no_data(f"{type(data).__name__} is no data", "give a name, a path, or a tuple of numpy arrays")
    return list(data)


def _no_data(what: str, next_step: str) -> UsageError:
    return UsageError(what, where="parameter `data`", next_step=next_step)
