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
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import dqt_edge as dqt
from dqt_edge.device.client import Client
from dqt_edge.device.connect import open_device
from dqt_edge.device.transport import Transport
from tests.support.digits import DIGITS
from tests.support.model_line import BITS, ModelLine

RESULTS = Path("docs/results")


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
    share: float = count * size * BITS / baud / (line.clock() - begun)
    return share


def seconds(device: Transport, baud: int, latency: float, count: int) -> float:
    """Time of the line for so many inferences of random inputs, HELLO aside."""
    line = ModelLine(device, baud, latency, 0.0)
    client = Client(line)
    size = client.hello().input_size
    begun = line.clock()
    for sample in np.random.default_rng(1).integers(0, 256, (count, size)).astype(np.uint8):
        client.infer(sample.tobytes(), counts=True)
    taken: float = line.clock() - begun
    return taken


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
