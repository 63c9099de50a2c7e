"""Image files to arrays of one size, by Pillow: JPEG, PNG, BMP, and the first frame of a GIF."""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, ToolchainError
from ..graph import Shape

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF")

RATIO_MAX = 4 / 3
"""Widest shape of a random crop, as usual for ImageNet."""
TRIES = 10

Box = tuple[int, int, int, int]
"""Top, left, height, width; pixels."""
Crop = Callable[[int, int, Shape], Box]
"""What to show of an image of that height and width."""


def centred(height: int, width: int, shape: Shape) -> Box:
    """The largest part in the middle with the proportions of ``shape``."""
    scale = min(height / shape[0], width / shape[1])
    rows, columns = (min(n, max(1, round(scale * m))) for n, m in zip((height, width), shape[:2], strict=True))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def random_crop(least: float, numbers: npt.NDArray[np.float64]) -> Crop:
    """A part of between ``least`` and all of the area, of proportions up to 4:3 from those of ``shape``.

    Args:
        least: 0..1.
        numbers: 30 random ones, 0..1: three for each try; if none fits, the middle is shown.
    """

    def crop(height: int, width: int, shape: Shape) -> Box:
        for area, ratio, place in numbers.reshape(TRIES, 3):
            size = height * width * (least + area * (1 - least))
            proportion = shape[1] / shape[0] * RATIO_MAX ** (2 * ratio - 1)
            rows, columns = round(math.sqrt(size / proportion)), round(math.sqrt(size * proportion))
            if 0 < rows <= height and 0 < columns <= width:
                free = (height - rows + 1) * (width - columns + 1)
                top, left = divmod(min(int(place * free), free - 1), width - columns + 1)
                return top, left, rows, columns
        return centred(height, width, shape)

    return crop


def read_all(files: Sequence[Path], shape: Shape, crops: Sequence[Crop]) -> npt.NDArray[np.uint8]:
    """Read images, several at a time.

    Args:
        files: What to read.
        shape: (height, width, channels) of the result; 1 channel makes grey, 3 make colour, of any image.
        crops: What to show of each.

    Returns:
        Pixels, uint8 [files, height, width, channels].

    Raises:
        BadFileError: One cannot be read or decoded; it is named.
        ToolchainError: Pillow is not installed.
    """
    require_pillow()
    pixels = list(_readers().map(lambda file, crop: _read(file, shape, crop), files, crops))
    return np.stack(pixels) if pixels else np.zeros((0, *shape), np.uint8)


def require_pillow() -> None:
    """Refuse to read images without the package that does; raises ToolchainError."""
    try:
        import PIL.Image  # noqa: F401, PLC0415 - an optional dependency
    except ImportError as error:
        raise ToolchainError(
            "images are read by Pillow, which is not installed",
            where="parameter `data`",
            next_step="run: pip install 'dqt-edge[data]'",
        ) from error


@cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="read-image")


def _read(file: Path, shape: Shape, crop: Crop) -> npt.NDArray[np.uint8]:
    from PIL import Image  # noqa: PLC0415 - an optional dependency, see require_pillow

    try:
        content = file.read_bytes()
    except OSError as error:
        raise _bad(f"cannot read the image: {error.strerror or error}", file) from error
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            image = _of_bytes(opened).convert("L" if shape[2] == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise _bad("the image is no whole JPEG, PNG, BMP or GIF", file) from error
    top, left, height, width = crop(image.height, image.width, shape)
    part = image.crop((left, top, left + width, top + height))
    if (height, width) != shape[:2]:
        # Where an image shrinks, this filter is as wide as the pixels it makes: no aliasing.
        part = part.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(part, np.uint8).reshape(shape)


def _of_bytes(image: Image) -> Image:
    """An image of at most 8 bits a channel: of grey ones with 16, the upper half, which Pillow would cut off."""
    from PIL import Image as Made  # noqa: PLC0415 - an optional dependency, see require_pillow

    if not image.mode.startswith("I"):
        return image
    return Made.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def _bad(what: str, file: Path) -> BadFileError:
    return BadFileError(
        what, where=str(file), next_step="replace the file by a whole one, or remove it and start again"
    )
