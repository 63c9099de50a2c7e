"""Bad checkpoints: the file, its header, its manifest's text, and fields of wrong types or missing."""

from __future__ import annotations

import json
from pathlib import Path

from dqt_edge.boards import load_board
from dqt_edge.graph import checkpoint
from dqt_edge.lowering.plan import make_plan

from .case import Case, Format
from .checkpoint_graph import GRAPH
from .checkpoint_layers import LAYERS
from .checkpoint_parts import (
    KEY,
    Parts,
    cases,
    good,
    header,
    joined,
    on_controller,
    on_graph,
    on_layer,
    on_point,
    on_setting,
    on_tensor,
    raw,
    split,
    streaming,
    text,
    window,
    without,
)


def _read(path: Path) -> None:
    make_plan(checkpoint.load(path), load_board("qemu-m4"))


def _long(value: int, content: bytes) -> bytes:
    """The file with another length of its header."""
    return value.to_bytes(8, "little") + content[8:]


def _header_end(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def _moved(header: dict[str, object], name: str, by: int) -> None:
    entry = header[name]
    assert isinstance(entry, dict)
    entry["data_offsets"] = [n + by for n in entry["data_offsets"]]


def _twice_in_header(name: str) -> bytes:
    """A header that has a name twice: readers differ in which one counts."""
    found, data = split(good())
    again = json.dumps({name: found[name]})[1:-1]
    return joined(json.dumps(found)[:-1] + f", {again}}}", data)


BYTES = {
    "an empty file": raw(lambda c: b"", "shorter than a header"),
    "cut off within the length of the header": raw(lambda c: c[:7], "shorter than a header"),
    "cut off behind the length of the header": raw(lambda c: c[:8], "the header claims"),
    "cut off within the header": raw(lambda c: c[: _header_end(c) // 2], "the header claims"),
    "cut off behind the header": raw(lambda c: c[: _header_end(c)], "tensor 'block/bias_by_width' ends at byte"),
    "cut off before the last byte": raw(lambda c: c[:-1], "tensor 'table/table' ends at byte 2819, and there are 2818"),
    "bytes behind the last tensor": raw(lambda c: c + b"more", "the end begins at byte 2823"),
    "a header without end": raw(lambda c: _long(2**64 - 1, c), "the header claims"),
    "a header of 2^63 bytes": raw(lambda c: _long(2**63, c), "the header claims"),
    "a header of 100 MB, of which nothing is there": raw(lambda c: _long(100_000_000, c), "the header claims"),
    "a header of no bytes": raw(lambda c: _long(0, c), "the header is no JSON"),
    "a header that ends in a name": raw(lambda c: _long(40, c), "the header is no JSON"),
    "a picture": raw(lambda c: b"\x89PNG\r\n\x1a\n" + c[8:], "the header claims"),
    "an archive": raw(lambda c: b"PK\x03\x04\x14\0\0\0" + c[8:], "the header claims"),
    "a pickle": raw(lambda c: b"\x80\x04\x95\x10\0\0\0\0\0\0\0cos\nsystem\n", "the header claims"),
    "text of another program": raw(lambda c: b"<html><body>404 Not Found</body></html>" * 9, "the header claims"),
    "a header that is no UTF-8": raw(lambda c: joined("x", b"").replace(b"x", b"\xff"), "the header is no JSON"),
    "a flipped bit in a weight": raw(lambda c: c[:-1] + bytes([c[-1] ^ 1]), "SHA-256"),
}

HEADER = {
    "a header that is a list": Case(lambda: joined("[]", b""), "no dqt_edge manifest"),
    "a header nested 100,000 deep": Case(lambda: joined("[" * 100_000, b""), "nested too deep"),
    "weights of another program": header(lambda h: h.pop("__metadata__"), "no dqt_edge manifest"),
    "metadata that is text": header(lambda h: h.update(__metadata__="x"), "no dqt_edge manifest"),
    "metadata of another program": header(lambda h: h["__metadata__"].pop(KEY), "no dqt_edge manifest"),
    "a manifest that is a number": header(lambda h: h["__metadata__"].update({KEY: 7}), "manifest is no text"),
    "a manifest that is an object": header(lambda h: h["__metadata__"].update({KEY: {}}), "manifest is no text"),
    "a tensor twice": Case(lambda: _twice_in_header("conv/weights"), "'conv/weights' twice"),
    "two manifests": Case(lambda: _twice_in_header("__metadata__"), "'__metadata__' twice"),
    "a tensor of half floats": header(
        lambda h: h["conv/weights"].update(dtype="F16"), "'conv/weights' has elements of type 'F16'"
    ),
    "a tensor of an unknown type": header(
        lambda h: h["conv/weights"].update(dtype="I9"), "'conv/weights' has elements of type 'I9'"
    ),
    "a tensor without a type": header(
        lambda h: h["conv/weights"].pop("dtype"), "tensor 'conv/weights' is no object of"
    ),
    "a tensor without a shape": header(
        lambda h: h["conv/weights"].pop("shape"), "tensor 'conv/weights' is no object of"
    ),
    "a tensor without a place": header(
        lambda h: h["conv/weights"].pop("data_offsets"), "'conv/weights' is no object of"
    ),
    "a tensor of another shape than its bytes": header(
        lambda h: h["conv/weights"].update(shape=[4, 3, 3, 5]),
        "tensor 'conv/weights' has shape [4, 3, 3, 5] of I8, and 144",
    ),
    "a tensor of negative size": header(
        lambda h: h["conv/weights"].update(shape=[-4, 3, 3, 4]), "'conv/weights' has shape"
    ),
    "a tensor whose size is more than 64 bits": header(
        lambda h: h["conv/weights"].update(shape=[2**40, 2**40]), "tensor 'conv/weights' has shape [1099511627776"
    ),
    "a tensor behind the end": header(
        lambda h: _moved(h, "conv/weights", 1 << 20), "tensor 'conv/weights' ends at byte"
    ),
    "a tensor that ends before it begins": header(
        lambda h: h["conv/weights"]["data_offsets"].reverse(), "tensor 'conv/weights' has shape"
    ),
    "two tensors that overlap": header(
        lambda h: h["conv/weights"].update(data_offsets=h["deep/weights"]["data_offsets"], shape=[36]), "begins at byte"
    ),
    "a gap between two tensors": header(lambda h: h.pop("conv/weights"), "tensor 'deep/weights' begins at byte"),
    "two tensors whose places are exchanged": header(
        lambda h: (
            h.update({"conv/bias_twice": h["deep/bias_twice"], "deep/bias_twice": h["conv/bias_twice"]})
            or h["conv/weights"].update(shape=[4, 3, 4, 3])
        ),
        "SHA-256",
    ),
}

TEXT = {
    "an empty manifest": text(lambda t: "", "the manifest is no JSON"),
    "a manifest that is cut off": text(lambda t: t[: len(t) // 2], "the manifest is no JSON"),
    "a manifest with text behind it": text(lambda t: t + "}", "the manifest is no JSON"),
    "a manifest nested 100,000 deep": text(lambda t: "[" * 100_000, "the manifest is no JSON"),
    "a manifest that is null": text(lambda t: "null", "the manifest is None"),
    "a manifest that is a list": text(lambda t: f"[{t}]", "the manifest is [{"),
    "a manifest that is quoted twice": text(json.dumps, "the manifest is '{"),
    "a key twice": text(lambda t: t.replace('"format": ', '"format": 1, "format": ', 1), "'format' twice"),
    "a layer's key twice": text(lambda t: t.replace('"start": 20', '"start": 20, "start": 0', 1), "'start' twice"),
    "a number of 5,000 digits": text(lambda t: t.replace('"start": 20', f'"start": {"9" * 5000}'), "no JSON"),
    "a number of 2^64": text(lambda t: t.replace('"start": 20', '"start": 18446744073709551616'), "start is"),
    "a scale that is infinite": text(lambda t: t.replace('"scale": 0.05', '"scale": Infinity', 1), "tensor 'input'"),
    "a scale of 1e999": text(lambda t: t.replace('"scale": 0.05', '"scale": 1e999', 1), "tensor 'input'"),
    "half a character in a name": text(lambda t: t.replace('"every"', '"\\ud800"', 1), "name '\\ud800'"),
}


def _without_format(parts: Parts) -> None:
    del parts.manifest["format"]


FIELDS = cases(
    {
        "no format": (_without_format, "format version None"),
        "a format of tomorrow": (lambda p: p.manifest.update(format=99), "format version 99"),
        "format 0": (lambda p: p.manifest.update(format=0), "format version 0"),
        "a format that is text": (lambda p: p.manifest.update(format="4"), "format version '4'"),
        "a format that is true": (lambda p: p.manifest.update(format=True), "format version True"),
        "a format that is half": (lambda p: p.manifest.update(format=1.0), "format version 1.0"),
        "no graph": (without("graph"), "the manifest lacks ['graph']"),
        "a graph that is a list": (lambda p: p.manifest.update(graph=[]), "graph is []"),
        "no name": (without("name", "graph"), "graph lacks ['name']"),
        "no tensors": (without("tensors", "graph"), "graph lacks ['tensors']"),
        "no layers": (without("layers", "graph"), "graph lacks ['layers']"),
        "no classes": (without("classes", "graph"), "graph lacks ['classes']"),
        "no controller": (without("controller", "graph"), "graph lacks ['controller']"),
        "no provenance": (without("provenance", "graph"), "graph lacks ['provenance']"),
        "a name that is a number": (on_graph(name=7), "name of the graph is 7"),
        "an empty name": (on_graph(name=""), "name ''"),
        "a name that is a path": (on_graph(name="../../x"), "name '../../x'"),
        "a name with a NUL": (on_graph(name="a\0b"), "name 'a\\x00b'"),
        "a name that turns a terminal's colours": (on_graph(name="\x1b[31mred"), "name '\\x1b[31mred'"),
        "a name that is C": (on_graph(name='x"; system("true'), "name 'x\"; system"),
        "a name of 65 letters": (on_graph(name="x" * 65), "up to 63"),
        "a name that ends in a line": (on_graph(name="every\n"), "name 'every\\n'"),
        "a name in letters that look like others": (on_graph(name="\u0435very"), "name '\u0435very'"),
        "an unknown task": (on_graph(task="juggling"), "'juggling' is no task"),
        "a task that is a list": (on_graph(task=["map"]), "task is ['map']"),
        "an input that is null": (on_graph(input=None), "input is None"),
        "an output that is a list": (on_graph(output=["output"]), "output is ['output']"),
        "classes that are text": (on_graph(classes="abc"), "classes is 'abc'"),
        "a class that is a number": (on_graph(classes=["a", "b", 3]), "a name in classes is 3"),
        "more classes than anything has": (on_graph(classes=["x"] * 40_000), "a list of 40000"),
        "a controller that is text": (on_graph(controller="conv"), "controller is 'conv'"),
        "provenance that is a list": (on_graph(provenance=[1]), "provenance is [1]"),
        "a second pass that is a number": (on_graph(second_pass=1), "second_pass is 1"),
        "more inputs that are text": (on_graph(more_inputs="b"), "more_inputs is 'b'"),
        "65 more outputs": (on_graph(more_outputs=["a"] * 65), "more_outputs is 'a list of 65'"),
        "65 states": (on_graph(states=[{}] * 65), "states is 'a list of 65'"),
        "9 decision points": (on_graph(points=[{}] * 9), "points is 'a list of 9'"),
        "65 tuned points": (on_graph(tuned=[{}] * 65), "tuned is 'a list of 65'"),
        "70,000 layers": (lambda p: p.graph.update(layers=[{}] * 70_000), "layers is 'a list of 70000'"),
        "layers by their names": (lambda p: p.graph.update(layers={"conv": {}}), "layers is {'conv': {}}"),
        "a layer that is null": (lambda p: p.graph["layers"].append(None), "layers[14] is None"),
        "a layer without a name": (lambda p: p.layer("most").pop("name"), "layers[9] lacks ['name']"),
        "a layer without a type": (lambda p: p.layer("most").pop("type"), "layers[9] lacks ['type']"),
        "a layer of an unknown type": (on_layer("most", type="Eval"), "'Eval'"),
        "a layer whose type is another program's": (on_layer("most", type="os.system"), "'os.system'"),
        "a layer whose type is a number": (on_layer("most", type=3), "layers[9]/type is 3"),
        "a layer whose name is a list": (on_layer("most", name=["most"]), "layers[9]/name is ['most']"),
        "an unknown field of a layer": (on_layer("most", __class__="x"), "layer 'most' has unknown fields"),
        "a layer without its input": (lambda p: p.layer("most").pop("input"), "layer 'most' lacks ['input']"),
        "a layer without its weights": (lambda p: p.layer("conv").pop("weights"), "layer 'conv' lacks"),
        "a layer of a type that has other fields": (on_layer("most", type="Softmax"), "layer 'most' has unknown"),
        "an input that is a number": (on_layer("dense", input=3), "layer 'dense'/input is 3"),
        "inputs that are text": (on_layer("sum", inputs="ca"), "layer 'sum'/inputs is 'ca'"),
        "three inputs of a sum": (on_layer("sum", inputs=["c", "a", "b"]), "layer 'sum'/inputs is"),
        "weights in the manifest": (on_layer("dense", weights=[[1] * 8] * 3), "layer 'dense'/weights is"),
        "weights in a file": (on_layer("dense", weights={"file": "/etc/passwd"}), "layer 'dense'/weights is"),
        "weights that are not there": (on_layer("dense", weights={"array": "nowhere"}), "'dense'/weights: there is no"),
        "weights by a number": (on_layer("dense", weights={"array": 0}), "layer 'dense'/weights is"),
        "weights that are biases": (on_layer("dense", weights={"array": "dense/bias_twice"}), "'dense'/weights is an"),
        "requantisation that is a list": (on_layer("conv", requantize=[1, 2]), "layer 'conv'/requantize is"),
        "requantisation without shifts": (
            lambda p: p.layer("conv")["requantize"].pop("shift"),
            "layer 'conv'/requantize lacks ['shift']",
        ),
        "requantisation with a rounding": (
            lambda p: p.layer("conv")["requantize"].update(rounding="up"),
            "layer 'conv'/requantize has unknown",
        ),
        "a clamp that is half": (
            lambda p: p.layer("conv")["requantize"].update(low=0.5),
            "layer 'conv'/requantize/low is 0.5",
        ),
        "a window that is null": (on_layer("most", window=None), "layer 'most'/window is None"),
        "a window of three numbers": (window("most", kernel=[2, 2, 2]), "layer 'most'/window/kernel is"),
        "a stride that is half": (window("most", stride=[1.5, 1]), "layer 'most'/window/stride is 1.5"),
        "a stride that is true": (window("most", stride=[True, 1]), "layer 'most'/window/stride is True"),
        "padding by names": (window("most", padding={"top": 1}), "layer 'most'/window/padding is"),
        "widths that are text": (on_layer("deep", candidates=["8x8", "4x4"]), "layer 'deep'/candidates is '8x8'"),
        "a width that is half": (on_layer("deep", candidates=[[8, 8], [4.0, 4]]), "layer 'deep'/candidates is 4.0"),
        "a width for weights alone": (on_layer("deep", candidates=[[8], [4]]), "layer 'deep'/candidates is [8]"),
        "counts that are one number": (on_layer("mean", counts=4), "layer 'mean'/counts is 4"),
        "a residual that is a number": (on_layer("block", residual=1), "layer 'block'/residual is 1"),
        "a shift that is text": (on_layer("sum", shift="10"), "layer 'sum'/shift is '10'"),
        "an axis that is text": (on_layer("joined", axis="C"), "layer 'joined'/axis is 'C'"),
        "tensors by their names": (lambda p: p.graph.update(tensors={"a": {}}), "tensors is {'a': {}}"),
        "a tensor that is text": (lambda p: p.graph["tensors"].append("a"), "tensors[15] is 'a'"),
        "a tensor without a scale": (lambda p: p.tensor("a").pop("scale"), "tensors[1] lacks ['scale']"),
        "a tensor with a type": (on_tensor("a", dtype="f64"), "tensors[1] has unknown fields ['dtype']"),
        "a shape of two": (on_tensor("a", shape=[6, 6]), "tensors[1]/shape is [6, 6]"),
        "a shape that is text": (on_tensor("a", shape="6x6x4"), "tensors[1]/shape is '6x6x4'"),
        "a size that is half": (on_tensor("a", shape=[6.5, 6, 4]), "tensors[1]/shape is 6.5"),
        "a size that is open": (on_tensor("a", shape=[None, 6, 4]), "tensors[1]/shape is None"),
        "a scale that is text": (on_tensor("a", scale="big"), "tensors[1]/scale is 'big'"),
        "a scale for each channel": (on_tensor("a", scale=[0.1] * 4), "tensors[1]/scale is [0.1"),
        "a zero point that is half": (on_tensor("a", zero_point=0.5), "tensors[1]/zero_point is 0.5"),
        "20,000 tensors": (lambda p: p.graph.update(tensors=[{}] * 20_000), "tensors is 'a list of 20000'"),
        "a controller without a place": (without("after", "graph", "controller"), "controller lacks ['after']"),
        "a controller that decides text": (on_controller(decides="deep"), "decides of the controller is 'deep'"),
        "a dial that is null": (on_controller(dial=None), "dial is None"),
        "a dial that is one point": (on_controller(dial={"target": 0.5, "bias": [0, 0]}), "dial is {'target'"),
        "a dial of 200 points": (
            lambda p: p.graph["controller"].update(dial=p.graph["controller"]["dial"] * 100),
            "dial is 'a list of 200'",
        ),
        "a point of the dial that is a number": (on_controller(dial=[7]), "dial[0] is 7"),
        "a point of the dial without biases": (on_controller(dial=[{"target": 0.5}]), "dial[0] lacks ['bias']"),
        "a target that is text": (on_controller(dial=[{"target": "0.5", "bias": [0, 0]}]), "dial[0]/target is '0.5'"),
        "a target that is true": (on_controller(dial=[{"target": True, "bias": [0, 0]}]), "dial[0]/target is True"),
        "a target of 10^400": (on_controller(dial=[{"target": 10**400, "bias": [0, 0]}]), "dial[0]/target is 1000"),
        "a bias that is half": (on_controller(dial=[{"target": 0.5, "bias": [0.5, 0]}]), "dial[0]/bias is 0.5"),
        "a bias that is an array": (on_controller(dial=[{"target": 0.5, "bias": {"array": "x"}}]), "dial[0]/bias is"),
        "a decision point that is text": (on_graph(points=["sum"]), "points[0] is 'sum'"),
        "a decision point with code": (on_point(code="x"), "points[0] has unknown fields ['code']"),
        "a decision point without a name": (on_point(name=None), "points[0]/name is None"),
        "a decision point behind a number": (on_point(after=3), "points[0]/after is 3"),
        "a head that is null": (on_point(layers=None), "layers is None"),
        "a setting that is null": (lambda p: p.graph["tuned"][0].update(setting=None), "tuned[0]/setting is None"),
        "a setting without exits": (lambda p: p.graph["tuned"][0]["setting"].pop("exits"), "tuned[0]/setting lacks"),
        "an exit that is infinite": (on_setting(exits=[float("inf")]), "tuned[0]/setting/exits is inf"),
        "a cost that is text": (lambda p: p.graph["tuned"][0].update(cost="low"), "tuned[0]/cost is 'low'"),
    }
)

STATES = cases(
    {
        "a state that is text": (on_graph(states=["past"]), "states[0] is 'past'"),
        "a state without a tensor": (lambda p: p.graph["states"][0].pop("write"), "states[0] lacks ['write']"),
        "a state that begins with text": (
            lambda p: p.graph["states"][0].update(initial="0"),
            "states[0]/initial is '0'",
        ),
    },
    streaming,
)

CHECKPOINT = Format(
    "checkpoint",
    "model.safetensors",
    good,
    _read,
    {**BYTES, **HEADER, **TEXT, **FIELDS, **STATES, **LAYERS, **GRAPH},
    least=200,
)
