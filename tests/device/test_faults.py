"""A device that faults restarts, and what it says of the fault afterwards is where the fault was."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client, Retries, Timeouts
from dqt_edge.device.messages import FAULT_FIRST, FAULT_OUTSIDE, FAULT_REPLY, Restart
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.device.replies import BadReply, parse_fault
from dqt_edge.errors import DeviceError, FaultError
from dqt_edge.system import elf
from tests.firmware import stand_in
from tests.support.waiting import LIMIT

RESTARTING = (str(Path(stand_in.__file__).parent / "restarting.c"), "-Wl,--wrap=dqt_port_fault")
SOON = Timeouts(run=0.2, silence=LIMIT)
ONCE = Retries(sample=2)


def flash_of(image: Path) -> Path:
    """What flash holds. QEMU clears what an ELF file has no content for at every restart; silicon does not."""
    target = image.with_suffix(".bin")
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", image, target], check=True)
    return target


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", [pytest.param("qemu-m0", marks=pytest.mark.slow), "qemu-m4"])
def test_a_fault_is_told_after_the_restart(built: Callable[..., Path], board_id: str) -> None:
    board, image = load_board(board_id), built(board_id, more=RESTARTING)
    good, bad = stand_in.make_input(random.Random(1)), stand_in.make_input(random.Random(1), 0)
    with Client(QemuTransport(board, flash_of(image)), SOON, ONCE) as client:
        assert (client.hello().restart, client.fault()) == (Restart.UNKNOWN, None)
        assert client.reset().restart == Restart.REQUEST
        assert client.fault() is None
        with pytest.raises(FaultError, match=r"HardFault at pc 0x0000.*behind layer 1") as caught:
            client.infer(bad, (0, 0))
        assert caught.value.exit_code == 6
        client.name_layers(["first", "second"])
        with pytest.raises(FaultError, match=r"behind layer 1 \('second'\)"):
            client.infer(bad, (0, 0))
        assert client.hello().restart == Restart.FAULT
        fault = client.fault()
        assert fault is not None
        assert fault.count >= 2, "each try of the sample"
        assert (fault.exception, fault.layer, fault.in_inference, fault.restarted) == (3, 1, True, True)
        assert fault.status == (0 if board.cpu.core == "cortex-m0" else 1 << 16)
        loop = next(value & ~1 for name, value, _ in elf.symbols(image) if name == "loop_kernel")
        assert loop <= fault.pc < loop + 64
        assert client.infer(good, (0, 0)).output == stand_in.expected(good, (0, 0)).output
        assert client.reset().restart == Restart.REQUEST
        after = client.fault()
        assert after is not None
        assert (after.count, after.pc, after.restarted) == (fault.count, fault.pc, False)


@pytest.mark.qemu
def test_a_stack_pointer_at_the_end_of_memory_is_told_too(built: Callable[..., Path]) -> None:
    """An address behind the frame's end wraps to a small one; what lies there is not read."""
    image = built("qemu-m4", more=RESTARTING)
    with Client(QemuTransport(load_board("qemu-m4"), flash_of(image)), SOON, ONCE) as client:
        with pytest.raises(FaultError, match=r"HardFault at pc 0x00000000.*behind layer 1"):
            client.infer(stand_in.make_input(random.Random(1), 0xFFFFFFFF), (0, 0))
        assert client.hello().restart == Restart.FAULT


WRITE_TO_FLASH, JUMP_INTO_RAM, FULL_STACK = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
FORBIDDEN = [(WRITE_TO_FLASH, 0x82), (JUMP_INTO_RAM, 0x01)]
"""What the second layer does, and CFSR of that: memory protection says why it may not."""
BELOW_RAM = [(FULL_STACK, 0x92)]
"""A write below RAM, and another one of the exception's frame."""
PAST_THE_LIMIT = [(FULL_STACK, 0x00100000)]


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", ["qemu-m3", pytest.param("qemu-m7", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("loops", "status"), FORBIDDEN + BELOW_RAM)
def test_flash_is_read_only_and_ram_holds_no_code(
    built: Callable[..., Path], board_id: str, loops: int, status: int
) -> None:
    """A wild write, a wild jump and a full stack fault where they are made, and the program lives on."""
    board, image = load_board(board_id), built(board_id, more=RESTARTING)
    with Client(QemuTransport(board, flash_of(image)), SOON, ONCE) as client:
        with pytest.raises(FaultError, match=r"HardFault at pc 0x.*behind layer 1"):
            client.infer(stand_in.make_input(random.Random(1), loops), (0, 0))
        fault = client.fault()
        assert fault is not None
        assert (fault.exception, fault.status, fault.layer) == (3, status, 1), hex(fault.status)
        good = stand_in.make_input(random.Random(2))
        assert client.infer(good, (0, 0)).output == stand_in.expected(good, (0, 0)).output


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", [pytest.param("qemu-m33", marks=pytest.mark.slow), "qemu-m55"])
@pytest.mark.parametrize(("loops", "status"), FORBIDDEN + PAST_THE_LIMIT)
def test_so_it_is_on_armv8(built: Callable[..., Path], board_id: str, loops: int, status: int) -> None:
    """Whose emulators load no image without clearing RAM: the port's own message ends them."""
    device = QemuTransport(load_board(board_id), built(board_id))
    with Client(device, SOON, ONCE) as client, pytest.raises(DeviceError) as caught:
        client.infer(stand_in.make_input(random.Random(1), loops), (0, 0))
    assert f"{status:08x}" in str(caught.value).lower()


def test_a_native_program_knows_of_none(built: Callable[..., Path]) -> None:
    with Client(NativeTransport(built("host"))) as client:
        assert (client.hello().restart, client.fault()) == (Restart.UNKNOWN, None)


@pytest.mark.parametrize(
    ("exception", "place", "words"),
    [
        (3, FAULT_OUTSIDE, "HardFault at pc 0x00000010, lr 0x00000020, CFSR 0x00000001, outside of an inference"),
        (6, FAULT_FIRST, "UsageFault at pc 0x00000010, .*, before its first layer had ended"),
        (40, 7, "exception 40 at pc 0x00000010, .*, in an inference, behind layer 7"),
    ],
)
def test_words_of_a_fault(exception: int, place: int, words: str) -> None:
    payload = FAULT_REPLY.pack(faults=1, pc=16, lr=32, status=1, exception=exception, restart=0, place=place)
    fault = parse_fault(payload)
    assert fault is not None
    assert re.fullmatch(words, fault.text)
    assert not fault.restarted
    named = fault.told([f"conv{i}" for i in range(8)])
    assert named == fault.text + (" ('conv7')" if fault.layer == 7 else "")
    assert fault.told(["a", "b"]) == fault.text, "a number that no name has is told alone"
    with pytest.raises(BadReply):
        parse_fault(payload[:-1])
