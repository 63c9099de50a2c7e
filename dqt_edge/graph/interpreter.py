"""Runs a Graph in integers with NumPy: the oracle for every bit that a device computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import decisions
from .graph import Graph
from .layers import Dense
from .points import Setting
from .policy import Policy, Settled, fixed_choices, logit_bias, parse_policy
from .running import Codes, accumulate, is_skipped, run_layer, run_selected
from .samples import split_inputs

__all__ = ["BATCH", "Codes", "Result", "accumulate", "run", "run_batches", "run_layer"]

BATCH = 32
"""Samples computed at once: more would leave the processor's caches, and thousands would fill the memory."""


def _none() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Result:
    """What a run computed.

    Attributes:
        outputs: Codes of the output tensor, the first of several, uint8 [samples, size].
        choices: Index of the candidate each adaptive layer ran at, in the first pass, int64 [samples, adaptive
            layers]; -1 for a layer behind an early answer. A layer of a skipped branch keeps its choice.
        tensors: Codes of every tensor by name, [samples, height, width, channels]; only when asked for.
        logits: The controller's accumulators without the bias, int64 [samples, decided layers, candidates]; None where
            the widths were given.
        output_codes: Codes of every output tensor by name, uint8 [samples, size], in the graph's order.
        points: Index of the decision point that answered, int64 [samples]; ``len(graph.points)`` for the network's
            end. An early answer has code 255 at its class in ``outputs``, and 0 elsewhere.
        passes: 1, or 2 where a second pass answered, int64 [samples].
        runs: How many times each of ``graph.all_layers`` ran, int64 [samples, layers].
        margins: Of each point and, last, of the output's codes, int64 [samples, points + 1]; -1 where it was not
            reached. Empty where no setting decided.
        early: Class with the largest logit at each point, int64 [samples, points]; -1 where it was not reached.
    """

    outputs: Codes
    choices: npt.NDArray[np.int64]
    tensors: dict[str, Codes] = field(default_factory=dict)
    logits: npt.NDArray[np.int64] | None = None
    output_codes: dict[str, Codes] = field(default_factory=dict)
    points: npt.NDArray[np.int64] = field(default_factory=_none)
    passes: npt.NDArray[np.int64] = field(default_factory=_none)
    runs: npt.NDArray[np.int64] = field(default_factory=_none)
    margins: npt.NDArray[np.int64] = field(default_factory=_none)
    early: npt.NDArray[np.int64] = field(default_factory=_none)


def run(
    graph: Graph, inputs: Codes | Mapping[str, Codes], policy: Policy = "dynamic", *, keep_tensors: bool = False
) -> Result:
    """Run samples through the graph.

    A graph with states takes the samples as one stream, in order, and starts from the initial states at each call.

    Args:
        graph: The network.
        inputs: Codes, uint8 [samples, height, width, channels]. Of several inputs: such an array for each name, or
            uint8 [samples, bytes], the inputs one behind another.
        policy: See ``graph.policy``; text such as ``4x4``, ``Dynamic``, a ``Setting``, or a width vector.
        keep_tensors: Return every tensor, not only the output; zeros where a sample's layer did not run.

    Raises:
        UsageError: The inputs or the policy do not belong to the graph.
    """
    given = split_inputs(graph, inputs)
    settled = parse_policy(policy, graph)
    count = len(given[graph.input])
    pieces = ({name: codes[at : at + BATCH] for name, codes in given.items()} for at in range(0, max(count, 1), BATCH))
    return joined(list(_runs(graph, pieces, settled, keep_tensors=keep_tensors)))


def run_batches(graph: Graph, batches: Iterable[Codes | Mapping[str, Codes]], policy: Policy) -> Iterator[Result]:
    """Run samples that come in batches, each when its result is asked for. Arguments and errors are those of ``run``.

    A graph with states takes all batches as one stream.
    """
    yield from _runs(graph, (split_inputs(graph, codes) for codes in batches), parse_policy(policy, graph))


def _runs(
    graph: Graph, batches: Iterable[dict[str, Codes]], settled: Settled, *, keep_tensors: bool = False
) -> Iterator[Result]:
    """Result of each batch; states go on from one to the next."""
    kept = {s.read: np.full((1, *graph.tensor(s.read).shape), s.initial, np.uint8) for s in graph.states}
    for given in batches:
        count = len(given[graph.input])
        step = 1 if graph.states else max(count, 1)
        parts = []
        for start in range(0, max(count, 1), step):
            live = {name: codes[start : start + step] for name, codes in given.items()} | kept
            parts.append(_run(graph, live, settled, keep_tensors=keep_tensors))
            kept = {state.read: live[state.write] for state in graph.states}
        yield joined(parts)


def joined(parts: Sequence[Result]) -> Result:
    """One result of several batches of samples; of one, that itself."""
    if len(parts) == 1:
        return parts[0]

    def join(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate(arrays)

    first = parts[0]
    return Result(
        outputs=join([part.outputs for part in parts]),
        choices=join([part.choices for part in parts]),
        tensors={name: join([part.tensors[name] for part in parts]) for name in first.tensors},
        logits=None if first.logits is None else join([np.asarray(part.logits) for part in parts]),
        output_codes={name: join([part.output_codes[name] for part in parts]) for name in first.output_codes},
        points=join([part.points for part in parts]),
        passes=join([part.passes for part in parts]),
        runs=join([part.runs for part in parts]),
        margins=join([part.margins for part in parts]),
        early=join([part.early for part in parts]),
    )


def _run(graph: Graph, live: dict[str, Codes], policy: Settled, *, keep_tensors: bool) -> Result:
    """Run one batch of samples; ``live`` holds the inputs and states by name and receives what the layers make."""
    if isinstance(policy, Setting):
        return _by_setting(graph, live, policy, keep_tensors=keep_tensors)
    n = len(live[graph.input])
    positions = {layer.name: i for i, layer in enumerate(graph.adaptive)}
    choices = np.zeros((n, len(positions)), np.int64)
    bias = None
    if isinstance(policy, tuple):
        choices[:] = fixed_choices(graph, policy)
    else:
        bias = logit_bias(graph, policy)
    controller, beside = graph.controller, graph.beside
    decided = {layer.name for layer in controller.layers} if controller and bias is not None else set()
    logits = None
    ran = [layer.name not in beside or layer.name in decided for layer in graph.all_layers]
    runs = np.tile(np.array(ran, np.int64), (n, 1))
    columns, branches = {layer.name: i for i, layer in enumerate(graph.all_layers)}, graph.skipped_with
    for layer in (layer for layer, now in zip(graph.all_layers, ran, strict=True) if now):
        if isinstance(layer, Dense) and layer.requantize is None:
            assert controller is not None
            assert bias is not None
            twice = accumulate(layer, graph, live, layer.candidates[0])
            logits = twice.reshape(n, len(controller.decides), -1)
            choices = (logits + bias).argmax(axis=-1)  # the first of equals
        elif layer.name in positions:
            live[layer.output] = run_selected(layer, graph, live, choices[:, positions[layer.name]])
        else:
            live[layer.output] = run_layer(layer, graph, live)
        if layer.name in branches:
            idle = is_skipped(graph, branches[layer.name], choices)
            live[layer.output][idle] = 0
            runs[idle, columns[layer.name]] = 0
    outputs = {name: live[name].reshape(n, -1) for name in graph.outputs}
    return Result(
        outputs[graph.output],
        choices,
        live if keep_tensors else {},
        logits,
        outputs,
        points=np.full(n, len(graph.points)),
        passes=np.ones(n, np.int64),
        runs=runs,
    )


def _by_setting(graph: Graph, live: dict[str, Codes], setting: Setting, *, keep_tensors: bool) -> Result:
    batch = decisions.run_setting(graph, live, setting)
    n = len(batch.points)
    outputs = batch.tensors[graph.output].reshape(n, -1)
    return Result(
        outputs,
        batch.choices,
        batch.tensors if keep_tensors else {},
        batch.logits,
        {graph.output: outputs},
        points=batch.points,
        passes=batch.passes,
        runs=batch.runs,
        margins=batch.margins,
        early=batch.early,
    )
