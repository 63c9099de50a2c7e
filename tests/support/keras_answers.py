"""Answers of a Keras model, of the Network that was read of it, and of the integers that were made of that."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dqt_edge.graph import Graph, interpreter, nested
from dqt_edge.importers import floating
from dqt_edge.importers.network import Network

Reals = npt.NDArray[np.float64]


def inputs_of(model: Any, samples: int, seed: int = 3) -> list[npt.NDArray[np.float32]]:
    """Random inputs of a Keras model, around zero and mostly within two."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (samples, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


def keras_answers(model: Any, inputs: list[Any]) -> list[Reals]:
    """What Keras makes of them, one array for each output."""
    made = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(part, np.float64) for part in (made if isinstance(made, list | tuple) else [made])]


def network_answers(network: Network, inputs: list[Any]) -> list[Reals]:
    """What the floating-point Network makes of them, with the function that was dropped at its end."""
    values = dict(floating.run(network, _by_name(network, inputs)))
    return [_whole(values[name].astype(np.float64), network.provenance) for name in network.outputs]


def graph_answers(graph: Graph, inputs: list[Any]) -> list[Reals]:
    """What the integers make of them at 8x8, in real numbers."""
    codes = {}
    for name, x in zip(graph.inputs, inputs, strict=True):
        tensor = graph.tensor(name)
        codes[name] = nested.quantize(x.reshape(len(x), *tensor.shape), tensor.scale, tensor.zero_point)
    found = interpreter.run(graph, codes, ((8, 8),) * len(graph.adaptive), keep_tensors=True)
    answers = []
    for name in graph.outputs:
        tensor = graph.tensor(name)
        real = tensor.scale * (found.tensors[name].astype(np.float64) - tensor.zero_point)
        answers.append(_whole(real, graph.provenance))
    return answers


def shaped(network: Network, inputs: list[Any]) -> Any:
    """Inputs as calibration takes them."""
    named = _by_name(network, inputs)
    return named if len(named) > 1 else next(iter(named.values()))


def _by_name(network: Network, inputs: list[Any]) -> dict[str, Any]:
    return {name: x.reshape(len(x), *network.edges[name].shape) for name, x in zip(network.inputs, inputs, strict=True)}


def _whole(values: Reals, provenance: dict[str, Any]) -> Reals:
    dropped = provenance.get("dropped", [])
    if "softmax" in dropped:
        power = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(power / power.sum(axis=-1, keepdims=True))
    return 1 / (1 + np.exp(-values)) if "sigmoid" in dropped else values


def error_of(found: list[Reals], wanted: list[Reals]) -> float:
    """Largest difference, as a part of the largest value."""
    assert len(found) == len(wanted)
    return max(
        float(np.abs(a.reshape(b.shape) - b).max() / max(np.abs(b).max(), 1e-6))
        for a, b in zip(found, wanted, strict=True)
    )
