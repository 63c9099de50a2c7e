"""Data sets by name, file or folder. Imports without TensorFlow."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, UsageError
from ..graph import Graph, Shape, nested
from ..graph.samples import same_data, sample_shape
from . import cifar10
from .dataset import Dataset, require_training, split
from .folder import from_folder
from .npz import from_npz
from .sources import Images, Labels

__all__ = ["Dataset", "Images", "Labels", "codes", "load_data", "require_training"]

NAMED = ("digits", "cifar10")
DIGITS_TEST = 360
VALIDATION_SHARE = 0.15


def load_data(
    spec: str, validation: float = VALIDATION_SHARE, *, shape: Shape | None = None, crop_area: float = 1.0
) -> Dataset:
    """Load a named data set, the ``.npz`` file of that path, or the folder of images of that path.

    Args:
        spec: Name or path.
        validation: Part of the training samples that is kept to choose by, 0..1.
        shape: (height, width, channels) that the images of a folder get; others keep theirs.
        crop_area: Least part of a folder's training image that a random crop shows, 0..1; 1 crops none.

    Raises:
        UsageError: Unknown name, no image size for a folder, or a package that the data needs is missing.
        BadFileError: The data is missing, damaged, or holds something else than images and labels.
    """
    if spec == "digits":
        return _digits(validation)
    if spec == "cifar10":
        return _cifar10(validation)
    if Path(spec).is_dir():
        return from_folder(Path(spec), validation, shape=shape, crop_area=crop_area)
    if spec.endswith(".npz") or Path(spec).exists():
        return from_npz(Path(spec), validation)
    close = difflib.get_close_matches(spec, NAMED, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from: {', '.join(NAMED)}."
    raise UsageError(
        f"unknown data set {spec!r}",
        where="parameter `data`",
        next_step=f"{hint} Data of your own is an .npz file with arrays x and y, or a folder of images",
    )


def codes(dataset_x: npt.NDArray[Any], graph: Graph) -> npt.NDArray[np.uint8]:
    """Input codes of images for a graph: uint8 [samples, height, width, channels].

    Of a graph with several inputs: uint8 [samples, bytes], made of numbers [samples, elements], the inputs one behind
    another in both.

    Raises:
        BadFileError: The images do not have the shape that the model takes.
    """
    shape = sample_shape(graph)
    if dataset_x.shape[1:3] == (1, 1) and len(shape) == 1:  # features, as a file's are read
        dataset_x = dataset_x[:, 0, 0]
    if len(shape) > 1 and same_data(dataset_x.shape[1:], shape):  # a series is an image of one row
        dataset_x = dataset_x.reshape(len(dataset_x), *shape)
    if dataset_x.shape[1:] != shape:
        raise BadFileError(
            f"the images have shape {tuple(dataset_x.shape[1:])}, the model expects {shape}",
            where=f"data for model {graph.name!r}",
            next_step="give the data set that the model was trained on, or one of the same image shape",
        )
    tensors = [graph.tensor(name) for name in graph.inputs]
    if len(tensors) == 1:
        return nested.quantize(dataset_x, tensors[0].scale, tensors[0].zero_point)
    parts = np.split(dataset_x, np.cumsum([tensor.size for tensor in tensors])[:-1], axis=1)
    found = [nested.quantize(part, t.scale, t.zero_point) for part, t in zip(parts, tensors, strict=True)]
    return np.concatenate(found, axis=1)


def _digits(validation: float) -> Dataset:
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise UsageError(
            "the digits data set comes with scikit-learn, which is not installed",
            where="parameter `data` digits",
            next_step="run: pip install 'dqt-edge[data]'",
        ) from error
    bunch = load_digits()
    x = (np.asarray(bunch.images, np.float32) / np.float32(16))[..., None]
    y = np.asarray(bunch.target, np.int64)
    names = tuple(map(str, range(10)))
    return split("digits", x, y, held_out=DIGITS_TEST, classes=names, coding=(1 / 255, 0), validation=validation)


def _cifar10(validation: float) -> Dataset:
    """CIFAR-10: pixels 0..255; its 10,000 test images are the test part."""
    (x, y), (x_test, y_test) = cifar10.read_archive(cifar10.cached())
    return split(
        "cifar10",
        x.astype(np.float32),
        y,
        held_out=0,
        classes=cifar10.CLASSES,
        coding=(1.0, 0),
        validation=validation,
        tests=(x_test.astype(np.float32), y_test),
    )
