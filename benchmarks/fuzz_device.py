"""The device's frame and message parser under mutated requests, natively, under AddressSanitizer and UBSan.

Run by ``make fuzz-device CASES=100000``. The server of an exported project, with the text protocol, a model that has
decision points and a controller and one that has states, is compiled into ``native/fuzz_device.c``, which mutates rows
of requests and keeps those that reach new places of the server. It begins with the cases of ``corpus/device.bin``;
``--update`` writes those that reach all places that were found back to it. A failing case is kept as
``build/fuzz-device/cases/failed``.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dqt_edge.boards import load_board
from dqt_edge.device.messages import LOAD, RUN, SELECT, SET_BAUD, SETTING, RunPolicy, Type
from dqt_edge.graph import Graph
from dqt_edge.project.export import export_together
from dqt_edge.system.tools import find_tool, run
from tests.support.random_points import pointed_graph
from tests.support.random_streams import random_stream

NATIVE = Path(__file__).parent / "native"
CORPUS = Path(__file__).parent / "corpus" / "device.bin"
FOLDER = Path("build/fuzz-device")
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
FLAGS = ["-std=gnu11", "-g", "-O1", "-no-pie", "-fno-omit-frame-pointer"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
REPLACED = ("main", "dqt_server", "dqt_text")
"""Sources of the app that are compiled with a view into them, or not at all."""
COUNT_MAX = "COUNT_MAX 999999u"
"""Of the text protocol: a case may not take as long as that many inferences."""
BAUD_MAX = 4_000_000
"""Of the line: the host's has one rate, and the fuzzer's several."""
RAW = 0xF0
SHORT = struct.Struct("<H")
MEANT = 0x40
"""Bit of a RUN's type: it gets the CRC of what was loaded."""
CHUNK_MAX = 64
"""Bytes of a LOAD among the first cases."""


def models() -> list[Graph]:
    """What is served: a model that decides by points and a controller, and one that keeps states."""
    return [replace(pointed_graph(0, controller=True), name="points"), replace(random_stream(1), name="stream")]


def build(folder: Path, change: tuple[str, str] | None = None) -> Path:
    """Compile the fuzzer. Of what a folder holds already, only the server is compiled again.

    Args:
        folder: Where to.
        change: Text of ``dqt_server.c`` and what takes its place: a mistake that must be found.

    Returns:
        The program.
    """
    project = folder / "project"
    if not project.exists():
        board = load_board("host")
        board = replace(board, serial=replace(board.serial, max_baud=BAUD_MAX))
        export_together(models(), board, project, text="points")
    compiler = find_tool("cc", "gcc")
    app = folder / ("app" if change is None else "changed")
    app.mkdir(parents=True, exist_ok=True)
    text = (project / "app" / "dqt_server.c").read_text(encoding="utf-8")
    if change is not None:
        assert text.count(change[0]) == 1, change[0]
        text = text.replace(*change)
    (app / "dqt_server.c").write_text(text, encoding="utf-8")
    said = (project / "app" / "dqt_text.c").read_text(encoding="utf-8")
    assert said.count(COUNT_MAX) == 1
    (app / "dqt_text.c").write_text(said.replace(COUNT_MAX, "COUNT_MAX 9u"), encoding="utf-8")
    includes = [f"-I{path}" for path in (app, NATIVE, *(project / part for part in ("app", "dqt", "model", "kernels")))]
    parts = [path for path in sorted((project / "app").glob("*.c")) if path.stem not in REPLACED]
    library = [path for part in ("dqt", "model", "kernels") for path in sorted((project / part).glob("*.c"))]
    archive, driver, program = folder / "library.o", folder / "driver.o", app / "fuzz_device"
    if not archive.exists():
        run([compiler, *FLAGS, *SANITIZE, *includes, "-r", "-nostdlib", *map(str, library), "-o", str(archive)])
        run([compiler, *FLAGS, *WARNINGS, *SANITIZE, *includes, "-c", str(NATIVE / "fuzz_device.c"), "-o", str(driver)])
    views = (NATIVE / "fuzz_server.c", NATIVE / "fuzz_text.c")
    sources = [str(path) for path in (*views, *parts, driver, archive)]
    run([compiler, *FLAGS, *SANITIZE, "-fsanitize-coverage=trace-pc", *includes, *sources, "-o", str(program)])
    return program


def record(kind: int, payload: bytes = b"") -> bytes:
    """A message of a case."""
    return bytes([kind]) + SHORT.pack(len(payload)) + payload


def asked(policy: int, count: int, tail: bytes = b"", flags: int = 0) -> bytes:
    """A RUN that means what was loaded."""
    return record(Type.RUN | MEANT, RUN.pack(policy=policy, flags=flags, count=count, input_crc=0) + tail)


def loads(graph: Graph) -> bytes:
    """LOADs of a whole input."""
    size = sum(graph.tensor(name).size for name in graph.inputs)
    chunks = range(0, size, CHUNK_MAX)
    return b"".join(record(Type.LOAD, LOAD.pack(offset=i) + bytes(min(CHUNK_MAX, size - i))) for i in chunks)


def first_cases() -> list[bytes]:
    """A case of every message and policy."""
    points, stream = models()
    adaptive, candidates = len(points.adaptive), max(len(layer.candidates) for layer in points.adaptive)
    count = len(points.points)
    words = b"\xff\xff\xff\xff" * count + bytes(4 * count)
    setting = SETTING.pack(again=100, parts=0, reserved=0) + words
    simple = b"".join(record(kind) for kind in (Type.HELLO, Type.STATS, Type.FAULT, Type.HELLO))
    runs = [
        asked(RunPolicy.VECTOR, adaptive, bytes(adaptive), flags=3),
        asked(RunPolicy.CONTROLLER, 0),
        asked(RunPolicy.CONTROLLER, candidates, bytes(4 * candidates), flags=1),
        asked(RunPolicy.SETTING, count, setting, flags=3),
        asked(RunPolicy.COST, 1000),
        asked(RunPolicy.AGREEMENT, 0),
    ]
    other = record(Type.SELECT, SELECT.pack(model=1)) + loads(stream)
    widths = len(stream.adaptive)
    start = asked(RunPolicy.VECTOR, widths, bytes(widths), flags=4)
    size = points.tensor(points.inputs[0]).size
    hex_digits = "".join(f"db {'5A' * min(30, size - i)}%" for i in range(0, size, 30))
    text = f"name%help%profile%timestamp%db load {size}%{hex_digits}infer 2 1%results%infer%\r\nfoo%%"
    return [
        record(RAW, text.encode()),
        record(RAW, text.encode()) + simple + record(RAW, b"infer 1%\0name%infer 1%\xffx%\0") + simple,
        simple + record(Type.RESET),
        b"".join(record(Type.SET_BAUD, SET_BAUD.pack(baud=baud)) + simple for baud in (115_200, 2_000_000, 3_500_000))
        + record(RAW, bytes(64))
        + simple,
        *(loads(points) + each for each in runs),
        other + start + loads(stream) + start,
    ]


def read_corpus() -> list[bytes]:
    """The committed cases: each has its size before it."""
    content, found, at = CORPUS.read_bytes(), [], 0
    while at < len(content):
        (size,) = SHORT.unpack_from(content, at)
        found.append(content[at + 2 : at + 2 + size])
        at += 2 + size
    return found


def fuzz(
    program: Path, folder: Path, cases: int, seed: int, corpus: Sequence[bytes]
) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer over the corpus and mutations of it; new cases are written to ``folder``."""
    begin = folder / "begin"
    begin.mkdir(parents=True, exist_ok=True)
    for old in (*begin.iterdir(), *folder.glob("[0-9]*")):
        old.unlink()
    for i, content in enumerate(corpus):
        (begin / f"{i:04}").write_bytes(content)
    files = sorted(str(path) for path in begin.iterdir())
    command = [str(program), str(cases), str(seed), str(folder), *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Exit code: 1 if a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--update", action="store_true", help="write what reached new places to the corpus")
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    program = build(FOLDER)
    corpus = [*first_cases(), *(read_corpus() if CORPUS.exists() else ())]
    done = fuzz(program, FOLDER / "cases", options.cases, options.seed, corpus)
    print(done.stdout + done.stderr, end="")
    if done.returncode == 0 and options.update:
        kept = [path.read_bytes() for path in sorted((FOLDER / "cases").glob("[0-9]*"))]
        CORPUS.parent.mkdir(exist_ok=True)
        CORPUS.write_bytes(b"".join(SHORT.pack(len(content)) + content for content in kept))
        print(f"{len(kept)} cases, {CORPUS.stat().st_size:,} bytes: {CORPUS}")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
