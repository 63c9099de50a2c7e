"""Board files: every shipped one is valid and says where its numbers come from; bad ones are refused by key."""

from __future__ import annotations

import pytest

from dqt_edge.boards import board_ids, load_board, read_board
from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.system.resources import data_folder


def test_the_promised_boards_are_there() -> None:
    assert {"host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m55", "stm32h7"} <= set(board_ids())


@pytest.mark.parametrize("board_id", board_ids())
def test_shipped_boards(board_id: str) -> None:
    board = load_board(board_id)
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
        f"  next:  did you mean 'stm32h7'? choose from {', '.join(board_ids())}"
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
        ('id = "qemu-m4"', 'id = "other"', "differs from the file name"),
        ('kind = "icount"', 'kind = "guess"', "counter.kind 'guess'"),
        ("[[memory]]", "[memory]", ""),
        ("ticks = ", "ticks = -", "ratio is not positive"),
        ("[qemu]", "[qemu", "Expected"),
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
