"""Several devices or machines that train one network: what this trainer needs of tf.distribute.

Every replica sees its share of each batch and holds all variables. Gradients are averaged. Ranges, batch statistics and
the terms of the loss that compare inputs need the whole batch, and gather it (``across``, ``shared_norm``). So the
variables stay equal on all replicas. They equal those of one process with the same batch, but for the order of float
sums.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..errors import UsageError
from .replicas import Array, across

Kind = Literal["auto", "none", "mirrored", "workers"]


class Devices:
    """Where a run computes.

    Args:
        strategy: Of tf.distribute; None computes on one device as if there were none.

    Attributes:
        replicas: Devices of all workers together.
        local: Numbers of the replicas of this process, without a gap.
        chief: Whether this process writes files.
    """

    def __init__(self, strategy: Any = None) -> None:  # noqa: ANN401 - a tf.distribute.Strategy
        self.strategy = strategy
        self.replicas, self.local, self.chief = 1, range(1), True
        if strategy is not None:
            numbers: list[int] = []

            def note(context: Any) -> Array:  # noqa: ANN401 - a tf.distribute.ValueContext
                numbers.append(int(context.replica_id_in_sync_group))
                return tf.constant(0)

            strategy.experimental_distribute_values_from_function(note)
            self.replicas = int(strategy.num_replicas_in_sync)
            self.local = range(min(numbers), max(numbers) + 1)
            self.chief = 0 in self.local

    def scope(self) -> AbstractContextManager[Any]:
        """Where variables are made."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def share(self, count: int) -> slice:
        """This process's part of a batch of ``count`` samples, which must be a multiple of ``replicas``."""
        each = count // self.replicas
        return slice(self.local.start * each, self.local.stop * each)

    def place(self, part: npt.NDArray[Any]) -> Array:
        """Samples of this process, split evenly onto its replicas."""
        if self.strategy is None:
            return tf.constant(part)
        each = len(part) // len(self.local)

        def value(context: Any) -> Array:  # noqa: ANN401 - a tf.distribute.ValueContext
            at = (context.replica_id_in_sync_group - self.local.start) * each
            return tf.constant(part[at : at + each])

        return self.strategy.experimental_distribute_values_from_function(value)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that every replica runs, compiled; its results must be equal on all, and one is returned."""
        if self.strategy is None:
            return tf.function(function)  # type: ignore[no-any-return]
        strategy = self.strategy

        @wraps(function)
        def everywhere(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - tensors
            return strategy.run(function, values, named)

        traced = tf.function(everywhere)

        def first(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - tensors
            found = traced(*values, **named)
            return tf.nest.map_structure(lambda value: strategy.experimental_local_results(value)[0], found)

        return first

    def agree(self, *facts: int) -> bool:
        """Whether all workers hold the same numbers."""
        if self.strategy is None:
            return True
        mine = np.tile(np.array([facts], np.int64), (len(self.local), 1))
        found = np.asarray(self.compiled(across)(self.place(mine)))
        return bool((found == found[0]).all())


def find_devices(kind: Kind = "auto") -> Devices:
    """Devices of this process, and of the workers that it trains with. Must run before anything else of TensorFlow.

    Args:
        kind: ``none`` is one device; ``mirrored`` all GPUs of this machine; ``workers`` the machines that the
            environment variable TF_CONFIG names, with all their GPUs. ``auto`` takes workers where TF_CONFIG is set,
            mirrored where there are several GPUs, else none.

    Raises:
        UsageError: TF_CONFIG is wanted and missing, or is no description of a cluster.
    """
    described = os.environ.get("TF_CONFIG", "")
    if kind == "auto":
        several = len(tf.config.list_physical_devices("GPU")) > 1
        kind = "workers" if described else "mirrored" if several else "none"
    if kind == "none":
        return Devices()
    if kind == "mirrored":
        return Devices(tf.distribute.MirroredStrategy())
    _check_cluster(described)
    return Devices(tf.distribute.MultiWorkerMirroredStrategy())


def _check_cluster(described: str) -> None:
    try:
        found = json.loads(described)
        cluster, task = found["cluster"], found["task"]
        hosts = cluster[task["type"]]
        good = set(cluster) <= {"chief", "worker"} and 0 <= int(task["index"]) < len(hosts)
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise UsageError(
            "the environment variable TF_CONFIG does not describe a cluster of workers"
            if described
            else "the environment variable TF_CONFIG is not set, which names the workers",
            where="parameter `distribute` workers",
            next_step='set TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}\' with each worker\'s own index',
        )


def check_batch(batch: int, devices: Devices) -> None:
    """Refuse a batch that does not split evenly.

    Raises:
        UsageError: It does not.
    """
    if batch % devices.replicas:
        raise UsageError(
            f"a batch of {batch} samples does not split evenly onto {devices.replicas} devices",
            where="parameter `batch`",
            next_step=f"give a multiple of {devices.replicas}",
        )
