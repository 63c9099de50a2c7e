"""A head beside the network: means over parts of a layer's output -> dense -> ReLU -> dense to int32 logits.

A decision point answers with it, and the controller chooses widths with it. All of it stays at 8 bits, and its logits
are never requantised: one scale serves them all, so that they compare as integers.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..architectures.spec import AveragePool, Fully
from ..graph import Shape, Window
from .layers import NestedDense, Pool, Run
from .quantizers import Array


class DenseHead(keras.layers.Layer):  # type: ignore[misc]
    """The dense layers of a head.

    Args:
        name: The names of its layers begin with it.
        source: Shape of what it reads.
        hidden: Units of the hidden layer.
        outputs: Logits.

    Attributes:
        hidden, logits: The dense layers.
    """

    def __init__(self, name: str, source: Shape, hidden: int, outputs: int) -> None:
        super().__init__(name=name)
        self.hidden = NestedDense(Fully(f"{name}_hidden", "", hidden, relu=True, norm=True), source)
        self.logits = NestedDense(Fully(f"{name}_logits", "", outputs), (1, 1, hidden), per_tensor=True)
        self.built = True

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those of the pooling left out."""
        return int(self.hidden.kernel.shape[0] * self.hidden.kernel.shape[1] + self.logits.count)

    def answer(self, pooled: Array, scale: Array, run: Run) -> Array:
        """Logits [samples, outputs] of the values that it reads; ``scale`` is their real size of one code."""
        if run.centre:
            self._centre(pooled)
        hidden = self.hidden(pooled, scale=scale, run=run)
        hidden = settle(self.hidden.output_quantizer, hidden, run)
        logits = self.logits(hidden, scale=self.hidden.output_quantizer.scale(), run=run)
        return tf.reshape(logits, [-1, self.logits.channels])

    def _centre(self, pooled: Array) -> None:
        """Give the hidden layer's norm the statistics of these inputs.

        Inputs differ little in their means. Without this a hidden unit of random weights would be on for every input,
        or off for every input, and the head could not learn to treat them differently.
        """
        mean, variance = tf.nn.moments(self.hidden.product(pooled, self.hidden.kernel), axes=(0, 1, 2))
        self.hidden.norm.moving_mean.assign(mean)
        self.hidden.norm.moving_variance.assign(variance)


class NestedHead(DenseHead):
    """Logits [samples, outputs] from a layer's output.

    Args:
        name: The names of its layers begin with it.
        source: Shape of the layer's output.
        signed: Whether that tensor has a zero point.
        hidden: Units of the hidden layer.
        outputs: Logits.
        window: Parts of the map at the layer's output whose means it sees, see ``architectures.spec.field_window``.

    Attributes:
        pool: Quantiser of the means.
    """

    def __init__(self, name: str, source: Shape, signed: bool, hidden: int, outputs: int, window: Window) -> None:
        super().__init__(name, (*window.output_size(*source[:2]), source[2]), hidden, outputs)
        pooling = AveragePool(f"{name}_pool", "", window.kernel, window.stride, window.padding)
        self.fields = Pool(pooling, source, signed)
        pool = self.fields.output_quantizer
        assert pool is not None
        self.pool = pool

    def call(self, value: Array, *, run: Run) -> Array:
        """Logits for the layer's output [samples, height, width, channels]."""
        return self.answer(settle(self.pool, self.fields(value), run), self.pool.scale(), run)


def settle(quantizer: Any, real: Array, run: Run) -> Array:  # noqa: ANN401 - Pact or EmaScale
    """What a quantiser makes of a layer's output in a pass, its scale set first where the pass sets scales."""
    if run.calibrate:
        quantizer.calibrate(real)
    return quantizer(real, nested=run.nested, follow=run.follow)
