"""From a finished run to what it leaves behind: a graph with provenance, accuracies, a log."""

from __future__ import annotations

import csv
import io
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .. import __version__
from ..data.choose import choose
from ..data.load import codes
from ..data.sources import has_targets
from ..errors import MismatchError
from ..graph import DecisionPoint, Dense, Graph, Pair, vector_text
from ..graph.bitops import bitops, graph_costs, vector_ratio
from ..graph.dial import DialPoint
from ..graph.graph import with_dial
from ..graph.interpreter import run
from ..graph.points import full_setting
from ..graph.policy import Policy, fixed_choices, is_dynamic
from ..precision.static import Assignment, best_static, tries
from ..system.files import write_atomically
from ..tasks import reals, task_of
from .dial import direction, lift_for, mean_cost
from .integer import evaluate
from .layers import Run
from .loop import Outcome, Row
from .options import Options
from .to_graph import head_bias, to_graph
from .validation import DIAL_FILL, samples_at_once

INTEGER_VALUES = 1 << 21
"""Input values that are evaluated at a time: the integer evaluation keeps every tensor, in 64 bits."""
ORACLE_MACS = 1 << 39
"""The interpreter repeats as many held-out samples of each policy as take this many multiply-accumulates."""
STATIC_MACS = 1 << 45
DIAL_POINTS = 13
"""Costs, evenly spread, at which points of the dial are sought; costs that lead to one bias share a point."""
STATIC_LEAST = 16
"""With fewer validation samples, no static vector is sought: they would say nothing."""
CLASSES_MAX = 100
"""With more classes, the provenance leaves out the right answers of each class."""

COLUMNS = (
    "epoch", "phase", "loss", "metric", "train", "val_float", "val_full", "val_least", "val_dynamic",
    "val_cost", "vectors", "val_loss", "val_score", "best",
)  # fmt: skip


def finished_graph(outcome: Outcome, options: Options) -> Graph:
    """Lower a finished run; what was measured on the held-out samples becomes provenance. No date is in it.

    ``provenance["keras"]`` maps each policy to the figures of the task (``Score.as_json``), ``samples`` and
    ``bitops_ratio``. Policies are every candidate in all layers, ``dynamic``, and ``static``: the best
    fixed width vector at no more than the dynamic cost, chosen on the validation set. ``dynamic`` also has
    ``width_vectors`` (vector -> count), ``static`` its ``vector``. A network for which that search would take days
    has no ``static``. Each decision point stands beside them by its name, see :func:`measure_points`.

    Raises:
        MismatchError: Keras and the interpreter disagree in a code.
    """
    graph = settle_dial(to_graph(outcome.model, outcome.model.spec.name), outcome, options)
    measured = {name: measure(outcome, graph, policy) for name, policy in policies(graph).items()}
    measured |= measure_points(outcome, graph)
    validation = outcome.dataset.validation
    chosen_by = static_samples(graph, len(validation.labels))
    if "dynamic" in measured and chosen_by >= STATIC_LEAST:
        found = _best_static(outcome, graph, chosen_by, measured["dynamic"]["bitops_ratio"])
        measured["static"] = {
            **measure(outcome, graph, found.pairs),
            "vector": vector_text(found.pairs),
            "validation_quality": found.quality,
        }
    provenance = {
        "made_by": f"dqt-edge {__version__} train",
        "options": {
            **options.as_json(),
            "data": outcome.dataset.name,
            "model": outcome.model.spec.name,
            "init": None if options.init is None else Path(options.init).name,
        },
        "data": {
            "name": outcome.dataset.name,
            "train": len(outcome.dataset.train.labels),
            "validation": len(outcome.dataset.validation.labels),
            "test": len(outcome.dataset.test.labels),
        },
        "best_epoch": outcome.best_epoch,
        "keras": measured,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
    return replace(graph, provenance=provenance)


def settle_dial(graph: Graph, outcome: Outcome, options: Options) -> Graph:
    """Set the controller to the budget, and find the dial's points, both by the validation set in integers.

    The bias that keeps the budget becomes part of the controller's last layer.
    """
    if graph.controller is None:
        return graph
    validation = outcome.dataset.validation
    count = min(len(validation.labels), max(1, ORACLE_MACS // graph.total_macs))
    some = choose(len(validation.labels), count, validation.labels, seed=options.seed)
    logits = run(graph, codes(validation.images(some), graph), "dynamic").logits
    assert logits is not None
    rows, fixed = graph_costs(graph)
    table = np.array(rows)

    def bias_for(logits: npt.NDArray[np.int64], target: float) -> npt.NDArray[np.int64]:
        lift = lift_for(logits, options.candidates, table, fixed, target)
        return np.floor(lift * direction(options.candidates) + 0.5).astype(np.int64)

    settled = np.tile(bias_for(logits, DIAL_FILL * options.budget), len(graph.adaptive))
    last = graph.controller.layers[-1]
    assert isinstance(last, Dense)
    settled = head_bias(outcome.model, settled).astype(np.int64) - last.bias_twice
    logits = logits + settled.reshape(len(graph.adaptive), -1)
    points: list[DialPoint] = []
    low, high = (fixed + ends(table, axis=1).sum() for ends in (np.min, np.max))
    for target in np.linspace(low, high, DIAL_POINTS):
        bias = bias_for(logits, float(target))
        point = DialPoint(min(mean_cost(logits, bias, table, fixed), 1.0), tuple(bias.tolist()))
        if not points or point.thousandths > points[-1].thousandths:
            points.append(point)
    return with_dial(graph, settled.tolist(), points)


def _best_static(outcome: Outcome, graph: Graph, samples: int, budget: float) -> Assignment:
    """Best fixed vector on validation samples, judged by the Keras forward: many times faster than the interpreter."""
    model, validation, objective = outcome.model, outcome.dataset.validation, outcome.purpose.objective
    indices = choose(len(validation.labels), samples, validation.labels)
    targets = outcome.purpose.targets(validation, indices)
    size = samples_at_once(validation.shape)
    parts = [tf.constant(model.on_codes(validation.images(indices[i : i + size]))) for i in range(0, samples, size)]
    forward = tf.function(lambda x, choice: model(x, run=Run(nested=True, choice=choice))[0])

    def judge(pairs: tuple[Pair, ...]) -> Assignment:
        choice = tf.constant(fixed_choices(graph, pairs), tf.int32)
        outputs = tf.concat([forward(part, choice) for part in parts], axis=0)
        quality, loss = objective.quality(targets, outputs.numpy()), float(objective.plain(targets, outputs))
        return Assignment(pairs, vector_ratio(graph, pairs), quality, loss)

    return best_static(graph, budget, judge)


def policies(graph: Graph) -> dict[str, Policy]:
    """Each candidate in all layers, named as the first layer's; then ``dynamic``, if there is a controller."""
    adaptive = graph.adaptive
    if not adaptive:
        return {"8x8": [(8, 8)]}
    found: dict[str, Policy] = {}
    for index in range(len(adaptive[0].candidates)):
        vector = tuple(layer.candidates[index] for layer in adaptive)
        found[vector_text(vector[:1])] = vector
    if graph.controller is not None:
        found["dynamic"] = "dynamic"
    return found


def static_samples(graph: Graph, count: int) -> int:
    """How many of ``count`` validation samples the search for a static vector can use."""
    return min(count, STATIC_MACS // (graph.total_macs * tries(graph)))


def measure(outcome: Outcome, graph: Graph, policy: Policy) -> dict[str, Any]:
    """Measure the Keras evaluation on the held-out samples; it must equal the interpreter in every bit.

    ``compared`` is the number of samples that both ran: all, unless the interpreter would take days.
    """
    test = outcome.dataset.test
    if not graph.adaptive:
        policy = ()
    count, size = len(test.labels), samples_at_once(test.shape, values=INTEGER_VALUES)
    compared = min(count, max(1, ORACLE_MACS // graph.total_macs))
    outputs, choices, inputs, wrong = [], [], [], 0
    for start in range(0, count, size):
        x = test.images(np.arange(start, min(start + size, count)))
        result = evaluate(graph, x, policy)
        outputs.append(result.outputs)
        if outcome.purpose.again:
            inputs.append(x)
        choices.append(result.choices)
        if start < compared:
            own = slice(0, compared - start)
            oracle = run(graph, codes(x[own], graph), policy)
            wrong += int((result.outputs[own] != oracle.outputs).sum() + (result.choices[own] != oracle.choices).sum())
    if wrong:
        raise _differs(graph, f"{wrong} codes")
    every = np.concatenate(choices)
    task = task_of(graph)
    targets = task.targets(test.labels) if has_targets(test.labels) else None
    score = task.score(reals(graph, np.concatenate(outputs)), targets, np.concatenate(inputs) if inputs else None)
    assert score is not None
    facts: dict[str, Any] = {
        **score.as_json(),
        "samples": count,
        "compared": compared,
        "bitops_ratio": float(bitops(graph, every).mean()),
    }
    if len(score.per_class) > CLASSES_MAX:
        del facts["per_class"]
    if is_dynamic(policy):
        vectors, counts = np.unique(every, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        facts["width_vectors"] = {
            vector_text([layer.options[i] for layer, i in zip(graph.adaptive, vectors[o], strict=True)]): int(counts[o])
            for o in order
        }
    return facts


def measure_points(outcome: Outcome, graph: Graph) -> dict[str, dict[str, Any]]:
    """Figures of each decision point, were it to answer every held-out sample at 8x8, by its name.

    Its ``bitops_ratio`` counts the layers up to there and its own head. Margins and answers must equal the
    interpreter's, as in :func:`measure`.
    """
    if not graph.points:
        return {}
    test, task, setting = outcome.dataset.test, task_of(graph), full_setting(graph)
    size = samples_at_once(test.shape, values=INTEGER_VALUES)
    compared = min(len(test.labels), max(1, ORACLE_MACS // graph.total_macs))
    answers, wrong = [], 0
    for start in range(0, len(test.labels), size):
        x = test.images(np.arange(start, min(start + size, len(test.labels))))
        result = evaluate(graph, x, setting)
        answers.append(result.early)
        if start < compared:
            own = slice(0, compared - start)
            oracle = run(graph, codes(x[own], graph), setting)
            wrong += int((result.early[own] != oracle.early).sum() + (result.margins[own] != oracle.margins).sum())
    if wrong:
        raise _differs(graph, f"{wrong} answers or margins of decision points")
    every, targets = np.concatenate(answers), task.targets(test.labels)
    found = {}
    for index, point in enumerate(graph.points):
        score = task.score(np.eye(graph.tensor(graph.output).size)[every[:, index]], targets)
        assert score is not None
        facts = {**score.as_json(), "samples": len(targets), "compared": compared}
        found[point.name] = {**facts, "bitops_ratio": _cost_of_stopping(graph, point)}
        if len(score.per_class) > CLASSES_MAX:
            del found[point.name]["per_class"]
    return found


def _cost_of_stopping(graph: Graph, point: DecisionPoint) -> float:
    """Multiply-accumulates up to a point's answer, its own head included, of all without any point."""
    run_before = [layer.name for layer in graph.layers].index(point.after) + 1
    return sum(map(graph.macs, (*graph.layers[:run_before], *point.layers))) / graph.total_macs


def _differs(graph: Graph, what: str) -> MismatchError:
    return MismatchError(
        f"the Keras evaluation differs from the interpreter in {what}",
        where=f"model {graph.name!r}",
        next_step="report this with the training command; the checkpoint was not written",
    )


def write_log(path: Path, log: list[Row]) -> None:
    """Write the epochs as CSV; values that a phase does not have stay empty."""
    text = io.StringIO()
    points = sorted({name: None for row in log for name in row if name not in COLUMNS}, key=list(log[0]).index)
    writer = csv.DictWriter(text, (*COLUMNS, *points), lineterminator="\n")
    writer.writeheader()
    for row in log:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    write_atomically(path, text.getvalue().encode())
