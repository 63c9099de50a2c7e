"""Boards of one's own on the command line: a path for an id, projects that keep their board, bounds that say so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dqt_edge.boards import board_ids, load_board, shipped_file
from dqt_edge.project import code_table
from dqt_edge.project.manifest import find_project
from tests.cli.outcome import assert_refused

OWN_BOARD = Path(__file__).parents[1] / "files" / "own_board"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def mine(here: Path) -> Path:
    """The test's own board in a folder of the user's."""
    shutil.copytree(OWN_BOARD, here / "hardware")
    return here / "hardware" / "netduinoplus2.toml"


def edited(here: Path, *changes: tuple[str, str]) -> Path:
    """``boards --show qemu-m4``, with changes."""
    text = shipped_file("qemu-m4").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (here / "mine.toml").write_text(text)
    return here / "mine.toml"


# --- dqt-edge boards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board_id", board_ids())
def test_show_prints_a_file_that_is_a_board(dqt, here: Path, board_id: str) -> None:
    (here / "mine.toml").write_text(dqt("boards", "--show", board_id).out)
    assert load_board(here / "mine.toml") == load_board(board_id)


def test_show_of_an_unknown_board(dqt) -> None:
    assert_refused(dqt("boards", "--show", "qemu-m5"), 2, "unknown board 'qemu-m5'", "did you mean 'qemu-m55'")
    assert_refused(dqt("boards", "--show", "host", "--json"), 2, "prints a file and nothing else", "--show")


@pytest.mark.cross
def test_boards_checks_a_file_and_its_port(dqt, here: Path, mine: Path) -> None:
    done = dqt("boards", "hardware/netduinoplus2.toml")
    assert done.code == 0
    assert "code sizes: measured with arm-none-eabi-gcc" in done.out
    assert done.out.endswith("hardware/netduinoplus2.toml is a valid board file\n")
    assert json.loads(dqt("boards", "--json", mine).out)["boards"][0]["memory"][0]["start"] == 0x08000000
    source = here / "hardware" / "stm32f405" / "f405_port.c"
    source.write_text(source.read_text().replace("void dqt_port_reset", "void restart"))
    assert_refused(dqt("boards", mine), 9, "needs 'dqt_port_reset', which no source defines", "stm32f405")


@pytest.mark.parametrize("command", [("check", "MODEL", "--board"), ("export", "MODEL", "--board"), ("boards",)])
def test_a_bad_board_file_is_refused_by_key(dqt, here: Path, model_file: Path, command: tuple[str, ...]) -> None:
    path = edited(here, ("hz = 25000000", 'hz = "fast"'))
    line = [model_file if word == "MODEL" else word for word in command]
    assert_refused(dqt(*line, path), 8, "board.cpu.hz must be int, not 'fast'", str(path), "docs/boards.md")
    assert_refused(dqt(*line, "no.toml"), 8, "invalid board file: No such file", "no.toml")
    assert [p.name for p in here.iterdir()] == ["mine.toml"]


# --- Projects keep their board --------------------------------------------------------------------------------------


@pytest.mark.qemu
def test_a_project_works_without_the_board_file_and_from_anywhere(
    dqt, here: Path, mine: Path, model_file: Path, monkeypatch
) -> None:
    before = load_board(mine)
    assert dqt("export", model_file, "--board", mine).code == 0
    shutil.rmtree(here / "hardware")
    (here / "else where").mkdir()
    (here / "build" / "digits-my-netduino").rename(here / "else where" / "moved")
    monkeypatch.chdir("/")
    folder = here / "else where" / "moved"
    built = dqt("build", folder)
    assert built.code == 0
    assert built.out.count("+0") == 2, "flash and RAM are as predicted"
    found = find_project(folder).board
    assert (found.id, found.cpu, found.memory, found.qemu) == (before.id, before.cpu, before.memory, before.qemu)
    assert found.port_folder == (folder / "port").resolve()
    done = dqt("profile", folder, "--data", "digits", "--n", "2")
    assert done.code == 0, done.err
    assert_refused(dqt("flash", folder), 2, "board 'my-netduino' has no flash to write")


@pytest.mark.cross
def test_a_projects_own_board_file_can_be_exported_from(dqt, here: Path, mine: Path, model_file: Path) -> None:
    assert dqt("export", model_file, "--board", mine, "--out", "a").code == 0
    assert dqt("export", model_file, "--board", "a/board.toml", "--out", "b").code == 0
    names = [sorted(str(p.relative_to(f)) for p in Path(f).rglob("*") if p.is_file()) for f in ("a", "b")]
    assert names[0] == names[1]
    assert all((here / "a" / n).read_bytes() == (here / "b" / n).read_bytes() for n in names[0])


def test_a_file_of_ones_own_wins_over_a_shipped_board_of_the_same_id(dqt, here: Path, model_file: Path) -> None:
    edited(here, ("size = 0x400000", "size = 0x10000"))
    assert dqt("export", model_file, "--board", "mine.toml", "--out", "p").code == 0
    assert {m.size for m in find_project(Path("p")).board.memory} == {0x10000}
    assert "LENGTH = 65536" in (here / "p" / "link.ld").read_text()


def test_a_project_of_an_older_version_is_exported_again(dqt, here: Path, model_file: Path) -> None:
    """Format 1 listed its files without digests: whether one was changed, nobody can say."""
    dqt("export", model_file, "--board", "qemu-m4", "--out", "p")
    manifest = json.loads((here / "p" / "manifest.json").read_text())
    manifest |= {"format": 1, "files": sorted({*manifest["files"]} - {"board.toml", "model/tiny.safetensors"})}
    (here / "p" / "manifest.json").write_text(json.dumps(manifest))
    (here / "p" / "board.toml").unlink()
    (here / "p" / "model" / "tiny.safetensors").rename(here / "p" / "model.safetensors")
    assert_refused(dqt("build", "p"), 8, "format 1, this program reads 2", "dqt-edge export")
    again = dqt("export", model_file, "--board", "qemu-m4", "--out", "p")
    assert_refused(again, 2, "an older program, which kept no account of changes", "--force")
    assert dqt("export", model_file, "--board", "qemu-m4", "--out", "p", "--force").code == 0
    assert json.loads((here / "p" / "manifest.json").read_text())["format"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('id = "qemu-m4"', 'id = "qemu-m7"'), "it names board 'qemu-m4', and board.toml"),
        (lambda text: text.replace("[cpu]", "[CPU]"), "unknown key 'CPU' in board"),
        (lambda text: None, "No such file"),
    ],
    ids=["other-board", "unknown-key", "missing"],
)
def test_a_projects_board_file_that_was_damaged(dqt, here: Path, model_file: Path, change, words: str) -> None:
    dqt("export", model_file, "--board", "qemu-m4", "--out", "p")
    path = here / "p" / "board.toml"
    text = change(path.read_text())
    path.unlink() if text is None else path.write_text(text)
    assert_refused(dqt("build", "p"), 8, words)


# --- Upper bounds ---------------------------------------------------------------------------------------------------


def test_check_and_export_say_that_sizes_are_an_upper_bound(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    path = edited(here, ("baud = 115200", "baud = 230400"))
    monkeypatch.setattr(code_table, "installed_version", lambda: None)
    done = dqt("check", model_file, "--board", path)
    assert done.code == 0
    assert "at most" in done.out
    assert "code sizes: an upper bound, because port 'mps2' at 25,000,000 Hz and 230,400 baud has not been" in done.out
    facts = json.loads(dqt("check", model_file, "--board", path, "--json").out)["predicted"]
    assert facts["exact"] is False
    assert facts["basis"].startswith("an upper bound")
    done = dqt("export", model_file, "--board", path)
    assert done.out.count("predicted at most") == 2
    assert "an upper bound" in done.out


@pytest.mark.cross
def test_build_compares_with_an_upper_bound(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    path = edited(here, ("baud = 115200", "baud = 230400"))
    with monkeypatch.context() as without:
        without.setattr(code_table, "installed_version", lambda: None)
        dqt("export", model_file, "--board", path, "--out", "p")
    done = dqt("build", "p")
    assert done.code == 0, done.err
    assert "predicted at most" in done.out
    assert "sizes were predicted without a compiler: an upper bound" in done.out
    manifest = json.loads((here / "p" / "manifest.json").read_text())
    manifest["predicted"]["flash"] = 1000
    (here / "p" / "manifest.json").write_text(json.dumps(manifest))
    assert_refused(dqt("build", "p"), 5, "the image is larger than the upper bound", "model.elf")
