"""The native suite under sanitizers, in 32 bits and on a big-endian core: every answer is the interpreter's.

Run by ``python -m benchmarks.hard.sanitizers``. The same sources and cases are compiled once a way and level; a report
of a sanitizer, a difference or a crash is a finding. Clang's integer sanitizer also reports what C allows: unsigned
numbers that wrap. Those that are meant are listed below, by the text of their line, with the reason.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .suite import INCLUDES, Suite, make_suite
from .told import finish, have, say

FLAGS = ("-std=c11", "-g", "-fno-strict-aliasing", "-fno-omit-frame-pointer")
LEVELS = ("-O0", "-O3")
STRICT = "-fno-sanitize-recover=all"
REPORT = re.compile(r"([\w/.]+\.[ch]):(\d+):\d+: runtime error: (.*)")


@dataclass(frozen=True)
class Way:
    """How the suite is compiled and run."""

    name: str
    compiler: str
    package: str
    flags: tuple[str, ...]
    runner: tuple[str, ...] = ()
    tolerant: bool = False
    """Reports do not end the program: those that are exempt are sorted out."""


WAYS = (
    Way("gcc, ASan and UBSan", "gcc", "gcc", ("-fsanitize=address,undefined", STRICT)),
    Way("clang, ASan and UBSan", "clang", "clang, libclang-rt-14-dev", ("-fsanitize=address,undefined", STRICT)),
    Way("clang, MSan", "clang", "clang, libclang-rt-14-dev", ("-fsanitize=memory", STRICT)),
    Way(
        "clang, integer",
        "clang",
        "clang, libclang-rt-14-dev",
        ("-fsanitize=integer,implicit-conversion,nullability",),
        tolerant=True,
    ),
    Way("32 bits, ASan and UBSan", "gcc-12", "gcc-12-multilib", ("-m32", "-fsanitize=address,undefined", STRICT)),
    Way("big-endian (s390x)", "s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu", ("-static",), ("qemu-s390x",)),
)


@dataclass(frozen=True)
class Meant:
    """An unsigned number that wraps on purpose: in a file, where the line has this text."""

    file: str
    text: str
    reason: str


MEANT = (
    Meant("kernels/*", "- w->pad_top", "a row above the top becomes a large one, which the next comparison leaves out"),
    Meant("kernels/*", "- w->pad_left", "a column left of the border, likewise"),
    Meant("kernels/*", "- spread->pad_top", "a row above the top, of a dilated window"),
    Meant("kernels/*", "- spread->pad_left", "a column left of the border, of a dilated window"),
    Meant("kernels/dqt_rearrange.c", "order->stride[loop]", "a place modulo 2^32, whose steps may be negative"),
    Meant("dqt/dqt_arith.h", "(int32_t)((uint32_t)value << shift)", "the left shift of a negative number"),
    Meant("dqt/dqt_product.h", "(uint32_t)twice * (uint32_t)multiplier", "the low word of a product of 64 bits"),
    Meant("dqt/dqt_product.h", "bottom + (1u << (shift - 1u))", "a sum whose carry the next line takes"),
    Meant("dqt/dqt_quantize.c", "(uint32_t)a * (uint32_t)b", "the low word of a product of 64 bits"),
    Meant("dqt/dqt_quantize.c", "low + (1u << (shift - 1u))", "a sum whose carry the next line takes"),
    Meant("dqt/dqt_quantize.c", "(uint32_t)high << (32u - shift)", "the low bits of a negative number's high word"),
    Meant("kernels/dqt_skippable_mac.c", "place-- > 0u", "a count down to 0, which is not read behind the loop"),
    Meant("dqt/dqt_dial.c", "dividend <<= 1", "bits of the dividend leave it at the top, into the rest"),
    Meant("dqt/dqt_dial.c", "(uint32_t)(rising ? right : left) - low", "the distance of two signed numbers"),
    Meant("dqt/dqt_dial.c", "(int32_t)(low + whole + part)", "from a negative number up by a distance"),
    Meant("dqt/dqt_points.c", "(uint32_t)most - (uint32_t)second", "the distance of two signed numbers"),
)


def compile_suite(way: Way, level: str, suite: Suite, folder: Path) -> Path:
    """The program of the suite that lies in ``folder``; raises CalledProcessError if it cannot be compiled."""
    program = folder / re.sub(r"\W+", "-", f"{way.name}{level}")
    includes = [f"-I{name}" for name in INCLUDES]
    sources = [str(path.relative_to(folder)) for path in suite.sources(folder)]
    command = [way.compiler, *FLAGS, level, *way.flags, *includes, *sources, "-o", str(program)]
    subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return program


def try_way(suite: Suite, folder: Path, job: tuple[Way, str]) -> tuple[int, list[str], set[Meant]]:
    """Cases that were asked, findings, and exemptions that were needed."""
    way, level = job
    where = f"{way.name}, {level}"
    try:
        program = compile_suite(way, level, suite, folder)
    except subprocess.CalledProcessError as error:
        return 0, [f"{where}: does not compile: {error.stderr.strip()[-300:]}"], set()
    command = [*way.runner, str(program), str(folder / "cases.bin")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    match = re.search(r"(\d+) cases, (\d+) differ, (\d+) left out", done.stdout)
    if done.returncode != 0 or match is None or int(match[2]):
        return 0, [f"{where}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[:600]}"], set()
    used, findings = _sorted_out(done.stderr, folder)
    return int(match[1]), [f"{where}: {finding}" for finding in findings], used


def _sorted_out(output: str, folder: Path) -> tuple[set[Meant], list[str]]:
    """Exemptions that reports fall under, and those that fall under none."""
    used, findings = set[Meant](), list[str]()
    for file, line, text in set(REPORT.findall(output)):
        path = folder / file
        source = path.read_text(encoding="utf-8").splitlines()[int(line) - 1] if path.exists() else ""
        found = [m for m in MEANT if Path(file).match(m.file) and m.text in source]
        used.update(found)
        if not found:
            findings.append(f"{file}:{line}: {text}: {source.strip()}")
    return used, findings


def available(ways: Sequence[Way]) -> list[Way]:
    """Ways whose programs are installed; of the others it says what is left out."""
    found = []
    for way in ways:
        tools = [(way.compiler, way.package), *((program, "qemu-user") for program in way.runner)]
        lacking = [tool for tool, package in tools if not have(tool, package, way.name)]
        if not lacking:
            found.append(way)
    return found


def main() -> None:
    """Run every way at every level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=12, help="random networks of layers with weights")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    suite = make_suite(options.networks)
    jobs = [(way, level) for way in available(WAYS) for level in LEVELS]
    total, findings, used = 0, list[str](), set[Meant]()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        suite.write(Path(name))
        for job, (asked, found, exempt) in zip(jobs, pool.map(partial(try_way, suite, Path(name)), jobs), strict=True):
            print(f"{job[0].name}, {job[1]}: {asked:,} cases, {len(found)} findings", file=sys.stderr, flush=True)
            total, findings, used = total + asked, findings + found, used | exempt
    for meant in sorted(used, key=lambda m: (m.file, m.text)):
        say("exempt", f"`{meant.text}` in {meant.file}: {meant.reason}")
    finish(findings, f"{total:,} answers of {suite.models} models, {len(jobs)} ways, {len(findings)} findings")


if __name__ == "__main__":
    main()
