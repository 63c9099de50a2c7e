"""The documentation says what the code does: links, tables, names, and the numbers of its examples."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import code_margins
from dqt_edge import boards, errors, graph
from dqt_edge.architectures.models import MODELS
from dqt_edge.cli import COMMANDS
from dqt_edge.cli.profile import profile
from dqt_edge.cli.train import train
from dqt_edge.data import dataset
from dqt_edge.data import load as data
from dqt_edge.device import client, frame, messages, replies
from dqt_edge.graph import checkpoint, dial, nested
from dqt_edge.lowering import records
from dqt_edge.lowering.kernels import packing
from dqt_edge.measure.session import LayerFact, Session
from dqt_edge.precision import static as search
from dqt_edge.project import code_table, footprint
from dqt_edge.training.options import Options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
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


# --- Names ----------------------------------------------------------------------------------------------------


def test_every_command_is_in_the_index_in_order() -> None:
    rows = tables(page("index"))[1][1:]
    assert names([row[0] for row in rows]) == [f"dqt-edge {command}" for command in COMMANDS]


def test_exit_codes() -> None:
    rows = {names([row[1]])[0]: int(row[0]) for row in table(page("profiling"), "Exit codes") if row[1]}
    assert rows == {cls.__name__: cls.exit_code for cls in (errors.DqtError, *errors.DqtError.__subclasses__())
                    if cls.__module__ == "dqt_edge.errors"}  # fmt: skip
    kinds = names([section(page("profiling"), "Exit codes")])
    assert {cls.__name__ for cls in errors.DeviceError.__subclasses__()} <= set(kinds)


def test_training_options() -> None:
    rows = {names([row[0]])[0]: row for row in table(page("training"), "Options")}
    options = {option.opts[0]: option for option in train.params}
    assert list(rows) == [name for name in rows if name in options]
    assert set(rows) == set(options)
    defaults = Options()
    for name, (_, shown, limits, _) in rows.items():
        field = name[2:].replace("-", "_")
        value = getattr(defaults, field, None)
        if field == "candidates":
            assert shown == "`8x8,4x4,2x4`"
            assert defaults.as_json()[field] in shown
        elif isinstance(value, str):
            assert shown == f"`{value}`"
        elif isinstance(value, bool):
            assert (shown == "off") is not value
        elif value is not None:
            assert float(shown) == value
        bounds = re.match(r"([\d.e-]+?)\.\.([\d.e+-]+\d)", limits)
        if bounds:
            low, high = float(bounds[1]), float(bounds[2])
            kind = int if isinstance(value, int) or value is None else float
            Options(**{field: kind(low)})
            Options(**{field: kind(high)})
            for outside in (low / 2 if 0 < low < 1 else low - 1, high + 1):
                with pytest.raises(errors.UsageError):
                    Options(**{field: kind(outside)})
    assert names([rows["--model"][2]]) == list(MODELS)
    assert names([row[0] for row in table(page("training"), "Models")]) == list(MODELS)


def constant(module: str, name: str) -> str:
    """Value of a constant as its module writes it; importing the module would start TensorFlow."""
    source = (ROOT / "dqt_edge" / "training" / f"{module}.py").read_text(encoding="utf-8")
    found = re.search(rf"^{name} = (.*)$", source, re.MULTILINE)
    assert found, name
    return found[1].replace("_", "")


def test_numbers_of_the_training_method() -> None:
    training, arithmetic = flat(page("training")), flat(page("arithmetic"))
    assert f"{constant('steps', 'NESTED_RATE')} times the learning rate" in training
    assert f"the bias that keeps {constant('validation', 'DIAL_FILL')} of the budget" in training
    assert f"`{float(constant('dial', 'SPAN')):g} * (2 * place - 1)" in training
    assert f"up to {constant('loop', 'CALIBRATION_SAMPLES')} training images" in training
    start, end = (float(value) for value in constant("loop", "TAU").strip("()").split(","))
    assert f"temperature falls from {start:g} to {end:g}" in training
    assert f"smoothed by {constant('losses', 'SMOOTHING')}" in training
    assert f"up to {search.EXHAUSTIVE_MAX} vectors are all tried" in flat(page("profiling"))
    assert f"decay {1 - float(constant('quantizers', 'EMA_RATE')):g}" in arithmetic
    assert f"{100 - 100 * float(constant('quantizers', 'PERCENTILE_REST')):g}th percentile" in arithmetic
    assert f"{constant('quantizers', 'CLIP_SIGMAS')} standard deviations" in arithmetic
    options = Options(epochs=100)
    assert (options.floating, options.frozen) == (25, 80), "a quarter of warm-up, the last fifth frozen"
    sizes = f"{data.DIGITS_TEST} held-out images"
    assert sizes in training
    assert f"{data.VALIDATION_SHARE:.0%}".replace("%", " %") in training
    assert dataset.TEST_SHARE == 1 / 5


def test_training_log_columns() -> None:
    report = (ROOT / "dqt_edge" / "training" / "report.py").read_text(encoding="utf-8")
    columns = re.search(r"COLUMNS = \((.*?)\)", report, re.DOTALL)
    assert columns is not None
    assert set(re.findall(r'"(\w+)"', columns[1])) <= set(names([section(page("training"), "Outputs")]))


def test_profile_options_and_report_fields() -> None:
    text = page("profiling")
    assert not [
        option.opts[0] for option in profile.params if option.opts[0].startswith("--") and option.opts[0] not in text
    ]
    told = set(names([section(text, "Report files")]))
    assert {f.name for cls in (Session, LayerFact) for f in dataclasses.fields(cls)} <= told


# --- Boards ---------------------------------------------------------------------------------------------------


def test_every_board_is_listed() -> None:
    rows = table(page("boards"), "Shipped boards")
    found = {names([row[0]])[0]: (names([row[2]])[0], row[3]) for row in rows}
    known = {board.id: (board.port, board.counter.unit) for board in map(boards.load_board, boards.board_ids())}
    assert found == known


BOARD_TABLES = {
    "Top level": boards.Board,
    "`[cpu]`": boards.Cpu,
    "`[[memory]]`": boards.Memory,
    "`[[runners]]`": boards.Runner,
    "`[serial]`": boards.Serial,
    "`[counter]`": boards.Counter,
    "`[qemu]`": boards.Qemu,
}


@pytest.mark.parametrize("heading", BOARD_TABLES)
def test_every_board_key_is_described(heading: str) -> None:
    fields = {f.name: f for f in dataclasses.fields(BOARD_TABLES[heading]) if f.metadata.get("file", True)}
    required = {}
    for keys, _, needed, _ in table(page("boards"), heading):
        required |= dict.fromkeys(names([keys]), needed == "yes")
    unset = dataclasses.MISSING
    assert required == {n: f.default is unset and f.default_factory is unset for n, f in fields.items()}


def test_allowed_values_of_boards() -> None:
    text = page("boards")
    cores = next(row for row in table(text, "`[cpu]`") if row[0] == "`core`")
    kinds = next(row for row in table(text, "`[counter]`") if row[0] == "`kind`")
    assert tuple(names([cores[3]])) == boards.CORES
    assert tuple(names([kinds[3]])) == boards.COUNTERS


def test_margins_of_upper_bounds_are_above_what_was_measured() -> None:
    rows = table(page("boards"), "How sizes are known", 1)
    pairs = [tuple(map(float, cell.split(","))) for row in rows for cell in row[1:]]
    assert {names([row[0]])[0] for row in rows} == set(code_margins.BOARDS)
    assert max(code for code, _ in pairs) < code_table.SIZE_MARGIN
    assert max(stack for _, stack in pairs) < code_table.STACK_MARGIN
    told = f"is {code_table.SIZE_MARGIN} for code and {code_table.STACK_MARGIN} for stack"
    assert told in flat(section(page("boards"), "How sizes are known"))


def test_the_port_contract_is_complete() -> None:
    header = (ROOT / "firmware" / "app" / "dqt_port.h").read_text(encoding="utf-8")
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    assert set(names([row[0] for row in table(page("boards"), "A port of your own")])) == set(
        re.findall(r"dqt_port_\w+", header)
    )


# --- Protocol -------------------------------------------------------------------------------------------------

RECORD_HEADINGS = {
    "HELLO": [messages.HELLO_REPLY],
    "LOAD": [messages.LOAD, messages.LOAD_REPLY],
    "RUN": [messages.RUN, messages.RESULT],
    "STATS": [messages.STATS_REPLY],
    "NAK": [messages.NAK],
}
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "bytes16": 16, "bytes32": 32}


def test_every_record_has_a_table() -> None:
    assert sorted(r.name for rs in RECORD_HEADINGS.values() for r in rs) == sorted(r.name for r in messages.RECORDS)


@pytest.mark.parametrize("heading", RECORD_HEADINGS)
def test_byte_tables(heading: str) -> None:
    text = section(page("protocol"), heading)
    for record, rows in zip(RECORD_HEADINGS[heading], tables(text), strict=False):
        expected, offset = [], 0
        for name, kind in record.fields:
            expected.append([str(offset), f"`{name}`", kind])
            offset += SIZES[kind]
        assert [row[:3] for row in rows[1:]] == expected
        assert f"`{record.name}`, {record.layout.size} bytes" in text
        assert offset == record.layout.size


def test_message_types_and_nak_codes() -> None:
    rows = table(page("protocol"), "Requests and replies")
    types = {row[1]: int(row[0], 16) for row in rows}
    types |= {row[3].split()[1].rstrip(","): int(row[3].split()[0], 16) for row in rows if row[3]}
    assert types == {t.name: t.value for t in messages.Type}
    assert f"The protocol version is {messages.PROTOCOL}." in flat(page("protocol"))
    naks = {row[1]: int(row[0]) for row in table(page("protocol"), "NAK", 1)}
    assert naks == {n.name: n.value for n in messages.Nak}


def test_timeouts_and_tries() -> None:
    timeouts, retries = {}, {}
    for operation, seconds, tries in table(page("protocol"), "Timeouts and tries"):
        name = names([operation])[0]
        if seconds:
            timeouts[name] = float(seconds)
        if tries:
            retries[name] = int(tries.split(",")[0])
    assert timeouts == dataclasses.asdict(client.Timeouts())
    assert retries == dataclasses.asdict(client.Retries())


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


def test_every_manifest_field_is_described() -> None:
    text = page("checkpoint")
    top, of_graph, of_tensor, of_controller, of_point = tables(section(text, "Manifest"))
    assert set(names([row[0] for row in top[1:]])) == {"format", "sha256", "graph"}
    for rows, cls in ((of_graph, graph.Graph), (of_tensor, graph.Tensor), (of_controller, graph.Controller),
                      (of_point, graph.DialPoint)):  # fmt: skip
        assert set(names([row[0] for row in rows[1:]])) == {f.name for f in dataclasses.fields(cls)}


def test_every_layer_type_and_field_is_described() -> None:
    of_type, of_field = tables(section(page("checkpoint"), "Layers"))
    types = {row[0].strip("`"): set(names([row[1]])) | {"name", "output"} for row in of_type[1:]}
    expected = {name: {f.name for f in dataclasses.fields(cls)} for name, cls in checkpoint._LAYERS.items()}
    assert types == expected
    told = set(names([row[0] for row in of_field[1:]]))
    assert set().union(*expected.values()) - {"name", "input", "inputs", "output"} <= told
    inner = names([row[2] for row in of_field[1:]])
    assert {f.name for cls in (graph.Requantize, graph.Window) for f in dataclasses.fields(cls)} <= set(inner)


def test_limits_of_checkpoints() -> None:
    limits = {row[0]: row[1] for row in table(page("checkpoint"), "Limits")}
    assert limits["file"] == f"{checkpoint.FILE_MAX >> 20} MiB"
    assert limits["header"].startswith(f"{checkpoint.MANIFEST_MAX >> 20} MiB")
    assert limits["layers"].startswith(f"{checkpoint.LAYERS_MAX} ")
    assert 2 ** int(limits["weights of a layer"].split("^")[1]) == graph.WEIGHTS_MAX
    assert limits["a side of a tensor"] == f"1..{graph.DIMENSION_MAX}"
    assert limits["points of a dial"].startswith(f"{dial.POINTS_MAX};")
    assert f"| `format` | {' or '.join(map(str, checkpoint.FORMATS))};" in page("checkpoint")


def test_the_tests_that_hold_the_invariants_exist() -> None:
    source = (ROOT / "tests" / "test_checkpoint.py").read_text(encoding="utf-8")
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


def test_descriptor_sizes() -> None:
    sizes = {names([row[0]])[0]: int(row[1]) for row in table(page("layout"), "Descriptors")}
    inner = (records.Window, records.Requantize)
    expected = {record.c_type: record.byte_size() for record in records.RECORDS if record not in inner}
    expected |= {"dqt_model_data": footprint.MODEL_SIZE}
    assert sizes == expected
    assert f"plus {footprint.FAULT_FRAME} bytes for one exception frame" in flat(page("layout"))


# --- Architecture ---------------------------------------------------------------------------------------------


def test_the_import_rules_are_those_of_pyproject() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["type"] == "layers")
    expected = [line.replace("dqt_edge.", "").split(" | ") for line in layers]
    lines = re.findall(r"^    (\w[\w, ]*)$", section(page("architecture"), "Who imports whom"), re.MULTILINE)
    assert [line.split(", ") for line in lines] == expected


def test_every_room_is_described() -> None:
    told = names([row[0] for row in table(page("architecture"), "Rooms")])
    rooms = [p.name + "/" * p.is_dir() for p in (ROOT / "dqt_edge").iterdir() if not p.name.startswith(("_", "py."))]
    assert not sorted(set(rooms) - set(told))


def test_the_changelog_names_every_command_and_board() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    wanted = [
        *(f"`dqt-edge {command}`" for command in COMMANDS),
        *(f"`{board}`" for board in boards.board_ids()),
    ]
    assert not [name for name in wanted if name not in text]
