"""Random networks with a residual branch that may be skipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dqt_edge.graph import Conv2D, Graph

from .random_graphs import Builder

CLASSES = 5


def skipping_graph(seed: int) -> Graph:
    """A stem, a residual block that may be skipped, a convolution, and a classifier; the widths come from outside."""
    for trial in range(100):
        builder = Builder(100 * seed + trial, (6, 5, 3))
        builder.conv(1)
        builder.residual_block(2)
        last = builder.layers[-1]
        if isinstance(last, Conv2D) and last.residual is not None and len(builder.layers) == 3:
            break
    else:
        raise AssertionError(f"no block of seed {seed} keeps its shape")
    rng = np.random.default_rng((seed, 5))
    skip = rng.integers(-100_000, 100_000, last.channels).astype(np.int32)
    builder.layers[-1] = replace(last, skip_bias=skip)
    builder.conv(2)
    builder.dense(1, CLASSES)
    return Graph(f"skips{seed}", tuple(builder.tensors), tuple(builder.layers), "input", builder.last.name)
