"""Dense layers for the DSP extension: which kernel takes a layer, and all of them at the bounds of their fields."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Dense, Graph, Pair, Requantize, Tensor
from dqt_edge.lowering.kernels import catalogue, dsp_dense
from dqt_edge.lowering.plan import make_plan
from dqt_edge.lowering.records import Proof
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.device_kernels import differing
from tests.support.kernel_cases import cases, extreme_codes, spread
from tests.support.random_graphs import ALL_PAIRS

PACKED = tuple(pair for pair in ALL_PAIRS if dsp_dense.is_packed("nibbles", pair))
BYTES = tuple(pair for pair in ALL_PAIRS if pair[0] == 8)
KERNELS = {"pairs": BYTES, "bytes": BYTES, "nibbles": BYTES + PACKED, "masked": ALL_PAIRS, "planes": ALL_PAIRS}
"""Kernel, without what all names have in common -> the pairs that it computes."""


@pytest.mark.parametrize(
    ("candidates", "kernel"),
    [
        (((8, 8),), "pairs"),
        (((8, 8), (8, 4)), "pairs"),
        (((8, 8), (4, 4), (2, 4)), "nibbles"),
        (((8, 8), (6, 8), (4, 4)), "masked"),
        (((4, 8),), "masked"),
        (((2, 8),), "planes"),
        (((8, 8), (2, 8)), "planes"),
        (((2, 4),), "nibbles"),
    ],
)
def test_layers_get_the_planes_that_their_candidates_gain_from(candidates, kernel: str) -> None:
    layer = cases("dense", 1, (1, 1, 8), 1).layers[0]
    assert isinstance(layer, Dense)
    layer = replace(layer, candidates=candidates)
    taken = [k.name for k in catalogue.FAMILIES["dsp"] if k.takes(layer, {})]
    assert taken == [f"dense_{kernel}_dsp"]


@pytest.mark.parametrize(
    ("channels", "depth", "kernel"),
    [
        (1, 4000, "pairs"),
        (2, 4000, "pairs"),
        (3, 4000, "bytes"),
        (16, 256, "pairs"),
        (16, 257, "bytes"),
        (17, 9, "bytes"),
    ],
)
def test_few_outputs_and_small_layers_take_channels_two_by_two(channels: int, depth: int, kernel: str) -> None:
    weights, bias = np.zeros((channels, depth), np.int8), np.zeros(channels, np.int32)
    one = Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))
    layer = Dense("d", "input", "y", weights, bias, one, ((8, 8),))
    taken = [k.name for k in catalogue.FAMILIES["dsp"] if k.takes(layer, {})]
    assert taken == [f"dense_{kernel}_dsp"]


def _layers(rng: np.random.Generator, k: int, pairs: tuple[Pair, ...], mixed: bool) -> list[Dense]:
    """Layers of K inputs whose channels are all -128, all 127 or both in turn; seven pairs each.

    mixed: the shift of the third of nine channels is 33, whose multiplier is twice as large.
    """
    rows = [[-128] * k, [127] * k, [127, -128] * (k // 2) + [127] * (k % 2)]
    weights = np.array(rows * 3, np.int8)
    found = []
    for i in range(0, len(pairs), 7):
        bias, requantize = spread(rng, weights, 0)
        if mixed:
            shift = np.where(np.arange(len(weights)) == 2, 33, 32).astype(np.uint8)
            multiplier = np.minimum(requantize.multiplier.astype(np.int64), 2**30 - 1) << (shift == 33)
            requantize = Requantize(multiplier.astype(np.int32), shift)
        chosen = tuple(sorted(pairs[i : i + 7], reverse=True))
        found.append(Dense(f"d{i}", "input", f"d{i}.out", weights, bias, requantize, chosen))
    return found


def _differing(kernel: str, k: int, folder: Path, monkeypatch: pytest.MonkeyPatch, mixed: bool = False) -> list[str]:
    """What differs from the interpreter on Cortex-M4, of a kernel that takes all its pairs."""
    kind = {"masked": "nibbles", "pairs": "bytes"}.get(kernel, kernel)
    monkeypatch.setattr(dsp_dense, "dense_kind", lambda layer: kind)
    monkeypatch.setattr(dsp_dense, "takes_masked", lambda layer: kernel == "masked")
    monkeypatch.setattr(dsp_dense, "takes_pairs", lambda layer: kernel == "pairs")
    layers = _layers(np.random.default_rng(k), k, KERNELS[kernel], mixed)
    tensors = (Tensor("input", (1, 1, k), 0.02), *(Tensor(layer.output, (1, 1, 9), 0.02) for layer in layers))
    graph = Graph(f"bounds{k}", tensors, tuple(layers), "input", tensors[-1].name)
    made, plan, _ = export(graph, load_board("qemu-m4"), folder)
    assert {layer.kernel for layer in plan.layers} == {f"dense_{kernel}_dsp"}
    build(made.folder, cross=True)
    return list(differing(made, graph, extreme_codes(k, (1, 1, k), 2), 7))


@pytest.mark.qemu
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("k", [256, 257, 523])
def test_every_pair_agrees_at_the_bounds(kernel: str, k: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """K at 256, the longest run of which nothing is proved, one past, and in three runs."""
    assert not _differing(kernel, k, tmp_path, monkeypatch)


@pytest.mark.qemu
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_channel_of_another_shift_agrees(kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tile is finished by plain C, the next one by the micro-kernel, the last channel by plain C again."""
    assert not _differing(kernel, 37, tmp_path, monkeypatch, mixed=True)


@pytest.mark.qemu
@pytest.mark.parametrize(("kernel", "most"), [("pairs", 257), ("bytes", 257), ("nibbles", 257)])
def test_the_bound_of_a_run_is_needed(kernel: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one run, sums are right at the bound, and wrong one past it."""
    kernels = tuple(replace(k, proof=lambda *_: Proof.TOP) for k in catalogue.FAMILIES["dsp"])
    monkeypatch.setitem(catalogue.FAMILIES, "dsp", kernels)
    assert not _differing(kernel, most, tmp_path / "at", monkeypatch)
    assert _differing(kernel, most + 1, tmp_path / "past", monkeypatch)


@pytest.mark.parametrize("pair", [(8, 8), (4, 4), (2, 4), (6, 5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_proof_is_exact(pair: Pair, sign: int) -> None:
    """The largest sum that fits the field is proved, in any channel, and one view more is not."""
    bits, activation_bits = pair
    packed = dsp_dense.is_packed("nibbles", pair)
    codes = (2**activation_bits - 1) * (1 if packed else 2 ** (16 - bits - activation_bits))
    limit = (2**15 if packed else 2**23) - (sign > 0)
    top = 2 ** (bits - 1) - (sign > 0)
    for views, expected in ((limit // codes, Proof.TOP), (limit // codes + 1, Proof.NONE)):
        view = np.full(-(-views // top), top)
        view[-1] -= view.sum() - views
        weights = np.zeros((3, len(view)), np.int64)
        weights[1] = sign * view << (8 - bits)
        one = Requantize(np.full(3, 1 << 20, np.int32), np.full(3, 32, np.uint8))
        bias = np.zeros(3, np.int32)
        layer = Dense("d", "input", "y", weights.astype(np.int8), bias, one, (pair, (3, 3)))
        assert dsp_dense.proof(layer, pair) is expected


def test_a_plan_says_what_is_proved() -> None:
    plan = make_plan(cases("dense", 1, (1, 1, 8), 1), load_board("qemu-m4"))
    assert all(proof is Proof.TOP for layer in plan.layers for proof in layer.proofs)
