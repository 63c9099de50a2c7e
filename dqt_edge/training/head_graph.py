"""From a trained head to the layers of a Graph that compute it."""

from __future__ import annotations

import numpy as np

from ..graph import Dense, Layer, Tensor, Window
from .head import DenseHead, NestedHead
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
    pooled = Tensor(f"{head.name}_pool_out", head.hidden.source, number(head.pool.scale()), head.pool.zero_point)
    hidden, dense = dense_layers(head, pooled.name, pooled.scale)
    return (pooled, hidden), (average_pool(f"{head.name}_pool", source, pooled, window), *dense)


def dense_layers(head: DenseHead, source: str, scale: float) -> tuple[Tensor, tuple[Layer, Layer]]:
    """The hidden tensor and the dense layers of a head.

    Args:
        head: The trained head; its scales must be calibrated.
        source: Name of the tensor that it reads.
        scale: Real size of one code of that, as the head was trained.

    Raises:
        UnsupportedError: As :func:`head_layers`.
    """
    name, units = head.name, int(head.hidden.kernel.shape[1])
    hidden = Tensor(f"{name}_hidden_out", (1, 1, units), number(head.hidden.output_quantizer.scale()))
    first = mac_fields(head.hidden, scale, hidden.scale, 0)
    last = mac_fields(head.logits, hidden.scale, None, 0)
    return hidden, (
        Dense(name=f"{name}_hidden", input=source, output=hidden.name, **first),
        Dense(name=f"{name}_logits", input=hidden.name, output=f"{name}_logits_out", **last),
    )


def number(value: object) -> float:
    """A scale, a Keras variable or tensor, as the host computes with it."""
    return float(np.asarray(value, np.float64))
