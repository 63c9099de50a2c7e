"""Damaged files of every format: each must be read, or refused by a typed error that names the file.

Run by ``make fuzz-files CASES=5000``. The bad files made by hand come first, see ``bad_files.py``. Then half of the
cases of a format change bytes or cut the file off; the other half change values of the decoded content, so that the
file is well formed and says something wrong. What is read is made use of: a checkpoint is planned for a board, a model
becomes a graph. A case is a finding if anything but a ``DqtError`` comes, if the error does not name the file, or if it
takes more time or memory than ``file_limits.py`` grants. Findings are written to ``build/fuzz-files/`` with the seed of
their case; exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks import bad_files
from benchmarks.file_limits import Read, limit_memory, outcome, watch
from dqt_edge.boards import load_board, read_board
from dqt_edge.data.npz import from_npz
from dqt_edge.graph import checkpoint
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.files import read_model
from dqt_edge.importers.keras.config import check_config
from dqt_edge.importers.keras.opened import private_copy
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.export import export
from dqt_edge.project.manifest import find_project
from tests.support.random_points import pointed_graph
from tests.support.tflite_models import joined_network, small_network

FOUND = Path("build/fuzz-files")
CHANGES = 6
POOL: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 255, 256, 1 << 31, -(1 << 31), 1 << 63, 1 << 70, 0.5, -0.0, 1e308, float("inf")),
    *(float("nan"), "", "x", "../x", "a" * 300, "\x1b[2J", "\0", [], {}, [[]], {"array": "x"}, [1] * 1000, "8x8"),
)
"""What takes the place of a value."""

# --- What is damaged, and what reads it -----------------------------------------------------------------------


def _read_checkpoint(path: Path) -> None:
    make_plan(checkpoint.load(path), load_board("qemu-m4"))


def _read_any_model(path: Path) -> None:
    network = read_model(path)
    if network.integer:
        assemble(network)


def _read_keras(path: Path) -> None:
    """Up to where Keras would load it."""
    with tempfile.TemporaryDirectory() as folder:
        private_copy(path, Path(folder))
    check_config(path)


def _read_project(path: Path) -> None:
    find_project(path.parent).graph()


def _checkpoint(folder: Path) -> bytes:
    checkpoint.save(pointed_graph(0, controller=True), folder / "a.safetensors")
    return (folder / "a.safetensors").read_bytes()


def _onnx(_folder: Path) -> bytes:
    import onnx  # noqa: PLC0415 - an optional dependency
    from onnx import helper, numpy_helper  # noqa: PLC0415

    rng = np.random.default_rng(1)
    weights = numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 3, 8, 8]), ("y", [1, 4]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [weights])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


def _npz(_folder: Path) -> bytes:
    rng, file = np.random.default_rng(1), io.BytesIO()
    classes = np.array(["a", "b"])
    np.savez(file, x=rng.random((8, 4, 4, 1), np.float32), y=np.arange(8) % 2, classes=classes)
    return file.getvalue()


def _keras(_folder: Path) -> bytes:
    dense = {"class_name": "Dense", "module": "keras.layers"}
    layers = [dense | {"config": {"name": name, "units": 3, "activation": "relu"}} for name in "de"]
    config = {"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": layers}}
    return _packed({"config.json": json.dumps(config), "metadata.json": json.dumps({"keras_version": "3.14.0"})})


def _packed(members: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _board(_folder: Path) -> bytes:
    return Path("boards/stm32h7.toml").read_bytes()


def _manifest(folder: Path) -> bytes:
    graph = checkpoint.load(Path("tests/files/digits.safetensors"))
    return (export(graph, load_board("qemu-m4"), folder / "p").project.folder / "manifest.json").read_bytes()


def _safetensors_values(content: bytes, rng: np.random.Generator) -> bytes:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    body = json.loads(header["__metadata__"]["dqt_edge"])
    header["__metadata__"]["dqt_edge"] = json.dumps(changed(body, rng))
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _json_values(content: bytes, rng: np.random.Generator) -> bytes:
    return json.dumps(changed(json.loads(content), rng)).encode()


def _keras_values(content: bytes, rng: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    members["config.json"] = json.dumps(changed(json.loads(members["config.json"]), rng))
    return _packed(members)


def _onnx_values(content: bytes, rng: np.random.Generator) -> bytes:
    """Numbers and names of the message; what Protobuf itself would not take stays out."""
    import onnx  # noqa: PLC0415 - an optional dependency
    from google.protobuf.json_format import MessageToDict, ParseDict, ParseError  # noqa: PLC0415

    body = MessageToDict(onnx.load_from_string(content), preserving_proto_field_name=True)
    while True:
        try:
            return bytes(ParseDict(changed(body, rng, most=2), onnx.ModelProto()).SerializeToString())
        except (ParseError, TypeError, ValueError, OverflowError, RecursionError):
            continue


def _words(content: bytes, rng: np.random.Generator) -> bytes:
    """Aligned words of the file replaced by numbers that are sizes, offsets and counts at their ends."""
    made = bytearray(content)
    for place in rng.integers(0, len(content) // 4, int(rng.integers(1, CHANGES))):
        value = int(rng.choice([0, 1, 2, 3, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1]))
        made[4 * place : 4 * place + 4] = value.to_bytes(4, "little")
    return bytes(made)


def _toml_values(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.decode().splitlines()
    places = [i for i, line in enumerate(lines) if " = " in line]
    for place in rng.choice(places, int(rng.integers(1, 4))):
        key = lines[place].partition(" = ")[0]
        value = json.dumps(POOL[int(rng.integers(1, len(POOL)))]).replace("NaN", "nan").replace("Infinity", "inf")
        lines[place] = f"{key} = {value}"
    return "\n".join(lines).encode()


FORMATS: dict[str, tuple[Callable[[Path], bytes], str, Read, Callable[[bytes, np.random.Generator], bytes]]] = {
    "checkpoint": (_checkpoint, "m.safetensors", _read_checkpoint, _safetensors_values),
    "tflite": (lambda _: small_network().encode(), "m.tflite", _read_any_model, _words),
    "tflite-joined": (lambda _: joined_network().encode(), "m.tflite", _read_any_model, _words),
    "onnx": (_onnx, "m.onnx", _read_any_model, _onnx_values),
    "keras": (_keras, "m.keras", _read_keras, _keras_values),
    "npz": (_npz, "d.npz", lambda path: _ignore(from_npz(path, 0.1)), _words),
    "board": (_board, "b.toml", lambda path: _ignore(read_board(path)), _toml_values),
    "manifest": (_manifest, "p/manifest.json", _read_project, _json_values),
}


def _ignore(_: object) -> None:
    """Reading it was the point."""


# --- Cases ----------------------------------------------------------------------------------------------------


def changed(body: Any, rng: np.random.Generator, most: int = 4) -> Any:  # noqa: ANN401 - JSON
    """A copy of decoded content with some values replaced, removed or doubled."""
    made = copy.deepcopy(body)
    for _ in range(int(rng.integers(1, most + 1))):
        part, key = made, None
        while True:
            keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else []
            if not keys or (key is not None and rng.random() < 0.1):
                break
            above, key = part, list(keys)[int(rng.integers(len(keys)))]
            part = above[key]
        if key is None:
            break
        way = rng.random()
        if way < 0.1:
            del above[key]
        elif way < 0.2 and isinstance(above, list):
            above.append(copy.deepcopy(above[key]))
        else:
            above[key] = copy.deepcopy(POOL[int(rng.integers(len(POOL)))])
    return made


def spoiled(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, or cut off."""
    made = bytearray(content)
    for place in rng.integers(0, len(content), int(rng.integers(1, CHANGES))):
        made[place] = int(rng.integers(256))
    return bytes(made[: len(made) if rng.random() < 0.8 else int(rng.integers(len(made)))])


def main() -> None:
    """Run the cases and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000, help="of each kind of damage to each format")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    watch()
    FOUND.mkdir(parents=True, exist_ok=True)
    findings = bad_files.run()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.formats:
            findings += _run(name, Path(folder), range(options.first, options.first + options.cases))
    sys.exit(int(findings > 0))


def _run(name: str, folder: Path, cases: range) -> int:
    """Cases of a format; the number of findings."""
    make, file, read, values = FORMATS[name]
    good = make(folder)
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(good)
    assert outcome(read, path) == "read", f"the {name} that is damaged is none: {outcome(read, path)}"
    limit_memory()
    counts: Counter[str] = Counter()
    for kind, damage in (("bytes", spoiled), ("values", values)):
        for case in track(cases, f"{name}, {kind}", transient=True):
            content = damage(good, np.random.default_rng((case, len(kind))))
            path.write_bytes(content)
            told = outcome(read, path)
            counts[told if told in ("read", "refused") else "findings"] += 1
            if told not in ("read", "refused"):
                (FOUND / f"{name}-{kind}-{case}{path.suffix}").write_bytes(content)
                (FOUND / f"{name}-{kind}-{case}.txt").write_text(told, encoding="utf-8")
    print(f"{name}: {counts['read']:,} read, {counts['refused']:,} refused, {counts['findings']:,} findings")
    return counts["findings"]


if __name__ == "__main__":
    main()
