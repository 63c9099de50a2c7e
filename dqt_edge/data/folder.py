"""Data sets in a folder of images, one subfolder a class: read when needed. Imports Pillow with the first image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, UsageError
from ..graph import Shape
from . import augment
from .augment import Codes
from .checks import check_dataset
from .dataset import TEST_SHARE, Dataset, split_indices, too_few
from .sources import Images, Indices, Key, Labels, Source, Variation

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of the folders of the parts, as data sets have them, and what we call the part."""
IMAGE_SIZE_MAX = 1024

Listing = tuple[list[Path], Labels]
"""Files, and the class index of each."""


class Pictures:
    """A source of image files, see ``sources.Source``.

    Args:
        files: One for each sample.
        labels: Class indices, int64 [samples].
        shape: (height, width, channels) that the images get.
        crop_area: Least part of a training image that a random crop shows; 1 crops none.
    """

    def __init__(self, files: list[Path], labels: Labels, shape: Shape, crop_area: float) -> None:
        self.files, self.labels, self.shape, self.crop_area = files, labels, shape, crop_area

    def images(self, indices: Indices) -> Images:
        """See ``sources.Source``; pixels 0..255."""
        return self.codes(indices).astype(np.float32)

    def codes(self, indices: Indices) -> Codes:
        """See ``sources.Source``."""
        from .images import centred, read_all  # noqa: PLC0415 - imports Pillow

        return read_all([self.files[i] for i in indices], self.shape, [centred] * len(indices))

    def varied(self, indices: Indices, variation: Variation, key: Key, part: slice) -> Codes:
        """See ``sources.Source``."""
        from .images import Crop, centred, random_crop, read_all  # noqa: PLC0415 - imports Pillow

        places = range(len(indices))[part]
        rngs = [np.random.default_rng((*key, place)) for place in places]
        crops: list[Crop] = [
            centred if self.crop_area == 1 else random_crop(self.crop_area, rng.random(30)) for rng in rngs
        ]
        seen = read_all([self.files[indices[place]] for place in places], self.shape, crops)
        every = [augment.varied(seen[i : i + 1], variation.shift, variation.flip, 0, rng) for i, rng in enumerate(rngs)]
        return np.concatenate(every) if every else seen


def from_folder(folder: Path, validation: float, *, shape: Shape | None, crop_area: float) -> Dataset:
    """List a folder: ``train/CLASS/FILE`` with ``val/`` or ``test/`` or both, or plain ``CLASS/FILE``.

    ``val/`` may also be called ``valid/`` or ``validation/``.
    What is not there is split off: a test part from a plain folder, a validation part from the training images unless
    there are both ``val/`` and ``test/``. With ``val/`` alone, as ImageNet has it, that is the test part.

    Args:
        folder: The folder.
        validation: Part of the training samples that is kept to choose by, 0..1.
        shape: (height, width, channels) that the images get.
        crop_area: Least part of a training image that a random crop shows.

    Raises:
        UsageError: No shape.
        BadFileError: The folder holds something else, an empty class, or fewer than two classes.
    """
    if shape is None:
        raise UsageError(
            "the images of a folder differ in size, and training needs one",
            where=f"parameter `data` {folder}",
            next_step="train with an `image_size` in pixels, such as 224",
        )

    def source(files: list[Path], labels: Labels) -> Source:
        return Pictures(files, labels, shape, crop_area)

    named = _parts(folder)
    if "train" not in named and "test" in named:
        classes = _classes(named["test"])
        empty = source([], np.zeros(0, np.int64))
        tests_alone = source(*_listed(named["test"], classes))
        return check_dataset(Dataset(folder.name, empty, empty, tests_alone, classes, 1.0, 0), str(folder))
    if "train" not in named and named:
        raise _bad(f"it holds {next(iter(named.values())).name}/ and no train/", folder)
    root = named.get("train", folder)
    classes = _classes(root)
    files, labels = _listed(root, classes)
    given = {part: _listed(path, classes) for part, path in named.items() if part != "train"}
    tests = given.get("test", given.get("val"))
    held_out = 0 if tests else max(1, round(TEST_SHARE * len(files)))
    whole = np.arange(len(files))
    train, val, held = (whole, whole[:0], whole[:0]) if len(given) == 2 else split_indices(labels, held_out, validation)
    parts = [_picked(files, labels, part) for part in (train, val, held)]
    if len(given) == 2:
        parts[1] = given["val"]
    parts[2] = tests or parts[2]
    if min(len(part[0]) for part in parts) == 0:
        raise too_few(len(files), str(folder))
    sources = [source(*part) for part in parts]
    found = Dataset(folder.resolve().name, sources[0], sources[1], sources[2], classes, 1.0, 0)
    return check_dataset(found, str(folder))


def _parts(folder: Path) -> dict[str, Path]:
    """Folders of the parts that are given, by our name of the part."""
    found: dict[str, Path] = {}
    for name, part in PARTS.items():
        path = folder / name
        if path.is_dir() and not (name == "valid" and _is_class(path)):
            if part in found:
                raise _bad(f"{found[part].name}/ and {name}/ are both there, and mean the same part", folder)
            found[part] = path
    return found


def _is_class(path: Path) -> bool:
    """Whether a folder holds files alone, as that of a class does, which might be called "valid"."""
    entries = _visible(path)
    return bool(entries) and not any(entry.is_dir() for entry in entries)


def _picked(files: list[Path], labels: Labels, indices: npt.NDArray[np.int64]) -> Listing:
    return [files[i] for i in indices], labels[indices]


def _bad(what: str, path: Path) -> BadFileError:
    return BadFileError(
        what,
        where=str(path),
        next_step="give a folder DIR/train/CLASS/*.jpg with DIR/val or DIR/test beside it, or DIR/CLASS/*.jpg",
    )


def _visible(folder: Path) -> list[Path]:
    """Entries of a folder by name, without hidden ones."""
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    except OSError as error:
        raise _bad(f"cannot list the folder: {error.strerror or error}", folder) from error


def _classes(root: Path, least: int = 2) -> tuple[str, ...]:
    entries = _visible(root)
    stray = next((path for path in entries if not path.is_dir()), None)
    if stray is not None:
        raise _bad(f"{stray.name!r} lies where the folders of the classes should be", root)
    if len(entries) < least:
        raise _bad(f"it holds {len(entries)} classes; at least {least} are needed", root)
    return tuple(path.name for path in entries)


def _listed(root: Path, classes: tuple[str, ...]) -> Listing:
    """Files of the classes in order; each class that ``root`` has must have images."""
    unknown = sorted(set(_classes(root, least=1)) - set(classes))
    if unknown:
        raise _bad(f"class {unknown[0]!r} has no training images", root)
    files: list[Path] = []
    labels: list[int] = []
    for index, name in enumerate(classes):
        if not (root / name).is_dir():
            continue
        found = _visible(root / name)
        other = next((path for path in found if path.suffix.lower() not in SUFFIXES), None)
        if other is not None:
            raise _bad(f"it is no image: its name ends in none of {', '.join(SUFFIXES)}", other)
        if not found:
            raise _bad("the class has no images", root / name)
        files += found
        labels += [index] * len(found)
    return files, np.array(labels, np.int64)
