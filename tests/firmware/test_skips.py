"""Layers that may be skipped, on devices: what is left of them, what does not run with them, and what else does."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Setting, interpreter, nested
from dqt_edge.graph.points import widest_choices
from dqt_edge.lowering.kernels import skipping
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.asking import checksums_by_layer
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.render import kernel_files
from dqt_edge.system.resources import data_folder
from tests.support.native_model import WARNINGS, NativeModel
from tests.support.random_decisions import any_pointed_graph, try_decisions
from tests.support.random_graphs import random_codes
from tests.support.skips import skipping_graph

ALL = "DQT_ALL_TESTS" in os.environ
BRANCHED = (26, 30, 33, 57, 22, 7)
"""Seeds of networks with branches; some with a controller, some with a second pass, some with neither."""
QEMU = ("qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")


@pytest.mark.parametrize("seed", range(4) if ALL else [0, 3])
def test_a_library_skips_as_the_interpreter(seed: int, tmp_path: Path) -> None:
    """At every vector of options, layer by layer, and with a second pass, which runs all."""
    graph = replace(skipping_graph(seed), second_pass=True)
    model, codes = NativeModel(graph, tmp_path, sanitize=True), random_codes(seed, graph, 3)
    for vector in itertools.product(*(range(len(layer.options)) for layer in graph.adaptive)):
        pairs = tuple(layer.options[k] for layer, k in zip(graph.adaptive, vector, strict=True))
        want = interpreter.run(graph, codes, pairs)
        for i, sample in enumerate(codes):
            output, choices, _ = model.run(sample, np.array(vector))
            assert output.tobytes() == want.outputs[i].tobytes()
            assert tuple(choices) == vector
        for again in (0, 256):
            setting = Setting(vector, (), (), again)
            want = interpreter.run(graph, codes, setting)
            passes = 2 if again and vector != widest_choices(graph) else 1
            for i, sample in enumerate(codes):
                got = model.decide(sample, setting)
                assert (got.output, got.choices, got.passes) == (want.outputs[i].tobytes(), vector, passes)
                assert checksums_by_layer(graph, got) == layer_checksums(graph, sample, setting)


@pytest.mark.parametrize(
    ("seed", "board_id"),
    [
        *((seed, "host") for seed in (BRANCHED if ALL else BRANCHED[:2])),
        *(
            pytest.param(seed, board_id, marks=pytest.mark.qemu)
            for i, board_id in enumerate(QEMU)
            for seed in (BRANCHED if ALL else BRANCHED[i : i + 1])
        ),
    ],
)
def test_every_core_skips_as_the_interpreter(seed: int, board_id: str, tmp_path: Path) -> None:
    graph = any_pointed_graph(seed, skips=True)
    assert graph.skipped_with
    _, difference = try_decisions(graph, seed, board_id, tmp_path / "p")
    assert difference is None


def test_a_model_without_skips_has_nothing_that_asks() -> None:
    graph = skipping_graph(0)
    plain = replace(
        graph, layers=tuple(replace(x, skip_bias=None) if hasattr(x, "skip_bias") else x for x in graph.layers)
    )
    board = load_board("qemu-m4")
    assert {skipping.SKIP, skipping.BRANCH} <= set(make_plan(graph, board).kernels)
    assert not {skipping.SKIP, skipping.BRANCH} & set(make_plan(plain, board).kernels)


HARNESS = """
#include "dqt_kernels.h"
static void never(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate) {
    (void)layer, (void)arena, (void)scratch, (void)candidate;
    __builtin_trap();
}
void try_skip(uint8_t *arena, uint32_t size, uint32_t channels, uint32_t residual, uint32_t output,
              const int32_t *bias, const int32_t *scale, const int32_t *multiplier) {
    dqt_mac mac = {.residual = residual, .output = output, .residual_multiplier = scale, .residual_zero = 3};
    mac.window.out_channels = (uint16_t)channels;
    mac.requantize = (dqt_requantize){.multiplier = multiplier, .shift = 0, .low = 2, .high = 250};
    const dqt_skippable skippable = {{never, &mac, 0, 3, true, false, output, size}, bias};
    const dqt_layer layer = {dqt_skippable_mac, &skippable, 0, 3, true, false, output, size};
    dqt_skippable_mac(&layer, arena, 0, 2);
}
"""


@pytest.mark.parametrize("distance", [-30, -7, -1, 0, 1, 7, 29, 30, None])
def test_a_skip_may_lie_over_its_residual(distance: int | None, tmp_path: Path) -> None:
    import ctypes  # noqa: PLC0415

    for path, text in kernel_files([skipping.SKIP], load_board("host").cpu).items():
        (tmp_path / Path(path).name).write_text(text)
    (tmp_path / "harness.c").write_text(HARNESS)
    library = tmp_path / "skip.so"
    include = ["-I", str(data_folder("firmware") / "dqt"), "-I", str(tmp_path)]
    sources = [str(tmp_path / f"dqt_{skipping.SKIP}.c"), str(tmp_path / "harness.c")]
    subprocess.run(["cc", *WARNINGS, "-shared", "-fPIC", *include, *sources, "-o", str(library)], check=True)
    rng = np.random.default_rng(4)
    size, channels = 30, 5
    arena = rng.integers(0, 256, 100).astype(np.uint8)
    bias = rng.integers(-(2**20), 2**20, channels).astype(np.int32)
    scale = rng.integers(-5000, 5000, channels).astype(np.int32)
    multiplier = rng.integers(2**19, 2**20, channels).astype(np.int32)
    residual = 35
    output = residual if distance is None else residual + distance
    before = arena[residual : residual + size].astype(np.int64).reshape(-1, channels)
    twice = bias + (0 if distance is None else (before - 3) * scale)
    want = nested.requantize(np.broadcast_to(twice, before.shape), multiplier, np.full(channels, 32), 2, 250).ravel()
    expected = arena.copy()
    expected[output : output + size] = want
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (bias, scale, multiplier)]
    where = 0xFFFFFFFF if distance is None else residual
    ctypes.CDLL(str(library)).try_skip(arena.ctypes.data_as(ctypes.c_void_p), size, channels, where, output, *pointers)
    np.testing.assert_array_equal(arena, expected)
