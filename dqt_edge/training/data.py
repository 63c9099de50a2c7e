"""Data: scikit-learn's digits, or an ``.npz`` file of labelled images. Imports without TensorFlow."""

from __future__ import annotations

import difflib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import nested
from ..errors import BadFileError, UsageError
from ..graph import Graph

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

NAMED = ("digits",)
SPLIT_SEED = 20_260
DIGITS_TEST = 360
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.15
UNPACKED_MAX = 2 << 30
"""Bytes of all arrays of a file together; training makes float32 copies."""
VALUE_MAX = 1e6
"""Larger inputs would drive the input scale, and with it every bias, out of the integers' range."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled image set in three disjoint parts; of a test set alone, the first two are empty.

    Attributes:
        name: ``digits``, or the file's stem.
        x_train, x_val, x_test: Images, float32 [samples, height, width, channels].
        y_train, y_val, y_test: Class indices, int64 [samples], 0..len(classes)-1.
        classes: Class names.
        input_scale, input_zero_point: How an input becomes a code: ``round(x / scale) + zero_point``.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_val: Images
    y_val: Labels
    x_test: Images
    y_test: Labels
    classes: tuple[str, ...]
    input_scale: float
    input_zero_point: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        height, width, channels = self.x_train.shape[1:]
        return int(height), int(width), int(channels)


def load_data(spec: str, validation: float = VALIDATION_SHARE) -> Dataset:
    """Load ``digits``, or the ``.npz`` file of that path.

    Args:
        spec: Name or path.
        validation: Part of the training samples that is kept to choose by, 0..1.

    Raises:
        UsageError: Unknown name, or scikit-learn is missing.
        BadFileError: The file is missing, damaged, or holds something else than images and labels.
    """
    if spec == "digits":
        return _digits(validation)
    if spec.endswith(".npz") or Path(spec).exists():
        return _from_npz(Path(spec), validation)
    close = difflib.get_close_matches(spec, NAMED, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from: {', '.join(NAMED)}."
    raise UsageError(
        f"unknown data set {spec!r}",
        where="option --data",
        next_step=f"{hint} A file of your own must end in .npz and hold arrays x and y",
    )


def codes(dataset_x: npt.NDArray[Any], graph: Graph) -> npt.NDArray[np.uint8]:
    """Input codes of images for a graph: uint8 [samples, height, width, channels].

    Raises:
        BadFileError: The images do not have the shape that the model takes.
    """
    tensor = graph.tensor(graph.input)
    if dataset_x.shape[1:] != tensor.shape:
        raise BadFileError(
            f"the images have shape {tuple(dataset_x.shape[1:])}, the model expects {tensor.shape}",
            where=f"data for model {graph.name!r}",
            next_step="give the data set that the model was trained on, or one of the same image shape",
        )
    return nested.quantize(dataset_x, tensor.scale, tensor.zero_point)


# --- Digits -------------------------------------------------------------------------------------------------


def _digits(validation: float) -> Dataset:
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise UsageError(
            "the digits data set comes with scikit-learn, which is not installed",
            where="option --data digits",
            next_step="run: pip install 'dqt-edge[data]'",
        ) from error
    bunch = load_digits()
    x = (np.asarray(bunch.images, np.float32) / np.float32(16))[..., None]
    y = np.asarray(bunch.target, np.int64)
    names = tuple(map(str, range(10)))
    return _split(
        "digits", x, y, held_out=DIGITS_TEST, classes=names, coding=(1 / 255, 0), validation=validation
    )


# --- .npz ---------------------------------------------------------------------------------------------------


def _bad(what: str, path: Path) -> BadFileError:
    return BadFileError(
        what,
        where=str(path),
        next_step="save images x [n, h, w] or [n, h, w, c] and class numbers y [n] with numpy.savez",
    )


def _from_npz(path: Path, validation: float) -> Dataset:
    arrays = _read_npz(path)
    if "x" not in arrays and "x_test" in arrays:
        return _test_only(arrays, path)
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise _bad(f"array {missing[0]!r} is missing; the file holds {', '.join(sorted(arrays)) or 'nothing'}", path)
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise _bad("x_test and y_test must come together", path)
    x = _images("x", arrays["x"], path)
    y = _labels("y", arrays["y"], len(x), path)
    tests: tuple[Images, Labels] | None = None
    if "x_test" in arrays:
        x_test = _images("x_test", arrays["x_test"], path)
        if x_test.shape[1:] != x.shape[1:] or arrays["x_test"].dtype != arrays["x"].dtype:
            raise _bad("x_test has another image shape or type than x", path)
        tests = x_test, _labels("y_test", arrays["y_test"], len(x_test), path)
    count = 1 + max(int(y.max()), -1 if tests is None else int(tests[1].max()))
    names = tuple(map(str, arrays["classes"])) if "classes" in arrays else tuple(map(str, range(count)))
    if not 2 <= count <= len(names):
        raise _bad(f"labels run to {count - 1}, which makes {count} classes, but there are {len(names)} names", path)
    coding = (1.0, 0) if arrays["x"].dtype == np.uint8 else _coding(x)
    held_out = max(1, round(TEST_SHARE * len(x)))
    return _split(
        path.stem,
        x,
        y,
        held_out=held_out,
        classes=names,
        coding=coding,
        validation=validation,
        tests=tests,
        path=path,
    )


def _test_only(arrays: dict[str, npt.NDArray[Any]], path: Path) -> Dataset:
    """A test set alone, for a finished model: inputs in the model's own units."""
    x = arrays["x_test"]
    if x.ndim == 2:
        x = x[:, None, None, :]
    x = _images("x_test", x, path)
    if "y_test" not in arrays:
        raise _bad("x_test and y_test must come together", path)
    y = _labels("y_test", arrays["y_test"], len(x), path)
    count = 1 + int(y.max())
    names = tuple(map(str, arrays["classes"])) if "classes" in arrays else tuple(map(str, range(count)))
    if count > len(names):
        raise _bad(f"labels run to {count - 1}, but there are {len(names)} names", path)
    return Dataset(path.stem, x[:0], y[:0], x[:0], y[:0], x, y, names, *_coding(x))


def require_training(dataset: Dataset) -> None:
    """Refuse a test set alone.

    Raises:
        BadFileError: There is nothing to train on.
    """
    if not len(dataset.x_train):
        raise BadFileError(
            "the file holds a test set and nothing to train on",
            where=dataset.name,
            next_step="add arrays x and y with training images, or use the file with profile, import and compare",
        )


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    if path.is_fifo() or path.is_char_device():
        raise _bad("it is no regular file", path)  # it might have no end, or wait for ever
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise _bad("this is a single array, not an .npz archive", path)
            with loaded as archive:
                size = sum(entry.file_size for entry in archive.zip.infolist()) if archive.zip is not None else 0
                if size > UNPACKED_MAX:
                    raise _bad(f"the arrays unpack to {size:,} bytes, more than {UNPACKED_MAX:,}", path)
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise _bad("the data file does not exist", path) from error
    except OSError as error:
        raise _bad(f"cannot read the data file: {error.strerror or error}", path) from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        pickled = "object array" in str(error).lower()
        what = "the file holds pickled objects, which are not loaded" if pickled else "this is not a whole .npz archive"
        raise _bad(what, path) from error


def _images(name: str, array: npt.NDArray[Any], path: Path) -> Images:
    """Images [n, h, w, c]."""
    if array.ndim not in (3, 4):
        raise _bad(f"{name} has shape {array.shape}, not [n, h, w] or [n, h, w, c]", path)
    if array.size == 0:
        raise _bad(f"{name} is empty: shape {array.shape}", path)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise _bad(f"{name} has type {array.dtype}, not numbers", path)
    x = np.asarray(array, np.float32)
    if not np.isfinite(array).all():
        raise _bad(f"{name} holds numbers that are not finite", path)
    if np.abs(x).max() > VALUE_MAX:
        raise _bad(f"{name} holds numbers beyond {VALUE_MAX:g}; scale the inputs to about 0..1", path)
    return x if x.ndim == 4 else x[..., None]


def _labels(name: str, array: npt.NDArray[Any], expected: int, path: Path) -> Labels:
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise _bad(f"{name} has type {array.dtype} and shape {array.shape}, not whole numbers [n]", path)
    if len(array) != expected:
        raise _bad(f"{name} has {len(array)} labels for {expected} images", path)
    if int(array.min()) < 0 or int(array.max()) > 65_535:
        raise _bad(f"{name} holds labels outside 0..65535", path)
    return array.astype(np.int64)


def _coding(x: Images) -> tuple[float, int]:
    """Input scale and zero point that cover the data's range and represent zero exactly."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, int(nested.round_half_up(-low / scale))


# --- Splitting ----------------------------------------------------------------------------------------------


def _split(
    name: str,
    x: Images,
    y: Labels,
    *,
    held_out: int,
    classes: tuple[str, ...],
    coding: tuple[float, int],
    validation: float,
    tests: tuple[Images, Labels] | None = None,
    path: Path = Path("digits"),
) -> Dataset:
    """Make stratified parts; the same data always splits alike."""
    rng = np.random.default_rng(SPLIT_SEED)
    rest = np.arange(len(y))
    if tests is None:
        chosen = _stratified(y, held_out, rng)
        tests = x[chosen], y[chosen]
        rest = np.setdiff1d(rest, chosen)
    chosen = _stratified(y[rest], round(validation * len(rest)), rng)
    val = rest[chosen]
    train = np.setdiff1d(rest, val)
    if min(len(train), len(val), len(tests[0])) == 0:
        raise _bad(f"{len(y)} images are too few to split into training, validation and test", path)
    return Dataset(name, x[train], y[train], x[val], y[val], *tests, classes, *coding)


def _stratified(y: Labels, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Sorted indices of ``count`` samples, each class in proportion (largest remainders)."""
    order = rng.permutation(len(y))
    classes, inverse, sizes = np.unique(y, return_inverse=True, return_counts=True)
    exact = sizes * count / len(y)
    quota = np.floor(exact).astype(np.int64)
    quota[np.argsort(quota - exact, kind="stable")[: count - int(quota.sum())]] += 1
    picked = [order[inverse[order] == index][: quota[index]] for index in range(len(classes))]
    return np.sort(np.concatenate(picked)).astype(np.int64)
