"""Exported, built, run: every core computes the interpreter's bits, layer by layer, over the protocol."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.connect import open_client
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.dial import Dynamic
from dqt_edge.graph.policy import parse_policy
from dqt_edge.measure.session import layer_checksums, run_session
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project
from tests.support.digits import other_graph
from tests.support.pair_graphs import pair_graph
from tests.support.random_graphs import ALL_PAIRS, random_bias, random_codes, random_graph

QEMU = ["qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55"]
CORES = [pytest.param(b, marks=pytest.mark.qemu) for b in QEMU]
on_every_core = pytest.mark.parametrize("board_id", [*CORES, "host"])


def built(graph: Graph, board_id: str, folder: Path, *, sanitize: bool = False) -> Project:
    made, _, _ = export(graph, load_board(board_id), folder)
    build(folder, cross=board_id != "host", definitions=["DQT_SANITIZE=ON"] if sanitize else [])
    return made


def vectors(graph: Graph, seed: int, count: int) -> list:
    rng = np.random.default_rng((seed, 4))
    return [[layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive] for _ in range(count)]


def biased(graph: Graph, seed: int, count: int) -> list[Dynamic]:
    """The controller with random biases, with one at the ends of 32 bits, and at every point of its dial."""
    rng = np.random.default_rng((seed, 5))
    candidates = len(graph.adaptive[0].candidates)
    found = [random_bias(rng, candidates, 2**31 - 1) for _ in range(count)]
    found += [tuple([-(2**31), 2**31 - 1, 0][i % 3] for i in range(candidates))]
    return [Dynamic(bias) for bias in (*found, *(point.bias for point in graph.controller.dial))]


@on_every_core
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_random_networks_agree_layer_by_layer(seed: int, board_id: str, tmp_path: Path) -> None:
    graph = random_graph(seed)
    made = built(graph, board_id, tmp_path / "p", sanitize=board_id == "host")
    policies = [*vectors(graph, seed, 2), *(["dynamic", *biased(graph, seed, 2)] if graph.controller else [])]
    with open_client(made.board, made.elf, made.model_hash) as client:
        for sample in random_codes(seed, graph, 3):
            for policy in policies:
                want = interpreter.run(graph, sample[None], policy)
                choices = tuple(want.choices[0].tolist()) if want.logits is None else None
                got = client.infer(sample.tobytes(), choices, bias=getattr(policy, "bias", None), checksums=True)
                names = [layer.name for layer in graph.all_layers]
                expected = dict(zip(names, layer_checksums(graph, sample, policy), strict=True))
                assert dict(zip(names, got.checksums or (), strict=True)) == expected, f"seed {seed}, {policy}"
                assert got.output == want.outputs[0].tobytes()
                assert got.choices == tuple(want.choices[0].tolist())
        stats = client.stats()
        assert stats.runs == 3 * len(policies)
        assert stats.naks == stats.bad_frames == 0


@on_every_core
def test_every_operator_at_every_candidate(graph: Graph, board_id: str, tmp_path: Path) -> None:
    """The trained model at its candidates; counts are exact, so a second run repeats them."""
    made = built(graph, board_id, tmp_path / "p")
    codes = random_codes(9, graph, 4)
    with open_client(made.board, made.elf, made.model_hash) as client:
        for policy in ([(8, 8)], [(4, 4)], [(2, 4)], "dynamic"):
            counted = made.board.counter.kind == "icount"
            first, second = (
                run_session(client, graph, made.board, codes, None, policy, counted=counted) for _ in range(2)
            )
            assert first.mismatches == 0, first.first_difference
            assert first == second
            if counted:
                assert first.count == pytest.approx(
                    sum(layer.count or 0 for layer in first.layers), abs=len(first.layers)
                )
                assert first.count_least is not None
                assert first.count_least > 0


@pytest.mark.parametrize("board_id", CORES)
def test_the_stack_stays_within_the_prediction(graph: Graph, board_id: str, tmp_path: Path) -> None:
    """And the prediction, with its room for an exception, within 1.25 of what was used."""
    made = built(graph, board_id, tmp_path / "p")
    with open_client(made.board, made.elf, made.model_hash) as client:
        for policy in ([(8, 8)], [(2, 4)], "dynamic"):
            run_session(client, graph, made.board, random_codes(1, graph, 2), None, policy)
        used = client.stats().stack_used
    predicted = made.manifest["predicted"]["stack"]
    assert 0 < used <= predicted - 104
    assert predicted <= 1.25 * used


def test_a_wrong_bit_is_found_and_located(graph: Graph, tmp_path: Path) -> None:
    """A model whose weights differ in one place is caught, and the first differing layer is named."""
    made = built(other_graph(), "host", tmp_path / "p")
    with open_client(made.board, made.elf, made.model_hash) as client:
        session = run_session(client, graph, made.board, random_codes(2, graph, 4), None, [(8, 8)], counted=False)
    assert session.mismatches > 0
    assert session.first_difference is not None
    assert "layer 'conv2' differs first" in session.first_difference


def test_the_trained_digits_keep_their_accuracy_on_the_device(graph: Graph, tmp_path: Path) -> None:
    """All 360 held-out digits on the native device: the figures that README and provenance state."""
    data = load_data("digits")
    codes_, stated = codes(data.x_test, graph), graph.provenance["keras"]
    made = built(graph, "host", tmp_path / "p")
    found = {}
    with open_client(made.board, made.elf, made.model_hash) as client:
        for name, policy in (("8x8", [(8, 8)]), ("4x4", [(4, 4)]), ("2x4", [(2, 4)]), ("dynamic", "dynamic")):
            session = run_session(client, graph, made.board, codes_, data.y_test, policy, counted=False)
            assert session.mismatches == 0
            assert session.accuracy == pytest.approx(stated[name]["accuracy"])
            found[name] = session
    assert found["8x8"].accuracy >= 0.97
    assert found["dynamic"].accuracy >= found["8x8"].accuracy - 0.01
    assert found["dynamic"].bitops_ratio <= 0.5
    assert len(found["dynamic"].width_vectors) >= 2


def test_the_four_parts_are_the_49_pairs() -> None:
    visited = [pair for part in range(4) for pair in pair_graph(part).layers[0].candidates]
    assert sorted(visited) == sorted(ALL_PAIRS)
    assert len(visited) == 49


@on_every_core
@pytest.mark.parametrize("part", range(4))
def test_every_operator_at_every_width_pair(part: int, board_id: str, tmp_path: Path) -> None:
    """Convolution, fused residual, depthwise, 1x1 and dense at all 49 pairs, layer by layer, on every core."""
    graph = pair_graph(part)
    made = built(graph, board_id, tmp_path / "p", sanitize=board_id == "host")
    names = [layer.name for layer in graph.all_layers]
    with open_client(made.board, made.elf, made.model_hash) as client:
        for index, pair in enumerate(graph.layers[0].candidates):
            for sample in random_codes(part, graph, 2):
                got = client.infer(sample.tobytes(), (index,) * len(names), checksums=True)
                expected = layer_checksums(graph, sample, [pair])
                found = dict(zip(names, got.checksums or (), strict=True))
                assert found == dict(zip(names, expected, strict=True)), pair


@pytest.mark.cross
@pytest.mark.parametrize("board_id", ["qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "stm32h7", "qemu-m55"])
def test_the_image_holds_no_float_instruction(graph: Graph, board_id: str, tmp_path: Path) -> None:
    """No instruction of the FPU at all; on the Cortex-M55, whose vector unit works on integers too, none on floats."""
    made = built(graph, board_id, tmp_path / "p")
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(made.elf)], check=True, capture_output=True, text=True
    ).stdout
    mnemonics = {words[1] for line in listing.splitlines() if len(words := line.split()) > 1 and words[0].endswith(":")}
    assert {"bl", "ldr", "mul"} & mnemonics
    # Letters and dots only: the listing has constants too, with whatever text their bytes make.
    pattern = r"v[a-z0-9]*\.(f16|f32|f64)\S*" if board_id == "qemu-m55" else r"v[a-z][a-z0-9.]*"
    assert sorted(m for m in mnemonics if re.fullmatch(pattern, m)) == []


def test_a_model_of_fixed_widths_runs_under_any_policy(tmp_path: Path) -> None:
    """Nothing is adaptive and nothing decides: dynamic and a full vector mean the same."""
    graph = random_graph(1)
    fixed = replace(
        graph,
        controller=None,
        layers=tuple(replace(m, candidates=m.candidates[:1]) if hasattr(m, "candidates") else m for m in graph.layers),
    )
    made = built(fixed, "host", tmp_path / "p")
    with open_client(made.board, made.elf, made.model_hash) as client:
        session = run_session(
            client, fixed, made.board, random_codes(1, fixed, 3), None, parse_policy("dynamic", fixed), counted=False
        )
    assert session.mismatches == 0
    assert session.width_vectors == {"fixed": 3}
