"""The task of a graph: what its checkpoint says, or what its outputs look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import TASKS, Graph, Tensor
from ..graph.interpreter import Result
from . import kinds
from .statistics import Reals
from .task import Array, Head, Task

Codes = npt.NDArray[np.uint8]
SIGMOIDS = ("LOGISTIC", "sigmoid", "Sigmoid")


def task_of(graph: Graph) -> Task:
    """What judges a graph's outputs."""
    return kinds.TASKS[graph.task](head_of(graph))


def head_of(graph: Graph) -> Head:
    """What is known of a graph's outputs."""
    tensor = graph.tensor(graph.output)
    threshold = graph.provenance.get("threshold")
    return Head(
        tensor.shape,
        tuple(graph.tensor(name).size for name in graph.outputs),
        graph.classes,
        chances=holds_chances(tensor),
        threshold=float(threshold) if isinstance(threshold, int | float) else None,
    )


def holds_chances(tensor: Tensor) -> bool:
    """Whether a tensor's codes stand for 0..1 in steps of 1/256 or 1/255, as those of a sigmoid or softmax do."""
    return tensor.zero_point == 0 and 1 / 257 < tensor.scale < 1 / 254


def reals(graph: Graph, outputs: Codes) -> Reals:
    """What output codes [..., size] stand for, float64 of the same shape; several outputs lie one behind another."""
    return _numbers([graph.tensor(name) for name in graph.outputs], outputs)


def _numbers(tensors: Sequence[Tensor], codes: Codes) -> Reals:
    """What codes [..., size] stand for, of tensors one behind another."""
    scale = np.concatenate([np.full(tensor.size, tensor.scale) for tensor in tensors])
    zero = np.concatenate([np.full(tensor.size, float(tensor.zero_point)) for tensor in tensors])
    return np.asarray(scale * (codes.astype(np.float64) - zero), np.float64)


def every_output(result: Result) -> Codes:
    """Codes of all outputs of an interpreter's run, one behind another, uint8 [samples, size]."""
    found = list(result.output_codes.values())
    return found[0] if len(found) == 1 else np.concatenate(found, axis=1)


def least_yes(graph: Graph) -> int | None:
    """Least output code that a binary model answers yes with, 0..256; None of any other model."""
    task = task_of(graph)
    if not isinstance(task, kinds.Binary):
        return None
    codes = np.arange(256, dtype=np.uint8)[:, None]
    return int((task.answers(reals(graph, codes)) == 0).sum())


def inputs_of(graph: Graph, codes: Codes, real: Array | None = None) -> Array:
    """Inputs in the data's own unit: as they were given, or what their codes stand for."""
    if real is not None:
        return real
    return _numbers([graph.tensor(name) for name in graph.inputs], codes.reshape(len(codes), -1)).reshape(codes.shape)


def infer(graph: Graph) -> str:
    """The task that a graph's outputs look like.

    Several outputs are ``outputs``; one as large as the input is a ``reconstruction``; one with a height or width is a
    ``map``; a single number is ``binary`` behind a sigmoid, else a ``regression``; all else is a ``classifier``.
    """
    tensor = graph.tensor(graph.output)
    if len(graph.outputs) > 1:
        return kinds.Outputs.name
    if tensor.size == 1:
        return kinds.Binary.name if _ends_in_sigmoid(graph, tensor) else kinds.Regression.name
    if tensor.size == graph.tensor(graph.input).size:
        return kinds.Reconstruction.name
    return kinds.Map.name if max(tensor.shape[:2]) > 1 else kinds.Classifier.name


def _ends_in_sigmoid(graph: Graph, tensor: Tensor) -> bool:
    """Whether it is computed, or was dropped because it keeps the order of the outputs."""
    dropped = graph.provenance.get("dropped", ())
    names = [dropped] if isinstance(dropped, str) else dropped if isinstance(dropped, list | tuple) else []
    return holds_chances(tensor) or any(name in SIGMOIDS for name in names)


def with_task(graph: Graph, task: str | None) -> Graph:
    """The graph with this task, or with the one that it looks like.

    Raises:
        UsageError: No task, or one that the outputs cannot have.
    """
    if task is None:
        return replace(graph, task=infer(graph))
    if task not in TASKS:
        raise UsageError(f"{task!r} is no task", where="parameter `task`", next_step=f"choose from {', '.join(TASKS)}")
    reason = _unfit(graph, task)
    if reason is not None:
        raise UsageError(
            f"task {task} takes {reason}",
            where="parameter `task`",
            next_step=f"leave it out; the outputs look like task {infer(graph)}",
        )
    return replace(graph, task=task)


def _unfit(graph: Graph, task: str) -> str | None:
    """What the task needs and the graph has not."""
    tensor, several = graph.tensor(graph.output), len(graph.outputs) > 1
    if several and task != kinds.Outputs.name:
        return f"one output, and the model has {len(graph.outputs)}"
    if task == kinds.Outputs.name and not several:
        return "several outputs, and the model has one"
    if task == kinds.Binary.name and tensor.size != 1:
        return f"a single number, and the model makes {tensor.size}"
    if task == kinds.Classifier.name and tensor.size == 1:
        return "a number for each class, and the model makes a single one"
    if task == kinds.Reconstruction.name and tensor.size != graph.tensor(graph.input).size:
        return f"as many outputs as inputs, {graph.tensor(graph.input).size:,}, and the model makes {tensor.size:,}"
    return None
