"""CIFAR-10: the authors' archive, or the same images packed, to the .npz that the ResNet recipes take.

    python -m recipes.data.cifar10 --archive cifar-10-python.tar.gz --out cifar10.npz
    python -m recipes.data.cifar10 --packed FOLDER --out cifar10.npz

The archive is that of https://www.cs.toronto.edu/~kriz/cifar.html. Pixels 0..255, uint8 [n, 32, 32, 3]; 50,000 training
and 10,000 test images, as published. The order of the images differs between the two sources, and with it, within the
noise of a run, what is trained; the images do not.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dqt_edge.data.cifar10 import CLASSES, Part, read_archive
from dqt_edge.errors import BadFileError

from .files import arrays_of, fail, report

CONTENT = "f08f3fc8e9e44e051211a4e932c7b19cc739dedc35a38a2b568cc33faeffb522"
"""SHA-256 of the images with their labels, whatever their order, see ``content``."""


def from_packed(path: Path) -> Part:
    """Images of a file with ``delta`` and ``y``: planes G, R - G, B - G, each as differences along rows and columns."""
    arrays = arrays_of(path, ["delta", "y"])
    planes = np.cumsum(np.cumsum(arrays["delta"], -2, dtype=np.uint8), -1, dtype=np.uint8)
    green, red, blue = (planes[:, i] for i in range(3))
    return np.stack([red + green, green, blue + green], -1), arrays["y"].astype(np.int64)


def content(parts: tuple[Part, ...]) -> str:
    """SHA-256 of the sorted SHA-256 of each image and its label, part by part."""
    total = hashlib.sha256()
    for x, y in parts:
        rows = np.concatenate([x.reshape(len(x), -1), y.astype(np.uint8)[:, None]], axis=1)
        total.update(b"".join(sorted(hashlib.sha256(row.tobytes()).digest() for row in rows)))
    return total.hexdigest()


def main() -> None:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--archive", type=Path, help="cifar-10-python.tar.gz")
    source.add_argument("--packed", type=Path, help="folder with cifar10_train_delta.npz and cifar10_test_delta.npz")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    given = parser.parse_args()
    try:
        if given.archive:
            train, test = read_archive(given.archive)
        else:
            train, test = (from_packed(given.packed / f"cifar10_{part}_delta.npz") for part in ("train", "test"))
    except BadFileError as error:
        fail(error.what, error.next_step)
    found = content((train, test))
    print(f"images' SHA-256 {found}")
    if found != CONTENT:
        fail(f"these are not the images of CIFAR-10, whose SHA-256 is {CONTENT}", "download the archive again")
    arrays: dict[str, npt.NDArray[np.generic]] = {"classes": np.array(CLASSES)}
    for suffix, (x, y) in (("", train), ("_test", test)):
        arrays |= {f"x{suffix}": x, f"y{suffix}": y.astype(np.uint8)}
    report(given.out, arrays, None)


if __name__ == "__main__":
    main()
