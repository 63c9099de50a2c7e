"""Data sets in an ``.npz`` file: labelled images in the data's own units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError
from ..graph import nested
from .checks import check_dataset
from .dataset import TEST_SHARE, Dataset, split
from .sources import Arrays, Images, Labels, has_targets

UNPACKED_MAX = 2 << 30
"""Bytes of all arrays of a file together; training makes float32 copies."""
VALUE_MAX = 1e6
"""Larger inputs would drive the input scale, and with it every bias, out of the integers' range."""


def _bad(what: str, where: str) -> BadFileError:
    return BadFileError(
        what,
        where=where,
        next_step="save inputs x [n, h, w, c], [n, h, w] or [n, features], and targets y [n] with numpy.savez",
    )


def from_npz(path: Path, validation: float) -> Dataset:
    """Read a file with arrays ``x`` and ``y``, or ``x_test`` and ``y_test``.

    ``y`` holds class numbers [n], numbers to predict [n] or [n, outputs], or the classes of a map [n, h, w]; it is left
    out where the inputs are to be made again. Without ``y``, but with labels ``y_test``, all of ``x`` has label 0.

    ``x_test``, ``y_test`` and ``x_val``, ``y_val`` are parts of their own where they are given, of other patients or
    other days, say; else they are taken from ``x``.

    Args:
        path: The file.
        validation: Part of the training samples that is kept to choose by, 0..1.

    Raises:
        BadFileError: The file is missing, damaged, or holds something else than images and labels.
    """
    return from_arrays(read_npz(path), path.stem, validation, str(path))


def from_arrays(
    arrays: dict[str, npt.NDArray[Any]], name: str, validation: float, where: str = "the arrays"
) -> Dataset:
    """The same from arrays in memory.

    Args:
        arrays: By the names that they have in a file.
        name: Of the data set.
        validation: As for a file.
        where: For messages.

    Raises:
        BadFileError: They are no images and labels.
    """
    if "x" not in arrays and "x_test" in arrays:
        return _test_only(arrays, name, where)
    if "x" not in arrays:
        raise _bad(f"array 'x' is missing; the file holds {', '.join(sorted(arrays)) or 'nothing'}", where)
    x = _images("x", arrays["x"], where)
    y = _targets("y", arrays, len(x), where)
    if "y" not in arrays and arrays.get("y_test", y).dtype != y.dtype:
        y = np.zeros(len(x), np.int64)  # inputs without labels beside labelled ones: all of them are normal
    tests, validations = (_part(name, arrays, x, y, where) for name in ("test", "val"))
    names = _classes(arrays, [y, *(part[1] for part in (tests, validations) if part)], where)
    coding = (1.0, 0) if arrays["x"].dtype == np.uint8 else coding_of(x)
    held_out = max(1, round(TEST_SHARE * len(x)))
    found = split(
        name,
        x,
        y,
        held_out=held_out,
        classes=names,
        coding=coding,
        validation=validation,
        tests=tests,
        validations=validations,
        where=where,
    )
    return check_dataset(found, where)


def _part(
    name: str, arrays: dict[str, npt.NDArray[Any]], x: Images, y: Labels, where: str
) -> tuple[Images, Labels] | None:
    """Images and targets of a part that the file has on its own, like those in ``x``; None if it has not."""
    images, labels = f"x_{name}", f"y_{name}"
    if images not in arrays and labels not in arrays:
        return None
    if images not in arrays or (labels not in arrays and has_targets(y)):
        raise _bad(f"{images} and {labels} must come together", where)
    found = _images(images, arrays[images], where)
    if found.shape[1:] != x.shape[1:] or arrays[images].dtype != arrays["x"].dtype:
        raise _bad(f"{images} has another image shape or type than x", where)
    return found, _targets(labels, arrays, len(found), where)


def _test_only(arrays: dict[str, npt.NDArray[Any]], name: str, where: str) -> Dataset:
    """A test set alone, for a finished model: inputs in the model's own units."""
    x = arrays["x_test"]
    x = _images("x_test", x, where)
    y = _targets("y_test", arrays, len(x), where)
    names = _classes(arrays, [y], where)
    coding = coding_of(x)
    none = Arrays(x[:0], y[:0], coding)
    return check_dataset(Dataset(name, none, none, Arrays(x, y, coding), names, *coding), where)


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a file by name; raises BadFileError."""
    if path.exists() and not path.is_file():
        raise _bad("it is no regular file", str(path))  # it might have no end, or wait for ever
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise _bad("this is a single array, not an .npz archive", str(path))
            with loaded as archive:
                size = sum(entry.file_size for entry in archive.zip.infolist()) if archive.zip is not None else 0
                if size > UNPACKED_MAX:
                    raise _bad(f"the arrays unpack to {size:,} bytes, more than {UNPACKED_MAX:,}", str(path))
                return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise _bad("the data file does not exist", str(path)) from error
    except OSError as error:
        raise _bad(f"cannot read the data file: {error.strerror or error}", str(path)) from error
    except BadFileError:
        raise
    except Exception as error:  # the archive, its compression and the arrays' headers each raise their own
        pickled = "object array" in str(error).lower()
        what = "the file holds pickled objects, which are not loaded" if pickled else "this is not a whole .npz archive"
        raise _bad(what, str(path)) from error


def _images(name: str, array: npt.NDArray[Any], where: str) -> Images:
    """Images [n, h, w, c]; features [n, f] become channels of a single pixel."""
    if array.ndim not in (2, 3, 4):
        raise _bad(f"{name} has shape {array.shape}, not [n, h, w, c], [n, h, w] or [n, features]", where)
    if array.size == 0:
        raise _bad(f"{name} is empty: shape {array.shape}", where)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise _bad(f"{name} has type {array.dtype}, not numbers", where)
    x = np.asarray(array, np.float32)
    if not np.isfinite(array).all():
        raise _bad(f"{name} holds numbers that are not finite", where)
    if np.abs(x).max() > VALUE_MAX:
        raise _bad(f"{name} holds numbers beyond {VALUE_MAX:g}; scale the inputs to about 0..1", where)
    return x if x.ndim == 4 else x[:, None, None, :] if x.ndim == 2 else x[..., None]


def _targets(name: str, arrays: dict[str, npt.NDArray[Any]], expected: int, where: str) -> Labels:
    """See ``sources.Labels``."""
    if name not in arrays:
        return np.zeros((expected, 0))
    array = arrays[name]
    real, whole = np.issubdtype(array.dtype, np.floating), np.issubdtype(array.dtype, np.integer)
    if not ((real and array.ndim in (1, 2)) or (whole and array.ndim in (1, 3)) or (array.dtype == bool)):
        raise _bad(
            f"{name} has type {array.dtype} and shape {array.shape}, not whole numbers [n] or [n, h, w], "
            "or real ones [n] or [n, outputs]",
            where,
        )
    if len(array) != expected:
        raise _bad(f"{name} has {len(array)} labels for {expected} images", where)
    if real:
        if not np.isfinite(array).all():
            raise _bad(f"{name} holds numbers that are not finite", where)
        return array.reshape(expected, -1).astype(np.float64)
    if int(array.min()) < 0 or int(array.max()) > 65_535:
        raise _bad(f"{name} holds labels outside 0..65535", where)
    return array.astype(np.int64)


def _classes(arrays: dict[str, npt.NDArray[Any]], targets: list[Labels], where: str) -> tuple[str, ...]:
    """Names that are given, or the numbers of the classes; none where the targets are no classes."""
    given = tuple(map(str, arrays["classes"])) if "classes" in arrays else ()
    if len({part.dtype for part in targets}) > 1 or len({part.shape[1:] for part in targets}) > 1:
        raise _bad("the targets of the parts differ in type or shape", where)
    if targets[0].dtype != np.int64:
        return given
    count = 1 + max(int(part.max()) for part in targets)
    if given and count > len(given):
        raise _bad(f"labels run to {count - 1}, but there are {len(given)} names", where)
    return given or tuple(map(str, range(count)))


def coding_of(x: npt.NDArray[Any]) -> tuple[float, int]:
    """Scale and zero point that cover the values' range and represent zero exactly."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / 255 or 1.0
    return scale, int(nested.round_half_up(-low / scale))
