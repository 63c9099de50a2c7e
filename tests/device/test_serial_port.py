"""Serial ports: a real one (a pty), and those that are missing, busy, forbidden or unplugged."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import serial
from serial.tools import list_ports

from dqt_edge.boards import Board, Serial, load_board
from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.connect import open_client, open_device
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.serial_port import SerialTransport, find_port
from dqt_edge.errors import BadFileError, DeviceError, PortError, SilentDeviceError, UsageError
from tests.firmware import stand_in

BAUD = 115200


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """Master descriptor and path of a pseudo terminal."""
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.close(slave)
    yield master, path
    with contextlib.suppress(OSError):
        os.close(master)


@contextlib.contextmanager
def bridge(master: int, image: Path) -> Iterator[None]:
    """A native device behind the pty, as a board is behind a USB bridge."""
    stop = threading.Event()

    def carry(device: NativeTransport) -> None:
        while not stop.is_set():
            if select.select([master], [], [], 0.001)[0]:
                with contextlib.suppress(OSError):  # EIO: nobody has the other end open
                    device.write(os.read(master, 4096))
            answer = device.read(4096, 0)
            while answer:
                answer = answer[os.write(master, answer) :]

    with NativeTransport(image) as device:
        thread = threading.Thread(target=carry, args=(device,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def wired(board_id: str = "host", usb: tuple[str, ...] = ()) -> Board:
    """The host's board as if it hung on a serial line."""
    return replace(load_board(board_id), serial=Serial(BAUD, usb))


def test_a_session_over_a_terminal(pty: tuple[int, str], built: Callable[..., Path]) -> None:
    master, path = pty
    generator = random.Random(4)
    with (
        bridge(master, built("host")),
        open_client(wired(), Path("unused"), stand_in.MODEL_HASH, path) as client,
    ):
        for _ in range(5):
            codes = stand_in.make_input(generator)
            assert client.infer(codes).output == stand_in.expected(codes).output
        client.reset()
        assert client.stats().runs == 0


def test_a_terminal_where_nobody_answers(pty: tuple[int, str]) -> None:
    _, path = pty
    with (
        Client(SerialTransport(path, BAUD), Timeouts(hello=0.05, silence=0.3)) as client,
        pytest.raises(SilentDeviceError) as caught,
    ):
        client.hello()
    assert caught.value.where == path


def test_a_busy_port(pty: tuple[int, str]) -> None:
    _, path = pty
    with SerialTransport(path, BAUD), pytest.raises(PortError) as caught:
        SerialTransport(path, BAUD)
    assert caught.value.what == "the serial port is in use by another program"
    assert caught.value.next_step == f"close that program; 'fuser {path}' names it"
    SerialTransport(path, BAUD).close()


def test_a_missing_port() -> None:
    with pytest.raises(PortError) as caught:
        SerialTransport("/dev/ttyACM-none", BAUD)
    assert caught.value.what == "the serial port does not exist"
    assert caught.value.where == "/dev/ttyACM-none"
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (serial.SerialException(errno.EACCES, "denied"), "no permission to open the serial port"),
        (serial.SerialException(errno.EBUSY, "busy"), "the serial port is in use by another program"),
        (serial.SerialException(errno.ENXIO, "gone"), "the serial port does not exist"),
        (
            serial.SerialException("Could not configure port"),
            "cannot open the serial port: Could not configure port",
        ),
        (ValueError("invalid URL"), "cannot open the serial port: invalid URL"),
    ],
)
def test_every_way_not_to_open_a_port(error: Exception, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(serial, "serial_for_url", fail)
    with pytest.raises(PortError) as caught:
        SerialTransport("/dev/ttyACM0", BAUD)
    assert caught.value.what == what
    if isinstance(error, serial.SerialException) and error.errno == errno.EACCES:
        assert "dialout" in caught.value.next_step


@pytest.mark.parametrize("port", ["/dev/null", "strange://x", "socket://127.0.0.1:1"])
def test_what_is_no_serial_port(port: str) -> None:
    with pytest.raises(PortError, match="cannot open the serial port"):
        SerialTransport(port, BAUD)


def test_a_port_that_is_unplugged(pty: tuple[int, str]) -> None:
    master, path = pty
    with SerialTransport(path, BAUD) as device:
        os.close(master)
        with pytest.raises(DeviceError, match="the serial port stopped working"):
            use_until_it_fails(device)


def use_until_it_fails(device: SerialTransport) -> None:
    for _ in range(3):
        device.read(1, 0.1)
        device.write(b"x")


def test_read_hands_out_no_more_than_asked(pty: tuple[int, str]) -> None:
    master, path = pty
    with SerialTransport(path, BAUD) as device:
        assert device.read(5, 0.01) == b""
        os.write(master, b"abcdefgh")
        found = b""
        while len(found) < 5:
            found += device.read(5 - len(found), 5)
        assert found == b"abcde"
        device.reset_input()
        assert device.read(5, 0.01) == b""


@dataclass
class Found:
    device: str
    vid: int | None
    pid: int | None
    description: str = ""


@pytest.mark.parametrize(
    ("ports", "result"),
    [
        ([Found("/dev/ttyACM0", 0x0483, 0x374B)], "/dev/ttyACM0"),
        ([Found("/dev/ttyS0", None, None), Found("/dev/ttyACM1", 0x0483, 0x374E)], "/dev/ttyACM1"),
        ([], "no serial port with USB id 0483:374B or 0483:374e"),
        ([Found("/dev/ttyACM0", 0x0483, 0x0001)], "no serial port with USB id"),
        (
            [Found("/dev/ttyACM1", 0x0483, 0x374B), Found("/dev/ttyACM0", 0x0483, 0x374E)],
            "2 boards of this kind are connected: /dev/ttyACM0, /dev/ttyACM1",
        ),
    ],
)
def test_a_board_is_found_by_its_usb_id(ports: list[Found], result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    board = wired(usb=("0483:374B", "0483:374e"))
    if result.startswith("/dev"):
        assert find_port(board) == result
    else:
        with pytest.raises(PortError) as caught:
            find_port(board)
        assert result.lower() in caught.value.what.lower()


class TestOpenDevice:
    def test_a_project_that_has_not_been_built(self, tmp_path: Path) -> None:
        with pytest.raises(BadFileError) as caught:
            open_device(load_board("host"), tmp_path)
        assert caught.value.where == str(tmp_path / "build" / "model.elf")

    def test_a_port_for_the_host(self) -> None:
        with pytest.raises(UsageError, match="no serial line"):
            open_device(load_board("host"), Path("x"), "/dev/ttyACM0")

    def test_unicorn_for_the_host(self) -> None:
        with pytest.raises(UsageError, match="cannot be emulated"):
            open_device(load_board("host"), Path("x"), "unicorn:")

    def test_a_board_that_is_not_connected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(list_ports, "comports", list)
        board = replace(load_board("qemu-m4"), qemu=None)
        with pytest.raises(PortError, match="the board file lists none"):
            open_device(board, Path("x"))

    def test_a_failed_check_closes_the_device(
        self, built: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed: list[object] = []
        monkeypatch.setattr(NativeTransport, "close", lambda self: closed.append(self._end()))
        with pytest.raises(DeviceError, match="with model a0a1a2"):
            open_client(load_board("host"), built("host"), bytes(32))
        assert closed


def test_the_rate_of_a_port_is_changed_or_refused(pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = pty
    with SerialTransport(path, BAUD) as device:
        device.set_baud(230_400)
        assert device.baud == 230_400

        def fail(*_: object, **__: object) -> None:
            raise ValueError("Failed to set custom baud rate (2000000)")

        monkeypatch.setattr(serial.Serial, "_reconfigure_port", fail)
        with pytest.raises(PortError, match="does not take 2,000,000 baud: Failed to set custom"):
            device.set_baud(2_000_000)


def test_a_socket_has_no_rate_at_this_end() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        SerialTransport(f"socket://127.0.0.1:{server.getsockname()[1]}", BAUD) as device,
    ):
        with pytest.raises(PortError, match="the rate is that of the other end of a socket"):
            device.set_baud(230_400)
        assert device.baud == BAUD
