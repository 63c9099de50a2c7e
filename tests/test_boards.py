"""Board files: every shipped one is valid and says where its numbers come from; bad ones are refused by key."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dqt_edge.boards import Board, board_ids, load_board, read_board, shipped_file
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.system.resources import data_folder
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


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "Cortex-M4F', 'nome = "Cortex-M4F', "unknown key 'nome'"),
        ('vendor = "Arm (emulated)"', "", "missing key 'vendor'"),
        ("hz = 25000000", 'hz = "fast"', "board.cpu.hz must be int"),
        ("fpu = true", "fpu = 1", "board.cpu.fpu must be bool"),
        ('core = "cortex-m4"', 'core = "z80"', "'z80' is none of"),
        ('port = "mps2"', 'port = "vax"', "no folder under firmware/port"),
        ('kind = "flash"', 'kind = "rom"', "needs a flash and a ram region"),
        ("start = 0x20000000", "start = 0x00000000", "overlap"),
        ("size = 0x400000", "size = -1", "must be flash or ram within"),
        ('id = "qemu-m4"', 'id = "a board"', "id 'a board' must be 1 to 15 letters"),
        ('id = "qemu-m4"', f'id = "{"m" * 16}"', "must be 1 to 15 letters"),
        ('id = "qemu-m4"', 'id = "../m4"', "must be 1 to 15 letters"),
        ("hz = 25000000", "hz = -1", "cpu.hz must be above 0"),
        ("baud = 115200", "baud = -1", "serial.baud must be 0 or more"),
        ("icount_shift = 7", "icount_shift = 11", "icount_shift must be 0 to 10"),
        ("size = 0x400000", "size = 0x400000\nsector = -1", "sector and page must be 0 or more"),
        ('port = "mps2"', 'port = "cortexm"', "no folder under firmware/port, which has mps2, mps2tz, mps3, native"),
        ('port = "mps2"', 'port = "native"', "does not go with cpu.core 'cortex-m4'"),
        ('port = "mps2"', 'port = "./mps2"', "there is no folder"),
        ('"-mcpu=cortex-m4", ', "", "must state the core once, -mcpu=cortex-m4, not -mthumb"),
        ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m7"', "must state the core once, -mcpu=cortex-m4"),
        ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m4", "-mcpu=cortex-m4"', "must state the core once"),
        ('"-mthumb"', '"-mthumb; rm"', "'-mthumb; rm' is no compiler option"),
        ("dsp = true", "dsp = false", "cpu.dsp must be true for cortex-m4"),
        ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m4+nodsp"', "cpu.dsp must be false for cortex-m4 with"),
        ("mve = false", "mve = true", "cpu.mve must be false for cortex-m4"),
        ("fpu = true\ndsp", "fpu = false\nX = 1\ndsp", "unknown key 'X' in board.cpu"),
        ("flags = [", "flags = [1, ", "board.cpu.flags must be a list of text"),
        ("[counter]\nkind", "[counter]\n[counter.kind]\nkind", "must be str"),
        ('kind = "icount"', 'kind = "guess"', "counter.kind 'guess'"),
        ("[[memory]]", "[memory]", ""),
        ("ticks = ", "ticks = -", "ratio is not positive"),
        ("[qemu]", "[qemu", "Expected"),
        ("[qemu]", "[constants]\npins = 'A'\n[qemu]", "board.constants must be a table of integers"),
        ("[qemu]", "[constants]\npin = true\n[qemu]", "board.constants must be a table of integers"),
        ("[qemu]", "[constants]\nPIN = 1\n[qemu]", "constants: 'PIN' must be small letters"),
        ("[qemu]", "[constants]\npin = -1\n[qemu]", "constants.pin must be 0 or more"),
        ("[qemu]", "[constants]\nid = 1\n[qemu]", "not 'id'"),
    ],
)
def test_bad_board_files_are_refused(tmp_path, old: str, new: str, reason: str) -> None:
    text = (data_folder("boards") / "qemu-m4.toml").read_text()
    assert old in text
    path = tmp_path / "qemu-m4.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(BadFileError) as caught:
        read_board(path)
    assert reason in caught.value.what


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


def test_a_board_file_without_end_or_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "big.toml").write_bytes(b"#" * (2 << 20))
    (tmp_path / "image.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    for path in (Path("/dev/zero"), tmp_path, *sorted(tmp_path.glob("*.toml"))):
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
