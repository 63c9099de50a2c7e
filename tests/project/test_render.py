"""What comes out of the templates: reproducible, without floats, paths or undefined names; warnings are errors."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import jinja2
import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.lowering.plan import Constant, c_name
from dqt_edge.project.export import export
from dqt_edge.project.filters import c_address, c_integer, c_length, c_list, c_text, c_values
from dqt_edge.project.render import c_environment
from tests.support.core_boards import CORE_BOARDS

FLOAT = re.compile(r"(?<![\w.])(\d+\.\d*|\.\d+|\d+[eE][+-]?\d+)[fF]?(?![\w.])|\b(float|double)\b")


def code_only(text: str) -> str:
    """C without comments and string literals."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\])*"', " ", text, flags=re.DOTALL)


def exported(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("board_id", CORE_BOARDS)
def test_same_model_same_bytes_and_no_machine_in_them(graph, board_id: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(graph, load_board(board_id), tmp_path / name)
    first, second = exported(tmp_path / "a"), exported(tmp_path / "b")
    assert first == second
    for name, content in first.items():
        assert str(tmp_path).encode() not in content, name
        assert not re.search(rb"20\d\d-\d\d-\d\d", content), name


@pytest.mark.parametrize("board_id", CORE_BOARDS)
def test_no_float_in_the_c_sources(graph, board_id: str, tmp_path: Path) -> None:
    export(graph, load_board(board_id), tmp_path / "p")
    for path in sorted((tmp_path / "p").rglob("*.[ch]")):
        assert not FLOAT.search(code_only(path.read_text())), path.name


def test_float_pattern_finds_floats() -> None:
    for text in ("x = 1.5f;", "y = 2e3;", "float x;", "z = .5;"):
        assert FLOAT.search(code_only(text))
    assert not FLOAT.search(code_only('x = 0x1e5u; /* 1.5 */ "2.5"; a.b = v1.c;'))


@pytest.mark.cross
@pytest.mark.parametrize("board_id", [b for b in CORE_BOARDS if b != "host"])
def test_generated_c_compiles_for_each_core_without_a_warning(graph, board_id: str, tmp_path: Path) -> None:
    made, _, _ = export(graph, load_board(board_id), tmp_path / "p")
    sources = [str(p) for folder in ("model", "kernels") for p in sorted((made.folder / folder).glob("*.[cS]"))]
    flags = [
        "-std=c11",
        "-O3",
        "-ffreestanding",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wshadow",
        "-Wpedantic",
        "-Werror",
    ]
    includes = [f"-I{made.folder / d}" for d in ("dqt", "model", "kernels")]
    for source in sources:
        subprocess.run(
            [
                "arm-none-eabi-gcc",
                *made.board.cpu.flags,
                *flags,
                *includes,
                "-c",
                source,
                "-o",
                str(tmp_path / "o.o"),
            ],
            check=True,
        )


def test_an_undefined_name_in_a_template_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        c_environment().from_string("{{ missing }}").render()


def test_filters_refuse_floats_and_write_every_int32() -> None:
    for value in (1.0, np.float32(2), True, "3"):
        with pytest.raises(TypeError, match="cannot become C"):
            c_integer(value)  # type: ignore[arg-type]
    assert c_integer(-(2**31)) == "(-2147483647 - 1)"
    assert c_integer(255, "uint8_t") == "255u"
    assert c_list([1, 2], "uint32_t") == "    0x00000001u, 0x00000002u,"
    constant = Constant("dqt_x", np.arange(3, dtype=np.int8), "three")
    assert (c_length(constant), c_values(constant)) == (4, "        0, 1, 2,")
    assert (c_address("dqt_x", "net"), c_address(None, "net")) == ("net_weights.dqt_x", "NULL")


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint32])
def test_an_array_is_written_whole_and_its_lines_are_full(kind: type[np.integer]) -> None:
    limits = np.iinfo(kind)
    values = np.random.default_rng(1).integers(limits.min, limits.max, 1001, dtype=kind, endpoint=True)
    values[:2] = limits.min, limits.max
    lines = c_values(Constant("dqt_x", values, "many")).split("\n")
    texts = [text.strip() for line in lines for text in line.rstrip(",").split(",")]
    words = {"(-2147483647 - 1)": -(2**31)}
    found = [words[text] if text in words else int(text.rstrip("u"), 0) for text in texts]
    assert found == values.tolist()
    assert max(map(len, lines)) <= 112
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split(",")[0].strip()) + 2 > 112, "the next one has no room"


def test_text_becomes_the_same_text_in_c(tmp_path: Path) -> None:
    texts = ["plain", 'a "quoted" \\ one', "tab\tnew\nline", "gr\u00fcn \u732b", "what??!", "\x01" + "7", "%d"]
    rows = ", ".join(c_text(text) for text in texts)
    source = tmp_path / "t.c"
    source.write_text(
        f"#include <stdio.h>\nint main(void) {{ const char *t[] = {{{rows}}};\n"
        f"for (int i = 0; i < {len(texts)}; ++i) {{ fputs(t[i], stdout); putchar(0); }} return 0; }}\n"
    )
    flags = ["-std=c11", "-trigraphs", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, str(source), "-o", str(tmp_path / "t")], check=True)
    found = subprocess.run([str(tmp_path / "t")], check=True, capture_output=True).stdout
    assert [part.decode() for part in found.split(b"\0")[:-1]] == texts


def test_names_become_distinct_c_identifiers() -> None:
    names = ["a.b", "a-b", "a_b", "ab", "a.b-c", "a_2e_b", "a_5f_2e_5f_b", "a_2e_.b", "a._2e_b", "_", "_2e_", "a_2e"]
    made = [c_name(n) for n in names]
    assert len(set(made)) == len(names)
    assert all(re.fullmatch(r"\w+", m) for m in made)
