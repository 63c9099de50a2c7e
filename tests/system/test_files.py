"""Files that belong together come from one run, whatever happens between them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dqt_edge.errors import BadFileError
from dqt_edge.system import files

NAMES = ("report.json", "report.html", "junit.xml")


def run_of(mark: str, names: tuple[str, ...] = NAMES) -> dict[str, bytes]:
    return {name: mark.encode() for name in names}


def found(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_another_run_left_goes(tmp_path: Path) -> None:
    files.write_together(tmp_path, run_of("old", (*NAMES, "dial.svg", "stream2.csv")))
    (tmp_path / "mine.txt").write_bytes(b"mine")
    made = files.write_together(tmp_path, run_of("new"), ["dial.svg", "stream*.csv"])
    assert made == [tmp_path / name for name in NAMES]
    assert found(tmp_path) == run_of("new") | {"mine.txt": b"mine"}


@pytest.mark.parametrize("step", range(6))
def test_a_run_that_is_stopped_leaves_files_of_one_run(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped as by a kill: nothing is cleaned up. Three files are moved, behind three that are removed."""
    files.write_together(tmp_path, run_of("old"))
    child = os.fork()
    if child == 0:  # pragma: no cover - its own process
        left = [step]

        def killed_at(function):
            def call(*arguments, **named):
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)
                return function(*arguments, **named)

            return call

        Path.replace = killed_at(Path.replace)  # type: ignore[method-assign]
        Path.unlink = killed_at(Path.unlink)  # type: ignore[method-assign]
        files.write_together(tmp_path, run_of("new"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    kept = {name: content for name, content in found(tmp_path).items() if not name.startswith(".")}
    assert len(set(kept.values())) <= 1, kept


def test_runs_that_end_at_once_do_not_mix(tmp_path: Path) -> None:
    threads = [threading.Thread(target=files.write_together, args=(tmp_path, run_of(f"run {i}"))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found(tmp_path).values())) == 1
    assert set(found(tmp_path)) == set(NAMES)


def test_nothing_is_changed_where_it_cannot_be_written(tmp_path: Path) -> None:
    files.write_together(tmp_path, run_of("old"))
    with pytest.raises(BadFileError, match="cannot write"):
        files.write_together(tmp_path, {**run_of("new"), "missing/x": b""})
    assert found(tmp_path) == run_of("old")


def test_folders_change_places(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    for folder in (one, other):
        folder.mkdir()
        (folder / folder.name).touch()
    if not files.exchange(one, other):
        pytest.skip("this file system cannot exchange two paths")
    assert [p.name for p in (*one.iterdir(), *other.iterdir())] == ["b", "a"]
    assert not files.exchange(one, tmp_path / "missing")
