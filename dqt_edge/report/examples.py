"""Samples that are answered early, and samples that are not, as small pictures."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..precision.walks import Walk

COUNT = 12
SIDE = 72
"""Of a picture, pixels."""
IMAGE_LEAST = 6
"""A smaller height or width is a signal, not an image."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A sample.

    Attributes:
        picture: As an HTML element.
        caption: What it is, and what was answered.
        right: Whether the answer was right; None without a label.
    """

    picture: str
    caption: str
    right: bool | None


def pick(
    inputs: npt.NDArray[Any], walk: Walk, margins: Integers, labels: Integers | None, classes: Sequence[str]
) -> list[tuple[str, list[Example]]]:
    """Easy and hard samples, each with a title.

    Args:
        inputs: Numbers or codes, [samples, height, width, channels].
        walk: What a setting did with them.
        margins: Of each sample where it was answered.
        labels: Right classes, or None.
        classes: Names, or none.
    """
    easy = np.lexsort((-margins, walk.points))[:COUNT]
    hard = np.lexsort((margins, -walk.passes, -walk.points))[:COUNT]

    def name(k: int) -> str:
        return classes[k] if classes else str(k)

    def example(i: int) -> Example:
        answer = name(int(walk.answers[i]))
        if labels is None:
            return Example(picture(inputs[i]), answer, None)
        label, right = name(int(labels[i])), bool(walk.answers[i] == labels[i])
        return Example(picture(inputs[i]), label if right else f"{label}, answered {answer}", right)

    return [
        ("answered soonest, with the largest margin", [example(int(i)) for i in easy]),
        ("answered last, with the least margin", [example(int(i)) for i in hard]),
    ]


def picture(sample: npt.NDArray[Any]) -> str:
    """An image of one or three channels as ``<img>``; anything else as a curve of its first channel.

    What it is stands in its caption: the picture itself has no words.
    """
    values = np.asarray(sample, np.float64)
    values = values.reshape(1, 1, -1) if values.ndim != 3 else values
    height, width, channels = values.shape
    if min(height, width) >= IMAGE_LEAST and channels in (1, 3):
        return _image(values)
    return _curve(values.ravel() if max(height, width) == 1 else values[..., 0].ravel())


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From 0 to 1."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low or 1.0)


def _image(values: npt.NDArray[np.float64]) -> str:
    height, width, channels = values.shape
    pixels = np.round(255 * _scaled(values)).astype(np.uint8).reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    data = base64.b64encode(content).decode()
    return f'<img alt="" width="{SIDE}" height="{SIDE}" src="data:image/png;base64,{data}">'


def _curve(values: npt.NDArray[np.float64]) -> str:
    heights = SIDE - 2 - (SIDE - 4) * _scaled(values)
    places = np.linspace(1, 2 * SIDE - 1, len(values))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(places, heights, strict=True))
    return (
        f'<svg width="{2 * SIDE}" height="{SIDE}" viewBox="0 0 {2 * SIDE} {SIDE}" aria-hidden="true">'
        f'<polyline points="{points}" class="curve"/></svg>'
    )
