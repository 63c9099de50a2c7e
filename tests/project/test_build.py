"""Compiling a project: what has nothing to do with which board it is for."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dqt_edge.errors import BadFileError
from dqt_edge.project import build as building
from dqt_edge.system.files import alone
from tests.support.waiting import wait_until


def test_builds_of_one_folder_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    steps = list[str]()

    def step(command: list[str], _folder: Path, _environment: object) -> str:
        steps.append(command[1])
        return ""

    monkeypatch.setattr(building, "run", step)
    caplog.set_level(logging.INFO)
    with ThreadPoolExecutor() as pool:
        with alone(tmp_path):
            pending = pool.submit(building.build, tmp_path, cross=False)
            wait_until(lambda: "wait for another process" in caplog.text, "the second one to wait")
            assert steps == []
        assert pending.result().elf == tmp_path / "build" / "model.elf"
    assert steps == ["-S", "--build"]


def test_an_older_build_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "build" / "CMakeCache.txt"
    cache.parent.mkdir()
    cache.write_text("CMAKE_HOME_DIRECTORY:INTERNAL=/elsewhere\n")

    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(building.shutil, "rmtree", refuse)
    with pytest.raises(BadFileError, match="Permission denied") as caught:
        building.build(tmp_path, cross=False)
    assert caught.value.where == str(tmp_path / "build")
