"""The single layers of ``make bench-shapes``: what they are, and how their figures are found, kept and judged."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import shapes
from benchmarks.networks import CORES
from benchmarks.shape_layers import COMPARED, SHAPES
from benchmarks.shape_peers import FILE, cmsis_nn
from benchmarks.shape_tables import ALONE, BAKENN, CMSIS_NN, OURS, Figure, Found, means, ratios, slower, text
from dqt_edge.graph import Add, Layer, interpreter
from tests.support.topologies import CANDIDATES


def test_the_layers_are_those_that_cmsis_nn_was_measured_on() -> None:
    rows = list(csv.DictReader(FILE.read_text(encoding="utf-8").splitlines()))
    assert tuple(row["layer"] for row in rows) == COMPARED == tuple(SHAPES)[: len(COMPARED)]
    for row in rows:
        assert SHAPES[row["layer"]].macs == int(row["macs"]), row["layer"]


def test_every_operator_has_a_layer() -> None:
    assert len(SHAPES) >= 80
    assert {type(shape.layer) for shape in SHAPES.values()} == set(Layer.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_layer_computes_something(name: str) -> None:
    """Codes that are neither all equal nor, but in dead channels and padding, all at a clamp."""
    shape = SHAPES[name]
    outputs = interpreter.run_layer(shape.layer, shape.graph, shape.codes(1), *([(8, 8)] if shape.macs else []))
    assert outputs[0].size == shape.outputs
    assert len(np.unique(outputs)) > min(4, shape.outputs // 4)
    if shape.macs:
        assert shape.adaptive == (shape.layer.candidates == CANDIDATES)  # type: ignore[union-attr]


FOUND: Found = {
    "conv_1x1_5_7_20": {
        "m4": {
            "8x8": Figure("a", 200, 300),
            ALONE: Figure("b", 50, 100),
            CMSIS_NN: Figure("", 100, 200),
            BAKENN: Figure("", 500, None),
        },
        "m33": {"8x8": Figure("a", 1, 1)},
    },
    "dense_640_12_zero": {"m4": {"8x8": Figure("a", 50, None), CMSIS_NN: Figure("", 100, 200)}},
}


def test_ratios_and_means() -> None:
    assert ratios(FOUND, "m4", "instructions", "8x8") == {"conv_1x1_5_7_20": 2, "dense_640_12_zero": 0.5}
    assert ratios(FOUND, "m4", "instructions", ALONE) == {"conv_1x1_5_7_20": 0.5, "dense_640_12_zero": 0.5}
    assert list(means(FOUND)) == [("m4", "instructions", 1.0, 0.5, 2), ("m4", "cycles", 1.5, 0.5, 1)]
    assert slower(FOUND) == [(2, "m4/conv_1x1_5_7_20/8x8/instructions"), (1.5, "m4/conv_1x1_5_7_20/8x8/cycles")]


def test_the_file_holds_every_figure() -> None:
    body = json.loads(text(FOUND))
    assert body["layers"]["conv_1x1_5_7_20"]["m4"]["8x8"] == ["a", 200, 300]
    assert body["layers"]["conv_1x1_5_7_20"]["macs"] == 14000
    assert body["slower"][0] == [2, "m4/conv_1x1_5_7_20/8x8/instructions"]
    assert shapes.growth(FOUND, body["layers"]) == []


def test_growth_is_named_but_instructions_may_grow_where_cycles_fall() -> None:
    before = {"max_2x2s2_16_32": {"m4": {"8x8": ["a", 1000, 1000], "4x4": ["a", 1000, 1000], ALONE: ["a", 1000, 1000]}}}
    row = {
        "8x8": Figure("a", 1010, 1011),
        "4x4": Figure("a", 2000, 999),
        ALONE: Figure("a", 1011, 1000),
        "2x4": Figure("a", 5, 5),
        BAKENN: Figure("", 5, None),
    }
    assert shapes.growth({"max_2x2s2_16_32": {"m4": row}}, before) == [
        "m4/max_2x2s2_16_32/8x8/cycles: 1,011, +1.1% over 1,000",
        "m4/max_2x2s2_16_32/2x4: not in shapes.json",
        "m4/max_2x2s2_16_32/alone/instructions: 1,011, +1.1% over 1,000",
    ]


def test_what_is_known_is_forgotten_when_what_it_depends_on_changes(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    shapes.Working(path).put("m4/a", "1", {"8x8": Figure("k", 3, None)})
    again = shapes.Working(path)
    assert again.get("m4/a", "1") == {"8x8": ["k", 3, None]}
    assert again.get("m4/a", "2") is None
    assert again.get("m4/b", "1") is None
    assert shapes.Working(path, again=True).get("m4/a", "1") is None


@pytest.mark.some(3)
@pytest.mark.qemu
@pytest.mark.parametrize("core", ["m4", "m33", "m55"])
def test_layers_are_measured_once(core: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["conv_1x1_64_10_1", "dense_37_11", "add_7_15", "concat_5_3_15_rescaled"]
    state = shapes.Working(tmp_path / "known.json")
    found = dict(shapes.measured(core, names, state))
    assert set(found["dense_37_11"]) == set(OURS)
    assert isinstance(SHAPES["add_7_15"].layer, Add)
    assert set(found["add_7_15"]) == {"8x8"}
    assert all(figure.instructions > 100 for row in found.values() for figure in row.values())
    monkeypatch.setattr(shapes, "run", None)  # which nobody calls any more
    assert dict(shapes.measured(core, names, shapes.Working(tmp_path / "known.json"))) == found


def test_an_output_that_differs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "expected_of", lambda name, pair: np.zeros(shapes.INPUTS, np.uint32))
    with pytest.raises(shapes.MismatchError, match="the output differs from the interpreter"):
        dict(shapes.measured("m4", ["dense_37_11"], shapes.Working(tmp_path / "known.json")))


def test_figures_of_cmsis_nn() -> None:
    assert cmsis_nn("dense_37_11", "m4") == Figure("", 1560, 2003)
    assert cmsis_nn("dense_37_11", "m3") == Figure("", 2141, None)
    assert cmsis_nn("dense_37_11", "m33") is None
    assert cmsis_nn("softmax_10", "m4") is None


def test_the_committed_results_hold_every_layer_on_every_core() -> None:
    layers = json.loads(shapes.RESULTS.read_text(encoding="utf-8"))["layers"]
    assert list(layers) == list(SHAPES)
    for name, rows in layers.items():
        keys = {"8x8", *(OURS if SHAPES[name].adaptive else ())}
        assert all(keys <= set(rows[core]) for core in CORES), name
        assert (rows["macs"], rows["outputs"]) == (SHAPES[name].macs, SHAPES[name].outputs)
