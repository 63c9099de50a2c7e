"""Kernels for MVE = interpreter: every window, width pair, channel count, at the extremes of the data.

Red zones lie behind each layer's scratch and around its output: a kernel that writes there stops the image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqt_edge.lowering import mve
from dqt_edge.lowering.plan import Plan
from tests.support.device_kernels import assert_cases_agree

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
    np.testing.assert_array_equal(mve.unpack(mve.pack(weights), *weights.shape), weights)


CALL = "        layer->run(layer, buffers->arena, buffers->scratch, candidate);\n"
GUARDED = """        const uint32_t scratch_size = scratch_sizes[i];
        const uint32_t output_end = layer->output + layer->output_size;
        uint8_t *arena = buffers->arena;
        for (uint32_t k = 0; k < ZONE; ++k) {
            guarded_scratch[scratch_size + k] = (uint8_t)(k ^ 0x5Au);
        }
        const uint32_t before = dqt_crc32(0u, arena, layer->output);
        const uint32_t after = dqt_crc32(0u, arena + output_end, ARENA_SIZE - output_end);
        layer->run(layer, arena, guarded_scratch, candidate);
        for (uint32_t k = 0; k < ZONE; ++k) {
            if (guarded_scratch[scratch_size + k] != (uint8_t)(k ^ 0x5Au)) {
                __builtin_trap();
            }
        }
        if (before != dqt_crc32(0u, arena, layer->output) ||
            after != dqt_crc32(0u, arena + output_end, ARENA_SIZE - output_end)) {
            __builtin_trap();
        }
"""
ZONE = 64


def add_red_zones(folder: Path, plan: Plan) -> None:
    """Change the sources of a project: scratch of its own with 64 bytes behind it, checked as the arena is."""
    run = folder / "runtime" / "dqt_run.c"
    text = run.read_text()
    assert text.count(CALL) == 1
    sizes = ", ".join(str(layer.scratch) for layer in plan.layers)
    most = max(layer.scratch for layer in plan.layers)
    head = (
        "#include <stdint.h>\n"
        f"#define ZONE {ZONE}u\n#define ARENA_SIZE {plan.memory_size}u\n"
        f"static const uint32_t scratch_sizes[] = {{{sizes}}};\n"
        f"static uint8_t guarded_scratch[{most} + ZONE] __attribute__((aligned(8)));\n"
    )
    run.write_text(head + text.replace(CALL, GUARDED))


@pytest.mark.qemu
@pytest.mark.parametrize(("kind", "shape", "count", "zero"), SHAPES)
def test_kernels_agree_with_the_interpreter(kind: str, shape, count: int, zero: int, tmp_path: Path) -> None:
    assert_cases_agree("qemu-m55", KERNELS[kind], kind, shape, count, zero, tmp_path / "p", add_red_zones)
