"""Checkpoints: round trip, reproducible bytes, and readers that take every file as hostile."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as encode

from dqt_edge.boards import load_board
from dqt_edge.errors import BadFileError
from dqt_edge.graph import TASKS, DialPoint, Graph, MacLayer, checkpoint
from dqt_edge.lowering.plan import make_plan
from tests.support.random_graphs import random_graph


@pytest.fixture
def content() -> bytes:
    return encode(*checkpoint._encode(random_graph(3)))


@pytest.mark.parametrize("seed", range(8))
def test_round_trip(seed: int, tmp_path) -> None:
    graph = random_graph(seed)
    path = tmp_path / "model.safetensors"
    checkpoint.save(graph, path)
    first = path.read_bytes()
    loaded = checkpoint.load(path)
    assert loaded == graph
    assert checkpoint.model_hash(loaded) == checkpoint.model_hash(graph)
    checkpoint.save(loaded, path)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_provenance_is_no_part_of_the_model_hash() -> None:
    graph = random_graph(3)
    assert checkpoint.model_hash(replace(graph, provenance={"seed": 1})) == checkpoint.model_hash(graph)


def refused(content: bytes) -> str:
    with pytest.raises(BadFileError) as caught:
        checkpoint.decode(content, "file")
    assert caught.value.exit_code == 8
    return caught.value.what


def test_every_truncation_is_refused(content: bytes) -> None:
    for size in [*range(0, 200), *range(200, len(content), 97)]:
        assert "not a usable checkpoint" in refused(content[:size])


def test_random_damage_is_refused_or_harmless(content: bytes) -> None:
    """A flipped byte gives a typed refusal, or a graph that passed every check; nothing else can come out."""
    rng = np.random.default_rng(11)
    accepted = 0
    for _ in range(600):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(damaged)))] ^= int(rng.integers(1, 256))
        try:
            graph = checkpoint.decode(bytes(damaged))
        except BadFileError:
            continue
        accepted += 1
        make_plan(graph, load_board("host"))
    assert accepted < 60


def test_flipped_tensor_bytes_are_always_refused(content: bytes) -> None:
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(12)
    for _ in range(100):
        damaged = bytearray(content)
        damaged[int(rng.integers(header, len(content)))] ^= 1 << int(rng.integers(8))
        assert "SHA-256" in refused(bytes(damaged))


def with_dial(graph: Graph, *points: DialPoint) -> Graph:
    assert graph.controller is not None
    return replace(graph, controller=replace(graph.controller, dial=points))


def manifest_of(graph: Graph) -> dict:
    return json.loads(checkpoint._encode(graph)[1]["dqt_edge"])


def test_a_dial_is_format_2_and_part_of_the_model_hash() -> None:
    """A program that knows no dials must not read such a file; a model without one stays what it was."""
    graph = random_graph(3)
    bare, dialled = with_dial(graph), with_dial(graph, DialPoint(0.25, (3, -5)), DialPoint(1.0, (0, 2**20)))
    assert manifest_of(bare)["format"] == 1
    assert "dial" not in manifest_of(bare)["graph"]["controller"]
    assert manifest_of(dialled)["format"] == 2
    assert manifest_of(dialled)["graph"]["controller"]["dial"] == [
        {"target": 0.25, "bias": [3, -5]},
        {"target": 1.0, "bias": [0, 2**20]},
    ]
    assert checkpoint.model_hash(bare) != checkpoint.model_hash(dialled)


def test_a_task_is_written_only_where_it_is_another_and_is_no_part_of_the_model_hash() -> None:
    """Models of before keep their bytes; a program that knows no tasks must not report an accuracy of this one."""
    graph = random_graph(3)
    other = replace(graph, task="regression")
    assert "task" not in manifest_of(graph)["graph"]
    assert (manifest_of(other)["graph"]["task"], manifest_of(other)["format"]) == ("regression", 3)
    assert checkpoint.model_hash(graph) == checkpoint.model_hash(other)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_survives_its_checkpoint(task: str, tmp_path: Path) -> None:
    graph = replace(random_graph(4), task=task)
    checkpoint.save(graph, tmp_path / "m.safetensors")
    assert checkpoint.load(tmp_path / "m.safetensors") == graph


def test_a_file_over_the_cap_is_refused_before_it_is_read(tmp_path) -> None:
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as handle:
        handle.truncate(checkpoint.FILE_MAX + 1)
    with pytest.raises(BadFileError, match="more than the limit"):
        checkpoint.load(path)


def test_missing_file_and_folder(tmp_path) -> None:
    with pytest.raises(BadFileError, match="cannot read the checkpoint"):
        checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(BadFileError, match="cannot write"):
        checkpoint.save(random_graph(3), tmp_path / "none" / "model.safetensors")


def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch) -> None:
    path = tmp_path / "model.safetensors"
    checkpoint.save(random_graph(3), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadFileError, match="No space left on device"):
        checkpoint.save(random_graph(4), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("array", "value", "reason"),
    [
        ("multiplier", 0, "multiplier of channel 3 is 0, must be 1..2^31-1"),
        ("multiplier", -5, "multiplier of channel 3 is -5, must be 1..2^31-1"),
        ("shift", 63, "shift of channel 3 is 63, must be 1..62"),
    ],
)
def test_a_bad_number_is_told_with_its_layer_channel_and_range(
    graph: Graph, tmp_path, array: str, value: int, reason: str
) -> None:
    arrays, metadata = checkpoint._encode(graph)
    damaged = arrays[f"conv1/requantize/{array}"].copy()
    damaged[3] = value
    arrays[f"conv1/requantize/{array}"] = damaged
    manifest = json.loads(metadata["dqt_edge"])
    manifest["sha256"] = checkpoint._digest(arrays)
    path = tmp_path / "bad.safetensors"
    path.write_bytes(encode(arrays, {"dqt_edge": json.dumps(manifest)}))
    with pytest.raises(BadFileError) as caught:
        checkpoint.load(path)
    assert caught.value.what == f"not a usable checkpoint: layer 'conv1': {reason}"
    assert caught.value.where == str(path)


@pytest.mark.parametrize("offset", [-127, 5, 128])
def test_a_weight_offset_is_kept_and_asks_for_format_3(offset: int, tmp_path: Path) -> None:
    graph = random_graph(1)
    layers = tuple(replace(x, weight_offset=offset) if isinstance(x, MacLayer) else x for x in graph.layers)
    given = replace(graph, layers=layers)
    checkpoint.save(given, tmp_path / "c.safetensors")
    assert checkpoint.load(tmp_path / "c.safetensors") == given
    assert checkpoint.model_hash(given) != checkpoint.model_hash(graph)
