"""The measurement behind upper bounds: which choice of kernels grows most, and clang with gcc behind it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.code_margins import compiler_script, largest_ratios
from dqt_edge.project.code_parts import Part


def image(**code: tuple[int, int]) -> Part:
    """An image whose kernels have these sizes and stacks."""
    kernels = {f"kernels/{name}:.text": (size, stack, []) for name, (size, stack) in code.items()}
    fixed = {"start:.text": (100, 8, ["run:.text"]), "run:.text": (100, 16, []), "start:.vectors": (64, 0, [])}
    fixed["hook:.text"] = (0, 0, [])
    sections = {
        name: {"size": size, "stack": stack, "kind": "code", "refs": refs}
        for name, (size, stack, refs) in (fixed | kernels).items()
    }
    symbols = {f"dqt_{name}": f"kernels/{name}:.text" for name in code}
    return Part(
        sections,
        symbols | {"dqt_reset_handler": "start:.text", "dqt_run": "run:.text", "dqt_measure_layer": "hook:.text"},
    )


def test_the_choice_of_kernels_with_the_largest_ratio_counts() -> None:
    base = image(a=(100, 40), b=(100, 40), c=(1000, 100))
    other = image(a=(300, 40), b=(200, 104), c=(1000, 100))
    code, stack = largest_ratios(base, other, ("a", "b", "c"))
    assert code == (264 + 300 + 200) / (264 + 200), "both that grew, without the one that did not"
    assert stack == (24 + 104) / (24 + 40)
    assert largest_ratios(base, base, ("a", "b", "c")) == (1, 1)


@pytest.mark.cross
def test_what_clang_cannot_compile_is_left_to_gcc(tmp_path: Path) -> None:
    (tmp_path / "unit.c").write_text("int answer(void) { return 42; }\n")
    script = compiler_script(tmp_path, "no-such-clang")
    command = [str(script), "-c", str(tmp_path / "unit.c"), "-o", str(tmp_path / "unit.o")]
    subprocess.run(command, check=True)
    assert (tmp_path / "unit.o").read_bytes().startswith(b"\x7fELF")
