"""frama-c's value analysis: no run-time error in the functions that touch what comes from outside, for every argument.

Run by ``python -m benchmarks.hard.proofs``. ``proofs.c`` calls each function with everything that its contract allows,
which stands in the source before the function (``/*@ requires ... */``, ACSL); frama-c follows all values at once, so
what it raises no alarm for cannot happen, and shows that each contract holds wherever the function is called. Pointers
have 32 bits, as on a device. Sizes of arrays are small ones; requantisation, views and decoding are for every value.
"""

from __future__ import annotations

import re
import resource
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dqt_edge.boards import load_board
from dqt_edge.project.render import kernel_files
from dqt_edge.system.resources import data_folder

from .told import finish, have, say

HERE = Path(__file__).parent
SOURCES = ("dqt/dqt_crc32.c", "dqt/dqt_dial.c", "dqt/dqt_quantize.c", "dqt/dqt_run.c", "app/dqt_frame.c")
PARTS: dict[str, tuple[str, ...]] = {
    "requantise": (),
    "quantise": (),
    "views": (),
    "decoding": (),
    "dial": (),
    "checksum": (),
    "copies": ("-eva-slevel", "5000", "-eva-auto-loop-unroll", "100"),
    "choosing": ("-eva-slevel", "200", "-eva-auto-loop-unroll", "10"),
    "decoder": ("-eva-slevel", "50", "-eva-widening-delay", "100"),
}
"""Functions of ``proofs.c``, ``prove_`` left out, and how closely frama-c looks at each."""
MEMORY = 6 << 30
SECONDS = 600
"""Of processor time, for each."""


def analyse(part: str, folder: Path) -> str:
    """What frama-c says of a part; ``folder`` has the kernels' headers."""
    firmware = data_folder("firmware")
    includes = f"-I{firmware / 'dqt'} -I{firmware / 'app'} -I{folder} -include {HERE / 'proofs.h'}"
    command = ["frama-c", "-eva", "-eva-precision", "1", *PARTS[part], "-c11", "-main", f"prove_{part}"]
    command += ["-machdep", "gcc_x86_32", f"-cpp-extra-args={includes}", str(HERE / "proofs.c")]
    command += [str(firmware / source) for source in SOURCES]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, preexec_fn=limit)
    return done.stdout + done.stderr


def read(part: str, output: str) -> tuple[int, int, list[str]]:
    """Statements that were reached, preconditions that hold, and the findings of a report."""
    alarms = re.search(r"(\d+) alarms? generated", output)
    reached = re.search(r"(\d+) statements reached \(out of (\d+)\)", output)
    if alarms is None or reached is None:
        return 0, 0, [f"{part}: frama-c ended early: {output.strip()[-400:]}"]
    findings = [" ".join(found.split()) for found in re.findall(r"^\[eva:alarm\] (.*\n  .*)$", output, re.MULTILINE)]
    if int(alarms[1]) and not findings:
        findings = [f"{alarms[1]} alarms"]
    unknown = re.findall(r"^ +(?:Assertions|Preconditions) .*?([1-9]\d*) (unknown|invalid)", output, re.MULTILINE)
    findings += [f"{count} properties are {kind}" for count, kind in unknown if not findings]
    held = re.search(r"^ +Preconditions +(\d+) valid", output, re.MULTILINE)
    if held is None and not findings:
        findings = ["no function has a contract"]
    return int(reached[1]), int(held[1]) if held else 0, [f"{part}: {finding}" for finding in findings]


def main() -> None:
    """Analyse every part."""
    if not have("frama-c", "frama-c-base", "proofs"):
        say("figure", "not run")
        return
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool:
        for path, text in kernel_files(["conv2d", "pad"], load_board("host").cpu).items():
            (Path(name) / Path(path).name).write_text(text, encoding="utf-8")
        reports = pool.map(lambda part: analyse(part, Path(name)), PARTS)
        results = [read(part, report) for part, report in zip(PARTS, reports, strict=True)]
    findings = [finding for *_, found in results for finding in found]
    statements, held = sum(count for count, *_ in results), sum(count for _, count, _ in results)
    say(
        "left out",
        "the encoder of frames and whole kernels: places there follow from several variables together, which "
        "this analysis does not relate; sanitizers and fuzzers try them",
    )
    finish(findings, f"{', '.join(PARTS)}: {statements} statements, {held} preconditions, {len(findings)} alarms")


if __name__ == "__main__":
    main()
