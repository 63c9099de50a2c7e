"""The loss: Eq. 11 of DQT (arXiv 2508.09176) with a budget and a term that keeps the controller choosing.

``J = J_task(dynamic) + a * mean over K' of J_task^(b) + beta * max(0, cost - target) - lambda * I(choice; input)``

The last term is this project's own. Where every width classifies well, the task loss hardly tells them apart and a
controller collapses to one vector; the mutual information between input and choice, ``H(mean p) - mean H(p)``,
rewards choices that are sure for each input and differ between inputs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..graph import Pair
from .quantizers import Array


def hard_loss(labels: Array, logits: Array) -> Array:
    """Mean cross-entropy with class numbers."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def soft_loss(teacher_logits: Array, logits: Array) -> Array:
    """Mean cross-entropy with the 8-bit pass's probabilities, which get no gradient."""
    soft = tf.nn.softmax(tf.stop_gradient(teacher_logits))
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=soft, logits=logits))


def cost_table(
    macs: dict[str, int], adaptive: dict[str, tuple[Pair, ...]]
) -> tuple[npt.NDArray[np.float32], float]:
    """BitOPs of each adaptive layer's candidates [layers, candidates], and of all fixed layers, as ratios.

    ``MAC_i * b_w * b_a / (64 * sum MAC)``; fixed layers count at 8x8.
    """
    total = sum(macs.values())
    rows = [[macs[name] * w * a / (64 * total) for w, a in pairs] for name, pairs in adaptive.items()]
    fixed = sum(count for name, count in macs.items() if name not in adaptive) / total
    return np.array(rows, np.float32), fixed


def expected_cost(probabilities: Array, table: npt.NDArray[np.float32], fixed: float) -> Array:
    """Mean expected BitOPs ratio of a batch; probabilities [samples, layers, candidates]."""
    return fixed + tf.reduce_sum(tf.reduce_mean(probabilities, axis=0) * table)


def mutual_information(probabilities: Array) -> Array:
    """Mean over layers of ``H(mean p) - mean H(p)`` in nats: 0 when all inputs get the same distribution."""

    def entropy(p: Array) -> Array:
        return -tf.reduce_sum(p * tf.math.log(p + 1e-9), axis=-1)

    return tf.reduce_mean(entropy(tf.reduce_mean(probabilities, axis=0)) - tf.reduce_mean(entropy(probabilities), 0))
