"""The plain rule that a controller must beat: run narrow, and where the softmax is unsure run again at 8x8.

Run by ``python -m benchmarks.cascade CKPT --data DATA``. Both passes are paid for. The threshold on the softmax's
maximum follows from the validation samples, as the dial's biases do; each cost is shown beside the dial of the same
checkpoint at that target. All is computed by the interpreter. Writes ``--json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from dqt_edge.data.load import codes, load_data
from dqt_edge.data.sources import Source
from dqt_edge.errors import DqtError, UsageError
from dqt_edge.graph import FULL, Graph, checkpoint, interpreter, pair_text
from dqt_edge.graph.bitops import bitops
from dqt_edge.graph.interpreter import Codes
from dqt_edge.graph.policy import Policy, parse_pairs, parse_policy
from dqt_edge.system.files import write_atomically

VALIDATION = 2500
"""Samples at most that thresholds follow from."""


def main() -> None:
    """Measure a checkpoint, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", required=True, help="as of dqt-edge train")
    parser.add_argument("--validation", type=float, default=0.05, help="the part that training kept to choose by")
    parser.add_argument("--first", default="4x4", help="widths of the first pass")
    parser.add_argument("--json", type=Path, help="write the rows there")
    options = parser.parse_args()
    try:
        graph = checkpoint.load(options.checkpoint)
        (first,) = parse_pairs(options.first, "option --first")
        data = load_data(options.data, options.validation, shape=graph.tensor(graph.input).shape)
        if graph.controller is None or not graph.controller.dial:
            raise UsageError(
                "the checkpoint has no dial to compare with",
                where=str(options.checkpoint),
                next_step="give one that dqt-edge train made",
            )
        rows = measure(graph, data.validation, data.test, (first, FULL))
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    show(rows, len(data.test.labels), pair_text(first))
    if options.json:
        write_atomically(options.json, (json.dumps(rows, indent=1) + "\n").encode())


def measure(
    graph: Graph, validation: Source, test: Source, pairs: tuple[tuple[int, int], tuple[int, int]]
) -> list[dict[str, Any]]:
    """One row for each point of the dial that the cascade can reach: target, costs and accuracies of both."""
    count = min(len(validation.labels), VALIDATION)
    known = confidence(graph, run(graph, validation, np.arange(count), [pairs[0]]).outputs)
    everything = np.arange(len(test.labels))
    narrow, full = (run(graph, test, everything, [pair]) for pair in pairs)
    sure = confidence(graph, narrow.outputs)
    costs = [float(bitops(graph, result.choices).mean()) for result in (narrow, full)]
    assert graph.controller is not None
    rows = []
    for point in graph.controller.dial:
        share = (point.target - costs[0]) / costs[1]
        if not 0 <= share <= 1:
            continue
        again = sure < np.quantile(known, share)
        answers = np.where(again, full.outputs.argmax(axis=1), narrow.outputs.argmax(axis=1))
        dynamic = run(graph, test, everything, parse_policy(f"dynamic:{point.thousandths / 1000:.3f}", graph))
        rows.append(
            {
                "target": point.thousandths / 1000,
                "cascade": {
                    "accuracy": float(np.mean(answers == test.labels)),
                    "bitops_ratio": costs[0] + float(again.mean()) * costs[1],
                    "again": float(again.mean()),
                },
                "dynamic": {
                    "accuracy": float(np.mean(dynamic.outputs.argmax(axis=1) == test.labels)),
                    "bitops_ratio": float(bitops(graph, dynamic.choices).mean()),
                    "vectors": len(np.unique(dynamic.choices, axis=0)),
                },
            }
        )
    return rows


def run(graph: Graph, source: Source, indices: npt.NDArray[np.int64], policy: Policy) -> interpreter.Result:
    """Run samples of a source, some at a time, so that their images need little memory."""
    parts = [
        interpreter.run(graph, codes(source.images(indices[i : i + 256]), graph), policy)
        for i in range(0, len(indices), 256)
    ]
    outputs, choices = np.concatenate([p.outputs for p in parts]), np.concatenate([p.choices for p in parts])
    return interpreter.Result(outputs, choices)


def confidence(graph: Graph, outputs: Codes) -> npt.NDArray[np.float64]:
    """The softmax's maximum of each sample; a device would compare logits with a table instead."""
    scale = graph.tensor(graph.output).scale
    logits = outputs.astype(np.float64) * scale
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights.max(axis=1) / weights.sum(axis=1), np.float64)


def show(rows: list[dict[str, Any]], samples: int, first: str) -> None:
    """Print the table."""
    title = f"Accuracy on {samples:,} test samples, per cent: {first} then 8x8, and the controller"
    table = Table("target", "cascade", "BitOPs", "run again", "controller", "BitOPs", "vectors", title=title)
    for row in rows:
        rule, own = row["cascade"], row["dynamic"]
        table.add_row(
            f"{row['target']:.3f}",
            f"{100 * rule['accuracy']:.2f}",
            f"{rule['bitops_ratio']:.3f}",
            f"{100 * rule['again']:.1f} %",
            f"{100 * own['accuracy']:.2f}",
            f"{own['bitops_ratio']:.3f}",
            f"{own['vectors']:,}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
