"""Sums and means over all replicas, for code that each replica runs. With one replica, all of it changes nothing."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Array = Any  # a tf.Tensor; TensorFlow ships no types


def _context() -> Any:  # noqa: ANN401 - a tf.distribute.ReplicaContext
    """Context of the running replica if there are several, else None."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def replicas() -> int:
    """How many replicas run this code together, on shares of one batch."""
    context = _context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def across(value: Array) -> Array:
    """Values of all replicas, joined along the first axis in their order.

    Its gradient is scaled so that gradients averaged over the replicas are those of a loss of the joined values.
    """
    context = _context()
    if context is None:
        return value
    # Each adds its own place to zeros elsewhere: unlike a gathering, every strategy can do that on every device.
    count, rank = context.num_replicas_in_sync, len(value.shape)
    place = tf.one_hot(context.replica_id_in_sync_group, count, dtype=value.dtype)
    joined = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.reshape(place, [count] + [1] * rank) * value)
    return tf.reshape(joined, [-1, *value.shape[1:]])


def mean(values: list[Array]) -> list[Array]:
    """Means over the replicas."""
    context = _context()
    if context is None:
        return values
    # What comes out of an inner function is on no device yet, and some strategies want to know one.
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, [tf.identity(value) for value in values]))


def own_share(value: Array) -> Array:
    """This replica's part of a tensor that is equal on all, split evenly along the first axis."""
    context = _context()
    if context is None:
        return value
    each = tf.shape(value)[0] // context.num_replicas_in_sync
    start = context.replica_id_in_sync_group * each
    return value[start : start + each]
