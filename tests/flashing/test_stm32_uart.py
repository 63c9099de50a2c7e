"""The boot loader in an STM32's ROM: the protocol byte by byte, behind a terminal, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dqt_edge.boards import Runner, load_board
from dqt_edge.errors import FlashError
from dqt_edge.flashing.an3155 import Loader
from dqt_edge.flashing.base import plan
from dqt_edge.flashing.choose import Wishes, choose
from dqt_edge.flashing.stm32_uart import RESTART_AT, Stm32UartRunner, restart_program
from dqt_edge.flashing.writing import flash

from .runners import chip_of, image_parts, shaped
from .simulated.chip import Chip, starts_healthy
from .simulated.loader import BootLoader, Character, DirectLine, on_terminal

BOARD = shaped("2k")


def loader_of(chip: Chip, **character: object) -> tuple[BootLoader, Loader]:
    """A boot loader, and the host's side on a line to it."""
    loader = BootLoader(chip, Character(**character))  # type: ignore[arg-type]
    return loader, Loader(DirectLine(loader), "line")


def test_bytes_on_the_line_are_those_of_the_application_note() -> None:
    """By AN3155's figures: command and complement, address and XOR, count - 1."""
    sent = bytearray()

    class Recorder(DirectLine):
        def write(self, content: bytes) -> None:
            sent.extend(content)
            super().write(content)

    chip = chip_of("2k")
    loader = Loader(Recorder(BootLoader(chip)), "line")
    assert loader.start() == 0x415
    assert bytes(sent) == bytes.fromhex("7f 00ff 02fd")
    sent.clear()
    loader.erase((3,))
    assert bytes(sent) == bytes.fromhex("44bb 0000 0003 03")
    sent.clear()
    loader.write(0x08001800, bytes(range(8)))
    assert bytes(sent) == bytes.fromhex("31ce 08001800 10 07 0001020304050607 07")
    sent.clear()
    assert loader.read(0x08001800, 8) == bytes(range(8))
    assert bytes(sent) == bytes.fromhex("11ee 08001800 10 07f8")
    sent.clear()
    loader.go(0x08000000)
    assert bytes(sent) == bytes.fromhex("21de 08000000 08")


@pytest.mark.parametrize("extended", [True, False])
def test_both_kinds_of_erase(extended: bool) -> None:
    chip = chip_of("2k")
    _, loader = loader_of(chip, extended=extended)
    loader.start()
    loader.erase((1,))
    assert chip.content[0x800:0x1000] == b"\xff" * 0x800
    assert chip.content[:0x800] == b"\xa5" * 0x800


def test_a_second_session_with_the_same_loader() -> None:
    """The byte that starts a session is half a command to a loader that runs already."""
    chip = chip_of("2k")
    simulated, loader = loader_of(chip)
    loader.start()
    assert Loader(DirectLine(simulated), "line").start() == 0x415


@pytest.mark.parametrize(
    ("character", "words"),
    [
        ({"mute": True}, "no boot loader answers"),
        ({"says": b"\x00\x41"}, "what answers is no boot loader: it sent 00 41"),
        ({"locked": True}, "the chip is locked: its boot loader refuses"),
        ({"chip_id": 0x450}, "the chip's id is 0x450, and that of board 'nucleo-l476rg' 0x415"),
        ({"vanish": 60}, "the boot loader stopped answering at"),
    ],
)
def test_what_can_be_wrong_with_it(character: dict[str, object], words: str) -> None:
    chip = chip_of("2k")
    before = bytes(chip.content)
    line = DirectLine(BootLoader(chip, Character(**character)))  # type: ignore[arg-type]
    runner = Stm32UartRunner(BOARD, {"chip_id": "0x415"}, "line", lambda port: line)  # type: ignore[arg-type,return-value]
    with pytest.raises(FlashError) as caught:
        flash(plan(image_parts("2k", 3), BOARD), runner)
    assert words in caught.value.what
    assert line.closed
    if "vanish" not in character:
        assert chip.content == before


def test_behind_a_terminal() -> None:
    chip = chip_of("2k")
    board = replace(BOARD, runners=(Runner("stm32-uart", {"chip_id": "0x415", "parity": "none"}),))
    with on_terminal(BootLoader(chip)) as path:
        runner = choose(board, None, Wishes(port=path))
        flash(plan(image_parts("2k", 3), board), runner)
    assert starts_healthy(board, chip)
    assert chip.starts == 1


class Connection(DirectLine):
    """The line as stm32loader wants it."""

    timeout = 1.0

    def read(self, size: int = 1) -> bytes:
        return super().read(size)


def test_another_client_of_the_protocol_agrees_with_the_simulated_loader() -> None:
    """stm32loader, which others wrote, erases, writes, reads back and starts what it wrote."""
    bootloader = pytest.importorskip("stm32loader.bootloader", reason="pip install stm32loader")
    chip = Chip(BOARD)
    (image, _) = image_parts("2k", 3)
    client = bootloader.Stm32Bootloader(Connection(BootLoader(chip)), "L4", verbosity=0)
    client.reset_from_system_memory()
    client.get()
    assert client.get_id() == 0x415
    client.extended_erase_memory([0])
    client.write_memory_data(0x08000000, image.data)
    assert bytes(client.read_memory_data(0x08000000, len(image.data))) == image.data
    client.go(0x08000000)
    assert chip.read(0x08000000, len(image.data)) == image.data
    assert chip.content[0x800:] == b"\xa5" * (len(chip.content) - 0x800)
    assert chip.starts == 1


@pytest.mark.emulate
def test_the_restart_program_asks_for_a_reset_on_a_core() -> None:
    uc = pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
    arm = pytest.importorskip("unicorn.arm_const")
    start = 0x20000000 + RESTART_AT
    machine = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB | uc.UC_MODE_MCLASS)
    machine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M0)
    machine.mem_map(0x20000000, 0x10000)
    machine.mem_map(0xE000E000, 0x1000)
    program = restart_program(start)
    machine.mem_write(start, program)
    stack, entry = (int.from_bytes(program[i : i + 4], "little") for i in (0, 4))
    machine.reg_write(arm.UC_ARM_REG_SP, stack)
    machine.emu_start(entry, 0xFFFFFFFE, count=6)
    assert int.from_bytes(machine.mem_read(0xE000ED0C, 4), "little") == 0x05FA0004
    assert stack % 8 == 0


def test_a_shipped_boards_id_is_that_of_its_file() -> None:
    stated = {
        board: runner.settings["chip_id"]
        for board in ("nucleo-l476rg", "nucleo-g474re")
        for runner in load_board(board).runners
        if runner.name == "stm32-uart"
    }
    assert stated == {"nucleo-l476rg": "0x415", "nucleo-g474re": "0x469"}
