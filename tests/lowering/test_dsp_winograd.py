"""Convolution in Winograd's form on cores with DSP: which layers it takes, what it falls back to, strips and blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Conv2D, Graph, Requantize, Tensor, Window
from dqt_edge.lowering.kernels import catalogue, dsp_winograd
from dqt_edge.lowering.kernels.kernel import Way
from dqt_edge.lowering.plan import make_plan
from tests.support.rig.cases import run_chunk

M4 = load_board("qemu-m4")


def conv(
    channels: int = 8,
    source: tuple[int, int, int] = (6, 7, 8),
    window: Window | None = None,
    zero: int = 0,
    **changes: object,
) -> tuple[Conv2D, dict[str, Tensor]]:
    window = window or Window((3, 3), (1, 1), (1, 1, 1, 1))
    target = (*window.output_size(*source[:2]), channels)
    requantize = Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))
    weights = np.zeros((channels, *window.kernel, source[2]), np.int8)
    bias = np.zeros(channels, np.int32)
    layer = Conv2D("l", "x", "y", weights, bias, requantize, ((8, 8), (4, 4)), window)
    layer = replace(layer, **changes)  # type: ignore[arg-type]
    return layer, {"x": Tensor("x", source, 0.1, zero), "y": Tensor("y", target, 0.1)}


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        ({}, True),
        ({"window": Window((1, 3), (1, 1), (0, 1, 0, 1))}, True),
        ({"window": Window((5, 3), (2, 1))}, True),
        ({"window": Window((3, 3), (1, 2))}, False),
        ({"window": Window((3, 2))}, False),
        ({"source": (6, 7, 6)}, False),
        ({"channels": 6}, False),
        ({"source": (6, 4, 8), "window": Window((3, 3))}, False),
        ({"zero": 3}, False),
        ({"candidates": ((4, 4),)}, False),
        ({"requantize": Requantize(np.full(8, 1 << 20, np.int32), np.full(8, 31, np.uint8))}, False),
        ({"requantize": Requantize(np.full(8, 1 << 20, np.int32), np.full(8, 32, np.uint8), 0, 200)}, False),
    ],
)
def test_which_layers_it_takes(arguments: dict[str, object], taken: bool) -> None:
    layer, tensors = conv(**arguments)  # type: ignore[arg-type]
    assert catalogue.kernel("conv2d_winograd_dsp").takes(layer, tensors) == taken
    assert catalogue.kernel("conv2d_dsp").takes(layer, tensors)


def test_what_it_falls_back_to() -> None:
    """First its own leaner ways, then those of conv2d_dsp, then the plain kernel; M55 knows none of them."""
    layer, tensors = conv(64, (8, 64, 64))
    names = [choice.kernel.name for choice in catalogue.choices(layer, tensors, M4.cpu)]
    assert list(dict.fromkeys(names)) == ["conv2d_winograd_dsp", "conv2d_dsp", "conv2d"]
    assert not any("dsp" in c.kernel.name for c in catalogue.choices(layer, tensors, load_board("qemu-m55").cpu))


def test_a_board_with_little_memory_takes_the_ordinary_form() -> None:
    layer, tensors = conv(64, (8, 8, 64))
    graph = Graph("g", tuple(tensors.values()), (layer,), "x", "y")
    kernels = {}
    for room in (64, 28):
        memory = tuple(replace(m, size=room * 1024) if m.kind == "ram" else m for m in M4.memory)
        plan = make_plan(graph, replace(M4, memory=memory))
        kernels[room] = plan.layers[0].kernel
        assert plan.memory_size <= room * 1024 - 8192
    assert kernels == {64: "conv2d_winograd_dsp", 28: "conv2d_dsp"}


def test_every_way_leaves_the_other_pairs_enough() -> None:
    for channels, shape in ((4, (3, 3, 4)), (16, (32, 32, 16)), (64, (8, 8, 64)), (8, (2, 1030, 4))):
        layer, tensors = conv(channels, shape)
        for choice in catalogue.kernel("conv2d_winograd_dsp").choices(layer, tensors):
            way = choice.way
            assert dsp_winograd.scratch(layer, tensors["x"], way.block, way.strip) <= way.scratch
            block, strip = way.others
            assert block >= way.block
            assert strip <= 255
            assert 2 * way.strip >= shape[1] or way.strip % 2 == 0


@pytest.mark.qemu
@pytest.mark.parametrize("strip", [2, 4])
def test_blocks_of_one_tile_and_narrow_strips(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the interpreter computes them, in scratch of the size that goes with them; extreme weights and codes."""

    def ways(layer: Conv2D, tensors: dict[str, Tensor]) -> list[Way]:
        source = tensors[layer.input]
        return [Way(dsp_winograd.scratch(layer, source, 1, strip), 1, strip, (1, 1), rereads=True)]

    kernel = catalogue.kernel("conv2d_winograd_dsp")
    ours = tuple(replace(k, ways=ways) if k is kernel else k for k in catalogue.FAMILIES["dsp"])
    monkeypatch.setitem(catalogue.FAMILIES, "dsp", ours)
    monkeypatch.setattr("tests.support.rig.kernel_layers.pairs_of", lambda *_: (((8, 8),), False))
    for kind in ("three", "three_residual"):
        counts, failures = run_chunk((kind, 500, 15, ("m4",)))
        assert not failures
        assert counts["m4", "conv2d_winograd_dsp", "8x8"] > 20
