"""The loss: Eq. 11 of DQT (arXiv 2508.09176) with a budget, and two terms that make the controller choose.

    J = J_task(dynamic) + a * mean over K' of J_task^(b) + beta * |cost - target|
        - l1 * focus - l2 * I(choice; input)

The last two terms are this project's own. Where every width classifies well, the task loss is almost the same for all
of them, and a controller collapses to one vector. ``focus`` rewards cost spent on the inputs that the least width
distorts most: precision goes where narrowing hurts. The mutual information ``H(mean p) - mean H(p)`` rewards
choices that are sure for each input and differ between inputs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .quantizers import Array

SMOOTHING = 0.05
"""Part of a label's probability that is spread evenly over all classes, so that small data sets do not drive the
logits without end."""


def accuracy(labels: Array, logits: Array) -> Array:
    """Share of right answers, 0..1."""
    return tf.reduce_mean(tf.cast(tf.argmax(logits, -1) == labels, tf.float32))


def class_weights(counts: list[int], balance: float) -> npt.NDArray[np.float32]:
    """Weight of each class's samples, ``count ** -balance``, scaled so that the mean over all samples is 1.

    Args:
        counts: Training samples of each class; a class without any weighs as one with a single sample.
        balance: 0 weighs all samples alike, 1 all classes.
    """
    sizes = np.array(counts, np.float64)
    weights = np.maximum(sizes, 1) ** -balance
    return np.asarray(weights * sizes.sum() / (weights * sizes).sum(), np.float32)


def hard_loss(labels: Array, logits: Array, weights: npt.NDArray[np.float32] | None = None) -> Array:
    """Mean cross-entropy with class numbers, smoothed; ``weights`` are those of the classes."""
    classes = logits.shape[-1]
    targets = tf.one_hot(labels, classes) * (1 - SMOOTHING) + SMOOTHING / classes
    each = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_mean(each if weights is None else tf.gather(weights, labels) * each)


def soft_each(teacher_logits: Array, logits: Array) -> Array:
    """Cross-entropy of each sample with the probabilities of other logits."""
    return tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(teacher_logits), logits=logits)


def expected_cost(probabilities: Array, table: npt.NDArray[np.float32], fixed: float) -> Array:
    """BitOPs ratio expected for each sample; probabilities [samples, layers, candidates]."""
    return fixed + tf.reduce_sum(probabilities * table, axis=(1, 2))


def mutual_information(probabilities: Array, table: npt.NDArray[np.float32]) -> Array:
    """``H(mean p) - mean H(p)`` in nats; layers count by their share of the cost.

    It is 0 when all inputs get one distribution.
    """
    weights = table.max(axis=1) / table.max(axis=1).sum()

    def entropy(p: Array) -> Array:
        return -tf.reduce_sum(p * tf.math.log(p + 1e-9), axis=-1)

    between = entropy(tf.reduce_mean(probabilities, axis=0))
    return tf.reduce_sum(weights * (between - tf.reduce_mean(entropy(probabilities), axis=0)))


def focus(distortion: Array, sample_cost: Array, share: float) -> Array:
    """Reward for spending on the inputs that the least width distorts most.

    Args:
        distortion: How far the outputs of the least pass are from the 8-bit pass's, [samples].
        sample_cost: Expected BitOPs ratio of each sample.
        share: Part of the inputs that the budget can pay at 8x8, 0..1.

    Returns:
        Mean of ``cost * weight``; the weight grows evenly by 1 with the rank of the distortion, and is positive for
        the hardest ``share`` of the batch.
    """
    order = tf.argsort(tf.argsort(tf.stop_gradient(distortion), stable=True), stable=True)
    rank = (tf.cast(order, tf.float32) + 0.5) / tf.cast(tf.size(order), tf.float32)
    return tf.reduce_mean((rank - (1 - share)) * sample_cost)
