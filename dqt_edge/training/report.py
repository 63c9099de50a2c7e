"""What a finished run says about itself: its graph with provenance, its accuracies, its log."""

from __future__ import annotations

import csv
import io
import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import __version__
from ..errors import MismatchError
from ..files import write_atomically
from ..graph import Graph, vector_text
from ..interpreter import Policy, bitops, run
from ..search import best_static
from .data import codes
from .export import to_graph
from .integer import evaluate
from .loop import Outcome, Row
from .options import Options

COLUMNS = (
    "epoch", "phase", "loss", "accuracy", "val_float", "val_full", "val_least", "val_dynamic",
    "val_cost", "vectors", "val_loss", "best",
)  # fmt: skip


def finished_graph(outcome: Outcome, options: Options) -> Graph:
    """Lower a finished run, with what was measured on the held-out set as provenance, and no date in it.

    ``provenance["keras"]`` maps each policy (every candidate in all layers, ``dynamic``, ``static``) to
    ``accuracy`` (0..1), ``samples`` and ``bitops_ratio``; ``dynamic`` also has ``width_vectors`` (vector -> count),
    and ``static`` its ``vector``, the best at no more than the dynamic cost, chosen on the validation set.

    Raises:
        MismatchError: Keras and the interpreter disagree in a code.
    """
    graph = to_graph(outcome.model, options.model)
    measured = {name: measure(outcome, graph, policy) for name, policy in policies(graph).items()}
    if "dynamic" in measured:
        ratio = measured["dynamic"]["bitops_ratio"]
        found = best_static(graph, codes(outcome.dataset.x_val, graph), outcome.dataset.y_val, ratio)
        measured["static"] = {
            **measure(outcome, graph, found.pairs),
            "vector": vector_text(found.pairs),
            "validation_accuracy": found.accuracy,
        }
    provenance = {
        "made_by": f"dqt-edge {__version__} train",
        "options": {**options.as_json(), "data": outcome.dataset.name},
        "data": {
            "name": outcome.dataset.name,
            "train": len(outcome.dataset.y_train),
            "validation": len(outcome.dataset.y_val),
            "test": len(outcome.dataset.y_test),
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
    return to_graph(outcome.model, options.model, provenance)


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


def measure(outcome: Outcome, graph: Graph, policy: Policy) -> dict[str, Any]:
    """Measure the Keras evaluation on the held-out set; it must equal the interpreter in every bit."""
    data = outcome.dataset
    if not graph.adaptive:
        policy = ()
    result = evaluate(outcome.model, data.x_test, policy)
    oracle = run(graph, codes(data.x_test, graph), policy)
    wrong = int((result.outputs != oracle.outputs).sum() + (result.choices != oracle.choices).sum())
    if wrong:
        raise MismatchError(
            f"the Keras evaluation differs from the interpreter in {wrong} codes",
            where=f"model {graph.name!r}",
            next_step="report this with the training command; the checkpoint was not written",
        )
    facts: dict[str, Any] = {
        "accuracy": float(np.mean(result.outputs.argmax(axis=1) == data.y_test)),
        "samples": len(data.y_test),
        "bitops_ratio": float(bitops(graph, result.choices).mean()),
    }
    if policy == "dynamic":
        vectors, counts = np.unique(result.choices, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        facts["width_vectors"] = {
            vector_text([layer.candidates[i] for layer, i in zip(graph.adaptive, vectors[o], strict=True)]): int(
                counts[o]
            )
            for o in order
        }
    return facts


def write_log(path: Path, log: list[Row]) -> None:
    """Write the epochs as CSV; values that a phase does not have stay empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in log:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    write_atomically(path, text.getvalue().encode())
