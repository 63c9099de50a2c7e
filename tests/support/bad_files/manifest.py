"""Bad manifests: of an exported project, of one for this computer, and of a library."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dqt_edge.boards import load_board
from dqt_edge.project.export import export
from dqt_edge.project.library import export_library
from dqt_edge.project.manifest import MANIFEST, find_project, listed_files

from .case import Case, Format
from .good_graph import with_state

Manifest = dict[str, Any]
PROJECT, LIBRARY = "project", "library"
KEPT = (MANIFEST, "board.toml")


@cache
def _exported(board: str, outlet: str = "") -> Mapping[str, bytes]:
    """Manifest, board and checkpoints of an export."""
    with tempfile.TemporaryDirectory() as name:
        folder, graph = Path(name) / "p", with_state()
        if outlet:
            export_library([graph], load_board(board), outlet, folder)
        else:
            export(graph, load_board(board), folder)
        kept = [path for path in folder.rglob("*") if path.name in KEPT or path.suffix == ".safetensors"]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def _around() -> Mapping[str, bytes]:
    found = {f"{PROJECT}/{name}": content for name, content in _exported("qemu-m4").items()}
    return {**found, "secret": b"nothing for strangers"}


def _read(path: Path) -> None:
    if path.parent.name == LIBRARY:
        listed_files(path.parent)
    else:
        find_project(path.parent).graph()


def _good() -> bytes:
    return _exported("qemu-m4")[MANIFEST]


def _case(edit: Callable[[Manifest], object], told: str) -> Case:
    """A project's manifest with something changed."""

    def make() -> bytes:
        manifest = json.loads(_good())
        edit(manifest)
        return json.dumps(manifest).encode()

    return Case(make, told)


def _library(edit: Callable[[Manifest], object], told: str) -> Case:
    """A library's."""

    def make() -> bytes:
        manifest = json.loads(_exported("qemu-m4", "arduino")[MANIFEST])
        edit(manifest)
        return json.dumps(manifest).encode()

    return Case(make, told, f"{LIBRARY}/{MANIFEST}")


def _raw(edit: Callable[[bytes], bytes], told: str) -> Case:
    return Case(lambda: edit(_good()), told)


def _model(**values: object) -> Callable[[Manifest], object]:
    return lambda m: m["models"][0].update(values)


def _twin(**values: object) -> Callable[[Manifest], object]:
    """A second model, like the first but for these facts."""
    return lambda m: m["models"].append(m["models"][0] | values)


def _predicted(**values: object) -> Callable[[Manifest], object]:
    return lambda m: m["predicted"].update(values)


def _moved(old: str, new: str) -> Callable[[Manifest], object]:
    """The checkpoint under another name, which the list of files has too."""

    def edit(manifest: Manifest) -> None:
        manifest["files"][new] = manifest["files"].pop(old)
        manifest["models"][0]["checkpoint"] = new

    return edit


CHECKPOINT = "model/stream.safetensors"
OTHER = "0" * 64

TEXT = {
    "an empty file": _raw(lambda c: b"", "Expecting value: line 1 column 1"),
    "a file cut off in its middle": _raw(lambda c: c[: len(c) // 2], "the manifest is damaged: "),
    "a file with a bracket too many": _raw(lambda c: c + b"}", "Extra data"),
    "a list": _raw(lambda c: b"[]", "it is [], must be an object"),
    "null": _raw(lambda c: b"null", "it is None, must be an object"),
    "a file in UTF-16": _raw(lambda c: c.decode().encode("utf-16"), "can't decode byte 0xff in position 0"),
    "a name that is no UTF-8": _raw(lambda c: c.replace(b"stream", b"str\xffam", 1), "can't decode byte 0xff"),
    "brackets nested 100,000 deep": _raw(lambda c: b"[" * 100_000, "nested too deep"),
    "a number of 5,000 digits": _raw(lambda c: c.replace(b'"format": 2', b'"format": ' + b"9" * 5000), "digits"),
    "a format twice": _raw(lambda c: c.replace(b'"format": 2', b'"format": 1, "format": 2'), "it has 'format' twice"),
    "a file's digest twice": _raw(
        lambda c: c.replace(b'"files": {', b'"files": {"%s": "", ' % CHECKPOINT.encode()),
        f"it has '{CHECKPOINT}' twice",
    ),
    "a file of 5 MB": _raw(lambda c: c + b" " * (5 << 20), "more than the limit"),
}

FIELDS = {
    "no format": _case(lambda m: m.pop("format"), "format is missing"),
    "a format of tomorrow": _case(lambda m: m.update(format=3), "format 3, this program reads 2"),
    "a format that is real": _case(lambda m: m.update(format=2.0), "format 2.0, this program reads 2"),
    "no board": _case(lambda m: m.pop("board"), "board is missing"),
    "another board": _case(lambda m: m.update(board="stm32h7"), "it names board 'stm32h7'"),
    "a board that is a path": _case(lambda m: m.update(board="../secret"), "it names board '../secret'"),
    "a library's": _case(lambda m: m.update(outlet="arduino"), "a library for arduino"),
    "no models": _case(lambda m: m.pop("models"), "models is missing"),
    "an empty list of models": _case(lambda m: m.update(models=[]), "models is [], must be a list of one or more"),
    "models by their names": _case(lambda m: m.update(models={"stream": {}}), "models is {'stream': {}}"),
    "a model that is text": _case(lambda m: m.update(models=["stream"]), "models[0] is 'stream'"),
    "a model without a name": _case(lambda m: m["models"][0].pop("name"), "models[0]/name is missing"),
    "a name that is a number": _case(_model(name=3), "models[0]/name is 3"),
    "no hash": _case(lambda m: m["models"][0].pop("hash"), "models[0]/hash is missing"),
    "a hash that is a number": _case(_model(hash=255), "models[0]/hash is 255"),
    "a hash of 31 bytes": _case(_model(hash="00" * 31), "models[0]/hash is '00"),
    "a hash in other letters": _case(_model(hash="xy" * 32), "models[0]/hash is 'xy"),
    "the hash of another model": _case(_model(hash=OTHER), "the model is not the one that was exported"),
    "a symbol that is C": _case(_model(symbol="x; system()"), "models[0]/symbol is 'x; system()'"),
    "a symbol that is a path": _case(_model(symbol="../../x"), "models[0]/symbol is '../../x'"),
    "no checkpoint": _case(lambda m: m["models"][0].pop("checkpoint"), "models[0]/checkpoint is missing"),
    "a checkpoint that is a list": _case(_model(checkpoint=[CHECKPOINT]), "models[0]/checkpoint is ["),
    "a checkpoint above the project": _case(_moved(CHECKPOINT, "../secret"), "'../secret' lies outside the project"),
    "a checkpoint by its whole path": _case(
        _moved(CHECKPOINT, "/etc/passwd"), "'/etc/passwd' lies outside the project"
    ),
    "a checkpoint behind a step back": _case(_moved(CHECKPOINT, "model/../../secret"), "lies outside the project"),
    "a checkpoint with a NUL": _case(_moved(CHECKPOINT, "model/a\0b"), "'model/a\\x00b' lies outside the project"),
    "a checkpoint that is the folder": _case(_moved(CHECKPOINT, "."), "'.' lies outside the project"),
    "a checkpoint that nobody exported": _case(_model(checkpoint="board.toml2"), "which is none of the files"),
    "a checkpoint that is gone": _case(_moved(CHECKPOINT, "model/gone.safetensors"), "cannot read the checkpoint"),
    "a checkpoint that is the board": _case(_model(checkpoint="board.toml"), "not a usable checkpoint"),
    "two models of one name": _case(_twin(symbol="other", checkpoint="x"), "models[1]/name is 'stream', as that"),
    "two models of one symbol": _case(_twin(name="other", checkpoint="x"), "models[1]/symbol is 'stream', as that"),
    "two models of one checkpoint": _case(_twin(name="b", symbol="b"), "models[1]/checkpoint is 'model/stream"),
    "a dial beyond 1": _case(_model(dial=[0.5, 7]), "models[0]/dial is [0.5, 7]"),
    "a dial that is text": _case(_model(dial="0.5"), "models[0]/dial is '0.5'"),
    "no files": _case(lambda m: m.pop("files"), "files is missing"),
    "files without digests": _case(lambda m: m.update(files=list(m["files"])), "files is ["),
    "a digest that is null": _case(lambda m: m["files"].update({CHECKPOINT: None}), f"files/{CHECKPOINT} is None"),
    "a digest of 8 letters": _case(
        lambda m: m["files"].update({CHECKPOINT: "0a1b2c3d"}), f"files/{CHECKPOINT} is '0a1"
    ),
    "a file above the project": _case(lambda m: m["files"].update({"../secret": OTHER}), "'../secret' lies outside"),
    "a file by its whole path": _case(
        lambda m: m["files"].update({"/etc/passwd": OTHER}), "'/etc/passwd' lies outside"
    ),
    "a file of another system's path": _case(lambda m: m["files"].update({"..\\secret": OTHER}), "'..\\\\secret' lies"),
    "a file without a name": _case(lambda m: m["files"].update({"": OTHER}), "files: '' lies outside the project"),
    "a file whose name is two lines": _case(
        lambda m: m["files"].update({"a\nb": OTHER}), "files: 'a\\nb' lies outside"
    ),
    "no sizes": _case(lambda m: m.pop("predicted"), "predicted is missing"),
    "sizes that are null": _case(lambda m: m.update(predicted=None), "predicted is None"),
    "a size that is missing": _case(lambda m: m["predicted"].pop("ram"), "predicted/ram is missing"),
    "a size that is text": _case(_predicted(flash="1"), "predicted/flash is '1'"),
    "a size that is true": _case(_predicted(stack=True), "predicted/stack is True"),
    "a negative size": _case(_predicted(ram=-1), "predicted/ram is -1"),
    "a size of 2^63": _case(_predicted(flash=1 << 63), "predicted/flash is 9223372036854775808"),
    "a compiler that is a list": _case(_predicted(compiler=["gcc"]), "predicted/compiler is ['gcc']"),
    "peaks by names": _case(_predicted(peaks={"stream": 1}), "predicted/peaks is {'stream': 1}"),
    "a peak without its scratch": _case(
        lambda m: m["predicted"]["peaks"][0].pop("scratch"), "peaks[0]/scratch is miss"
    ),
    "a trigger that is text": _case(lambda m: m.update(trigger="PA8"), "trigger is 'PA8'"),
    "a trigger without its place": _case(lambda m: m.update(trigger={"pin": "PA8"}), "trigger/where is missing"),
    "a text protocol that is true": _case(lambda m: m.update(text_protocol=True), "text_protocol is True"),
}

LIBRARIES = {
    "a library's outlet that is a list": _library(lambda m: m.update(outlet=["x"]), "outlet is ['x'], must be text"),
    "a library without files": _library(lambda m: m.pop("files"), "files is missing"),
    "a library's file above it": _library(
        lambda m: m["files"].update({"../secret": OTHER}), "'../secret' lies outside"
    ),
    "a library's file without a digest": _library(lambda m: m["files"].update({"LICENSE": 1}), "files/LICENSE is 1"),
    "a library of a format of tomorrow": _library(lambda m: m.update(format="2"), "format '2', this program reads 2"),
}

MANIFEST_JSON = Format(
    "manifest",
    f"{PROJECT}/{MANIFEST}",
    _good,
    _read,
    {**TEXT, **FIELDS, **LIBRARIES},
    least=30,
    around=_around,
)
