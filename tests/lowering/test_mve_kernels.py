"""Kernels for MVE = interpreter: every window, width pair, channel count, at the extremes of the data.

Red zones lie behind each layer's scratch and around its output: a kernel that writes there stops the image.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import DepthwiseConv2D, Graph, MaxPool2D, Tensor, Window
from dqt_edge.lowering.kernels import mve_conv, mve_planes
from dqt_edge.lowering.plan import Plan, make_plan
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.device_kernels import assert_cases_agree, differing
from tests.support.kernel_cases import cases, extreme_codes, spread

pytestmark = pytest.mark.usefixtures("catalogue_order")

KERNELS = {"conv": "conv2d_mve", "depthwise": "depthwise_conv2d_mve", "dense": "dense_mve"}
SHAPES = [
    ("conv", (9, 6, 3), 60, 0),
    ("conv", (4, 5, 16), 50, 0),
    ("conv", (3, 3, 68), 30, 0),
    ("conv", (2, 3, 33), 40, 0),
    ("conv", (7, 5, 8), 50, 131),
    ("conv", (6, 5, 5), 50, 255),
    ("depthwise", (6, 5, 17), 60, 0),
    ("depthwise", (3, 9, 35), 40, 0),
    ("depthwise", (1, 1, 5), 40, 0),
    ("depthwise", (4, 6, 6), 50, 77),
    ("dense", (1, 1, 65), 60, 0),
    ("dense", (2, 1, 5), 40, 9),
]


@pytest.mark.parametrize("seed", range(6))
def test_unpacking_restores_the_masters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (int(rng.integers(1, 30)), int(rng.integers(1, 70)))).astype(np.int8)
    for form, kept in (("bytes", 0xFF), ("nibbles", 0xFF), ("two_bits", 0xC0)):
        stored = mve_planes.pack(weights, form, ahead=form != "two_bits")
        found = mve_planes.unpack(stored, form, *weights.shape)
        np.testing.assert_array_equal(found, ((weights.astype(np.int64) + 128) & kept) - 128)


@pytest.mark.parametrize(
    ("candidates", "kernel"),
    [
        (((8, 8),), "dense_bytes_mve"),
        (((8, 8), (8, 3)), "dense_bytes_mve"),
        (((8, 8), (2, 4)), "dense_mve"),
        (((4, 4),), "dense_mve"),
        (((2, 8), (2, 4)), "dense_two_bits_mve"),
    ],
)
def test_dense_weights_are_stored_as_all_candidates_together_want(candidates, kernel: str) -> None:
    graph = cases("dense", 5, (1, 1, 20), 1)
    layer = replace(graph.layers[0], candidates=candidates)
    plan = make_plan(replace(graph, layers=(layer,)), load_board("qemu-m55"))
    assert plan.layers[0].kernel == kernel
    stored = {constant.name.rsplit("_", 1)[-1] for constant in plan.constants if "plane" in constant.name}
    assert stored == ({"a", "l"} if kernel == "dense_mve" and candidates[0][0] == 8 else {"a"})


@pytest.mark.parametrize(
    ("candidates", "kernel"),
    [
        (((8, 8), (8, 4)), "conv2d_bytes_mve"),
        (((8, 8), (4, 4)), "conv2d_mve"),
        (((2, 8), (2, 4)), "conv2d_two_bits_mve"),
    ],
)
def test_weights_of_a_convolution_are_stored_as_all_candidates_together_want(candidates, kernel: str) -> None:
    graph = cases("conv", 5, (4, 5, 16), 1)
    plan = make_plan(replace(graph, layers=(replace(graph.layers[0], candidates=candidates),)), load_board("qemu-m55"))
    assert plan.layers[0].kernel == kernel


def requantized(twice: int, multiplier: int, shift: int) -> int:
    """The micro-kernel's way to a code: VQSHL, VMULH, VRSHL."""
    left, right = max(33 - shift, 0), max(shift - 32, 1)
    shifted = min(max(twice << left, -(2**31)), 2**31 - 1)
    high = (shifted * multiplier) >> 32
    return min(max((high + (1 << (right - 1))) >> right, 0), 255)


TWICES = [sign * value for value in (0, 1, 2**15 + 1, 2**30 - 1, 2**30, 2**31 - 1) for sign in (1, -1)]


@pytest.mark.parametrize("multiplier", [mve_conv.SHORT, mve_conv.SHORT + 1, 2**30, 2**31 - 1])
def test_any_shift_is_exact_though_it_saturates(multiplier: int) -> None:
    for shift in range(1, 63):
        for twice in TWICES:
            exact = (twice * multiplier + (1 << (shift - 1))) >> shift
            assert requantized(twice, multiplier, shift) == min(max(exact, 0), 255), (twice, shift)


def test_a_multiplier_that_saturation_would_change_takes_another_kernel() -> None:
    exact = ((2**31 - 1) * 8 + 2**31) >> 32
    assert requantized(2**31 - 1, 8, 32) != exact, "and so it must not run there"
    graph = cases("conv", 5, (4, 5, 16), 1)
    layer = graph.layers[0]
    for short, kernel in ((mve_conv.SHORT, "conv2d_bytes_mve"), (mve_conv.SHORT - 1, "conv2d_dsp")):
        multiplier = layer.requantize.multiplier.copy()
        multiplier[0] = short
        shifts = np.full(len(multiplier), 32, np.uint8)
        changed = replace(layer, requantize=replace(layer.requantize, multiplier=multiplier, shift=shifts))
        plan = make_plan(replace(graph, layers=(replace(changed, candidates=((8, 8),)),)), load_board("qemu-m55"))
        assert plan.layers[0].kernel == kernel


CALL = "        layer->run(layer, tensors, tensors, candidate); /* scratch lies at the start of the arena */\n"
GUARDED = """        const uint32_t scratch_size = scratch_sizes[i];
        const uint32_t output_end = layer->output + layer->output_size;
        for (uint32_t k = 0; k < ZONE; ++k) {
            guarded_scratch[scratch_size + k] = (uint8_t)(k ^ 0x5Au);
        }
        const uint32_t before = dqt_crc32(0u, tensors, layer->output);
        const uint32_t after = dqt_crc32(0u, tensors + output_end, ARENA_SIZE - output_end);
        layer->run(layer, tensors, guarded_scratch, candidate);
        for (uint32_t k = 0; k < ZONE; ++k) {
            if (guarded_scratch[scratch_size + k] != (uint8_t)(k ^ 0x5Au)) {
                __builtin_trap();
            }
        }
        if (before != dqt_crc32(0u, tensors, layer->output) ||
            after != dqt_crc32(0u, tensors + output_end, ARENA_SIZE - output_end)) {
            __builtin_trap();
        }
"""
ZONE = 64


def add_red_zones(folder: Path, plan: Plan) -> None:
    """Change the sources of a project: scratch of its own with 64 bytes behind it, checked as the arena is."""
    run = folder / "dqt" / "dqt_run.c"
    text = run.read_text()
    assert text.count(CALL) == 1
    sizes = ", ".join(str(layer.scratch) for layer in plan.layers)
    most = max(layer.scratch for layer in plan.layers)
    head = (
        '#include <stdint.h>\n#include "dqt_crc32.h"\n'
        f"#define ZONE {ZONE}u\n#define ARENA_SIZE {plan.memory_size}u\n"
        f"static const uint32_t scratch_sizes[] = {{{sizes}}};\n"
        f"static uint8_t guarded_scratch[{most} + ZONE] __attribute__((aligned(8)));\n"
    )
    run.write_text(head + text.replace(CALL, GUARDED))


@pytest.mark.qemu
@pytest.mark.parametrize(("kind", "shape", "count", "zero"), SHAPES)
def test_kernels_agree_with_the_interpreter(kind: str, shape, count: int, zero: int, tmp_path: Path) -> None:
    assert_cases_agree("qemu-m55", KERNELS[kind], kind, shape, count, zero, tmp_path / "p", add_red_zones)


def depthwise_graph(shape: tuple[int, int, int], values: list[int], pairs: tuple[tuple[int, int], ...]) -> Graph:
    """A 3x3 depthwise layer for each value, all of whose weights are that value."""
    rng = np.random.default_rng(sum(shape))
    tensors, layers = [Tensor("input", shape, 0.02, 0)], []
    for i, value in enumerate(values):
        weights = np.full((shape[2], 3, 3), value, np.int8)
        bias, requantize = spread(rng, weights, 0)
        plain = replace(requantize, shift=np.full(shape[2], 32, np.uint8), low=0, high=255)
        window = Window.same(shape[:2], (3, 3), (1, 1))
        tensors.append(Tensor(f"y{i}", shape, 0.02, 0))
        layers.append(DepthwiseConv2D(f"d{i}", "input", f"y{i}", weights, bias, plain, pairs, window))
    return Graph("depthwise", tuple(tensors), tuple(layers), "input", tensors[-1].name)


@pytest.mark.qemu
def test_depthwise_sums_at_the_bound_of_16_bits_and_past_it(tmp_path: Path) -> None:
    """9 * 241 * 15 = 32,535 fits 16 bits (4x4); 9 * 249 * 15 (5x4) and 9 * 241 * 31 (4x5) do not: four lanes then."""
    graph = depthwise_graph((4, 5, 3), [-128, 127], ((8, 8), (8, 4), (5, 4), (4, 8), (4, 5), (4, 4), (2, 5), (2, 4)))
    made, _, _ = export(graph, load_board("qemu-m55"), tmp_path / "p")
    build(made.folder, cross=True)
    assert not differing(made, graph, extreme_codes(1, (4, 5, 3), 3), 8)


WIDEST = (3, 16, 1023)
"""Four rows of 16 * 1023 bytes: offsets up to 65,471, and strips of two rows."""


@pytest.mark.qemu
def test_depthwise_offsets_at_their_bound(tmp_path: Path) -> None:
    graph = depthwise_graph(WIDEST, [-77], ((4, 8), (4, 4)))
    pool = MaxPool2D("pool", "y0", "top", Window((3, 16)))  # a short reply
    tensors = (*graph.tensors, Tensor("top", (1, 1, WIDEST[2]), 0.02, 0))
    graph = replace(graph, tensors=tensors, layers=(*graph.layers, pool), output="top")
    made, plan, _ = export(graph, load_board("qemu-m55"), tmp_path / "p")
    assert "depthwise_conv2d_mve" in plan.kernels
    build(made.folder, cross=True)
    assert not differing(made, graph, extreme_codes(2, WIDEST, 2)[1:], 2)


def test_a_depthwise_layer_past_the_bound_of_offsets_takes_another_kernel() -> None:
    graph = depthwise_graph((3, 16, 1024), [1], ((8, 8),))
    assert "depthwise_conv2d_mve" not in make_plan(graph, load_board("qemu-m55")).kernels
