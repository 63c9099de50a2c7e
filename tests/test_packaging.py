"""The wheel is self-contained: installed into a fresh environment it exports and builds from any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dqt_edge.boards import board_ids
from tests.support.digits import DIGITS

ROOT = Path(__file__).parents[1]


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


@pytest.mark.cross
def test_installed_into_a_fresh_environment_it_exports_and_builds(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "fresh")], check=True)
    binaries = tmp_path / "fresh" / "bin"
    subprocess.run([str(binaries / "pip"), "install", "--quiet", str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def dqt(*arguments: str) -> str:
        command = [str(binaries / "dqt-edge"), *arguments]
        return subprocess.run(command, cwd=elsewhere, check=True, capture_output=True, text=True).stdout

    assert all(board in dqt("boards", "--json") for board in board_ids())
    for board in ("host", "qemu-m4", "stm32h7"):
        dqt("export", str(DIGITS), "--board", board)
        assert "built" in dqt("build")
        assert (elsewhere / "build" / f"digits-{board}" / "build" / "model.elf").is_file()
