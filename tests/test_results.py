"""The checkpoints of docs/results.md load, are the same models as ever, and every core gives their answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DoesNotFitError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.checkpoint import load, model_hash
from dqt_edge.graph.policy import fixed_choices
from dqt_edge.measure.session import layer_checksums, run_session
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.random_graphs import random_codes

RESULTS = Path(__file__).parents[1] / "docs" / "results"
HASHES = {
    "ecg": "9b149e57ac41cff4c086ed4b5fb3f6a8cf9366bc6c2d66f79c1271d66f43e8c4",
    "resnet8": "c0e867a797da5b52146f4f81e7b8967f7665d82efbeb270025974f2b0a18ad83",
    "resnet18-16": "7706deca5a3e0768439873c0dfa384e653cbab1a33e6e31d90fdb0b881aba742",
}
"""SHA-256 of the integers and the structure, as first published: a new program may not read them otherwise."""
WITHOUT_ROOM = {("resnet8", "qemu-m0"), ("resnet18-16", "qemu-m0"), ("resnet18-16", "qemu-m55")}
EMULATED = ("m0", "m3", "m4", "m7", "m33", "m55")
CORES = ["host", *(pytest.param(f"qemu-{core}", marks=pytest.mark.qemu) for core in EMULATED)]


@pytest.fixture(scope="module", params=HASHES)
def published(request: pytest.FixtureRequest) -> tuple[str, Graph]:
    return request.param, load(RESULTS / f"{request.param}.safetensors")


def test_the_models_are_those_that_were_published(published: tuple[str, Graph]) -> None:
    name, graph = published
    assert model_hash(graph).hex() == HASHES[name]


@pytest.mark.parametrize("board_id", CORES)
def test_every_core_gives_the_interpreters_answers(published: tuple[str, Graph], board_id: str, tmp_path: Path) -> None:
    name, graph = published
    board = load_board(board_id)
    if (name, board_id) in WITHOUT_ROOM:
        with pytest.raises(DoesNotFitError):
            export(graph, board, tmp_path / "p")
        return
    made = export(graph, board, tmp_path / "p").project
    build(made.folder, cross=not board.is_host)
    (sample,) = random_codes(1, graph, 1)
    narrow = tuple(min(layer.candidates) for layer in graph.adaptive)
    with open_client(board, made.elf, made.model_hash) as client:
        for policy in ("dynamic", narrow):
            want = interpreter.run(graph, sample[None], policy)
            choices = None if policy == "dynamic" else fixed_choices(graph, narrow)
            got = client.infer(sample.tobytes(), choices, checksums=True)
            assert got.checksums == tuple(layer_checksums(graph, sample, policy))
            assert got.output == want.outputs[0].tobytes()
            np.testing.assert_array_equal(got.choices, want.choices[0])


HEADS = {
    "ecg-heads": ("6abec9c0f551624ce5ce73254168d22cb0ed96bf6f5f783ca15d6ab3aad7f54f", ["conv1", "conv3"]),
    "resnet8-heads": ("e6d587d9c2071741d0549acb40f0392522ba06b6174384ff2464a71e5fad7339", ["add_3", "add_7"]),
}
"""Finished networks with heads: SHA-256, and the layers that the points lie behind."""


@pytest.mark.parametrize("name", HEADS)
def test_tuned_heads_are_decided_alike_on_a_device(name: str, tmp_path: Path) -> None:
    """Every tuned point of the published model, on the native build: answers, points, passes and choices."""
    graph = load(RESULTS / f"{name}.safetensors")
    digest, after = HEADS[name]
    assert model_hash(graph).hex() == digest
    assert [point.after for point in graph.points] == after
    board = load_board("host")
    made = export(graph, board, tmp_path / "p").project
    build(made.folder, cross=False)
    codes = random_codes(2, graph, 12)
    with open_client(board, made.elf, made.model_hash) as client:
        for point in graph.tuned:
            session = run_session(client, graph, board, codes, None, point.setting)
            assert session.mismatches == 0, session.first_difference


def test_the_network_under_the_heads_is_the_published_one() -> None:
    graph, own = (load(RESULTS / f"{name}.safetensors") for name in ("ecg-heads", "ecg"))
    assert list(graph.layers) == list(own.layers)
