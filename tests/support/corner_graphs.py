"""Networks at corners that random ones seldom reach; the same seed gives the same network."""

from __future__ import annotations

from dataclasses import replace

from dqt_edge.graph import Graph, MacLayer, Rearrange, Requantize, Tensor, Window

from .random_graphs import Builder
from .skips import skipping_graph


class Padded(Builder):
    """Layers whose windows have padding on each side, of another size on opposite ones."""

    def window(self, shape: tuple[int, int, int]) -> Window:
        """3x3, from far above the top, and wherever it lies over some element."""
        del shape
        return Window((3, 3), (1 + int(self.rng.integers(2)), 1 + int(self.rng.integers(2))), (2, 1, 1, 2))


def padded_graph(seed: int) -> Graph:
    """A network of such layers, of every kind that has a window."""
    builder = Padded(seed, (7, 6, 3), every=True)
    builder.conv(2)
    builder.pool(average=False)
    builder.depthwise(2)
    builder.pool(average=True)
    builder.conv(2)
    builder.dense(1, 5)
    return Graph(f"padded{seed}", tuple(builder.tensors), tuple(builder.layers), "input", builder.last.name)


def six_loops_graph() -> Graph:
    """Codes in another order by six loops, none of which can be joined with its neighbour."""
    shape = (8, 6, 4)
    layer = Rearrange("order", "input", "y", 0, (2, 2, 2, 2, 4, 3), (12, 2, 96, 1, 24, 4))
    return Graph("six_loops", (Tensor("input", shape, 0.02), Tensor("y", shape, 0.02)), (layer,), "input", "y")


def general_skips_graph(seed: int) -> Graph:
    """A residual block that may be skipped, with shifts of requantisation beside 32 that differ by channel."""
    graph = skipping_graph(seed)
    at = next(i for i, layer in enumerate(graph.layers) if isinstance(layer, MacLayer) and layer.skip_bias is not None)
    layer = graph.layers[at]
    assert isinstance(layer, MacLayer)
    assert layer.requantize is not None
    shifts = layer.requantize.shift.copy()
    shifts[::2] = 31
    general = Requantize(layer.requantize.multiplier, shifts, layer.requantize.low, layer.requantize.high)
    layers = (*graph.layers[:at], replace(layer, requantize=general), *graph.layers[at + 1 :])
    return replace(graph, layers=layers)
