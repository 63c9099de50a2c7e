"""The four functions gcc may call: right for every alignment and overlap, and never calls of themselves."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.system.resources import data_folder

from .stand_in import WARNINGS

SOURCE = data_folder("firmware") / "port" / "cortexm" / "dqt_memory.c"
NAMES = ("memcpy", "memmove", "memset", "memcmp")
SIZE = 96


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("memory") / "memory.so"
    names = [f"-D{name}=own_{name}" for name in NAMES]
    command = ["gcc", "-std=c11", "-O2", "-ffreestanding", "-shared", "-fPIC", *WARNINGS, *names]
    subprocess.run([*command, str(SOURCE), "-o", str(target)], check=True, timeout=600)
    found = ctypes.CDLL(str(target))
    for name in NAMES[:3]:
        getattr(found, f"own_{name}").restype = ctypes.c_void_p
    return found


def cases() -> list[tuple[int, int, int]]:
    """Target and source offset, and size: all alignments, small and larger sizes."""
    generator = random.Random(11)
    small = [(t, s, n) for t in range(4) for s in range(4) for n in range(10)]
    return small + [(generator.randrange(40), generator.randrange(40), generator.randrange(50)) for _ in range(500)]


def test_copies_and_moves(library: ctypes.CDLL) -> None:
    pattern = random.Random(12).randbytes(SIZE)
    for to, source, size in cases():
        for function, other in ((library.own_memmove, 0), (library.own_memcpy, SIZE)):
            memory = ctypes.create_string_buffer(pattern * 2, 2 * SIZE)
            base = ctypes.addressof(memory)
            want = bytearray(memory.raw)
            want[to : to + size] = want[other + source : other + source + size]
            returned = function(
                ctypes.c_void_p(base + to), ctypes.c_void_p(base + other + source), ctypes.c_size_t(size)
            )
            assert returned == base + to
            assert memory.raw == bytes(want), (to, source, size)


def test_sets(library: ctypes.CDLL) -> None:
    for to, value, size in cases():
        memory = ctypes.create_string_buffer(b"\x77" * SIZE, SIZE)
        want = bytearray(memory.raw)
        want[to : to + size] = bytes([(value * 7) & 0xFF]) * size
        base = ctypes.addressof(memory)
        assert library.own_memset(ctypes.c_void_p(base + to), value * 7 - 256, ctypes.c_size_t(size)) == base + to
        assert memory.raw == bytes(want)


@pytest.mark.parametrize(
    ("left", "right"),
    [(b"", b""), (b"abc", b"abc"), (b"abc", b"abd"), (b"\xff", b"\x01"), (b"a\0b", b"a\0c")],
)
def test_compares(library: ctypes.CDLL, left: bytes, right: bytes) -> None:
    size = ctypes.c_size_t(len(left))
    assert library.own_memcmp(left, right, size) == (left > right) - (left < right)
    assert library.own_memcmp(right, left, size) == (right > left) - (right < left)


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
@pytest.mark.parametrize("level", ["-Os", "-O2", "-O3"])
@pytest.mark.parametrize("board_id", ["qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55"])
def test_they_call_nothing(board_id: str, level: str, tmp_path: Path) -> None:
    target = tmp_path / "memory.o"
    flags = [*load_board(board_id).cpu.flags, "-std=c11", level, *WARNINGS, "-ffunction-sections"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", str(SOURCE), "-o", str(target)], check=True, timeout=600)
    command = [
        "arm-none-eabi-objdump",
        "-r",
        "-j",
        ".text*",
        *(f"-j.text.{name}" for name in NAMES),
        str(target),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    assert "R_ARM" not in text
