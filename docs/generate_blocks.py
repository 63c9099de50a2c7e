"""What the pages take from the code, by name: tables whose facts are the code's, and numbers within a sentence."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
import tempfile
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from generate_results import FORMATS, ZOO_FORMATS, operator_rows, zoo_rows

import dqt_edge as dqt
from dqt_edge import boards, errors, graph
from dqt_edge.architectures.models import MODELS
from dqt_edge.cli import COMMANDS
from dqt_edge.cli.train import train
from dqt_edge.device import client, messages
from dqt_edge.graph import checkpoint, dial, layers, policy, values
from dqt_edge.importers.keras.layers import LAYERS
from dqt_edge.importers.keras.operations import OPERATIONS
from dqt_edge.importers.keras.refusals import REFUSED as REFUSED_LAYERS
from dqt_edge.importers.onnx.fold import FOLDED
from dqt_edge.importers.onnx.reader import OPERATORS as ONNX_OPERATORS
from dqt_edge.importers.onnx.refusals import REASONS
from dqt_edge.importers.tflite.operators import OPERATORS, REFUSED
from dqt_edge.importers.tflite.reader import read_network
from dqt_edge.lowering import records
from dqt_edge.lowering.kernels import kernel
from dqt_edge.project import code_table, footprint
from dqt_edge.training.options import Options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dqt_edge"
FIRMWARE = ROOT / "firmware"
HAND = None
"""A cell that a person writes: kept from the page, by the key of its row."""
Cell = str | None


@dataclass(frozen=True)
class Table:
    """A table; ``key`` is the column that tells rows apart, ``before`` stands above it."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    key: str
    before: str = ""


def code(text: object) -> str:
    """In backticks."""
    return f"`{text}`"


def listed(names: Iterable[object], last: str = "or") -> str:
    """Names in backticks, as a person lists them."""
    known = [code(name) for name in names]
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} {last} {known[-1]}"


def number(value: float) -> str:
    """A number as short as it is exact."""
    return str(value) if isinstance(value, int) else re.sub(r"e([+-])0*", lambda m: f"e{m[1].strip('+')}", f"{value:g}")


def constant(path: str, name: str) -> Any:  # noqa: ANN401 - any literal
    """Value of a constant of a module of the package, as its source has it: importing it might start TensorFlow."""
    for node in ast.parse((PACKAGE / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return ast.literal_eval(node.value)
    raise KeyError(f"{path} has no constant {name}")


def header_text(path: str) -> str:
    """A header of the firmware."""
    return (FIRMWARE / path).read_text(encoding="utf-8")


# --- Protocol -------------------------------------------------------------------------------------------------


def message_types() -> Table:
    """Requests with their replies; a NAK answers any of them."""
    rows: list[list[Cell]] = []
    for kind in messages.Type:
        replies = [t for t in messages.Type if t.value == kind.value | 0x80 and t is not kind]
        if kind.value < 0x80 or kind is messages.Type.NAK:
            rows.append([f"0x{kind:02X}", kind.name, HAND, f"0x{replies[0]:02X} {replies[0].name}" if replies else ""])
    return Table(("type", "name", "payload", "answered by"), rows, "name")


def protocol_numbers() -> Table:
    """Numbers of frames."""
    rows = [
        ("protocol version", str(messages.PROTOCOL)),
        ("bytes before the payload", str(messages.HEADER.size)),
        ("bytes of the CRC", str(messages.CRC_SIZE)),
        ("longest payload", f"{messages.PAYLOAD_MAX:,} bytes; a device says in HELLO what it takes"),
        ("sequence of a NAK to an unreadable frame", f"0x{messages.NO_SEQUENCE:04X}"),
        ("bytes of a bias in RUN", str(messages.BIAS_SIZE)),
    ]
    return Table(("number", "value"), rows, "number")


def record(made: messages.Record) -> Callable[[], Table]:
    """Fields of a record with their byte offsets."""

    def block() -> Table:
        rows: list[list[Cell]] = []
        offset = 0
        for name, kind in made.fields:
            rows.append([str(offset), code(name), kind, HAND])
            offset += messages.Record("", ((name, kind),)).layout.size
        return Table(
            ("offset", "field", "type", "meaning"), rows, "field", f"Record `{made.name}`, {offset} bytes:\n\n"
        )

    return block


def naks() -> Table:
    """Reasons of a refusal."""
    rows = [[str(nak.value), nak.name, HAND, HAND] for nak in messages.Nak]
    return Table(("code", "name", "meaning", "detail"), rows, "name")


def timeouts() -> Table:
    """How long the client waits, and how often it tries."""
    seconds, tries = dataclasses.asdict(client.Timeouts()), dataclasses.asdict(client.Retries())
    rows = [
        [code(name), number(seconds[name]) if name in seconds else "", str(tries.get(name, "")), HAND]
        for name in (*seconds, *(name for name in tries if name not in seconds))
    ]
    return Table(("operation", "seconds for a try", "tries", "meaning"), rows, "operation")


# --- Boards ---------------------------------------------------------------------------------------------------

VALUES = {("Cpu", "core"): boards.CORES, ("Counter", "kind"): boards.COUNTERS, ("Memory", "kind"): ("flash", "ram")}
KINDS = {str: "text", int: "integer", bool: "true or false"}


def key_type(owner: str, name: str, hint: Any) -> str:  # noqa: ANN401 - a type
    """A field's type in the words of TOML."""
    if (owner, name) in VALUES:
        return listed(VALUES[owner, name])
    arguments = [a for a in typing.get_args(hint) if a is not type(None) and a is not Ellipsis]
    if hint in KINDS:
        return KINDS[hint]
    if typing.get_origin(hint) is tuple:
        return "list of text" if arguments == [str] else "list of tables"
    return "table of text" if typing.get_origin(hint) is dict else "table"


def board_keys(cls: type[Any]) -> Callable[[], Table]:
    """Keys of a table of a board's file."""

    def block() -> Table:
        hints, unset, rows = typing.get_type_hints(cls), dataclasses.MISSING, []
        for f in dataclasses.fields(cls):
            if f.metadata.get("file", True):
                given = "yes" if f.default is unset and f.default_factory is unset else "no"
                if f.default not in (unset, None, "", ()):
                    given = f"no, {str(f.default).lower()}"
                rows.append([code(f.name), key_type(cls.__name__, f.name, hints[f.name]), given, HAND])
        return Table(("key", "type", "required", "meaning"), rows, "key")

    return block


def kib(board: boards.Board, kind: str) -> str:
    """Memory of a kind."""
    size = sum(region.size for region in board.regions(kind))
    return f"{size >> 10:,} KiB" if size else ""


def shipped_boards() -> Table:
    """Boards of the project."""
    rows = [
        [code(b.id), b.name, code(b.cpu.core), kib(b, "flash"), kib(b, "ram"), code(b.port), b.counter.unit]
        for b in map(boards.load_board, boards.board_ids())
    ]
    return Table(("id", "what", "core", "flash", "RAM", "port", "counts"), rows, "id")


PROMISES = re.compile(r"/\*((?:(?!\*/)[\s\S])*)\*/\n((?:\w.*;\n)+)")
"""A comment, and the declarations below it."""


def port_contract() -> Table:
    """Functions of a port, in the words of its header."""
    rows = []
    for comment, declarations in PROMISES.findall(header_text("app/dqt_port.h")):
        for line in declarations.splitlines():
            shown = re.sub(r" __attribute__.*|;|^extern ", "", line)
            words = " ".join(comment.replace("\n *", " ").split()) if "(" in shown else "a constant"
            rows.append((code(shown), words))
    return Table(("declaration", "promise"), rows, "declaration")


def margins() -> Table:
    """Factors of an upper bound."""
    rows = [("code", number(code_table.SIZE_MARGIN)), ("stack", number(code_table.STACK_MARGIN))]
    return Table(("of", "margin"), rows, "of")


# --- Commands -------------------------------------------------------------------------------------------------


def commands() -> Table:
    """Commands in the order of the work."""
    rows = [[code(f"dqt-edge {name}"), what, HAND] for name, what in COMMANDS.items()]
    return Table(("command", "what it does", "page"), rows, "command")


def exit_codes() -> Table:
    """Codes with which a command ends."""
    bases: list[type[errors.DqtError]] = [errors.DqtError]
    bases += [cls for cls in errors.DqtError.__subclasses__() if cls.__module__ == errors.__name__]
    found: dict[int, list[type[Any]]] = {0: []}
    for cls in bases:
        found.setdefault(cls.exit_code, []).append(cls)
    source = (PACKAGE / "cli" / "__init__.py").read_text(encoding="utf-8")
    for text in re.findall(r"sys\.exit\((\d+)\)", source):
        found.setdefault(int(text), [])
    rows: list[list[Cell]] = []
    for exit_code, classes in sorted(found.items()):
        kinds = [kind for cls in classes if cls is not errors.DqtError for kind in cls.__subclasses__()]
        shown = (", ".join(code(cls.__name__) for cls in part) for part in (classes, kinds))
        rows.append([str(exit_code), *shown, HAND])
    return Table(("code", "error", "kinds", "meaning"), rows, "code")


def train_options() -> Table:
    """Options of ``train``, with the defaults of the command and the ranges of the library."""
    limits, rows = Options().limits, []
    for option in train.params:
        assert isinstance(option, click.Option)
        name, kind, default = str(option.name), option.type, option.default
        span = ""
        if name in limits:
            span = "..".join(map(number, limits[name]))
        elif isinstance(kind, click.Choice):
            span = ", ".join(map(code, kind.choices))
        elif isinstance(kind, click.FloatRange):
            span = f"from {number(kind.min or 0)}"
        elif option.metavar:
            span = option.metavar.replace("|", " or ")
        if option.required:
            shown = "required"
        elif option.is_flag:
            shown = "off"
        elif isinstance(default, str):
            shown = code(default)
        else:
            shown = number(default) if isinstance(default, (int, float)) else ""
        rows.append([code(option.opts[0]), shown, span, HAND])
    return Table(("option", "default", "range", "meaning"), rows, "option")


def models() -> Table:
    """Networks that are known by name."""
    return Table(("name", "layers"), [[code(name), HAND] for name in MODELS], "name")


def log_columns() -> Table:
    """Columns of a training run's log."""
    rows = [[code(name), HAND] for name in constant("training/finish.py", "COLUMNS")]
    return Table(("column", "meaning"), rows, "column")


NUMBERS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("learning rate of the network in nested training, in parts of the controller's", "training/steps.py",
     "NESTED_RATE", number),
    ("training images of the calibration pass, at most", "training/loop.py", "CALIBRATION_SAMPLES", number),
    ("temperature of the Gumbel sample, from and to", "training/loop.py", "TAU",
     lambda tau: " and ".join(map(number, tau))),
    ("smoothing of labels", "training/losses.py", "SMOOTHING", number),
    ("span of the dial's bias, in logits", "training/dial.py", "SPAN", number),
    ("part of the budget that the dial's setting keeps", "training/validation.py", "DIAL_FILL", number),
    ("decay of tracked ranges", "training/quantizers.py", "EMA_RATE", lambda rate: number(1 - rate)),
    ("percentile of magnitudes that ranges track", "training/quantizers.py", "PERCENTILE_REST",
     lambda rest: number(100 - 100 * rest)),
    ("clip that a weight starts with, in standard deviations", "training/quantizers.py", "CLIP_SIGMAS", number),
    ("static vectors that are all tried, at most", "precision/static.py", "EXHAUSTIVE_MAX", number),
    ("held-out samples of `digits`", "data/load.py", "DIGITS_TEST", number),
    ("held-out part of data that has none of its own", "data/dataset.py", "TEST_SHARE", number),
)  # fmt: skip


def method_numbers() -> Table:
    """Constants of the method; those that an option sets are in the table of options."""
    rows = [(what, show(constant(path, name)), f"`{name}`, `{path}`") for what, path, name, show in NUMBERS]
    return Table(("number", "value", "in the code"), rows, "number")


# --- Checkpoint -----------------------------------------------------------------------------------------------


def fields_of(cls: type[Any]) -> Callable[[], Table]:
    """Fields of a part of a checkpoint's manifest."""
    return lambda: Table(("field", "value"), [[code(f.name), HAND] for f in dataclasses.fields(cls)], "field")


def layer_types() -> Table:
    """Layers by their names on disk."""
    rows: list[list[Cell]] = []
    for cls, name in layers.LAYER_NAMES.items():
        names = [f.name for f in dataclasses.fields(cls) if f.name not in ("name", "output")]
        rows.append([code(name), ", ".join(map(code, names)), HAND])
    return Table(("type", "fields besides `name`, `output`", "shapes"), rows, "type")


def checkpoint_limits() -> Table:
    """What a reader refuses by size."""
    rows = [
        ("formats", f"{checkpoint.FORMATS[0]} to {checkpoint.FORMATS[-1]}"),
        ("file", f"{checkpoint.FILE_MAX >> 20} MiB"),
        ("header", f"{checkpoint.MANIFEST_MAX >> 20} MiB, and not longer than the file"),
        ("layers in a list", str(checkpoint.LAYERS_MAX)),
        ("weights of a layer", f"{graph.WEIGHTS_MAX:,}"),
        ("inputs of a concatenation", str(graph.CONCAT_MAX)),
        ("a side of a tensor", f"1..{graph.DIMENSION_MAX}"),
        ("kernel and stride", f"1..{values.WINDOW_MAX}; padding less than the kernel, dilation counted"),
        ("dilation", f"1..{graph.DIMENSION_MAX}"),
        ("loops of a `Rearrange`", f"1..{graph.LOOPS_MAX}"),
        ("candidates of a layer", f"1..{policy.CANDIDATES_MAX}"),
        ("inputs, outputs, states", f"{graph.TERMINALS_MAX} of each"),
        ("points of a dial", f"{dial.POINTS_MAX}; targets a thousandth or more apart"),
        ("names", "a letter or `_`, then up to 63 of letters, digits, `_`, `.`, `-`"),
        ("accumulators, and logits with a bias of the dial", "must fit 32 bits on every input"),
    ]
    return Table(("limit", "value", "checked"), [[*row, HAND] for row in rows], "limit")


# --- C --------------------------------------------------------------------------------------------------------


def descriptors() -> Table:
    """Structures of a model's tables, with their bytes on a 32-bit core."""
    inner = (records.Window, records.Requantize)
    sizes = {r.c_type: r.byte_size() for r in records.RECORDS if r not in inner} | {"dqt_model": footprint.MODEL_SIZE}
    rows = [[code(name), str(size), HAND] for name, size in sizes.items()]
    return Table(("structure", "bytes", "for"), rows, "structure")


def statuses() -> Table:
    """What the functions of ``dqt.h`` return."""
    found = re.search(r"typedef enum dqt_status \{(.*?)\}", header_text("dqt/dqt.h"), re.DOTALL)
    assert found is not None
    rows = [[code(name), value, HAND] for name, value in re.findall(r"(DQT_\w+) = (\d+)", found[1])]
    return Table(("status", "value", "meaning"), rows, "status")


def project_folders() -> Table:
    """What an export holds, at its top, and what `build` adds."""
    with tempfile.TemporaryDirectory() as folder:
        project = dqt.export(ROOT / "tests" / "files" / "digits.safetensors", "qemu-m4", Path(folder) / "project")
        found = sorted((path.is_file(), path.name) for path in project.folder.iterdir())
    names = [*(f"{name}{'' if is_file else '/'}" for is_file, name in found), "build/"]
    return Table(("path", "content"), [[code(name), HAND] for name in names], "path")


# --- Architecture ---------------------------------------------------------------------------------------------


def contracts() -> list[dict[str, Any]]:
    """Contracts of import-linter."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = read["tool"]["importlinter"]["contracts"]
    return found


def rooms() -> Table:
    """Folders and modules of the package, from the highest layer down."""
    order = [
        module.removeprefix("dqt_edge.") for line in contracts()[0]["layers"] for module in re.split(r" [|] ", line)
    ]
    paths = [PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py" for name in order]
    held = {p for p in PACKAGE.iterdir() if not p.name.startswith(("_", "py.")) and (p.is_dir() or p.suffix == ".py")}
    assert held == set(paths), f"no layer of pyproject.toml: {sorted(p.name for p in held ^ set(paths))}"
    rows = [[code(f"{p.name}{'/' * p.is_dir()}"), HAND] for p in paths]
    return Table(("room", "what it does"), rows, "room")


def outside() -> Table:
    """Folders of C and templates."""
    names = [
        f"{top.name}/{path.name}/"
        for top in (FIRMWARE, ROOT / "templates")
        for path in sorted(top.iterdir())
        if path.is_dir()
    ]
    return Table(("folder", "what it holds"), [[code(name), HAND] for name in names], "folder")


def import_layers() -> str:
    """Layers of the package as import-linter holds them."""
    lines = [line.replace("dqt_edge.", "").replace(" | ", ", ") for line in contracts()[0]["layers"]]
    return "\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def import_rules() -> Table:
    """The other contracts."""
    rows: list[list[Cell]] = []
    for rule in contracts()[1:]:
        if rule["type"] == "layers":
            inside = rule["containers"][0].replace("dqt_edge.", "")
            what = f"within `{inside}`, from above: " + "; ".join(line.replace(" | ", ", ") for line in rule["layers"])
        else:
            source, target = (
                ", ".join(code(m.replace("dqt_edge.", "")) for m in rule[f"{kind}_modules"])
                for kind in ("source", "forbidden")
            )
            what = f"{source} may not import {target}"
        rows.append([rule["name"], what])
    return Table(("rule", "as it is checked"), rows, "rule")


def kernel_arguments() -> Table:
    """What Python knows of a kernel."""
    rows = [[code(f.name), HAND, HAND] for f in dataclasses.fields(kernel.Kernel)]
    return Table(("argument", "meaning", "here"), rows, "argument")


def tflite_operators() -> Table:
    """Operators of .tflite files that are read, those of one kind in a row."""
    assert read_network.__module__ in sys.modules  # the reader has registered what it reads
    names: dict[int, list[str]] = {}
    for name, operator in OPERATORS.items():
        names.setdefault(id(operator), []).append(name)
    words = {id(operator): operator.supported for operator in OPERATORS.values()}
    return Table(("operator", "supported"), [(", ".join(map(code, n)), words[i]) for i, n in names.items()], "operator")


def tflite_refusals() -> Table:
    """Operators that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in REFUSED.items():
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("operator", "refused because", "instead"), rows, "operator")


def onnx_operators() -> Table:
    """Operators of .onnx files that are read, those of one kind in a row."""
    names: dict[str, list[str]] = {}
    for name, operator in ONNX_OPERATORS.items():
        if name[0].isupper():  # not what stands for several operators
            names.setdefault(operator.supported, []).append(name)
    rows = [(", ".join(map(code, n)), words) for words, n in names.items()]
    rest = sorted(FOLDED - set(ONNX_OPERATORS) | {"Constant", "Shape", "Size"})
    rows.append((", ".join(map(code, rest)), "where only constants or shapes are read: computed while importing"))
    return Table(("operator", "supported"), rows, "operator")


def onnx_refusals() -> Table:
    """Operators that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in REASONS.items():
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("operator", "refused because", "instead"), rows, "operator")


def keras_layers() -> Table:
    """Layers of Keras that are read, those of which the same is supported in a row."""
    return _by_words("layer", {name: entry.supported for name, entry in LAYERS.items()})


def keras_operations() -> Table:
    """Functions of ``keras.ops`` and operators, as they are called."""
    functions: dict[str, str] = {}
    for name, entry in OPERATIONS.items():
        functions.setdefault(re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower(), entry.supported)
    return _by_words("function", functions)


def keras_refusals() -> Table:
    """Layers of Keras that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in REFUSED_LAYERS.items():
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("layer", "refused because", "instead"), rows, "layer")


def _by_words(header: str, supported: dict[str, str]) -> Table:
    names: dict[str, list[str]] = {}
    for name, words in supported.items():
        names.setdefault(words, []).append(name)
    return Table((header, "supported"), [(", ".join(map(code, n)), words) for words, n in names.items()], header)


def operator_table() -> Table:
    """What ``benchmarks/operators.py`` found of each operator."""
    return Table(("operator", *(f"`.{kind}`" for kind in FORMATS), "trains"), operator_rows(), "operator")


def zoo_table() -> Table:
    """What ``benchmarks/zoo.py`` found of each network."""
    return Table(("network", "million MAC", *(f"`.{kind}`" for kind in ZOO_FORMATS)), zoo_rows(), "network")


BLOCKS: dict[str, Callable[[], str | Table]] = {
    "operators": operator_table,
    "zoo": zoo_table,
    "message-types": message_types,
    "protocol-numbers": protocol_numbers,
    **{f"record-{made.name}": record(made) for made in messages.RECORDS},
    "naks": naks,
    "timeouts": timeouts,
    **{f"board-{cls.__name__.lower()}": board_keys(cls) for cls in (
        boards.Board, boards.Cpu, boards.Memory, boards.Runner, boards.Serial, boards.Counter, boards.Qemu)},
    "shipped-boards": shipped_boards,
    "port-contract": port_contract,
    "margins": margins,
    "commands": commands,
    "exit-codes": exit_codes,
    "train-options": train_options,
    "models": models,
    "log-columns": log_columns,
    "method-numbers": method_numbers,
    "static-vectors": lambda: number(constant("precision/static.py", "EXHAUSTIVE_MAX")),
    "graph-fields": fields_of(graph.Graph),
    "tensor-fields": fields_of(graph.Tensor),
    "state-fields": fields_of(graph.State),
    "controller-fields": fields_of(graph.Controller),
    "dial-fields": fields_of(graph.DialPoint),
    "layer-types": layer_types,
    "checkpoint-limits": checkpoint_limits,
    "descriptors": descriptors,
    "fault-frame": lambda: str(footprint.FAULT_FRAME),
    "statuses": statuses,
    "project-folders": project_folders,
    "rooms": rooms,
    "outside": outside,
    "import-layers": import_layers,
    "import-rules": import_rules,
    "kernel-arguments": kernel_arguments,
    "onnx-operators": onnx_operators,
    "onnx-refusals": onnx_refusals,
    "keras-layers": keras_layers,
    "keras-operations": keras_operations,
    "keras-refusals": keras_refusals,
    "tflite-operators": tflite_operators,
    "tflite-refusals": tflite_refusals,
}  # fmt: skip
