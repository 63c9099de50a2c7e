"""Board files: every shipped one is valid and says where its numbers come from; bad ones are refused by key."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import Board, board_ids, load_board, read_board, shipped_file
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.system.toml_record import as_table, to_toml

OWN_BOARD = Path(__file__).parent / "files" / "own_board"


def test_the_promised_boards_are_there() -> None:
    assert {"pyboard", "nucleo-f446re", "stm32f4disco", "nucleo-l476rg", "b-l475e-iot01a"} <= set(board_ids())
    assert {
        "nucleo-l4r5zi",
        "nucleo-g474re",
        "nucleo-g0b1re",
        "nucleo-u575zi",
        "nrf52840dk",
        "nano33ble",
        "pico",
        "pico2",
    } <= set(board_ids())
    assert {"host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55", "stm32h7"} <= set(board_ids())


@pytest.mark.parametrize("board_id", board_ids())
def test_shipped_boards(board_id: str) -> None:
    board = load_board(board_id)
    assert board.id == board_id, "the file's name"
    assert not board.has_own_port
    assert board.provenance
    if board.qemu is not None:
        assert board.counter.kind == "icount"
    if not board.is_host:
        assert board.cpu.flags[0].split("+")[0] == f"-mcpu={board.cpu.core}"


def test_an_unknown_board_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        load_board("stm32h77")
    assert str(caught.value) == (
        "error: unknown board 'stm32h77'\n"
        "  where: `board`\n"
        "  next:  did you mean 'stm32h7' or 'stm32h735g-dk'? choose from "
        f"{', '.join(board_ids())}; or name a board file of your own, such as ./my.toml"
    )


def edited(folder: Path, *changes: tuple[str, str], name: str = "mine.toml") -> Path:
    """A copy of qemu-m4's file in a folder of the user's, with changes."""
    text = shipped_file("qemu-m4").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def test_a_path_is_a_board_of_ones_own_even_under_a_shipped_id(tmp_path: Path, monkeypatch) -> None:
    path = edited(tmp_path, ("size = 0x400000", "size = 0x8000"))
    monkeypatch.chdir(tmp_path)
    for name in (path, str(path), "mine.toml", "./mine.toml"):
        board = load_board(name)
        assert board.id == "qemu-m4"
        assert {m.size for m in board.memory} == {0x8000}
    assert load_board("qemu-m4").memory[0].size == 0x400000


def test_a_board_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFileError) as caught:
        load_board(tmp_path / "none.toml")
    assert "No such file" in caught.value.what
    assert caught.value.where == str(tmp_path / "none.toml")


def test_a_board_file_without_end_is_refused(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises(BadFileError, match="invalid board file"):
            load_board(path)


def test_a_port_of_ones_own_is_a_folder_beside_the_file(tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(OWN_BOARD, tmp_path / "hardware")
    monkeypatch.chdir(tmp_path)
    board = load_board("hardware/netduinoplus2.toml")
    assert board.has_own_port
    assert board.port_folder == (tmp_path / "hardware" / "stm32f405").resolve()
    for source in (tmp_path / "hardware" / "stm32f405").glob("*.c"):
        source.unlink()
    with pytest.raises(BadFileError, match=r"holds no \.c and no \.S file"):
        load_board("hardware/netduinoplus2.toml")


def test_a_port_without_a_slash_is_a_shipped_one_and_the_error_says_how_to_write_the_other(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = edited(tmp_path, ('port = "mps2"', 'port = "mine"'))
    with pytest.raises(BadFileError, match=r'for the folder beside this file write "\./mine"'):
        load_board(path)


def test_hard_float_needs_an_fpu(tmp_path: Path) -> None:
    hard = ("-mfloat-abi=soft", "-mfloat-abi=hard")
    assert load_board(edited(tmp_path, hard)).cpu.flags[-1] == "-mfloat-abi=hard"
    with pytest.raises(BadFileError, match=r"cpu\.fpu is false"):
        load_board(edited(tmp_path, hard, ("fpu = true", "fpu = false")))


@pytest.mark.parametrize(
    "file", [*map(shipped_file, board_ids()), OWN_BOARD / "netduinoplus2.toml"], ids=lambda p: p.stem
)
def test_a_board_written_as_toml_is_the_same_board(file: Path, tmp_path: Path) -> None:
    board = read_board(file)
    odd = replace(
        board, name='\t"quoted" \\ \x7f \u00e9 \U0001f600', provenance={**board.provenance, "a key.with 'all'": "x\ny"}
    )
    for one in (board, odd):
        written = tmp_path / "written.toml"
        written.write_text(to_toml(replace(one, port=str(board.port_folder)) if one.has_own_port else one))
        again = read_board(written)
        assert replace(again, port=one.port) == one
        assert as_table(replace(again, port=one.port)) == as_table(one)


def test_what_no_file_states_is_no_key() -> None:
    assert {"port_folder", "file"} & set(as_table(load_board("host"))) == set()
    assert {"port_folder", "file"} <= set(Board.__dataclass_fields__)
