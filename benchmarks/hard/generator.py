"""What the generator writes: the same bytes everywhere, C that compiles whatever names are given, literals as meant.

Run by ``python -m benchmarks.hard.generator``. Exports under 20 hash seeds, two folders, two locales, two time zones
and every Python that is there must be one; names of strangers are refused in words, or compile as C11 and C++17 and are
told apart; every literal that is parsed back is the value that it stands for; cppcheck and clang-tidy find nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track

from dqt_edge.boards import load_board
from dqt_edge.errors import DqtError
from dqt_edge.graph import Controller, Graph
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.export import export
from dqt_edge.project.render import ModelNames, model_files
from tests.support.digits import digits_graph
from tests.support.random_graphs import random_graph
from tests.support.random_streams import random_stream

from .hostile import hostile_names
from .told import finish, have, say
from .tree import ROOT

SEEDS = 20
EXPORT = """
import hashlib, sys
from pathlib import Path
from dqt_edge.boards import load_board
from dqt_edge.project.export import export_together
from tests.support.digits import digits_graph
from tests.support.random_points import pointed_graph
from tests.support.random_streams import random_stream
folder = Path(sys.argv[1])
models = [digits_graph(), pointed_graph(0, controller=True), random_stream(3)]
digest = hashlib.sha256()
for board in ("host", "qemu-m4", "qemu-m55"):
    export_together(models, load_board(board), folder / board)
    for path in sorted((folder / board).rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\\0" + path.read_bytes() + b"\\0")
print(digest.hexdigest())
"""
VERSIONS = ("python3.10", "python3.11", "python3.12", "python3.13")
"""What pyproject.toml promises."""
NEEDED = """
import sys, click, jinja2, numpy, safetensors, elftools, tests.support.digits
print("Python", sys.version.split()[0])
"""
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wundef", "-Werror")
SUPPRESSED = {
    "shiftTooManyBitsSigned": "a right shift of a negative number, which gcc and clang define as arithmetic; "
    "the arithmetic's page asks for it",
}
"""What cppcheck says that is meant."""
NUMBER = re.compile(r"\(-2147483647 - 1\)|-?(?:0x[0-9a-f]+|\d+)u?")


# --- The same bytes -------------------------------------------------------------------------------------------


def pythons(given: Sequence[Path]) -> list[str]:
    """This Python, and those of other versions that are found or given and have the package's requirements."""
    found, lacking = [sys.executable], []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in (*(version for version in VERSIONS if version != _own()), *map(str, given)):
        path = shutil.which(name)
        command = [path or "", "-c", NEEDED]
        if path is None or subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
            lacking.append(Path(name).name)
            continue
        found.append(path)
        say("tool", subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    if lacking:
        say("left out", f"exports by {', '.join(lacking)}: not there with what the package requires")
    return found


def _own() -> str:
    return f"python3.{sys.version_info.minor}"


def digests(count: int, interpreters: Sequence[str]) -> list[str]:
    """One of the export under each hash seed; interpreters, folders, locales and time zones take turns."""

    def one(seed: int) -> str:
        with tempfile.TemporaryDirectory(prefix=("a" if seed % 2 else "a longer name ")) as folder:
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONHASHSEED": str(seed),
                "LC_ALL": ("C", "C.UTF-8")[seed // 2 % 2],
                "TZ": ("UTC", "Asia/Kolkata")[seed // 4 % 2],
            }
            command = [interpreters[seed % len(interpreters)], "-c", EXPORT, folder]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            return done.stdout.strip() or done.stderr[-200:]

    with ThreadPoolExecutor(2) as pool:
        return list(track(pool.map(one, range(count)), "hash seeds", total=count, transient=True))


# --- Names ----------------------------------------------------------------------------------------------------


def renamed(graph: Graph, model: str, layers: Sequence[str], classes: Sequence[str]) -> Graph:
    """The graph with other names of itself, of its layers, and of its classes."""
    known = [layer.name for layer in graph.all_layers]
    new = dict(zip(known, layers, strict=False))

    def name(old: str) -> str:
        return new.get(old, old)

    changed = tuple(replace(layer, name=name(layer.name)) for layer in graph.layers)
    controller = graph.controller
    if controller is not None:
        own = tuple(replace(layer, name=name(layer.name)) for layer in controller.layers)
        controller = Controller(name(controller.after), own, tuple(map(name, controller.decides)), controller.dial)
    return replace(graph, name=model, layers=changed, controller=controller, classes=tuple(classes))


def compiled(graph: Graph, folder: Path) -> str | None:
    """What is wrong with an export of the graph, or None: C11, C++17, and names as a program reads them."""
    project = export(graph, load_board("host"), folder / "p").project
    outside = [path for path in folder.rglob("*") if folder / "p" not in (path, *path.parents)]
    if outside:
        return f"it wrote {outside} beside the project"
    model = project.model()
    upper = model.symbol.upper()
    source = project.folder / "names.c"
    source.write_text(
        f'#include <stdio.h>\n#include "dqt_{model.symbol}.h"\nint main(void) {{\n'
        f"static const char *const names[] = {upper}_CLASS_NAMES;\n"
        f"static const char *const layers[] = {upper}_LAYER_NAMES;\n"
        f"for (unsigned i = 0; i < {upper}_CLASSES; i++) {{ fputs(names[i], stdout); putchar(0); }}\n"
        f"for (unsigned i = 0; i < {upper}_LAYERS; i++) {{ fputs(layers[i], stdout); putchar(0); }}\n"
        f"return dqt_quantize(&{model.symbol}_input_scale, 0) + (int)dqt_arena_size(&{model.symbol}) < 0; }}\n",
        encoding="utf-8",
    )
    includes = [f"-I{project.folder / part}" for part in ("dqt", "model", "kernels")]
    own = project.folder / "model" / f"dqt_{model.symbol}.c"
    program, table = folder / "names", folder / "table.o"
    needed = [str(project.folder / "dqt" / f"dqt_{name}.c") for name in ("quantize", "sizes")]
    # The functions of layers are not linked: nothing calls them.
    linking = ["-Wl,--unresolved-symbols=ignore-all", *needed, str(table)]
    for command in (
        ["cc", "-std=c11", *WARNINGS, *includes, "-c", str(own), "-o", str(table)],
        ["c++", "-std=c++17", *WARNINGS, *includes, "-fsyntax-only", "-x", "c++", str(source)],
        ["cc", "-std=c11", *WARNINGS, *includes, str(source), *linking, "-o", str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{command[0]}: {done.stderr.strip()[:300]}"
    said = subprocess.run([str(program)], capture_output=True, check=False).stdout.split(b"\0")[:-1]
    plan = make_plan(graph, load_board("host"))
    want = [*graph.classes, *(layer.name for layer in plan.network)]
    return None if [text.decode() for text in said] == want else f"a program reads {said}, not {want}"


def try_names(count: int) -> tuple[int, int, list[str]]:
    """Names that compiled, names that were refused, and findings."""
    graph = digits_graph()
    layers, classes = len(graph.all_layers), len(graph.classes)
    names = hostile_names(count)
    good = [name for name in names if _is_allowed(graph, name)]
    findings, used = list[str](), 0

    def one(job: tuple[str, list[str], list[str]]) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return compiled(renamed(graph, *job), Path(folder))
            except DqtError as error:
                return f"refused: {error}"

    texts, jobs, at = list(names), [], 0
    while texts:
        part, texts = texts[:classes], texts[classes:]
        own = [good[(at + i) % len(good)] for i in range(layers + 1)]
        at += layers + 1
        jobs.append((own[0], own[1:], part + [f"other {i}" for i in range(classes - len(part))]))
    with ThreadPoolExecutor(2) as pool:
        for job, wrong in zip(jobs, track(pool.map(one, jobs), "names", total=len(jobs), transient=True), strict=False):
            used += len(job[2])
            if wrong is not None:
                findings.append(f"names {job}: {wrong}")
    return used, len(names) - len(good), findings


def _is_allowed(graph: Graph, name: str) -> bool:
    """Whether a model may have the name; anything but a typed error is no answer."""
    try:
        replace(graph, name=name)
    except DqtError:
        return False
    return True


# --- Literals -------------------------------------------------------------------------------------------------


def arrays(text: str) -> Iterator[tuple[str, list[int]]]:
    """Names and numbers of the initialisers of arrays in a C source."""
    for name, body in re.findall(r"\.(\w+) = \{\n([^{}]*)\}", text):
        yield name, [_number(token) for token in NUMBER.findall(body)]


def _number(token: str) -> int:
    return -(2**31) if token.startswith("(") else int(token.removesuffix("u"), 0)


def try_literals(graphs: Sequence[Graph]) -> tuple[int, list[str]]:
    """Literals that were read back, and those that are not what they stand for."""
    count, findings = 0, list[str]()
    for graph in graphs:
        plan = make_plan(graph, load_board("host"))
        files = model_files(plan, ModelNames.of(plan))
        found = dict(pair for name, text in files.items() if name.endswith(".c") for pair in arrays(text))
        for constant in plan.constants:
            count += constant.values.size
            if found.get(constant.name) != constant.values.astype(np.int64).tolist():
                findings.append(f"{graph.name}: {constant.name} is not what it was made from")
    return count, findings


# --- Other people's eyes --------------------------------------------------------------------------------------


def try_cppcheck() -> list[str]:
    """What cppcheck finds in a project with every sort of layer."""
    if not have("cppcheck", "cppcheck", "cppcheck"):
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = export(random_stream(7, inputs=3), load_board("host"), Path(name) / "p").project.folder
        parts = ("dqt", "kernels", "model", "app", "port")
        command = ["cppcheck", "--enable=warning,performance,portability", "--std=c11", "--quiet", "--inconclusive"]
        command += ["--suppress=missingIncludeSystem", *(f"--suppress={name}" for name in SUPPRESSED)]
        command += [f"-I{part}" for part in parts]
        done = subprocess.run([*command, "--error-exitcode=1", *parts], cwd=folder, capture_output=True, check=False)
    for name, reason in SUPPRESSED.items():
        say("exempt", f"cppcheck's `{name}`: {reason}")
    return [f"cppcheck: {done.stderr.decode()[:600]}"] if done.returncode else []


def try_clang_tidy() -> list[str]:
    """What clang-tidy finds in rendered projects of every family of kernels."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/project/test_rendered_style.py", "-k", "clang_tidy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [f"clang-tidy: {done.stdout[-600:]}"] if done.returncode else []


def main() -> None:
    """Try all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--python", type=Path, nargs="+", default=[], help="interpreters of other versions")
    options = parser.parse_args()
    assert have("cc", "gcc", "names")
    interpreters = pythons(options.python)
    found = digests(options.seeds, interpreters)
    findings = [] if len(set(found)) == 1 else [f"exports differ: {sorted(set(found))}"]
    read, wrong = try_literals([digits_graph(), *(random_graph(seed, every=seed % 2 == 1) for seed in range(40))])
    findings += wrong
    used, refused, wrong = try_names(options.names)
    findings += wrong
    findings += try_cppcheck() + try_clang_tidy()
    figure = f"{len(found)} exports by {len(interpreters)} Python, {len(set(found))} SHA-256; "
    figure += f"{read:,} literals read back; "
    figure += (
        f"{used:,} names compiled as C11 and C++17, {refused:,} of them refused for models; cppcheck and clang-tidy"
    )
    finish(findings[:20], f"{figure}; {len(findings)} findings")


if __name__ == "__main__":
    main()
