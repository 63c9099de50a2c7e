"""The documentation says what the code does: links, generated parts, and the numbers of its examples.

Facts of the code stand in blocks that docs/generate.py writes; one test runs it. What is tested here by itself are
links, lists that people keep, and what an example claims.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import code_margins
from dqt_edge import boards, errors, graph
from dqt_edge.cli import COMMANDS
from dqt_edge.cli.output import EVERYWHERE
from dqt_edge.cli.profile import profile
from dqt_edge.cli.train import train
from dqt_edge.cli.train_heads import OWN as HEADS
from dqt_edge.device import frame, messages, replies
from dqt_edge.graph import layers, nested
from dqt_edge.lowering.kernels import packing
from dqt_edge.measure.session import LayerFact, Session
from dqt_edge.project import code_table
from dqt_edge.training.options import Options, parse_candidates

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading, down to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def flat(text: str) -> str:
    """The text on one line: sentences may be wrapped anywhere."""
    return " ".join(text.split())


def tables(text: str) -> list[list[list[str]]]:
    """Rows of each table, as lists of cells; the header first, the ruler left out."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        found.append([rows[0], *rows[2:]])
    return found


def table(text: str, heading: str, index: int = 0) -> list[list[str]]:
    """Rows of a table of a section, without its header."""
    return tables(section(text, heading))[index][1:]


def names(cells: list[str]) -> list[str]:
    """What stands in backticks."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def integers(cell: str) -> list[int]:
    return [int(part) for part in cell.split()]


# --- Links ----------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Ids that GitHub gives to the headings of a page."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_internal_links_resolve(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_every_page_is_in_the_index() -> None:
    index = page("index")
    missing = [path.name for path in DOCS.glob("*.md") if f"({path.name})" not in index and path.stem != "index"]
    assert not missing


PLACES = ("", "dqt_edge", "dqt_edge/lowering", "dqt_edge/lowering/kernels", "dqt_edge/importers", "tests/importers")
MADE = {"dqt_messages.h", "dqt_limits.h", "dqt_board.h", "dqt_digits.h", "dqt_digits.c", "board.toml", "my.toml"}
"""Files that an export or a user makes."""


@pytest.mark.parametrize("path", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda path: path.name)
def test_every_source_that_a_page_names_exists(path: Path) -> None:
    known = {
        file.name.removesuffix(".j2")
        for top in ("dqt_edge", "firmware", "templates", "boards", "tests", "benchmarks", "recipes", "docs")
        for file in (ROOT / top).rglob("*.*")
    } | {"pyproject.toml"}
    missing = []
    for name in re.findall(r"`(\w[\w./-]*\.(?:py|c|h|j2|S|toml))`", FENCE.sub("", path.read_text(encoding="utf-8"))):
        base = name.rpartition("/")[2].removesuffix(".j2")
        if "/" in name and base not in MADE:
            found = any((ROOT / place / name).exists() for place in PLACES)
        else:
            found = base in known | MADE
        if not found:
            missing.append(name)
    assert not missing


# --- Names ----------------------------------------------------------------------------------------------------


def test_what_the_pages_take_from_the_code_is_current() -> None:
    """Tables of protocol, boards, options, exit codes, sizes, rooms, import rules; pages of the Python functions."""
    done = generate("--check")
    assert (done.returncode, done.stderr) == (0, "")


def generate(*options: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "docs" / "generate.py"), *options]
    path = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the generator reads."""
    for name in ("docs", "dqt_edge", "firmware", "templates", "boards"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
    (tmp_path / "tests" / "files").mkdir(parents=True)
    (tmp_path / "docs" / "results").mkdir()
    results = [f"docs/results/{name}.json" for name in ("operators", "zoo", "fuzz_import", "shapes")]
    for name in ("pyproject.toml", "README.md", "LICENSE", "tests/files/digits.safetensors", *results):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


FACTS = [
    ("dqt_edge/device/messages.py", "NO_MODEL = 9", "NO_MODEL = 19", "protocol", "| 19 | NO_MODEL | SELECT of a model"),
    ("dqt_edge/device/messages.py", '("model", "u16")', '("model", "u32")', "protocol", "Record `select`, 4 bytes:"),
    ("dqt_edge/device/client.py", "run: float = 0.25", "run: float = 3.0", "protocol", "| `run` | 3 | |"),
    ("dqt_edge/training/options.py", '"batch": (1,', '"batch": (2,', "training", "| `--batch` | 64 | 2..65536 |"),
    ("dqt_edge/cli/train.py", '"--epochs", default=150', '"--epochs", default=151', "training", "| `--epochs` | 151 |"),
    (
        "dqt_edge/training/losses.py",
        "SMOOTHING = 0.05",
        "SMOOTHING = 0.06",
        "training",
        "| smoothing of labels | 0.06 |",
    ),
    (
        "dqt_edge/training/finish.py",
        '"loss", "metric",',
        '"metric", "loss",',
        "training",
        "| `loss` | mean over the epoch |\n| `train`",
    ),
    (
        "dqt_edge/boards.py",
        '"cortex-m55")\n"""Cores that',
        '"cortex-m55", "cortex-m85")\n"""Cores that',
        "boards",
        "or `cortex-m85` | yes |",
    ),
    ("firmware/app/dqt_port.h", "Never blocks on", "Seldom blocks on", "boards", "Seldom blocks on a board"),
    ("dqt_edge/graph/dial.py", "POINTS_MAX = 64", "POINTS_MAX = 65", "checkpoint", "| points of a dial | 65;"),
    (
        "dqt_edge/project/footprint.py",
        "FAULT_FRAME = 104",
        "FAULT_FRAME = 108",
        "layout",
        "<!-- generated: fault-frame -->108<!-- end -->",
    ),
    (
        "dqt_edge/cli/export.py",
        "Replace files that were changed since the last export.",
        "Replace what was changed.",
        "commands",
        "| `--force` | Replace what was changed. |",
    ),
    (
        "dqt_edge/cli/__init__.py",
        "Compile an exported project.",
        "Compile it.",
        "index",
        "| `dqt-edge build` | Compile it. |",
    ),
    (
        "pyproject.toml",
        '    "checkpoint",\n    "interpreter",\n',
        '    "interpreter",\n    "checkpoint",\n',
        "architecture",
        "from above: interpreter; checkpoint;",
    ),
    (
        "dqt_edge/api/building.py",
        "Compile a project with CMake.",
        "Compile a project.",
        "api",
        "| Compile a project. |",
    ),
]
"""File, a fact of the code, another fact; the page that states it, and how."""


def test_a_changed_fact_makes_its_page_stale_and_is_written_there(checkout: Path) -> None:
    for name, old, new, _, _ in FACTS:
        text = (checkout / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, (name, old)
        (checkout / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    stale = generate("--check", root=checkout)
    assert stale.returncode == 1
    pages = {page for *_, page, _ in FACTS} | {"api/build"}
    assert set(stale.stderr.splitlines()) == {f"docs/{page}.md is not current: run 'make docs'" for page in pages}
    assert generate(root=checkout).returncode == 0
    for *_, page, told in FACTS:
        assert (checkout / "docs" / f"{page}.md").read_text(encoding="utf-8").count(told) == 1, told


NEW = [
    (
        "dqt_edge/device/messages.py",
        '("models", "u8")',
        '("images", "u8")',
        "protocol.md, record-hello_reply: write the cell 'meaning' of `images`",
    ),
    (
        "dqt_edge/errors.py",
        "exit_code = 7",
        "exit_code = 17",
        "profiling.md, exit-codes: write the cell 'meaning' of 17",
    ),
    (
        "firmware/dqt/dqt.h",
        "DQT_BAD_WEIGHTS = 6",
        "DQT_BAD_FLASH = 6",
        "library.md, statuses: write the cell 'meaning' of `DQT_BAD_FLASH`",
    ),
    (
        "docs/protocol.md",
        "| 1 | BAD_FRAME | the frame could not be read |",
        "| 1 | BAD_FRAME | |",
        "protocol.md, naks: write the cell 'meaning' of BAD_FRAME",
    ),
    (
        "docs/layout.md",
        "<!-- generated: descriptors -->",
        "<!-- generated: discriptors -->",
        "layout.md: no block is named 'discriptors'",
    ),
    ("docs/boards.md", "<!-- generated: margins -->\n", "", "no page has the block 'margins'"),
]


def test_what_only_people_can_write_is_asked_for(checkout: Path) -> None:
    for name, old, new, _ in NEW:
        text = (checkout / name).read_text(encoding="utf-8")
        assert old in text
        (checkout / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    for options in (["--check"], []):
        done = generate(*options, root=checkout)
        assert done.returncode == 1
        assert not [told for *_, told in NEW if told not in done.stderr]


def test_what_people_wrote_in_a_generated_table_stays(checkout: Path) -> None:
    page_path = checkout / "docs" / "protocol.md"
    text = page_path.read_text(encoding="utf-8")
    page_path.write_text(text.replace("most candidates of a layer", "words of ours"), encoding="utf-8")
    done = generate(root=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert page_path.read_text(encoding="utf-8").count("words of ours") == 1


def test_training_options_of_the_command_and_of_the_library_agree() -> None:
    defaults = Options()
    own = {"recipe", "distribute", "save_every", "tensorboard", "resume", "out", "heads_only", *HEADS, *EVERYWHERE}
    fields = {f.name for f in dataclasses.fields(Options)}
    assert fields == {option.name for option in train.params} - own
    with train.make_context("train", ["--out", "x.safetensors"]) as context:
        given = {name: value for name, value in context.params.items() if name in fields}
    assert Options(**{**given, "candidates": parse_candidates(given["candidates"])}) == defaults
    for name, (low, high) in defaults.limits.items():
        kind = type(low)
        Options(**{name: kind(low)})
        Options(**{name: kind(high)})
        for outside in (low / 2 if 0 < low < 1 else low - 1, high + 1):
            with pytest.raises(errors.UsageError, match=re.escape(f"{kind(outside)} is outside")):
                Options(**{name: kind(outside)})


def test_phases_of_a_run_are_the_parts_that_the_page_states() -> None:
    options = Options(epochs=100)
    assert (options.floating, options.frozen) == (25, 80), "a quarter of warm-up, the last fifth frozen"
    assert "the first quarter of the epochs" in flat(page("training"))
    assert "the last fifth of the epochs" in flat(page("training"))


def test_profile_options_and_report_fields() -> None:
    text = page("profiling")
    assert not [
        option.opts[0]
        for option in profile.params
        if option.opts[0].startswith("--") and option.opts[0] not in text and option.name not in EVERYWHERE
    ]
    told = set(names([section(text, "Report files")]))
    assert {f.name for cls in (Session, LayerFact) for f in dataclasses.fields(cls)} <= told


# --- Boards ---------------------------------------------------------------------------------------------------


def test_margins_of_upper_bounds_are_above_what_was_measured() -> None:
    rows = table(page("boards"), "How sizes are known", 2)
    pairs = [tuple(map(float, cell.split(","))) for row in rows for cell in row[1:]]
    assert {names([row[0]])[0] for row in rows} == set(code_margins.BOARDS)
    assert max(code for code, _ in pairs) < code_table.SIZE_MARGIN
    assert max(stack for _, stack in pairs) < code_table.STACK_MARGIN


# --- Protocol -------------------------------------------------------------------------------------------------


def test_the_hello_dump_is_an_exchange() -> None:
    dumps = {
        kind: bytes.fromhex(text) for kind, text in re.findall(r"```hex (\w+)\n(.*?)```", page("protocol"), re.DOTALL)
    }
    assert dumps["request"] == frame.encode(messages.Type.HELLO, 0x1234, b"")
    (answer,) = frame.Decoder().feed(dumps["reply"])
    assert isinstance(answer, frame.Frame)
    assert (answer.type, answer.sequence) == (messages.Type.HELLO_REPLY, 0x1234)
    info = replies.parse_hello(answer.payload)
    told = flat(section(page("protocol"), "A real exchange"))
    assert f"{len(dumps['reply'])} bytes" in told
    assert f"{info.adaptive} adaptive layers of {info.layers}, {info.candidates} candidates" in told
    assert f"window {info.window}, max_payload {info.max_payload}, a controller" in told
    assert f"{info.input_size} bytes of input, {info.output_size} of output" in told
    assert f"board `{info.board}`" in told
    assert info.model_hash.hex()[:16] in told
    assert info.has_controller


# --- Checkpoint -----------------------------------------------------------------------------------------------


def test_every_field_of_a_layer_is_described() -> None:
    _, of_field = tables(section(page("checkpoint"), "Layers"))
    expected = {f.name for cls in layers.LAYER_NAMES for f in dataclasses.fields(cls)}
    told = set(names([row[0] for row in of_field[1:]]))
    assert expected - {"name", "input", "inputs", "output"} <= told
    inner = names([row[2] for row in of_field[1:]])
    assert {f.name for cls in (graph.Requantize, graph.Window) for f in dataclasses.fields(cls)} <= set(inner)


def test_the_tests_that_hold_the_invariants_exist() -> None:
    names_of_files = ("graph/test_checkpoint.py", "graph/test_terminals.py", "test_bad_files.py")
    files = (ROOT / "tests" / name for name in names_of_files)
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    named = names([row[1] for row in table(page("checkpoint"), "Invariants and their tests")])
    assert named
    assert set(named) <= set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))


# --- Arithmetic -----------------------------------------------------------------------------------------------


def test_the_worked_example() -> None:
    given, host, device = tables(section(page("arithmetic"), "Worked example"))
    value = {name: row[1] for row in given[1:] for name in names([row[0]])}
    weights = np.array([integers(value["w"])], np.int8)
    codes = np.array(integers(value["a"]), np.int64)
    unit = float(value["s_w"]) * float(value["s_a"])
    bias, zero = float(value["B"]), int(value["z_y"])
    multiplier = unit / float(value["s_y"])
    m0, r = nested.quantize_multiplier(multiplier)
    twice_bias = nested.bias_twice(bias, unit, zero, multiplier)
    without = nested.bias_twice(bias, unit, 0, multiplier)
    made = [row[1] for row in host[1:]]
    assert float(made[0]) == pytest.approx(multiplier, rel=1e-12)
    assert [int(cell) for cell in made[1:]] == [m0, r, without // 2, twice_bias - without, twice_bias]

    rows = {row[0]: row[1:] for row in device[1:]}
    for column, heading in enumerate(device[0][1:]):
        pair = tuple(int(bits) for bits in heading.strip("()").split(","))
        dw, da = (nested.shift_of(bits) for bits in pair)
        view, active = nested.weight_view(weights, pair[0])[0], nested.activation_view(codes, pair[1])
        products, total = int((view * active).sum()), int(active.sum())
        a2 = int(nested.accumulator_twice(np.array(products), np.array(total), *pair, np.array(twice_bias)))
        y = int(nested.requantize(np.array(a2), np.array(m0), np.array(r)))
        expected = [
            [dw, da],
            view.tolist(),
            active.tolist(),
            [products],
            [total],
            [products << (dw + da + 1)],
            [((1 << dw) - 1) * (total << da)],
            [a2],
            [a2 * m0 + (1 << (r - 1))],
            [y],
        ]
        assert [integers(cells[column]) for cells in rows.values()] == expected
    residual = re.search(r"`s_x = ([\d.]+)`, `m` is (\d+)", flat(page("arithmetic")))
    assert residual is not None
    assert nested.residual_multiplier(float(residual[1]), unit) == int(residual[2])


def test_the_check_by_hand() -> None:
    text = section(page("arithmetic"), "Worked example")
    told = flat(text)
    given = {name: row[1] for row in tables(text)[0][1:] for name in names([row[0]])}
    centred = nested.weight_twice(np.array(integers(given["w"]), np.int8), 4) / 2
    wide = nested.activation_view(np.array(integers(given["a"])), 4) << 4
    words = [f"{v:g}" for v in centred]
    assert f"the centred weights are {', '.join(words[:-1])} and {words[-1]}" in told
    words = [str(v) for v in wide]
    assert f"the activations {', '.join(words[:-1])} and {words[-1]}" in told
    total = float((centred * wide).sum())
    assert f"sum of products is {total:g}" in told
    unit = float(given["s_w"]) * float(given["s_a"])
    real = (total * unit + float(given["B"])) / float(given["s_y"]) + int(given["z_y"])
    assert f"({total:g} * {unit:g} + 0.5) / 0.05 + 3 = {real:.2f}" in told


# --- Layout ---------------------------------------------------------------------------------------------------


def test_field_positions() -> None:
    shown = tables(section(page("layout"), "Weight planes"))
    reads, fields, halves, nibbles, example, words = (rows[1:] for rows in shown)
    assert [[int(cell) for cell in row[1:]] for row in fields] == (2 * packing.FIELDS).tolist()
    expected = [[f"{1 - i % 2}.{4 * (i // 2)}" for i in row] for row in packing.FIELDS.tolist()]
    assert [row[1:] for row in nibbles] == expected
    for r, low, high in halves:
        for half, cell in enumerate((low, high)):
            for odd, (channel, k) in enumerate(re.findall(r"channel (\d) k (\d)", cell)):
                assert 2 * packing.FIELDS[int(channel), int(k)] == (16 * half + 14 * odd + 4 * int(r)) % 32
    planes = packing.pack(np.array([integers(row[1]) for row in example], np.int8))
    assert [int(row[1], 16) for row in words] == [*planes.a, *planes.b, *planes.low]
    told = flat(section(page("layout"), "Weight planes"))
    for bits in (2, 4):
        view = " ".join(map(str, packing.unpack(planes, 4, 4, bits)[0]))
        assert view in told
    assert [row[0] for row in reads] == ["A", "B", "L"]


def test_planes_are_read_at_the_stated_widths() -> None:
    """A plane that a width does not read may hold anything."""
    rng = np.random.default_rng(5)
    weights = rng.integers(-128, 128, (8, 8)).astype(np.int8)
    planes = packing.pack(weights)
    for plane, _, _, widths in tables(section(page("layout"), "Weight planes"))[0][1:]:
        first = int(widths.split(" ")[0])
        key = {"A": "a", "B": "b", "L": "low"}[plane]
        spoilt = dataclasses.replace(planes, **{key: ~getattr(planes, key)})
        for bits in nested.WIDTHS:
            same = np.array_equal(packing.unpack(spoilt, 8, 8, bits), packing.unpack(planes, 8, 8, bits))
            assert same == (bits < first)


def test_the_changelog_names_every_command_and_board() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    wanted = [
        *(f"`dqt-edge {command}`" for command in COMMANDS),
        *(f"`{board}`" for board in boards.board_ids()),
    ]
    assert not [name for name in wanted if name not in text]
