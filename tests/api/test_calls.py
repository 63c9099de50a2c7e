"""Promise: each public function takes arrays as it takes files, and says what is wrong with either."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge import errors
from dqt_edge.data.load import load_data
from dqt_edge.graph import Graph, MacLayer, interpreter
from dqt_edge.measure.pieces import digest
from dqt_edge.project.manifest import Project
from dqt_edge.system.show import LINE_MAX, ROWS_MAX, Facts, Shown
from tests.support.digits import dial_graph


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return data.x_test[:40], data.y_test[:40]


@pytest.fixture(scope="module")
def project(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = dqt.export(graph, "host", tmp_path_factory.mktemp("host") / "p")
    dqt.build(made)
    return made


# --- Files ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_goes_there_and_back(graph: Graph, tmp_path: Path) -> None:
    dqt.save(graph, tmp_path / "a.safetensors")
    assert dqt.load(str(tmp_path / "a.safetensors")) == dqt.load(tmp_path / "a.safetensors") == graph


def test_what_cannot_be_a_checkpoint_is_refused(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"does not end in \.safetensors") as caught:
        dqt.save(graph, tmp_path / "a.bin")
    assert caught.value.where == "parameter `out`"
    with pytest.raises(errors.BadFileError, match="does not exist"):
        dqt.save(graph, tmp_path / "none" / "a.safetensors")
    with pytest.raises(errors.BadFileError):
        dqt.load(tmp_path / "none.safetensors")


# --- Validate -------------------------------------------------------------------------------------------------


def test_validation_of_arrays_files_and_codes_is_the_interpreters(graph: Graph, samples, tmp_path: Path) -> None:
    x, y = samples
    np.savez(tmp_path / "d.npz", x_test=x, y_test=y)
    source = graph.tensor(graph.input)
    codes = np.clip(np.floor(x.astype(float) / source.scale + source.zero_point + 0.5), 0, 255).astype(np.uint8)
    want = interpreter.run(graph, codes, "4x4").outputs.argmax(axis=1)
    for data in ((x, y), [x, y], (codes, y), (x[..., 0], y), tmp_path / "d.npz", str(tmp_path / "d.npz")):
        found = dqt.validate(graph, data, policy="4x4")
        assert (found.samples, found.accuracy) == (40, float((want == y).mean()))
        assert sum(right for right, _ in found.per_class.values()) == (want == y).sum()
        assert found.width_vectors == {"4x4,4x4,4x4,4x4": 40}
    assert dqt.validate(graph, "digits", count=7).samples == 7
    seen = []
    dqt.validate(graph, samples, progress=lambda *told: seen.append(told))
    assert seen == [("answers at dynamic", 40, 40)]


WRONG_DATA = {
    "no labels": (lambda x, y: x, "there are no targets"),
    "three": (lambda x, y: (x, y, x), "3 arrays are no samples"),
    "lengths": (lambda x, y: (x, y[:3]), "targets of shape \\(3,\\) for 40 samples"),
    "real labels": (
        lambda x, y: (x, y.astype(float)),
        "of type float64, and a classifier takes class numbers",
    ),
    "a label too many": (lambda x, y: (x, y + 1), "label 10 occurs, and the model has outputs for 10 classes, 0 to 9"),
    "labels of pixels": (lambda x, y: (x, x.astype(int)), "takes one class number for each sample"),
    "shape": (lambda x, y: (x[:, :5], y), "the images have shape"),
    "empty": (lambda x, y: (x[:0], y[:0]), "there are no samples"),
    "text": (lambda x, y: (x.astype(str), y), "not all finite numbers"),
    "not finite": (lambda x, y: (x * np.nan, y), "not all finite numbers"),
    "lists": (lambda x, y: (x.tolist(), y), "tuple is no data"),
    "unknown": (lambda x, y: "digitz", "unknown data set"),
}


@pytest.mark.parametrize("name", WRONG_DATA)
def test_wrong_data_is_refused(name: str, graph: Graph, samples) -> None:
    make, reason = WRONG_DATA[name]
    with pytest.raises((errors.UsageError, errors.BadFileError), match=reason):
        dqt.validate(graph, make(*samples))


# --- Plan, export, build --------------------------------------------------------------------------------------


def test_a_plan_is_the_same_of_a_graph_and_of_its_file(graph: Graph, model_file: Path) -> None:
    report = dqt.plan(graph, "stm32h7")
    assert report.as_json() == dqt.plan(model_file, "stm32h7").as_json()
    assert report.fits
    assert report.flash + report.spare["flash"] == report.footprint.flash_region.size
    assert [layer["name"] for layer in report.layers] == [layer.name for layer in graph.all_layers]


def test_a_model_that_does_not_fit_is_told_by_the_value_and_refused_on_demand(graph: Graph) -> None:
    first = graph.adaptive[0]
    report = dqt.plan(graph, "qemu-m4")
    small = replace(report.board, memory=tuple(replace(m, size=4096) for m in report.board.memory))
    tight = dqt.plan(graph, small)
    assert not tight.fits
    assert min(tight.spare.values()) < 0
    assert "does not fit" in repr(tight)
    with pytest.raises(errors.DoesNotFitError):
        tight.require_fit()
    assert first.name in {layer["name"] for layer in tight.layers}


def test_boards_are_refused_by_parameter(graph: Graph) -> None:
    with pytest.raises(errors.UsageError) as caught:
        dqt.plan(graph, "stm32h8")
    assert "did you mean 'stm32h7'?" in caught.value.next_step
    with pytest.raises(errors.UsageError, match="the host has no flash"):
        dqt.plan(graph, "host")


def test_an_export_of_a_graph_and_of_its_file_is_the_same(graph: Graph, model_file: Path, here: Path) -> None:
    mine, theirs = dqt.export(graph, "qemu-m4"), dqt.export(str(model_file), "qemu-m4", here / "b")
    assert mine.folder == Path("build") / f"{graph.name}-qemu-m4"
    assert mine.manifest == theirs.manifest
    for name in mine.manifest["files"]:
        assert (mine.folder / name).read_bytes() == (theirs.folder / name).read_bytes()


def test_sanitizers_are_for_the_host(graph: Graph, here: Path) -> None:
    made = dqt.export(graph, "qemu-m4", here / "p")
    with pytest.raises(errors.UsageError) as caught:
        dqt.build(made, sanitize=True)
    assert caught.value.where == "parameter `sanitize`"
    with pytest.raises(errors.UsageError, match="no project given"):
        dqt.build()


# --- Devices --------------------------------------------------------------------------------------------------


def test_a_device_answers_as_the_interpreter(graph: Graph, project: Project, samples) -> None:
    x, _ = samples
    source = graph.tensor(graph.input)
    codes = np.floor(x[:3].astype(float) / source.scale + source.zero_point + 0.5).astype(np.uint8)
    with dqt.connect(project) as device:
        assert device.info.board == "host"
        for policy in ("dynamic", "4x4", ((8, 8), (4, 4), (2, 4), (8, 8))):
            want = interpreter.run(graph, codes, policy)
            for i in range(3):
                answers = [
                    device.infer(x[i], policy),
                    device.infer(codes[i], policy),
                    device.infer(x[i, ..., 0], policy),
                ]
                for answer in answers:
                    assert answer.output.tolist() == want.outputs[i].tolist()
                    chosen = [layer.candidates[k] for layer, k in zip(graph.adaptive, want.choices[i], strict=True)]
                    assert list(answer.widths) == chosen
                    assert answer.name == graph.classes[answer.top]
        tensor = graph.tensor(graph.output)
        assert answer.values == pytest.approx(tensor.scale * (answer.output.astype(float) - tensor.zero_point))
        with pytest.raises(errors.UsageError, match="is no width pair"):
            device.infer(x[0], "9x9")
        with pytest.raises(errors.BadFileError, match="the images have shape"):
            device.infer(x[0, :4])


def test_a_profile_of_a_project_a_folder_and_a_device_agree(project: Project, samples, tmp_path: Path) -> None:
    x, y = samples
    told = []
    whole = dqt.profile(project, samples, report=tmp_path / "r", progress=lambda *step: told.append(step))
    assert told[-1] == ("host dynamic", 40, 40)
    assert {path.name for path in whole.files} == {"report.json", "junit.xml", "report.html"}
    with dqt.connect(project.folder) as device:
        again = dqt.profile(device, (x, y))
        unlabelled = dqt.profile(device, x, policy="4x4", count=5)
        assert device.infer(x[0]).output.size == 10, "a device that was given stays open"
    assert (whole.accuracy, whole.mismatches) == (again.accuracy, 0)
    assert (unlabelled.accuracy, unlabelled.session.samples) == (None, 5)
    dqt.profile(project, (x[::-1], y[::-1]), report=tmp_path / "other")
    assert dqt.compare_sessions(tmp_path / "r", tmp_path / "r").beyond == ()
    with pytest.raises(errors.UsageError, match="the samples are not the same"):
        dqt.compare_sessions(tmp_path / "r", tmp_path / "other")
    assert (whole.session.data_sha256, again.session.data_sha256) == (digest(x, y), None)
    by_interpreter = dqt.validate(project.graph(), samples)
    assert whole.accuracy == by_interpreter.accuracy
    assert whole.session.width_vectors == by_interpreter.width_vectors
    whole.require_agreement()


def test_a_profile_over_the_dial_has_a_session_a_point(project: Project, samples, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="without a dial") as caught:
        dqt.profile(project, samples, policy="dial")
    assert caught.value.where == "`policy` dial"
    graph = dial_graph()
    made = dqt.export(graph, "host", tmp_path / "p")
    dqt.build(made)
    found = dqt.profile(made, samples, policy="dial", count=2)
    assert found.dial
    assert [session.policy for session in found.sessions] == [f"dynamic:{t:g}" for t in graph.dial_targets]
    assert found.mismatches == 0


def test_a_difference_is_counted_and_refused_on_demand(project: Project, samples) -> None:
    found = dqt.profile(project, samples, count=3)
    wrong = replace(found, sessions=(replace(found.session, mismatches=2, first_difference="sample 1"),))
    assert wrong.mismatches == 2
    with pytest.raises(errors.MismatchError, match="2 of 3 answers differ") as caught:
        wrong.require_agreement()
    assert "sample 1" in caught.value.where


def test_flashing_needs_a_board_with_flash(project: Project) -> None:
    with pytest.raises(errors.UsageError, match="has no flash to write"):
        dqt.flash(project, dry_run=True)


# --- Search, cost, import -------------------------------------------------------------------------------------


def test_a_search_on_arrays_is_the_search_on_their_file(graph: Graph, samples, here: Path) -> None:
    x, y = samples
    np.savez("d.npz", x_test=x, y_test=y)
    options = {"budget": (0.5, 0.3), "samples": 16, "trials": 2}
    mine = dqt.search(graph, (x, y), **options)
    theirs = dqt.search(graph, "d.npz", out="s.safetensors", report="r", **options)
    assert mine.points == theirs.points
    assert mine.found.overlap
    assert [p.budget for p in mine.points if p.origin == "search"] == [0.5, 0.3]
    assert dqt.load("s.safetensors") == theirs.graph
    assert Path("s.safetensors") in theirs.files
    assert (here / "r" / "search.json").is_file()
    fixed = mine.at(mine.points[1])
    assert all(len(layer.candidates) == 1 for layer in fixed.layers if isinstance(layer, MacLayer))
    assert dqt.validate(fixed, (x[16:], y[16:])).accuracy == mine.points[1].accuracy


@pytest.mark.parametrize("budget", [0, -1, 1.5, float("nan"), "half", "", (), ("0.5", None)])
def test_what_is_no_budget_is_refused(budget, graph: Graph, samples) -> None:
    with pytest.raises(errors.UsageError, match="no budget") as caught:
        dqt.search(graph, samples, budget=budget)
    assert caught.value.where == "parameter `budget`"


def test_costs_of_a_graph_its_file_and_a_name(graph: Graph, model_file: Path) -> None:
    mine, theirs = dqt.cost(graph, policy="8x8,4x4,2x4,4x4"), dqt.cost(model_file, policy="8x8,4x4,2x4,4x4")
    assert mine.costs == theirs.costs
    pairs = ((8, 8), (4, 4), (2, 4), (4, 4))
    assert dqt.cost(graph, policy=pairs).costs == mine.costs
    assert dqt.cost("resnet50", candidates=((8, 8), (4, 4))).costs == dqt.cost("resnet50", candidates="8x8,4x4").costs
    with pytest.raises(errors.UsageError) as caught:
        dqt.cost(graph, classes=3)
    assert caught.value.where == "`input_shape`, `classes`"


def test_an_import_of_bytes_is_the_import_of_the_file(here: Path) -> None:
    pytest.importorskip("tflite", reason="the package tflite is not installed")
    from tests.support.tflite_models import small_network  # noqa: PLC0415

    path = small_network().write(here / "model.tflite")
    graph = dqt.import_model(path, candidates=((8, 8), (4, 8)))
    assert dqt.import_model(path.read_bytes(), candidates="8x8,4x8") == graph
    real = small_network("FLOAT32").write(here / "real.tflite")
    x = np.random.default_rng(1).uniform(-2, 2, (64, 9, 7, 3)).astype(np.float32)
    with pytest.raises(errors.UsageError) as caught:
        dqt.import_model(real)
    assert "`calibration`" in caught.value.next_step
    np.savez("c.npz", x_test=x, y_test=np.arange(64) % 5)
    assert dqt.import_model(real, calibration=x) == dqt.import_model(real, calibration="c.npz")
    with pytest.raises(errors.UsageError, match="8x8 is missing; an imported model was made for 8 bits"):
        dqt.import_model(path, candidates="4x4")
    with pytest.raises(errors.BadFileError, match="no model of TFLite, ONNX or Keras"):
        dqt.import_model(b"nothing of the kind")
    with pytest.raises(errors.UsageError, match="int is no model"):
        dqt.import_model(3)


# --- What results look like -----------------------------------------------------------------------------------


def test_results_show_themselves_in_a_few_lines(graph: Graph, project: Project, samples) -> None:
    results: list[Shown] = [
        graph,
        project,
        dqt.plan(graph, "qemu-m4"),
        dqt.validate(graph, samples),
        dqt.profile(project, samples, count=2),
        dqt.cost(graph),
        dqt.search(graph, samples, budget=0.5, samples=8, trials=0),
    ]
    for value in results:
        text = repr(value)
        assert 2 <= text.count("\n") + 1 <= ROWS_MAX + 1
        assert max(map(len, text.splitlines())) <= LINE_MAX + 40
        assert text.startswith(type(value).__name__)
        html = value._repr_html_()
        assert html.startswith("<table>")
        assert html.count("<tr>") == len(value.facts()[1])


class Hostile(Shown):
    def facts(self) -> tuple[str, Facts]:
        return "<script>", [("<b>", "a & b"), ("long\nline", "x" * 1000)] + [(str(i), "") for i in range(50)]


def test_html_is_escaped_and_what_is_long_is_cut() -> None:
    html = Hostile()._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
    assert html.count("<tr>") == ROWS_MAX
    assert len(repr(Hostile())) < 600


# --- Faults that were there ------------------------------------------------------------------------------------


def test_the_interpreter_takes_policies_as_text(graph: Graph, samples) -> None:
    codes = (samples[0][:4] * 255).astype(np.uint8)
    narrow = interpreter.run(graph, codes, "4x4")
    assert narrow.outputs.tolist() == interpreter.run(graph, codes, ((4, 4),) * 4).outputs.tolist()
    assert interpreter.run(graph, codes, "dynamic").logits is not None
    for wrong in ("", "4", "nothing", "4x4,4x4", [4, 4], [[8, 8]]):
        with pytest.raises(errors.UsageError):
            interpreter.run(graph, codes, wrong)


def test_an_unknown_tensor_or_layer_is_a_key_error_that_knows_better(graph: Graph) -> None:
    with pytest.raises(errors.UnknownNameError, match="there is no tensor 'inpt'") as caught:
        graph.tensor("inpt")
    assert isinstance(caught.value, KeyError)
    assert caught.value.next_step == "did you mean 'input'?"
    assert str(caught.value).startswith("error: there is no tensor 'inpt'")
    with pytest.raises(errors.UnknownNameError, match="there is no layer"):
        graph.layer("nothing like it")
    assert graph.layer("controller_logits").name == "controller_logits"
