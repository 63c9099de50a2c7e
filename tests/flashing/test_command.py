"""``dqt-edge flash``: the preview touches nothing, errors have the right exit code, the board is asked afterwards."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.cli import main
from dqt_edge.device.client import Timeouts
from dqt_edge.errors import SilentDeviceError
from dqt_edge.project.manifest import Project

from .fake import FakeRunner

Run = Callable[..., tuple[int, str, str]]


def _elf(parts: list[tuple[int, bytes]]) -> bytes:
    """A small 32-bit Arm ELF file with one PT_LOAD segment a part."""
    offset = 52 + 32 * len(parts)
    header = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, 0, 0, 52, 32, len(parts), 0, 0, 0)
    table, body = b"", b""
    for address, data in parts:
        table += struct.pack("<8I", 1, offset + len(body), address, address, len(data), len(data), 5, 4)
        body += data
    return header + table + body


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    model = {"name": "m", "symbol": "m", "hash": "ab" * 32, "checkpoint": "model/m.safetensors"}
    made = Project(tmp_path, {"models": [model]}, load_board("stm32h7"))
    made.elf.parent.mkdir()
    made.elf.write_bytes(_elf([(0x08000000, b"x" * 1000), (0x08020000, b"y" * 40)]))
    monkeypatch.setattr("dqt_edge.project.manifest.find_project", lambda folder: made)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["flash", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    runner = FakeRunner(load_board("stm32h7"))
    monkeypatch.setattr("dqt_edge.flashing.choose.runners", lambda board, wishes: (runner,))
    return runner


def test_dry_run_prints_the_plan_and_touches_nothing(project: Project, run: Run, fake: FakeRunner) -> None:
    code, out, _ = run("--dry-run")
    assert code == 0
    for words in (
        "NUCLEO-H743ZI2",
        "0x08000000",
        "0x0801ffff",
        "131,072",
        "0x080003ff",
        "1,024",
        "0x0802003f",
        "64",
    ):
        assert words in out
    assert "erase 8000000\n" in out
    assert "dry run: nothing was touched" in out
    assert fake.log == []


@pytest.mark.parametrize(("name", "words"), [("pyocd", "pyocd load -t stm32h743xx"), ("openocd", "dump_image")])
def test_dry_run_prints_the_exact_commands(project: Project, run: Run, name: str, words: str) -> None:
    code, out, _ = run("--dry-run", "--runner", name)
    assert code == 0
    assert words in out


def test_dry_run_without_any_tool(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_tools(monkeypatch)
    code, out, _ = run("--dry-run")
    assert code == 0
    assert "pyOCD is not installed" in out


def test_no_tool_installed(project: Project, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_tools(monkeypatch)
    code, _, err = run()
    assert code == 9
    assert "no flash runner is installed" in err
    assert "dqt-edge[flash]" in err
    assert "apt-get install openocd" in err


@pytest.mark.parametrize("name", ["pyocd", "openocd"])
def test_the_tool_that_was_asked_for_is_missing(
    project: Project, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _no_tools(monkeypatch)
    code, _, err = run("--runner", name)
    assert code == 9
    assert "not installed" in err


def _no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_unknown_runner(project: Project, run: Run) -> None:
    code, _, err = run("--runner", "jlink")
    assert code == 2
    assert "has no runner 'jlink'" in err
    assert "pyocd, openocd" in err


@pytest.mark.parametrize("board", ["host", "qemu-m4"])
def test_boards_without_flash(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, board: str) -> None:
    monkeypatch.setattr(
        "dqt_edge.project.manifest.find_project", lambda folder: Project(tmp_path, {}, load_board(board))
    )
    code, _, err = run()
    assert code == 2
    assert f"board '{board}' has no flash to write" in err
    assert "dqt-edge profile" in err


def test_image_that_was_not_built(project: Project, run: Run) -> None:
    project.elf.unlink()
    code, _, err = run()
    assert code == 8
    assert "run 'dqt-edge build'" in err


def test_writes_then_asks_the_board(
    project: Project, run: Run, fake: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    class Client:
        def __enter__(self) -> None:
            asked.append(tuple(fake.log[-2:]))

        def __exit__(self, *_: object) -> None:
            pass

    def open_client(*arguments: object, timeouts: object) -> Client:
        assert timeouts is None
        asked.append(arguments)
        return Client()

    monkeypatch.setattr("dqt_edge.device.connect.open_client", open_client)
    code, out, _ = run("--port", "/dev/ttyFAKE")
    assert code == 0
    assert asked == [(project.board, project.elf, project.model_hash, "/dev/ttyFAKE"), ("reset", "close")]
    assert "wrote and verified 1,088 bytes with fake" in out
    assert "the board answers with model abababab" in out
    assert fake.chip.read(0x08000000, 1000) == b"x" * 1000


def test_a_silent_board_is_an_error(
    project: Project, run: Run, fake: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_client(*arguments: object, timeouts: object) -> None:
        raise SilentDeviceError("no answer", where="port", next_step="press reset")

    monkeypatch.setattr("dqt_edge.device.connect.open_client", open_client)
    assert run()[0] == 6
    assert run("--no-hello")[0] == 0


def test_a_failing_probe(project: Project, run: Run, fake: FakeRunner) -> None:
    fake.chip.faults.cut = 3
    code, _, err = run()
    assert code == 7
    assert "operation 3" in err


def test_a_board_that_a_person_restarts_gets_time(
    project: Project, run: Run, fake: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_client(*arguments: object, timeouts: Timeouts) -> None:
        raise SilentDeviceError(f"silent for {timeouts.silence:.0f} s", where="port", next_step="press reset")

    monkeypatch.setattr("dqt_edge.device.connect.open_client", open_client)
    fake.by_hand = "press the reset button"
    code, out, err = run()
    assert (code, "now press the reset button" in out, "silent for 60 s" in err) == (6, True, True)


def test_wishes_reach_the_preview_and_its_files_exist(project: Project, run: Run) -> None:
    code, out, _ = run("--dry-run", "--runner", "openocd", "--probe", "77", "--connect", "under-reset")
    assert code == 0
    assert "adapter serial 77" in out
    assert "connect_assert_srst" in out
    kept = {path.name: path.read_bytes() for path in (project.elf.parent / "flash").glob("*.bin")}
    assert kept == {
        "0x08000000.bin": b"x" * 256,
        "0x08000100.bin": (b"x" * 744).ljust(768, b"\xff"),
        "0x08020000.bin": b"y" * 40 + b"\xff" * 24,
    }
    assert all(f"{project.elf.parent / 'flash' / name}" in out for name in kept)
    assert run("--frequency", "5")[0] == 2
