"""A device whose flash is damaged says so and runs nothing: no answer of it is ever wrong without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.device.replies import DeviceInfo
from dqt_edge.errors import DamagedImageError, DeviceError, RefusedError
from dqt_edge.graph import Graph
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project
from dqt_edge.system import elf
from tests.support.damage import BRIEF, PATIENT, answers_of, cut_off, flipped

CORES = ["qemu-m0", "qemu-m4", "qemu-m33", "qemu-m55"]


def made_for(graph: Graph, board: str, folder: Path, *definitions: str) -> Project:
    made, _, _ = export(graph, load_board(board), folder)
    build(made.folder, cross=board != "host", definitions=definitions)
    return made


@pytest.fixture(scope="module")
def image(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, bytes, list[bytes]]:
    """A project for Cortex-M4, its image as flash holds it, and its answers."""
    made = made_for(graph, "qemu-m4", tmp_path_factory.mktemp("whole") / "p")
    content = made.elf.with_suffix(".bin").read_bytes()
    answers = answers_of(made.board, made.elf, timeouts=PATIENT)
    assert isinstance(answers, list)
    return made, content, answers


def weights_of(made: Project) -> int:
    """Address of the model's weights, of which there are more than a thousand bytes."""
    return next(value for name, value, _ in elf.symbols(made.elf) if name.endswith("_weights") and value)


def hello(transport: QemuTransport | NativeTransport) -> DeviceInfo:
    with Client(transport) as client:
        return client.hello()


@pytest.mark.qemu
@pytest.mark.parametrize("board", CORES)
def test_a_whole_image_is_known_to_be_whole(board: str, graph: Graph, tmp_path: Path) -> None:
    made = made_for(graph, board, tmp_path / "p")
    info = hello(QemuTransport(made.board, made.elf))
    assert (info.checked, info.damaged) == (True, False)
    parts = elf.load_parts(made.elf)
    assert made.elf.with_suffix(".bin").read_bytes() == b"".join(content for _, content in parts)


@pytest.mark.qemu
@pytest.mark.parametrize("percent", [30, 62, 75, 90, 97, 99, 100])
def test_an_image_that_is_cut_off_never_answers(
    percent: int, image: tuple[Project, bytes, list[bytes]], tmp_path: Path
) -> None:
    """It says that it is damaged, or if the code that tells it is missing, it does not serve at all."""
    made, content, _ = image
    size = min(len(content) * percent // 100, len(content) - 4)
    speaks = percent >= 90
    seen = answers_of(made.board, cut_off(content, size, tmp_path), timeouts=PATIENT if speaks else BRIEF)
    assert isinstance(seen, DamagedImageError if speaks else DeviceError)


@pytest.mark.qemu
def test_a_flipped_bit_never_changes_an_answer_without_a_word(
    image: tuple[Project, bytes, list[bytes]], tmp_path: Path
) -> None:
    made, content, answers = image
    rng = np.random.default_rng(5)
    for place in rng.integers(0, 8 * len(content), 24):
        seen = answers_of(made.board, flipped(content, int(place), tmp_path))
        assert isinstance(seen, DeviceError) or seen == answers, f"bit {place}"
    start = weights_of(made)
    for place in rng.integers(8 * start, 8 * start + 8000, 8):
        seen = answers_of(made.board, flipped(content, int(place), tmp_path), timeouts=PATIENT)
        assert isinstance(seen, DamagedImageError), f"bit {place} of the weights"


@pytest.mark.qemu
def test_the_seal_itself_is_guarded(image: tuple[Project, bytes, list[bytes]], tmp_path: Path) -> None:
    made, content, _ = image
    seal = 16 * 4
    for bit in (0, 31, 32, 63):
        seen = answers_of(made.board, flipped(content, 8 * seal + bit, tmp_path), timeouts=PATIENT)
        assert isinstance(seen, DamagedImageError)


@pytest.mark.qemu
def test_without_a_seal_the_weights_are_still_checked(graph: Graph, tmp_path: Path) -> None:
    made = made_for(graph, "qemu-m4", tmp_path / "p", "DQT_PYTHON=")
    content = made.elf.with_suffix(".bin").read_bytes()
    info = hello(QemuTransport(made.board, made.elf))
    assert (info.checked, info.damaged) == (False, False)
    seen = answers_of(made.board, flipped(content, 8 * weights_of(made) + 100, tmp_path), timeouts=PATIENT)
    assert isinstance(seen, DamagedImageError)
    assert "weights" in seen.what


@pytest.mark.qemu
def test_a_damaged_device_refuses_to_run(image: tuple[Project, bytes, list[bytes]], tmp_path: Path) -> None:
    made, content, _ = image
    path = flipped(content, 8 * len(content) - 1, tmp_path)
    with Client(QemuTransport(made.board, path), PATIENT) as client:
        with pytest.raises(DamagedImageError, match="flash") as caught:
            client.hello()
        assert caught.value.exit_code == 6
        client._info = DeviceInfo("qemu-m4", bytes(32), 4, 10, 3, 2, 68, True, 64, 10)  # a client that does not care
        client.load(bytes(64))
        with pytest.raises(RefusedError, match="DAMAGED"):
            client.run()


def test_weights_of_a_native_program_are_checked(graph: Graph, tmp_path: Path) -> None:
    made = made_for(graph, "host", tmp_path / "p")
    assert not hello(NativeTransport(made.elf)).damaged
    masters = next(layer for layer in graph.layers if hasattr(layer, "bias_twice")).bias_twice.astype("<i4").tobytes()
    content = made.elf.read_bytes()
    assert content.count(masters) == 1
    made.elf.write_bytes(content.replace(masters, bytes([masters[0] ^ 1]) + masters[1:]))
    with pytest.raises(DamagedImageError, match="weights"):
        hello(NativeTransport(made.elf))
