"""Image files to arrays of one size, by TensorFlow's decoders: JPEG, PNG, BMP, and the first frame of a GIF."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError
from ..graph import Shape
from ..system.tensorflow import start_tensorflow

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
    """
    start_tensorflow()
    pixels = list(_readers().map(lambda file, crop: _read(file, shape, crop), files, crops))
    return np.stack(pixels) if pixels else np.zeros((0, *shape), np.uint8)


@cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="read-image")


def _read(file: Path, shape: Shape, crop: Crop) -> npt.NDArray[np.uint8]:
    import tensorflow as tf  # noqa: PLC0415 - started by read_all

    decode, resize = _operations(shape[2])
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _bad(f"cannot read the image: {error.strerror or error}", file) from error
    with tf.device("CPU:0"):
        try:
            pixels = decode(content)
        except (tf.errors.OpError, ValueError) as error:
            raise _bad("the image is no whole JPEG, PNG, BMP or GIF", file) from error
        top, left, height, width = crop(int(pixels.shape[0]), int(pixels.shape[1]), shape)
        part = pixels[top : top + height, left : left + width]
        return np.asarray(part if (height, width) == shape[:2] else resize(part, shape[:2]), np.uint8)


def _bad(what: str, file: Path) -> BadFileError:
    return BadFileError(
        what, where=str(file), next_step="replace the file by a whole one, or remove it and train from the start"
    )


@cache
def _operations(channels: int) -> tuple[Any, Any]:
    """Compiled decoding, and resizing with anti-aliasing to whole pixel values."""
    import tensorflow as tf  # noqa: PLC0415 - started by read_all

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])  # type: ignore[untyped-decorator]
    def decode(content: Any) -> Any:  # noqa: ANN401 - tensors
        pixels = tf.io.decode_image(content, channels, expand_animations=False)
        pixels.set_shape((None, None, channels))
        return pixels

    size = tf.TensorSpec((2,), tf.int32)

    @tf.function(input_signature=[tf.TensorSpec((None, None, channels), tf.uint8), size])  # type: ignore[untyped-decorator]
    def resize(pixels: Any, size: Any) -> Any:  # noqa: ANN401 - tensors
        return tf.saturate_cast(tf.floor(tf.image.resize(pixels, size, antialias=True) + 0.5), tf.uint8)

    return decode, resize
