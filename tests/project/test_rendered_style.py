"""Rendered C as if people had written it: clang-format changes nothing, clang-tidy finds nothing, no line is too long.

Every kernel of every family is rendered, not only what one model uses.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.project.export import export_together
from dqt_edge.project.render import kernel_files
from tests.support.random_streams import random_stream

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
BOARDS = ("host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m55")


@pytest.fixture(scope="module")
def rendered(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project of each board, with all kernels that its core can run, and models with several inputs and states."""
    folders = {}
    for board_id in BOARDS:
        folder = tmp_path_factory.mktemp("rendered") / board_id
        made = export_together([graph, random_stream(2), random_stream(7, inputs=3)], load_board(board_id), folder)[0]
        cpu = made.board.cpu
        for name, text in kernel_files([kernel.name for kernel in kernels_of(cpu)], cpu).items():
            (made.folder / name).write_text(text, encoding="utf-8")
        folders[board_id] = made.folder
    return folders


@pytest.mark.parametrize("board_id", BOARDS)
def test_clang_format_changes_nothing(rendered: dict[str, Path], board_id: str) -> None:
    files = sorted(str(path) for path in rendered[board_id].rglob("*.[ch]"))
    assert len(files) > 30
    style = f"--style=file:{ROOT / '.clang-format'}"
    command = [str(SCRIPTS / "clang-format"), style, "--dry-run", "--Werror", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]


@pytest.mark.parametrize("board_id", BOARDS)
def test_no_line_is_longer_than_120(rendered: dict[str, Path], board_id: str) -> None:
    for path in sorted(rendered[board_id].rglob("*.[chS]")):
        long = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 120]
        assert not long, f"{path.name}: {long[0]}"


@pytest.mark.cross
@pytest.mark.parametrize("board_id", BOARDS)
def test_clang_tidy_finds_nothing(rendered: dict[str, Path], board_id: str) -> None:
    folder, board = rendered[board_id], load_board(board_id)
    plain = {path.name for path in (rendered["host"] / "kernels").glob("*.c")}
    kernels = [path for path in sorted((folder / "kernels").glob("*.c")) if board.is_host or path.name not in plain]
    if board_id == "qemu-m55":  # whose core also has the DSP extension
        kernels = [path for path in kernels if not re.search("dsp", path.name)]
    sources = [*kernels, *sorted((folder / "port").glob("*.c"))]
    if board.is_host:
        sources += [path for part in ("dqt", "app", "model") for path in sorted((folder / part).glob("*.c"))]
    includes = [f"-I{folder / part}" for part in ("dqt", "kernels", "model", "app", "port")]
    target = (
        ["-D_POSIX_C_SOURCE=200809L"]
        if board.is_host
        else ["--target=arm-none-eabi", *board.cpu.flags, "-ffreestanding"]
    )
    command = [
        str(SCRIPTS / "clang-tidy"),
        "--quiet",
        f"--config-file={ROOT / '.clang-tidy'}",
        *map(str, sources),
        "--",
    ]
    done = subprocess.run([*command, "-std=c11", *target, *includes], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[-2000:]
