"""The evaluation forward: the lowered layers on integer codes, in TensorFlow operations.

The interpreter computes the same integers with NumPy; neither calls the other, and a test holds them equal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..graph import Dense, Graph, MacLayer, Pair, Setting, nested
from ..graph.dial import Dynamic
from ..graph.interpreter import Result
from ..graph.policy import Policy, fixed_choices, logit_bias, parse_policy
from .integer_decisions import evaluate_setting
from .integer_layers import accumulate, is_run, layer_codes
from .quantizers import Array

BATCH = 256


def evaluate(graph: Graph, x: npt.NDArray[np.floating], policy: Policy = "dynamic") -> Result:
    """Evaluate a lowered network on real inputs as the device will, all tensors kept.

    Args:
        graph: What ``to_graph`` made of the trained network.
        x: Real inputs, float [samples, height, width, channels].
        policy: See ``graph.policy``.
    """
    settled = parse_policy(policy, graph)
    source = graph.tensor(graph.input)
    codes = nested.quantize(x, source.scale, source.zero_point)
    parts = []
    for start in range(0, len(codes), BATCH):
        part = codes[start : start + BATCH]
        if isinstance(settled, Setting):
            parts.append(evaluate_setting(graph, part, settled))
        else:
            parts.append(_evaluate(graph, part, settled))
    logits = None if parts[0].logits is None else np.concatenate([p.logits for p in parts if p.logits is not None])
    first, given = parts[0], ("points", "passes", "runs", "margins", "early")
    return Result(
        np.concatenate([part.outputs for part in parts]),
        np.concatenate([part.choices for part in parts]),
        {name: np.concatenate([part.tensors[name] for part in parts]) for name in first.tensors},
        logits,
        {name: np.concatenate([part.output_codes[name] for part in parts]) for name in first.output_codes},
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in given},
    )


def _evaluate(
    graph: Graph, codes: npt.NDArray[np.uint8], policy: tuple[Pair, ...] | Literal["dynamic"] | Dynamic
) -> Result:
    live: dict[str, Array] = {graph.input: tf.cast(codes, tf.int64)}
    adaptive = [layer.name for layer in graph.adaptive]
    decided = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    skipped = graph.beside if isinstance(policy, tuple) else graph.beside - decided
    choices = tf.zeros((len(codes), len(adaptive)), tf.int64)
    bias = None
    if isinstance(policy, tuple):
        choices = tf.tile(tf.constant([fixed_choices(graph, policy)], tf.int64), (len(codes), 1))
    else:
        bias = tf.constant(logit_bias(graph, policy))
    logits, branches = None, graph.skipped_with
    ran = {layer.name: tf.ones(len(codes), tf.int64) for layer in graph.all_layers if layer.name not in skipped}
    for layer in graph.all_layers:
        if layer.name in skipped:
            continue
        if isinstance(layer, Dense) and layer.requantize is None:
            logits = tf.reshape(accumulate(layer, graph, live, layer.candidates[0]), (len(codes), len(adaptive), -1))
            choices = tf.argmax(logits + bias, axis=-1)
        elif isinstance(layer, MacLayer) and layer.name in adaptive:
            # Every candidate for every sample, then a selection: the interpreter splits the batch instead.
            column = choices[:, adaptive.index(layer.name)]
            every = tf.stack([layer_codes(layer, graph, live, pair) for pair in layer.options], axis=1)
            live[layer.output] = tf.gather(every, column, batch_dims=1, axis=1)
        else:
            live[layer.output] = layer_codes(layer, graph, live)
        if layer.name in branches:
            ran[layer.name] = tf.cast(is_run(graph, branches[layer.name], choices), tf.int64)
            live[layer.output] *= tf.reshape(ran[layer.name], (-1, 1, 1, 1))
    tensors = {name: value.numpy().astype(np.uint8) for name, value in live.items()}
    outputs = {name: tensors[name].reshape(len(codes), -1) for name in graph.outputs}
    runs = [ran[layer.name].numpy() if layer.name in ran else np.zeros(len(codes)) for layer in graph.all_layers]
    return Result(
        outputs[graph.output],
        choices.numpy(),
        tensors,
        None if logits is None else logits.numpy(),
        outputs,
        points=np.full(len(codes), len(graph.points)),
        passes=np.ones(len(codes), np.int64),
        runs=np.stack(runs, axis=1).astype(np.int64),
    )
