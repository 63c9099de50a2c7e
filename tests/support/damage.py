"""Images as damaged flash holds them, and what a device with such an image answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dqt_edge.boards import Board
from dqt_edge.device.client import Client, Retries, Timeouts
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.errors import DeviceError

from .waiting import LIMIT

BRIEF = Timeouts(hello=0.5, load=0.5, silence=5.0)
"""For images that may hang; on a busy machine a healthy one may be taken for one of those."""
PATIENT = Timeouts(silence=LIMIT)
"""For images that must answer."""
TRIES = Retries(damaged=2, sample=1)


def flipped(image: bytes, bit: int, folder: Path) -> Path:
    """The image with one bit changed, in a file."""
    content = bytearray(image)
    content[bit // 8] ^= 1 << bit % 8
    return _written(bytes(content), folder)


def cut_off(image: bytes, size: int, folder: Path) -> Path:
    """The first bytes of the image; what follows is erased flash."""
    return _written(image[:size] + b"\xff" * (len(image) - size), folder)


def answers_of(board: Board, image: Path, seed: int = 1, timeouts: Timeouts = BRIEF) -> list[bytes] | DeviceError:
    """Outputs of a few random inputs on an emulated board, or how it failed; a device that hangs fails too.

    Args:
        board: One of QEMU's, whose flash begins where the image does.
        image: An ELF file, or the bytes of flash.
        seed: Of the inputs.
        timeouts: How long a device may be silent until it counts as one that hangs.
    """
    try:
        with Client(QemuTransport(board, image), timeouts, TRIES) as client:
            inputs = np.random.default_rng(seed).integers(0, 256, (3, client.info.input_size)).astype(np.uint8)
            choices = (0,) * client.info.adaptive
            return [client.infer(codes.tobytes(), choices).output for codes in inputs]
    except DeviceError as error:
        return error


def _written(content: bytes, folder: Path) -> Path:
    path = folder / "damaged.bin"
    path.write_bytes(content)
    return path
