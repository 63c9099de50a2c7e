"""Decision points on devices: every answer, point, pass, margin and layer is the interpreter's."""

from __future__ import annotations

import ctypes
import os
import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import NEVER, Graph, Setting, TunedPoint, interpreter
from dqt_edge.graph.points import WATCH, full_setting, tuned_agreeing, tuned_within, widest_choices
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.asking import checksums_by_layer
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from dqt_edge.system.resources import data_folder
from tests.support.native_model import WARNINGS, CSetting, Decided, NativeModel
from tests.support.random_decisions import any_pointed_graph, settings_of, try_decisions
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_points import least_choices, pointed_graph, random_setting

QEMU = ["qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55"]
ALL = "DQT_ALL_TESTS" in os.environ
SEEDS = range(6)
OK, BAD_ARGUMENT, BAD_CHOICE, NO_CONTROLLER, NO_SECOND_PASS, NO_TUNED = 0, 2, 3, 4, 7, 8
"""Statuses of dqt.h."""


def told(found: interpreter.Result, i: int) -> tuple[object, ...]:
    point = int(found.points[i])
    return (
        found.outputs[i].tobytes(),
        int(found.outputs[i].argmax()),
        tuple(choice & 0xFF for choice in found.choices[i].tolist()),
        point,
        int(found.passes[i]),
        int(found.margins[i, point]),
    )


def said(decided: Decided) -> tuple[object, ...]:
    assert decided.status == OK
    return decided.output, decided.top, decided.choices, decided.point, decided.passes, decided.margin


@pytest.mark.parametrize("controller", [False, True])
@pytest.mark.parametrize("seed", SEEDS if ALL else [0, 3])
def test_a_library_decides_as_the_interpreter(seed: int, controller: bool, tmp_path: Path) -> None:
    """Samples that part, layer by layer, under settings of their own margins and with the controller's widths."""
    graph = pointed_graph(seed, controller=controller)
    codes = random_codes(seed, graph, 8)
    model = NativeModel(graph, tmp_path, sanitize=True)
    seen = interpreter.run(graph, codes, replace(full_setting(graph), widths=least_choices(graph)))
    settings = [random_setting(seed, trial, graph, seen.margins) for trial in range(4)]
    settings += settings_of(graph, codes, seed, 6)
    passes = set()
    for setting in settings:
        want = interpreter.run(graph, codes, setting)
        passes |= set(want.passes.tolist())
        for i, sample in enumerate(codes):
            got = model.decide(sample, setting)
            assert said(got) == told(want, i), (setting, i)
            assert checksums_by_layer(graph, got) == layer_checksums(graph, sample, setting)
    assert passes == {1, 2}


CASES = [(seed, board_id) for i, board_id in enumerate(QEMU) for seed in (SEEDS if ALL else [i])]


@pytest.mark.qemu
@pytest.mark.parametrize(("seed", "board_id"), CASES)
def test_every_core_decides_as_the_interpreter(seed: int, board_id: str, tmp_path: Path) -> None:
    count, difference = try_decisions(pointed_graph(seed), seed, board_id, tmp_path / "p")
    assert difference is None
    assert count == 24


@pytest.mark.parametrize("seed", range(20) if ALL else [0, 1, 4])
@pytest.mark.parametrize(
    "board_id", ["host", *([pytest.param(b, marks=pytest.mark.qemu) for b in QEMU] if ALL else [])]
)
def test_any_network_decides_as_the_interpreter(board_id: str, seed: int, tmp_path: Path) -> None:
    """Every operator, with and without controller and second pass, through the server; sanitised on the host."""
    _, difference = try_decisions(any_pointed_graph(seed), seed, board_id, tmp_path / "p")
    assert difference is None


@pytest.fixture(scope="module")
def graph() -> Graph:
    return pointed_graph(0)


@pytest.fixture(scope="module")
def model(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> NativeModel:
    return NativeModel(tuned(graph), tmp_path_factory.mktemp("points"), sanitize=True)


def tuned(graph: Graph) -> Graph:
    """With settings of every kind, at costs and agreements that lie apart, some by a thousandth."""
    count, least = len(graph.points), least_choices(graph)
    points = (
        TunedPoint(0.2004, 0.5, Setting(least, (0,) * count, (0,) * count)),
        TunedPoint(0.3, 0.9, Setting(least, (70_000,) * count, (9,) * count, stops=(0, 2))),
        TunedPoint(0.3011, 0.9, Setting(least, (NEVER,) * count, (0,) * count, 20)),
        TunedPoint(1.0, 1.0, Setting(widest_choices(graph), (NEVER,) * count, (0,) * count)),
    )
    return replace(graph, tuned=points)


def test_thresholds_are_met_where_the_margin_is_equal(graph: Graph, model: NativeModel) -> None:
    """An exit at the margin answers, one above it does not; a widen at the margin does not widen, one above it does."""
    count, least = len(graph.points), least_choices(graph)
    sample = random_codes(0, graph, 1)[0]
    watched = Setting(least, (WATCH,) * count, (0,) * count)
    seen = interpreter.run(graph, sample[None], watched)
    margin, last = int(seen.margins[0, 0]), int(seen.margins[0, -1])
    assert 0 < margin < WATCH

    def at(**changes: object) -> Decided:
        setting = replace(watched, **changes)
        found = model.decide(sample, setting)
        assert said(found) == told(interpreter.run(graph, sample[None], setting), 0), setting
        return found

    rest = (NEVER,) * (count - 1)
    assert at().point == count
    assert at(exits=(margin, *rest)).point == 0
    assert at(exits=(margin + 1, *rest)).point == count
    assert at(exits=(0, *rest)).point == 0
    assert at(exits=(NEVER, *rest)).point == count
    top = int(seen.early[0, 0])
    others = tuple(c for c in range(seen.outputs.shape[1]) if c != top)
    assert at(exits=(0, *rest), stops=(top,)).point == 0
    assert at(exits=(0, *rest), stops=others).point == count
    assert at(exits=(0, *rest), stops=()).point == count
    off = (0,) * (count - 1)
    assert at(widen=(margin, *off)).choices == at().choices == least
    assert at(widen=(margin + 1, *off)).choices != least
    assert at(widen=(NEVER, *off)).choices == at(widen=(margin + 1, *off)).choices
    assert at(again=last).passes == 1
    assert at(again=last + 1).passes == 2
    assert at(again=256).passes == 2
    assert at(widths=widest_choices(graph), again=256).passes == 1


def test_a_head_that_changes_nothing_does_not_run(graph: Graph, model: NativeModel) -> None:
    count, sample = len(graph.points), random_codes(0, graph, 1)[0]
    heads = len(graph.all_layers) - len(graph.layers)
    off = Setting(least_choices(graph), (NEVER,) * count, (0,) * count)
    assert not any(model.decide(sample, off).checksums[-heads:])
    assert all(model.decide(sample, replace(off, exits=(WATCH,) * count)).checksums[-heads:])
    assert all(model.decide(sample, replace(off, widen=(1,) * count)).checksums[-heads:])


def test_switches_leave_nothing_behind(graph: Graph, model: NativeModel, tmp_path: Path) -> None:
    """1,000 switches of setting and sample in one arena give what the interpreter does, which begins anew each time."""
    generator = random.Random(8)
    codes = random_codes(0, graph, 8)
    settings = list(settings_of(graph, codes, 5, 12))
    fresh = [told_all(graph, codes, setting) for setting in settings]
    for _ in range(1000):
        k, i = generator.randrange(len(settings)), generator.randrange(len(codes))
        if generator.random() < 0.2:  # an ordinary inference between them
            choices = np.array([generator.randrange(len(x.candidates)) for x in graph.adaptive], np.uint8)
            model.run(codes[i], choices)
        assert said(model.decide(codes[i], settings[k])) == fresh[k][i]


def told_all(graph: Graph, codes: np.ndarray, setting: Setting) -> list[tuple[object, ...]]:
    found = interpreter.run(graph, codes, setting)
    return [told(found, i) for i in range(len(codes))]


def test_tuned_settings_are_found_as_by_the_host(graph: Graph, model: NativeModel) -> None:
    """Every target in thousandths gives the setting that Python finds, and it runs as Python says."""
    points = tuned(graph).tuned
    sample = random_codes(0, graph, 1)
    for thousandths in range(1001):
        for by_cost, find, known in (
            (True, tuned_within, [p.cost_thousandths for p in points if p.cost_thousandths <= thousandths]),
            (False, tuned_agreeing, [p for p in points if p.agreement_thousandths >= thousandths]),
        ):
            setting = CSetting()
            setting.again = 77
            status = model.library.test_tuned(by_cost, thousandths, ctypes.byref(setting))
            assert status == (OK if known else NO_TUNED), thousandths
            if not known:
                assert setting.again == 77, "it was left alone"
            elif thousandths % 100 == 0 or thousandths in (201, 202, 300, 301, 302, 500, 501, 901):
                want = interpreter.run(graph, sample, find(points, thousandths, "test").setting)
                assert said(model.decide(sample[0], setting)) == told(want, 0)


def test_what_a_model_does_not_have_is_refused_before_anything_runs(graph: Graph, tmp_path: Path) -> None:
    count, least, sample = len(graph.points), least_choices(graph), random_codes(0, graph, 1)[0]
    plain = NativeModel(replace(graph, second_pass=False), tmp_path)
    good = Setting(least, (NEVER,) * count, (0,) * count)
    assert plain.decide(sample, replace(good, again=1)).status == NO_SECOND_PASS
    assert plain.decide(sample, replace(good, widths=None)).status == NO_CONTROLLER
    for position, layer in enumerate(graph.adaptive):
        wrong = tuple(len(layer.candidates) if i == position else k for i, k in enumerate(least))
        assert plain.decide(sample, replace(good, widths=wrong)).status == BAD_CHOICE
    for missing in ("exits", "widen"):
        setting = CSetting.of(good, plain.plan.output_size)
        setattr(setting, missing, None)
        assert plain.decide(sample, setting).status == BAD_ARGUMENT
    assert plain.decide(sample, good).status == OK


@pytest.mark.parametrize("seed", range(40))
def test_what_a_second_pass_needs_is_never_overwritten(seed: int) -> None:
    """Kept tensors lie apart from every tensor that is written behind them, and from all scratch."""
    graph = replace(any_pointed_graph(seed), second_pass=True)
    for board_id in ("qemu-m4", "qemu-m55"):
        plan = make_plan(graph, load_board(board_id))
        sizes = {tensor.name: tensor.size for tensor in graph.tensors}
        sizes |= {layer.layers[-1].output: 4 * sizes[graph.output] for layer in graph.points}
        order = list(graph.all_layers)
        made = {layer.output: i for i, layer in enumerate(order)}
        views = {layer.output for layer in order if getattr(layer, "is_view", False)}
        for kept in graph.kept_for_second_pass:
            start, end = plan.offsets[kept], plan.offsets[kept] + sizes[kept]
            for i, layer in enumerate(order):
                if i <= made.get(kept, -1) or layer.output in views or layer.output not in sizes:
                    continue
                first, last = plan.offsets[layer.output], plan.offsets[layer.output] + sizes[layer.output]
                assert last <= start or end <= first, (kept, layer.name)
                assert start >= plan.layers[i].scratch, (kept, layer.name)


@pytest.mark.cross
@pytest.mark.parametrize(("seed", "board_id"), [(0, "qemu-m0"), (1, "qemu-m4"), (2, "qemu-m55")])
def test_sizes_are_predicted_to_the_byte(seed: int, board_id: str, tmp_path: Path) -> None:
    """With points, beside a model without them; what decides is linked only where a model does."""
    graph = tuned(pointed_graph(seed))
    for name, graphs in (("one", [graph]), ("two", [random_graph(seed), graph]), ("none", [random_graph(seed)])):
        made, _, footprint = export_together(graphs, load_board(board_id), tmp_path / name)
        image = build(made.folder, cross=True)
        assert footprint is not None
        assert footprint.exact
        assert (image.flash, image.ram) == (footprint.flash, footprint.ram), name
        files = {path.name for path in made.folder.rglob("*.[ch]")}
        assert ({"dqt_points.c", "dqt_deciding.c"} <= files) == (name != "none")
        linked = "dqt_decide" in (made.folder / "build" / "model.map").read_text().partition("Memory Config")[2]
        assert linked == (name != "none")


def test_a_model_without_points_pays_nothing(graph: Graph, tmp_path: Path) -> None:
    """The same network without points has the tables that it would have had: no name of what decides is in them."""
    plain = random_graph(1)
    made, _, _ = export_together([plain], load_board("host"), tmp_path / "p")
    text = "".join(p.read_text() for p in (made.folder / "model").glob("*.[ch]"))
    assert not [word for word in ("dqt_points", "dqt_tuned", "_POINTS", "HEAD") if word in text]
    plan = make_plan(plain, load_board("qemu-m4"))
    assert plan.points is None
    assert plan.layers == plan.network
    assert [layer.number for layer in plan.layers] == list(range(len(plan.layers)))


STAND_INS = """
#include <string.h>
#include "dqt_digits.h"
static uint8_t arena[DIGITS_ARENA_SIZE] DQT_ALIGN;
static const dqt_options options;
static bool battery_is_low(void) { return true; }
static void answer(uint32_t class_number, bool early) { (void)class_number, (void)early; }
static int example(const uint8_t *pixels) {
    (void)pixels, (void)arena, (void)options;
%s
    return 0;
}
int main(void) {
    static const uint8_t pixels[DIGITS_INPUT_SIZE];
    (void)battery_is_low(), answer(0, false);
    return example(pixels) < 0;
}
"""


@pytest.mark.parametrize(("page", "section"), [("library", "Decision points"), ("points", "From the firmware")])
def test_the_examples_of_the_pages_compile_and_run(page: str, section: str, graph: Graph, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n.*?```c\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    example = found[1].replace('#include "dqt_digits.h"\n', "")
    made, _, _ = export_together([replace(tuned(graph), name="digits")], load_board("host"), tmp_path / "p")
    (tmp_path / "main.c").write_text(STAND_INS % example)
    parts = [made.folder / part for part in ("dqt", "kernels", "model")]
    sources = [str(path) for part in parts for path in sorted(part.glob("*.c"))]
    command = ["cc", "-std=c11", *WARNINGS, *(f"-I{part}" for part in parts), str(tmp_path / "main.c"), *sources]
    done = subprocess.run([*command, "-o", str(tmp_path / "main")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(tmp_path / "main")], check=False).returncode == 0


@pytest.mark.cross
@pytest.mark.parametrize("board_id", ["qemu-m0", "qemu-m4", "qemu-m55"])
def test_what_decides_calls_no_library_at_any_level(board_id: str, tmp_path: Path) -> None:
    """Warnings are errors, and what stays undefined is a part of dqt_run.c."""
    source = data_folder("firmware") / "dqt" / "dqt_points.c"
    for level in ("-O0", "-Og", "-O2", "-O3", "-Os"):
        made = tmp_path / f"{level}.o"
        command = ["arm-none-eabi-gcc", *load_board(board_id).cpu.flags, "-std=c11", "-ffreestanding", *WARNINGS, level]
        subprocess.run([*command, "-c", str(source), "-o", str(made)], check=True)
        told = subprocess.run(["arm-none-eabi-nm", "-u", str(made)], capture_output=True, text=True, check=True)
        assert set(told.stdout.split()) == {"U", "dqt_choose", "dqt_index_of_largest", "dqt_take_choices"}, level
