"""The firmware on QEMU's Cortex-M0, M3, M4, M7, M33 and M55: protocol, exact instruction counts, faults, no orphans."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.connect import open_client
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.device.replies import in_units
from dqt_edge.errors import BadFileError, DeviceError, ToolchainError, UsageError
from tests.firmware import stand_in

from .test_process import alive, script, wait_until

MISSING = [tool for tool in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(tool) is None]
qemu = [
    pytest.mark.qemu,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
BOARDS = [pytest.param(f"qemu-{core}", marks=qemu) for core in ("m0", "m3", "m4", "m7", "m33", "m55")]
LOOPS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100, 12345, 3_000_000)


@pytest.fixture
def client(built: Callable[..., Path], request: pytest.FixtureRequest) -> Iterator[Client]:
    board = load_board(request.param)
    with open_client(board, built(board.id), stand_in.MODEL_HASH) as opened:
        yield opened


@pytest.mark.some(2)
@pytest.mark.parametrize("client", BOARDS, indirect=True)
def test_results_stats_and_reset(client: Client) -> None:
    generator = random.Random(8)
    for i in range(12):
        codes = stand_in.make_input(generator)
        choices = None if i % 2 else (i % 3, i // 3 % 2)
        answer = client.infer(codes, choices, counts=True, checksums=True)
        want = stand_in.expected(codes, choices)
        assert (answer.choices, answer.output, answer.checksums) == (
            want.choices,
            want.output,
            want.checksums,
        )
    stats = client.stats()
    assert (stats.runs, stats.naks, stats.bad_frames) == (12, 0, 0)
    assert 64 < stats.stack_used < 1024, "painted, and nearly all of the paint is left"
    client.reset()
    assert client.stats().runs == 0
    codes = stand_in.make_input(generator)
    assert client.infer(codes).output == stand_in.expected(codes).output


@pytest.mark.some(2)
@pytest.mark.parametrize("client", BOARDS, indirect=True)
def test_instruction_counts_are_exact_and_repeatable(client: Client) -> None:
    """A loop of N times SUBS, BNE counts 2 N and a constant, for every N, at whatever phase the timer stands."""
    board = load_board(client.info.board)
    generator = random.Random(9)
    constants, others = set(), set()
    for loops in (*LOOPS, *LOOPS[:7]):
        answer = client.infer(stand_in.make_input(generator, loops), (1, 1), counts=True)
        assert answer.counts is not None
        counts = [in_units(ticks, board.counter) for ticks in answer.counts]
        constants.add(counts[2] - 2 * loops)
        others.add((counts[0], counts[1], counts[3]))
        assert in_units(answer.total, board.counter) == sum(counts)
    assert len(constants) == 1
    assert 0 < constants.pop() < 150
    assert len(others) == 1


@pytest.mark.parametrize("board_id", BOARDS)
def test_a_crash_ends_with_a_diagnosis(built: Callable[..., Path], board_id: str) -> None:
    board = load_board(board_id)
    with (
        open_client(board, built(board_id), stand_in.MODEL_HASH) as client,
        pytest.raises(DeviceError) as caught,
    ):
        client.infer(stand_in.make_input(random.Random(1), 0))
    words = "the device process ended with exit status 1: dqt: fault, exception 0x00000003 at pc 0x"
    assert caught.value.what.startswith(words)
    cfsr = "0x00000000" if board.cpu.core == "cortex-m0" else "0x00010000"  # UNDEFINSTR; Armv6-M does not say
    assert f"cfsr {cfsr}" in caught.value.what


@pytest.mark.qemu
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
class TestQemuItself:
    def test_an_image_that_is_no_elf_file(self, tmp_path: Path) -> None:
        image = tmp_path / "model.elf"
        image.write_bytes(b"\x7fELF" + bytes(100))
        with QemuTransport(load_board("qemu-m4"), image) as device, pytest.raises(DeviceError) as caught:
            Client(device, Timeouts(hello=20)).hello()
        assert "the device process ended" in caught.value.what
        assert not alive(device.pid)

    def test_it_dies_with_a_parent_that_is_killed(self, built: Callable[..., Path]) -> None:
        code = f"""
            from pathlib import Path
            from dqt_edge.boards import load_board
            from dqt_edge.device.client import Client
            from dqt_edge.device.qemu import QemuTransport
            import time
            device = QemuTransport(load_board("qemu-m4"), Path({str(built("qemu-m4"))!r}))
            Client(device).hello()  # it runs: from now on it is bound to its parent
            print(device.pid, flush=True)
            time.sleep(60)
        """
        if shutil.which("setpriv") is None:
            pytest.skip("util-linux's setpriv is not installed")
        with subprocess.Popen(script(code), stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.send_signal(signal.SIGKILL)
        wait_until(lambda: not alive(pid), "the device outlives its parent")

    def test_it_is_reaped_after_an_exception(self, built: Callable[..., Path]) -> None:
        board = load_board("qemu-m4")
        with pytest.raises(KeyboardInterrupt), QemuTransport(board, built(board.id)) as device:
            raise KeyboardInterrupt
        assert not alive(device.pid)


def test_without_qemu_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "model.elf"
    image.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as caught:
        QemuTransport(load_board("qemu-m4"), image)
    assert caught.value.what == "qemu-system-arm is not installed"
    assert caught.value.next_step == "install it, on Debian with: apt-get install qemu-system-arm"


def test_a_missing_image() -> None:
    with pytest.raises(BadFileError, match="ELF file does not exist"):
        QemuTransport(load_board("qemu-m4"), Path("nowhere/model.elf"))


def test_a_board_that_is_no_machine_of_qemus() -> None:
    with pytest.raises(UsageError, match="no QEMU machine"):
        QemuTransport(load_board("host"), Path("model.elf"))
