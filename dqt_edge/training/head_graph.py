"""From a trained head to the layers of a Graph that compute it."""

from __future__ import annotations

import numpy as np

from ..graph import Dense, Layer, Tensor, Window
from .head import NestedHead
from .layer_fields import average_pool, mac_fields


def head_layers(head: NestedHead, source: Tensor, window: Window) -> tuple[tuple[Tensor, ...], tuple[Layer, ...]]:
    """Tensors of a head's own, and its layers; the last leaves accumulators and defines no tensor.

    Args:
        head: The trained head; its scales must be calibrated.
        source: Tensor that it reads.
        window: With which it pools.

    Raises:
        UnsupportedError: A scale or bias that the integer arithmetic cannot hold, by layer.
    """
    name = head.name
    units = int(head.hidden.kernel.shape[1])
    pooled = Tensor(f"{name}_pool_out", head.hidden.source, _number(head.pool.scale()), head.pool.zero_point)
    hidden = Tensor(f"{name}_hidden_out", (1, 1, units), _number(head.hidden.output_quantizer.scale()))
    first = mac_fields(head.hidden, pooled.scale, hidden.scale, 0)
    last = mac_fields(head.logits, hidden.scale, None, 0)
    layers = (
        average_pool(f"{name}_pool", source, pooled, window),
        Dense(name=f"{name}_hidden", input=pooled.name, output=hidden.name, **first),
        Dense(name=f"{name}_logits", input=hidden.name, output=f"{name}_logits_out", **last),
    )
    return (pooled, hidden), layers


def _number(value: object) -> float:
    """A scale, a Keras variable or tensor, as the host computes with it."""
    return float(np.asarray(value, np.float64))
