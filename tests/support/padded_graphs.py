"""Networks whose windows all begin above and left of the input; the same seed gives the same network."""

from __future__ import annotations

from dqt_edge.graph import Graph, Window

from .random_graphs import Builder


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
