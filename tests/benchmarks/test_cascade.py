"""Promise: the cascade pays for both passes, and its ends are the narrow pass and 8x8."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cascade import confidence, measure
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import interpreter
from dqt_edge.graph.bitops import bitops
from tests.support.digits import dial_graph


def test_each_row_holds_both_rules_at_their_measured_cost() -> None:
    graph, data = dial_graph(), load_data("digits")
    rows = measure(graph, data.validation, data.test, ((4, 4), (8, 8)))
    x = codes(data.test.images(np.arange(len(data.test.labels))), graph)
    narrow, full = (interpreter.run(graph, x, [pair]) for pair in ((4, 4), (8, 8)))
    low, high = (float(bitops(graph, result.choices).mean()) for result in (narrow, full))
    assert rows
    sure = np.sort(confidence(graph, narrow.outputs))
    for row in rows:
        rule, own = row["cascade"], row["dynamic"]
        assert rule["bitops_ratio"] == pytest.approx(low + rule["again"] * high)
        assert own["bitops_ratio"] == pytest.approx(row["target"], abs=0.1)
        count = round(rule["again"] * len(sure))
        again = confidence(graph, narrow.outputs) < sure[count] if count < len(sure) else np.ones(len(sure), bool)
        answers = np.where(again, full.outputs.argmax(axis=1), narrow.outputs.argmax(axis=1))
        assert rule["accuracy"] == float(np.mean(answers == data.test.labels))
    shares = [row["cascade"]["again"] for row in rows]
    assert shares == sorted(shares)


def test_confidence_is_the_softmaxs_maximum() -> None:
    graph = dial_graph()
    outputs = np.array([[10, 10] + [0] * 8, [255] + [0] * 9], np.uint8)
    scale = graph.tensor(graph.output).scale
    weights = np.exp(outputs * scale)
    assert confidence(graph, outputs) == pytest.approx((weights / weights.sum(axis=1, keepdims=True)).max(axis=1))
