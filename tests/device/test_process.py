"""Processes as devices: started, fed, ended and reaped, and their deaths explained."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.device.client import Client
from dqt_edge.device.frame import Decoder, encode
from dqt_edge.device.messages import Type
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.process import ProcessTransport
from dqt_edge.errors import BadFileError, DeviceError, ToolchainError
from tests.firmware import stand_in
from tests.support.waiting import wait_until


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie, which only waits to be reaped, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descriptors() -> int:
    """Open descriptors of this process, and one more."""
    return len(list(Path("/proc/self/fd").iterdir()))


def script(text: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(text)]


def test_a_missing_image() -> None:
    with pytest.raises(BadFileError) as caught:
        NativeTransport(Path("nowhere/model.elf"))
    assert caught.value.where == "nowhere/model.elf"
    assert caught.value.next_step == "run 'dqt-edge build' first"


def test_an_image_that_cannot_be_executed(tmp_path: Path) -> None:
    image = tmp_path / "model.elf"
    image.write_bytes(b"\x7fELF nonsense")
    for mode in (0o644, 0o755):
        image.chmod(mode)
        with pytest.raises((ToolchainError, DeviceError)), NativeTransport(image) as device:
            Client(device).hello()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('bad luck')", "ended with exit status 1: bad luck"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("import os; os.close(1); os.read(0, 1); import time; time.sleep(60)", "closed its output"),
    ],
)
def test_a_process_that_dies_says_why(code: str, words: str) -> None:
    with ProcessTransport("test", script(code)) as device:
        with pytest.raises(DeviceError) as caught:
            Client(device).hello()
        assert caught.value.what == f"the device process {words}"
        pid = device.pid
    assert not alive(pid)


def test_a_write_takes_input_meanwhile(built: Callable[..., Path]) -> None:
    """Both directions are full at once: far more than two pipes hold."""
    count = 20000
    with NativeTransport(built("host")) as device:
        device.write(b"".join(encode(Type.HELLO, i, b"") for i in range(count)))
        decoder, sequences = Decoder(), []
        while len(sequences) < count:
            content = device.read(65536, 20)
            assert content
            sequences += [frame.sequence for frame in decoder.feed(content)]  # type: ignore[union-attr]
    assert sequences == list(range(count))


def test_read_waits_no_longer_than_told_and_hands_out_no_more_than_asked(built: Callable[..., Path]) -> None:
    with NativeTransport(built("host")) as device:
        assert device.read(10, 0) == b""
        assert device.read(10, 0.05) == b""
        device.write(encode(Type.HELLO, 1, b""))
        assert len(device.read(3, 20)) == 3
        device.reset_input()
        assert device.read(100, 0.05) == b""


def test_a_closed_device_says_so_and_closing_again_is_harmless(built: Callable[..., Path]) -> None:
    device = NativeTransport(built("host"))
    device.close()
    device.close()
    for use in (lambda: device.read(1, 0), lambda: device.write(b"x"), device.reset_input):
        with pytest.raises(DeviceError, match="closed"):
            use()


def test_no_process_stays_behind_an_exception(built: Callable[..., Path]) -> None:
    pids = []
    with pytest.raises(KeyboardInterrupt), NativeTransport(built("host")) as device:  # noqa: PT012
        pids.append(device.pid)
        raise KeyboardInterrupt
    stubborn = ProcessTransport(
        "test", script("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)")
    )
    pids.append(stubborn.pid)
    del stubborn  # never closed
    assert not any(alive(pid) for pid in pids)


def test_no_descriptor_stays_open(built: Callable[..., Path]) -> None:
    image = built("host")
    before = descriptors()
    for _ in range(3):
        with Client(NativeTransport(image)) as client:
            client.hello()
    assert descriptors() == before


def test_a_program_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # and so without setpriv
    before = descriptors()
    with pytest.raises(ToolchainError) as caught:
        ProcessTransport("test", ["/nonexistent/program"])
    assert caught.value.what == "cannot start /nonexistent/program: No such file or directory"
    assert descriptors() == before


def test_the_device_dies_with_a_parent_that_is_killed(built: Callable[..., Path]) -> None:
    code = f"""
        from pathlib import Path
        from dqt_edge.device.native import NativeTransport
        import time
        device = NativeTransport(Path({str(built("host"))!r}))
        print(device.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(script(code), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the device outlived its parent")


def test_a_whole_session(built: Callable[..., Path]) -> None:
    generator = random.Random(3)
    with Client(NativeTransport(built("host"))) as client:
        client.expect(stand_in.MODEL_HASH, "host")
        for _ in range(20):
            codes = stand_in.make_input(generator)
            want = stand_in.expected(codes)
            answer = client.infer(codes, counts=True, checksums=True)
            assert (answer.choices, answer.output, answer.checksums) == (
                want.choices,
                want.output,
                want.checksums,
            )
        assert client.stats().runs == 20
        client.reset()
        assert client.stats().runs == 0
