"""The wheel is self-contained: installed into a fresh environment it exports and builds from any folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import board_ids
from tests.support.digits import DIGITS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.xdist_group("wheel")
"""One worker for all: it is built and installed once."""
FIXED = "2x4,4x4,8x8,4x4"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    for name in ("dqt_edge", "templates", "firmware", "boards"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(copy)],
        check=True,
    )
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_carries_templates_firmware_and_boards(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "firmware", "boards"):
        wanted = {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*") if p.is_file()}
        assert {f"dqt_edge/_data/{name}" for name in wanted} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the wheel, in an environment of its own."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", str(wheel)], check=True)
    return folder / "bin" / "dqt-edge"


@pytest.fixture
def dqt(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the installed program in an empty folder; returns what it printed."""
    monkeypatch.delenv("PYTHONPATH", raising=False)  # or the checkout's package would be the one that runs
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run([str(installed), *arguments], cwd=elsewhere, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.cross
def test_installed_into_a_fresh_environment_it_exports_and_builds(dqt, tmp_path: Path) -> None:
    assert all(board in dqt("boards", "--json") for board in board_ids())
    for board in ("host", "qemu-m4", "stm32h7"):
        dqt("export", str(DIGITS), "--board", board)
        assert "built" in dqt("build")
        assert (tmp_path / "elsewhere" / "build" / f"digits-{board}" / "build" / "model.elf").is_file()


@pytest.mark.qemu
def test_a_board_and_a_port_of_ones_own_work_with_the_wheel_alone(dqt, tmp_path: Path) -> None:
    """From a user's TOML and C files to answers of a machine that the project does not describe, bit for bit."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "tests" / "files" / "own_board", elsewhere / "hardware")
    rng = np.random.default_rng(5)
    np.savez(elsewhere / "samples.npz", x=rng.random((60, 8, 8), np.float32), y=np.arange(60) % 10)
    board = "hardware/netduinoplus2.toml"
    assert "is a valid board file" in dqt("boards", board)
    assert "tiny fits my-netduino" in dqt("check", str(DIGITS), "--board", board)
    assert "Netduino Plus 2" in dqt("export", str(DIGITS), "--board", board, "--out", "project")
    shutil.rmtree(elsewhere / "hardware")
    (elsewhere / "project").rename(elsewhere / "moved")
    assert dqt("build", "moved").count("+0") == 2, "flash and RAM are as predicted"
    dqt("export", str(DIGITS), "--board", "qemu-m4", "--out", "shipped")
    dqt("build", "shipped")
    counts = {}
    for project, policy in (("moved", "dynamic"), ("moved", FIXED), ("shipped", FIXED)):
        dqt("profile", project, "--data", "samples.npz", "--policy", policy, "--report", "report")
        session = json.loads((elsewhere / "report" / "report.json").read_text())
        assert (session["samples"], session["mismatches"], session["unit"]) == (12, 0, "instructions"), "a fifth"
        assert session["board"] == ("my-netduino" if project == "moved" else "qemu-m4")
        counts[project] = [layer["count"] for layer in session["layers"] if layer["count"]]
    # The same code on another machine. mps2's counter runs backwards: turning a reading round is one instruction more.
    assert [own + 1 for own in counts["moved"]] == counts["shipped"]
