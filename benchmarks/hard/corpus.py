"""The cases that reach every place of the device's parser, on every emulated core: each says what this computer's says.

Run by ``python -m benchmarks.hard.corpus``. The server of ``benchmarks/fuzz_device.py``, with its two models, decision
points and the text protocol, is built for the host, where it has AddressSanitizer and UBSan, and for every core. Each
gets the cases of the committed corpus as one session; what they answer must be equal but for times, stack and the
board's name. Then come 256 KiB of random bytes, on the host 16 MiB, behind which the device must still say HELLO.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import fuzz_device
from dqt_edge.boards import Board, load_board
from dqt_edge.device.frame import Decoder, Frame, encode
from dqt_edge.device.messages import HELLO_REPLY, LOAD, NO_SEQUENCE, RESULT, RUN, SELECT, STATS_REPLY, Type, input_crc
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.process import ProcessTransport
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.errors import DeviceError
from dqt_edge.graph.checkpoint import model_hash
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together

from .told import finish, say

CORES = ("qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")
GARBAGE, HOST_GARBAGE = 1 << 18, 16 << 20
CHUNK = 1 << 14
DEADLINE = 900.0
"""Seconds without an answer after which a device counts as dead."""
AGAIN = 0xF1
"""Record of a case: the last frame once more; see ``native/fuzz_device.c``."""
OWN = re.compile(rb"(m-(?:timestamp|lap-us|name-dut)-)[^\r]+")
"""Lines of text that differ from device to device: times, and the board's name."""
_NOT_COMPARED = {"board": bytes(16), "restart": 0, "window": 0, "max_payload": 0, "features": 0}


@dataclass
class Sender:
    """What a session has sent, as far as a RUN has to know it."""

    inputs: Sequence[tuple[bytes, int]]
    """Of each model its hash, and the bytes of its inputs."""
    sequence: int = 1
    model: int = 0
    received: int = 0
    codes: bytearray = field(default_factory=lambda: bytearray(1 << 16))
    last: bytes = b""

    def frames(self, case: bytes) -> Iterator[bytes]:
        """The bytes of a case on the line, without a RESET, behind which bytes would be lost."""
        at = 0
        while len(case) - at >= 3:
            kind, (size,) = case[at], fuzz_device.SHORT.unpack_from(case, at + 1)
            payload = case[at + 3 : at + 3 + size]
            at += 3 + size
            if kind == fuzz_device.RAW:
                yield payload
            elif kind == AGAIN:
                yield self.last
            elif kind != Type.RESET:
                yield self.frame(kind, payload)

    def frame(self, kind: int, payload: bytes) -> bytes:
        """One message; a RUN that is meant gets the CRC of what was loaded."""
        digest, size = self.inputs[self.model]
        if kind == Type.RUN | fuzz_device.MEANT:
            crc = input_crc(digest, bytes(self.codes[:size])).to_bytes(4, "little")
            at = RUN.layout.size - len(crc)
            kind, payload = Type.RUN, payload[:at] + crc[: max(0, len(payload) - at)] + payload[at + len(crc) :]
        elif kind == Type.LOAD and len(payload) > LOAD.layout.size:
            (offset,) = LOAD.layout.unpack_from(payload)
            codes = payload[LOAD.layout.size :]
            if offset <= self.received and offset + len(codes) <= size:
                self.codes[offset : offset + len(codes)] = codes
                self.received = offset + len(codes) if offset == 0 else max(self.received, offset + len(codes))
        elif kind == Type.SELECT and len(payload) == SELECT.layout.size:
            (model,) = SELECT.layout.unpack(payload)
            if model < len(self.inputs):
                self.model, self.received = model, 0
        self.last = encode(kind, self.sequence, payload)
        self.sequence = (self.sequence + 1) % NO_SEQUENCE
        return self.last


def compared(frame: Frame) -> tuple[object, ...]:
    """Of an answer, what every device must say alike: no times, no stack, no board."""
    content: object = frame.payload
    if frame.type in (Type.HELLO_REPLY, Type.SELECT_REPLY):
        content = tuple((HELLO_REPLY.unpack(frame.payload) | _NOT_COMPARED).values())
    elif frame.type == Type.STATS_REPLY:
        content = tuple((STATS_REPLY.unpack(frame.payload) | {"stack_used": 0}).values())
    elif frame.type == Type.FAULT_REPLY:
        content = frame.payload[:4]  # how many there were
    elif frame.type == Type.RESULT:
        found = RESULT.unpack(frame.payload)
        said = RESULT.layout.size + int(found["adaptive"]) + int(found["output_size"])
        counts = 8 * int(found["layers"]) * (int(found["flags"]) & 1)
        content = (
            *(found | {"total": 0}).values(),
            frame.payload[RESULT.layout.size : said],
            frame.payload[said + counts :],
        )
    return frame.type, frame.sequence, content


def split(part: bytes) -> tuple[bytes, bytes]:
    """Text, without what is the device's own, and the frame behind it. A frame begins with 2, which is no text."""
    at = part.find(b"\x02")
    text, frame = (part, b"") if at < 0 else (part[:at], part[at:])
    return OWN.sub(rb"\1", text), frame


class Session:
    """A device, and what it has said."""

    def __init__(self, transport: ProcessTransport, sender: Sender) -> None:
        self.transport, self.sender = transport, sender
        self._rest = b""

    def ask(self, content: bytes) -> list[tuple[object, ...]]:
        """Send bytes and a HELLO behind them; everything that is said up to its answer.

        Raises:
            DeviceError: The device ended, or says nothing more.
        """
        sequence = self.sender.sequence
        hello = b"\0" + self.sender.frame(Type.HELLO, b"")
        self._write(content + hello)  # which takes what is said meanwhile
        return list(self._said(sequence))

    def _write(self, content: bytes) -> None:
        for start in range(0, len(content), CHUNK):
            self.transport.write(content[start : start + CHUNK])

    def _said(self, last: int) -> Iterator[tuple[object, ...]]:
        heard = time.monotonic()
        while True:
            found = self.transport.read(1 << 16, 1.0)
            if found:
                heard = time.monotonic()
            elif time.monotonic() - heard > DEADLINE:
                raise DeviceError("it says nothing more", where=self.transport.name, next_step="look at the case")
            *parts, self._rest = (self._rest + found).split(b"\0")
            for part in parts:
                text, block = split(part)
                if text:
                    yield "text", text
                for frame in Decoder().feed(block + b"\0"):
                    if not isinstance(frame, Frame):
                        yield "no frame", frame.reason
                        continue
                    yield compared(frame)
                    if (frame.type, frame.sequence) == (Type.HELLO_REPLY, last):
                        return


def make(board: Board, folder: Path) -> Path:
    """The server for a board, whose text protocol infers at most 9 times a command, as in the fuzzer."""
    export_together(fuzz_device.models(), board, folder, text="points")
    said = folder / "app" / "dqt_text.c"
    text = said.read_text(encoding="utf-8")
    assert text.count(fuzz_device.COUNT_MAX) == 1
    said.write_text(text.replace(fuzz_device.COUNT_MAX, "COUNT_MAX 9u"), encoding="utf-8")
    return build(folder, cross=not board.is_host, definitions=["DQT_SANITIZE=ON"] if board.is_host else []).elf


def sender() -> Sender:
    """Of a session that begins."""
    models = fuzz_device.models()
    return Sender([(model_hash(g), sum(g.tensor(name).size for name in g.inputs)) for g in models])


def answers(board: Board, image: Path, cases: Sequence[bytes], garbage: int) -> list[list[tuple[object, ...]]]:
    """What a device says to each case, and to random bytes behind them.

    Raises:
        DeviceError: It ended, or says nothing more.
    """
    noise = np.random.default_rng(1).integers(0, 256, garbage, dtype=np.uint8).tobytes()
    with NativeTransport(image) if board.is_host else QemuTransport(board, image) as transport:
        session = Session(transport, sender())
        session.ask(b"")
        found = [session.ask(b"".join(session.sender.frames(case))) for case in cases]
        return [*found, session.ask(noise), session.ask(b"")] if garbage else found


def first_difference(mine: Sequence[object], theirs: Sequence[object]) -> str:
    """Of two lists of answers."""
    for a, b in zip(mine, theirs, strict=False):
        if a != b:
            return f"{str(a)[:200]} on the host, {str(b)[:200]} there"
    return f"{len(mine)} answers on the host, {len(theirs)} there"


def compare_answers(
    board: Board, wanted: Sequence[list[tuple[object, ...]]], found: Sequence[list[tuple[object, ...]]]
) -> tuple[list[str], int]:
    """Findings of one core, and how many answers it gave."""
    pairs = [(i, *each) for i, each in enumerate(zip(wanted, found, strict=True))]
    findings = [
        f"{board.id}, case {i}: {first_difference(mine, theirs)}" for i, mine, theirs in pairs if mine != theirs
    ]
    return findings, sum(map(len, found))


def compare(
    board: Board, folder: Path, cases: Sequence[bytes], wanted: Sequence[list[tuple[object, ...]]], garbage: int
) -> tuple[list[str], int]:
    """The same, of a core that is asked."""
    try:
        return compare_answers(board, wanted, answers(board, make(board, folder), cases, garbage))
    except DeviceError as error:
        return [f"{board.id}: {error}"], 0


def main() -> None:
    """Compare every core with the host."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", nargs="+", default=CORES)
    parser.add_argument("--garbage", type=int, default=GARBAGE, help="random bytes behind the cases")
    options = parser.parse_args()
    cases = [*fuzz_device.first_cases(), *fuzz_device.read_corpus()]
    findings, count = list[str](), 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        host = load_board("host")
        image = make(host, Path(name) / "host")
        wanted = answers(host, image, cases, options.garbage)
        count += sum(map(len, answers(host, image, [], HOST_GARBAGE)))
        boards = [load_board(board) for board in options.boards]
        running = [pool.submit(compare, b, Path(name) / b.id, cases, wanted, options.garbage) for b in boards]
        for done in running:
            found, heard = done.result()
            findings += found
            count += heard
    say("tool", "the host's server is built with AddressSanitizer and UndefinedBehaviorSanitizer")
    cores = f"{len(cases)} cases and {options.garbage:,} random bytes on the host and {len(options.boards)} cores"
    more = f"{HOST_GARBAGE >> 20} MiB of random bytes on the host"
    finish(findings, f"{cores}, {more}: {count:,} answers, {len(findings)} findings")


if __name__ == "__main__":
    main()
