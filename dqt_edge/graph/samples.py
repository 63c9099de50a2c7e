"""Samples of a Graph as arrays: of one input, or of several, one behind another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

if TYPE_CHECKING:
    from .graph import Graph

Codes = npt.NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)


def sample_shape(graph: Graph) -> tuple[int, ...]:
    """Shape of one sample as an array: (height, width, channels), or (bytes,) of a graph with several inputs."""
    shapes = [graph.tensor(name).shape for name in graph.inputs]
    return shapes[0] if len(shapes) == 1 else (sum(graph.tensor(name).size for name in graph.inputs),)


def same_data(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether samples of one shape may stand for another: they differ in axes of one element alone."""
    return [n for n in given if n != 1] == [n for n in wanted if n != 1]


def split_inputs(graph: Graph, inputs: Codes | Mapping[str, Codes]) -> dict[str, Codes]:
    """Codes of each input by name, uint8 [samples, height, width, channels], in the order of the graph's inputs.

    Args:
        graph: The network.
        inputs: A mapping of just this kind, or an array of :func:`sample_shape` for each sample: the inputs one behind
            another, as a device takes them.

    Raises:
        UsageError: Not codes of this graph's inputs.
    """
    if isinstance(inputs, Mapping):
        return _checked(graph, inputs)
    shape = sample_shape(graph)
    if inputs.dtype != np.uint8 or inputs.shape[1:] != shape:
        _refuse(graph, f"input codes are {inputs.dtype} {inputs.shape[1:]}, the model takes uint8 {shape}")
    if len(graph.inputs) == 1:
        return {graph.input: inputs}
    tensors = [graph.tensor(name) for name in graph.inputs]
    ends = np.cumsum([tensor.size for tensor in tensors])
    parts = np.split(inputs, ends[:-1], axis=1)
    return {tensor.name: part.reshape(-1, *tensor.shape) for tensor, part in zip(tensors, parts, strict=True)}


def join_inputs(graph: Graph, inputs: Codes | Mapping[str, Codes]) -> Codes:
    """The other way: samples as one array, uint8 [samples, *sample_shape]; raises UsageError as the split does."""
    parts = split_inputs(graph, inputs)
    if len(parts) == 1:
        return parts[graph.input]
    return np.concatenate([part.reshape(len(part), -1) for part in parts.values()], axis=1)


def split_outputs(graph: Graph, values: npt.NDArray[T]) -> dict[str, npt.NDArray[T]]:
    """Each output by name, [height, width, channels], of the values of one sample [size], one behind another."""
    tensors = [graph.tensor(name) for name in graph.outputs]
    parts = np.split(values, np.cumsum([tensor.size for tensor in tensors])[:-1])
    return {tensor.name: part.reshape(tensor.shape) for tensor, part in zip(tensors, parts, strict=True)}


def _checked(graph: Graph, inputs: Mapping[str, Codes]) -> dict[str, Codes]:
    if set(inputs) != set(graph.inputs):
        _refuse(graph, f"inputs {sorted(inputs)} are given, the model takes {list(graph.inputs)}")
    for name in graph.inputs:
        codes, shape = inputs[name], graph.tensor(name).shape
        if codes.dtype != np.uint8 or codes.shape[1:] != shape:
            _refuse(
                graph, f"codes of input {name!r} are {codes.dtype} {codes.shape[1:]}, the model takes uint8 {shape}"
            )
    counts = {len(inputs[name]) for name in graph.inputs}
    if len(counts) != 1:
        _refuse(graph, f"the inputs have different numbers of samples: {sorted(counts)}")
    return {name: inputs[name] for name in graph.inputs}


def _refuse(graph: Graph, reason: str) -> NoReturn:
    raise UsageError(
        reason,
        where=f"interpreter of graph {graph.name!r}",
        next_step="convert real inputs with nested.quantize and the input tensor's scale",
    )
