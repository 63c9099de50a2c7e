"""Share of a serial line's time that the bytes of an input take while it is sent.

``python -m benchmarks.line_use``. Client and firmware are the real ones, the firmware in QEMU. Between them is a model
of a line: its clock is a number, each byte takes ten bits in each direction, a USB bridge holds answers for
``--latency``, and the device computes ``--byte-us`` for each byte before it answers. The figures are those of that
model, the same on every computer; docs/protocol.md has them.

``--inferences N`` gives instead the seconds of the line that N inferences take, with counts by layer and without the
time that the device computes; docs/profiling.md has those of digits.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import deque
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import dqt_edge as dqt
from dqt_edge.device.client import Client
from dqt_edge.device.connect import open_device
from dqt_edge.device.frame import DELIMITER
from dqt_edge.device.transport import Transport
from tests.support.digits import DIGITS

RESULTS = Path("docs/results")
BITS = 10
"""A byte with its start and stop bit."""
ANSWER_SECONDS = 120.0
"""How long this computer may take to answer a frame; the line's clock stands still meanwhile."""


class ModelLine:
    """A transport whose time is a model: what is written arrives by the baud rate, answers likewise and later.

    Args:
        device: The real one.
        baud: Bits a second.
        latency: Seconds that an answer waits in the USB bridge.
        byte_seconds: What the device computes for each byte it got, before it answers.
    """

    counts = True

    def __init__(self, device: Transport, baud: int, latency: float, byte_seconds: float) -> None:
        self.name, self._device, self._byte, self._latency = device.name, device, BITS / baud, latency
        self._computing = byte_seconds
        self._now = self._sent = self._answered = 0.0
        self._came: deque[tuple[float, bytes]] = deque()

    def clock(self) -> float:
        """Seconds of the line."""
        return self._now

    def write(self, content: bytes) -> None:
        """Send; the host goes on at once, as an operating system's buffer lets it."""
        self._device.write(content)
        for frame in content.split(DELIMITER):
            if not frame:
                continue
            self._sent = max(self._sent, self._now) + (len(frame) + 1) * self._byte
            answer = b""
            while answer.count(DELIMITER) == 0 or not answer.strip(DELIMITER):
                answer += self._device.read(65536, ANSWER_SECONDS)
            ready = max(self._sent + len(frame) * self._computing, self._answered)
            self._answered = ready + len(answer) * self._byte
            self._came.append((self._answered + self._latency, answer))

    def read(self, limit: int, timeout: float) -> bytes:
        """What has come, or comes within the time."""
        if not self._came or self._came[0][0] > self._now + timeout:
            self._now += timeout
            return b""
        when, answer = self._came.popleft()
        self._now = max(self._now, when)
        if len(answer) > limit:
            self._came.appendleft((when, answer[limit:]))
        return answer[:limit]

    def reset_input(self) -> None:
        """Forget what came."""
        self._came.clear()

    def close(self) -> None:
        """End the device."""
        self._device.close()


def use(device: Transport, baud: int, latency: float = 0.0, byte_seconds: float = 0.0, count: int = 4) -> float:
    """Share of the line's time, 0..1, that the bytes of inputs take while they are sent.

    One more is sent before the others, from which the client learns how long an answer takes.
    """
    line = ModelLine(device, baud, latency, byte_seconds)
    client = Client(line)
    size = client.hello().input_size
    begun = 0.0
    for i, sample in enumerate(np.random.default_rng(1).integers(0, 256, (count + 1, size)).astype(np.uint8)):
        if i == 1:
            begun = line.clock()
        client.load(sample.tobytes())
    return count * size * BITS / baud / (line.clock() - begun)


def seconds(device: Transport, baud: int, latency: float, count: int) -> float:
    """Time of the line for so many inferences of random inputs, HELLO aside."""
    line = ModelLine(device, baud, latency, 0.0)
    client = Client(line)
    size = client.hello().input_size
    begun = line.clock()
    for sample in np.random.default_rng(1).integers(0, 256, (count, size)).astype(np.uint8):
        client.infer(sample.tobytes(), counts=True)
    return line.clock() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", default=[DIGITS, RESULTS / "resnet8.safetensors"])
    parser.add_argument("--board", default="qemu-m4")
    parser.add_argument("--baud", type=int, nargs="+", default=[115_200, 921_600, 2_000_000])
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 1], metavar="MS")
    parser.add_argument("--byte-us", type=float, default=0.1, help="48 cycles at 480 MHz (default: 0.1)")
    parser.add_argument("--inferences", type=int, default=0, metavar="N", help="seconds of N inferences instead")
    options = parser.parse_args()
    heads = [f"{baud:,} baud, {latency:g} ms" for baud in options.baud for latency in options.latency]
    title = f"share of the line, %, {options.board}, {options.byte_us:g} us a byte"
    if options.inferences:
        title = f"seconds of the line, {options.inferences:,} inferences"
    table = Table("input", *heads, title=title)
    for path in options.models:
        graph = dqt.load(path)
        with tempfile.TemporaryDirectory() as folder:
            project = dqt.export(graph, options.board, Path(folder) / "p")
            dqt.build(project)
            row = []
            for baud in options.baud:
                for latency in options.latency:
                    with closing(open_device(project.board, project.folder)) as device:
                        if options.inferences:
                            row.append(f"{seconds(device, baud, latency / 1e3, options.inferences):.2f}")
                        else:
                            row.append(f"{100 * use(device, baud, latency / 1e3, options.byte_us / 1e6):.1f}")
        size = sum(graph.tensor(name).size for name in graph.inputs)
        table.add_row(f"{graph.name}, {size:,} bytes", *row)
    Console().print(table)


if __name__ == "__main__":
    main()
