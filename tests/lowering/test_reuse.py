"""An output never overwrites what its layer still reads: the planner's distances against the kernels' order of reading.

The orders are written down byte by byte in ``tests/support/reading_orders.py``; ``test_in_place.py`` runs the kernels.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dqt_edge.boards import load_board
from dqt_edge.graph import (
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Requantize,
    Tensor,
    Window,
)
from dqt_edge.lowering.kernels import catalogue, descriptors
from dqt_edge.lowering.kernels.catalogue import choices
from dqt_edge.lowering.kernels.kernel import Choice, Kernel, Source, Way
from dqt_edge.lowering.memory import plan_memory
from tests.support import random_unweighted
from tests.support.random_graphs import random_graph
from tests.support.random_unweighted import random_unweighted_graph
from tests.support.reading_orders import ORDERS, TAPS, turns

BOARDS = ("host", "qemu-m3", "qemu-m4", "qemu-m55")


def overwritten(layer, choice: Choice, tensors: dict[str, Tensor], distance: int, name: str = "x") -> bool:
    """Whether a byte of the input that lies ``distance`` bytes behind the output is overwritten and read later."""
    start = max(0, -distance)  # of the output; the input begins at start + distance
    source, target = tensors[name], tensors[layer.output]
    owner = np.full(start + max(target.size, distance + source.size) + 1, -1)
    owner[start + distance : start + distance + source.size] = np.arange(source.size)
    for reads, written in turns(layer, choice, tensors):
        for read, places in reads.items():
            if read == name and not np.array_equal(owner[start + distance + places], places):
                return True
        owner[start + written] = -2
    return False


def rq(channels: int) -> Requantize:
    return Requantize(np.full(channels, 1 << 20, np.int32), np.full(channels, 32, np.uint8))


@st.composite
def layers(draw, kernel: str):
    """A layer that the kernel could run, with one pass over its input, and its tensors."""
    shape = tuple(draw(st.integers(1, n)) for n in (6, 6, 9))
    size = tuple(draw(st.integers(1, min(4, n))) for n in shape[:2])
    padding = tuple(draw(st.integers(0, size[i % 2] - 1)) for i in range(4))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
    if kernel.startswith("depthwise_conv2d_") and kernel.endswith(("_scalar", "_dsp")):
        size, stride = (3, 3), (stride[0], min(stride[1], 2))
        padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
        shape = (max(shape[0], 3), max(shape[1], 3), shape[2])
    if kernel.startswith("depthwise_conv2d_mve"):
        size, stride = (min(size[0], 3), min(size[1], 3)), (stride[0], min(stride[1], 2))
        padding = tuple(min(p, size[i % 2] - 1) for i, p in enumerate(padding))
        shape = (*shape[:2], draw(st.sampled_from([3, 17, 32])))
    if kernel in ("conv2d_dsp", "conv2d_scalar") and draw(st.booleans()):
        size, stride, padding, shape = (1, 1), (1, 1), (0, 0, 0, 0), (shape[0], shape[1], 4 * draw(st.integers(1, 40)))
    elif kernel in ("conv2d_dsp", "conv2d_scalar") and draw(st.booleans()):
        shape = (*shape[:2], 4 * draw(st.integers(1, 2)))
    elif kernel == "conv2d_winograd_dsp":
        size, stride, shape = (size[0], 3), (stride[0], 1), (shape[0], shape[1] + 2, 4 * draw(st.integers(1, 2)))
        padding = tuple(min(p, size[i % 2] - 1) for i, p in enumerate(padding))
    apart = (1, 1)
    if kernel.startswith("dilated"):
        apart = tuple(draw(st.integers(1, 3)) for _ in range(2))
        extent = Window(size, dilation=apart).extent
        padding = tuple(draw(st.integers(0, extent[i % 2] - 1)) for i in range(4))
        assume(all(n + padding[i] + padding[i + 2] >= extent[i] for i, n in enumerate(shape[:2])))
    window = Window(size, stride, padding, apart)
    channels = draw(st.integers(1, 4)) if kernel in ("conv2d", "dilated_conv2d") else draw(st.integers(1, 20))
    if "conv2d" not in kernel or "depthwise" in kernel:
        channels = shape[2]
    target = (*window.output_size(*shape[:2]), channels)
    tensors = {"x": Tensor("x", shape, 0.1), "y": Tensor("y", target, 0.1)}
    bias = np.zeros(channels, np.int32)
    if "depthwise" not in kernel and "conv2d" in kernel:
        weights = np.zeros((channels, *size, shape[2]), np.int8)
        return Conv2D("l", "x", "y", weights, bias, rq(channels), window=window), tensors
    if "depthwise" in kernel:
        weights = np.zeros((channels, *size), np.int8)
        return DepthwiseConv2D("l", "x", "y", weights, bias, rq(channels), window=window), tensors
    if kernel.startswith("max_pool2d"):
        return MaxPool2D("l", "x", "y", window), tensors
    return AveragePool2D("l", "x", "y", window, (1,), np.zeros(1, np.int32), rq(1)), tensors


@pytest.mark.parametrize("kernel", [k for k in ORDERS if not k.endswith("_residual")])
@given(data=st.data())
@settings(max_examples=60)
def test_the_distance_is_safe_and_the_least_one(kernel: str, data) -> None:
    layer, tensors = data.draw(layers(kernel))
    block = 0 if kernel in ("conv2d", "dilated_conv2d") else 255
    if kernel.startswith("depthwise"):
        block = int(kernel.endswith("_dsp") and data.draw(st.booleans()))
    way = Way(block=block)
    if kernel in TAPS:
        strip, (rows, row) = data.draw(st.integers(1, 4)), tensors["y"].shape[:2]
        way = Way(block=4, strip=strip, rereads=TAPS[kernel][0] * strip < row and rows > 1)
    if "conv2d" in kernel and "depthwise" not in kernel and kernel.endswith("_mve"):
        strips = [129, 133] if kernel.startswith("dilated") else [1, 3, 129, 133]
        way = Way(block=255, strip=data.draw(st.sampled_from(strips)))
    choice = Choice(catalogue.kernel(kernel), way)
    rule = choice.overlaps(layer, tensors).get("x")
    if rule is None and kernel in TAPS:
        assert way.rereads
        return
    if rule is None:
        assert (kernel[-4:], block) == ("_dsp", 1)
        assert tensors["x"].shape[1] != tensors["y"].shape[1] or layer.window.stride[1] > 1
        return
    size = tensors["x"].size + tensors["y"].size
    least = max(rule.distance, -size)
    least += -least % rule.step
    for distance in (least, least + rule.step, least + 3 * rule.step):
        assert not overwritten(layer, choice, tensors, distance), distance
    if kernel in TAPS:
        return  # more than the least: whole rows
    if rule.distance > -tensors["x"].size:
        assert overwritten(layer, choice, tensors, least - rule.step)
    elif (kernel[-4:], block) == ("_dsp", 1) and min(*tensors["x"].shape[:2], *tensors["y"].shape[:2]) > 2:
        if tensors["x"].shape[1] + layer.window.padding[1] <= 3:
            return  # the first column of outputs needs all columns: none is read later
        assert overwritten(layer, choice, tensors, tensors["x"].shape[2])  # any number of rows, but not a pixel


@given(st.integers(1, 4), st.integers(1, 5), st.lists(st.integers(1, 5), min_size=2, max_size=4), st.data())
@settings(max_examples=60)
def test_concatenation(height: int, width: int, channels: list[int], data) -> None:
    axis = data.draw(st.integers(0, 2))
    sizes = channels if axis == 2 else [1 + c % 3 for c in channels]
    shapes = [tuple(n if i == axis else (height, width, 3)[i] for i in range(3)) for n in sizes]
    total = tuple(sum(sizes) if i == axis else (height, width, 3)[i] for i in range(3))
    tensors = {f"x{i}": Tensor(f"x{i}", shape, 0.1) for i, shape in enumerate(shapes)} | {"y": Tensor("y", total, 0.1)}
    names = tuple(n for n in tensors if n != "y")
    if data.draw(st.booleans()):
        names, total = (*names, names[0]), tuple(n + shapes[0][i] * (i == axis) for i, n in enumerate(total))
        tensors["y"] = Tensor("y", total, 0.1)
    layer = Concat("l", names, "y", axis, np.zeros(len(names), np.int32), rq(len(names)))
    choice = Choice(catalogue.kernel("concat"))
    rules = choice.overlaps(layer, tensors)
    for name in tensors.keys() - {"y"}:
        distance = rules[name].distance
        assert not overwritten(layer, choice, tensors, distance, name)
        assert not overwritten(layer, choice, tensors, distance + 1, name)
        if tensors[name].size > 1 and tensors["y"].size > tensors[name].size:
            assert overwritten(layer, choice, tensors, distance - 1, name)


@pytest.mark.some(2)
@pytest.mark.parametrize("kind", random_unweighted.KINDS)
def test_layers_without_weights(kind: str) -> None:
    """Every distance that is allowed is safe, and a step nearer is not; what broadcasts must stay whole."""
    tight = whole = 0
    for seed in range(60):
        graph = random_unweighted_graph(seed, (kind,))
        tensors = {t.name: t for t in graph.tensors}
        for layer in graph.layers:
            (choice,) = choices(layer, tensors, load_board("host").cpu)
            rules = choice.overlaps(layer, tensors)
            for name in set(layer.inputs):
                size = tensors[name].size
                if name not in rules:
                    assert tensors[name].shape != tensors[layer.output].shape
                    whole += any(overwritten(layer, choice, tensors, d, name) for d in (0, 1 - size, size - 1))
                    continue
                rule = rules[name]
                assert rule.step == 1
                for distance in (max(rule.distance, -size), max(rule.distance, -size) + 1, max(rule.distance, 0) + 7):
                    assert not overwritten(layer, choice, tensors, distance, name), (seed, layer, distance)
                if rule.distance > -size:
                    nearer = overwritten(layer, choice, tensors, rule.distance - 1, name)
                    tight += nearer
                    assert nearer or size == 1, (seed, layer)
    assert tight > 10
    assert whole > 5 or kind not in ("broadcast", "multiply", "extreme")


def test_no_overlap_with_an_input_that_is_read_for_each_block() -> None:
    shape = (4, 4, 8)
    tensors = {"x": Tensor("x", shape, 0.1), "y": Tensor("y", (4, 4, 12), 0.1)}
    weights, bias = np.zeros((12, 1, 1, 8), np.int8), np.zeros(12, np.int32)
    layer = Conv2D("l", "x", "y", weights, bias, rq(12))
    blocked, without_order = catalogue.kernel("conv2d_dsp"), Kernel(Source("plain", "x"), (Conv2D,), descriptors.mac)
    assert set(Choice(blocked, Way(block=3)).overlaps(layer, tensors)) == {"x"}
    assert Choice(blocked, Way(block=2)).overlaps(layer, tensors) == {}
    assert Choice(catalogue.kernel("conv2d")).overlaps(layer, tensors) == {}
    assert Choice(without_order, Way(block=3)).overlaps(layer, tensors) == {}


@pytest.mark.parametrize("board_id", BOARDS)
def test_every_kernel_with_an_input_has_an_order(board_id: str) -> None:
    """A new kernel without one is safe, but gives memory away."""
    for seed in range(40):
        graph = random_graph(seed, every=seed % 2 == 1)
        tensors = {t.name: t for t in graph.tensors}
        for layer in graph.all_layers:
            for choice in choices(layer, tensors, load_board(board_id).cpu):
                assert choice.kernel.order is not None, choice.kernel
                assert not hasattr(layer, "window") or choice.kernel.name in ORDERS, choice.kernel


def run(graph: Graph, board_id: str) -> None:
    """Go through the turns of all layers and look at whose bytes are where."""
    memory = plan_memory(graph, load_board(board_id))
    tensors = {t.name: t for t in graph.tensors}
    offsets, sizes = memory.placement.offsets, memory.sizes
    number = {name: 1000 * i for i, name in enumerate(offsets)}
    number |= {name: number[whole] for name, whole in memory.views.items()}
    owner = np.full(memory.placement.size, -1)

    def own(name: str, places: np.ndarray) -> None:
        owner[offsets[name] + places] = 10**6 * number[name] + places

    def check(name: str, places: np.ndarray, when: str) -> None:
        found = owner[offsets[name] + places]
        assert np.array_equal(found, 10**6 * number[name] + places), f"{when}: {name} is overwritten"

    own(graph.input, np.arange(sizes[graph.input]))
    for layer in graph.all_layers:
        choice = memory.choices[layer.name]
        if isinstance(layer, Dense):
            check(layer.input, np.arange(sizes[layer.input]), layer.name)
            owner[: choice.scratch] = -2
            own(layer.output, np.arange(sizes[layer.output]))
            continue
        owner[: choice.scratch] = -2
        for reads, written in turns(layer, choice, tensors):
            for name, places in reads.items():
                check(name, places, layer.name)
            own(layer.output, written)
        check(layer.output, np.arange(sizes[layer.output]), layer.name)
    check(graph.output, np.arange(sizes[graph.output]), "the end")


@pytest.mark.parametrize("board_id", BOARDS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_no_byte_that_is_still_needed_is_overwritten(board_id: str, seed: int) -> None:
    run(random_graph(seed, every=seed % 2 == 1), board_id)
