"""The OpenOCD runner drives its command line, and each failure becomes one typed error with a hint."""

from __future__ import annotations

import random
import shlex
import sys
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import FlashError, ToolchainError
from dqt_edge.flashing.base import Segment, flash, plan
from dqt_edge.flashing.openocd import OpenocdRunner

BOARD = load_board("stm32h7")
SETTINGS = BOARD.runners[1].settings
START = 0x08000000
IMAGE = random.Random(2).randbytes(0x20000 + 77)
PLAN = plan([Segment(START, IMAGE)], BOARD)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


@pytest.fixture
def runner(tmp_path: Path, memory: Path) -> OpenocdRunner:
    command = tmp_path / "openocd"
    fake = Path(__file__).parent / "fake_openocd.py"
    line = " ".join(shlex.quote(str(part)) for part in (sys.executable, fake, memory))
    command.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
    command.chmod(0o755)
    return OpenocdRunner(SETTINGS, str(command))


def test_writes_and_verifies(runner: OpenocdRunner, memory: Path) -> None:
    flash(PLAN, runner)
    assert memory.read_bytes()[: len(IMAGE)] == IMAGE
    scripts = memory.with_suffix(".log").read_text().splitlines()
    assert scripts[0] == "init; reset halt; flash probe 0; shutdown"
    assert scripts[-1] == "init; reset halt; reset run; shutdown"


@pytest.mark.parametrize(
    ("when", "output", "words", "hint"),
    [
        ("probe", "Error: open failed", "no debug probe was found", "ST-LINK USB socket"),
        (
            "probe",
            "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: open failed",
            "may not be opened",
            "udev",
        ),
        (
            "probe",
            "Error: libusb_open() failed with LIBUSB_ERROR_BUSY",
            "in use by another program",
            "close other",
        ),
        ("probe", "embedded:startup.tcl:28: Error: Can't find board/x.cfg", "configuration file", "0.12"),
        (
            "probe",
            "Error: init mode failed (unable to connect to the target)",
            "does not answer",
            "reset button",
        ),
        ("erase", "Error: Flash sector 0 is protected", "write protected", "WRPSn"),
        ("erase", "Error: failed erasing sectors 0 to 0", "erasing the flash failed", "power the board off"),
        (
            "write_image",
            "Error: error writing to flash at address 0x08000000",
            "writing the flash failed",
            "again",
        ),
        ("dump_image", "Error: something new", "OpenOCD failed: something new", "`dry_run`"),
        ("reset run", "", "OpenOCD failed: no message", "`dry_run`"),
    ],
)
def test_failures(runner: OpenocdRunner, memory: Path, when: str, output: str, words: str, hint: str) -> None:
    memory.with_suffix(".trouble").write_text(f"{when}\n{output}")
    with pytest.raises(FlashError) as caught:
        flash(PLAN, runner)
    assert words in caught.value.what
    assert hint in caught.value.next_step
    assert caught.value.exit_code == 7


def test_missing_tool(tmp_path: Path) -> None:
    runner = OpenocdRunner(SETTINGS, str(tmp_path / "openocd"))
    assert runner.available() == "OpenOCD is not installed: apt-get install openocd"
    with pytest.raises(ToolchainError, match="not installed") as caught:
        flash(PLAN, runner)
    assert caught.value.exit_code == 9
    assert "apt-get install openocd" in caught.value.next_step


def test_a_tool_that_cannot_be_started(tmp_path: Path) -> None:
    broken = tmp_path / "openocd"
    broken.write_bytes(b"\x7fELF broken")
    broken.chmod(0o755)
    with pytest.raises(ToolchainError, match="cannot be started"):
        flash(PLAN, OpenocdRunner(SETTINGS, str(broken)))


def test_the_preview_names_every_operation() -> None:
    commands = OpenocdRunner({**SETTINGS, "serial": "0042"}).commands(PLAN)
    assert len(commands) == 2 + 1 + 1 + 1
    assert commands[0] == (
        "openocd -f board/st_nucleo_h743zi.cfg -c 'adapter serial 0042' "
        "-c 'init; reset halt; flash erase_address 0x08000000 0x20000; shutdown'"
    )
