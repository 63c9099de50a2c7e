"""How good a model is, by the interpreter: what every device will answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..data.accuracy import PerClass, mean_recall, per_class
from ..errors import UsageError
from ..graph import vector_text
from ..graph.bitops import bitops
from ..graph.interpreter import run
from ..graph.policy import Policy, parse_policy, policy_text
from ..system.show import Facts, Shown, percent
from .given import Data, Model, Progress, graph_of, samples_of, silent

BATCH = 100


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """Accuracy of a model under a policy.

    Attributes:
        accuracy: Share of right classes, 0..1.
        per_class: Class name -> (right, samples).
        bitops_ratio: Mean BitOPs, of everything at 8x8.
        width_vectors: How often each width vector was chosen.
    """

    model: str
    policy: str
    samples: int
    accuracy: float
    per_class: PerClass
    bitops_ratio: float
    width_vectors: dict[str, int]

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.model!r}, policy {self.policy}", (
            ("accuracy", f"{percent(self.accuracy)} of {self.samples:,} samples"),
            ("mean recall", percent(mean_recall(self.per_class))),
            ("BitOPs", f"{self.bitops_ratio:.3f} of 8x8"),
            ("width vectors", f"{len(self.width_vectors):,}"),
        )


def validate(
    model: Model, data: Data, *, policy: Policy = "dynamic", count: int | None = None, progress: Progress = silent
) -> Validation:
    """Measure the accuracy of a model by the interpreter, without any device.

    Args:
        model: A graph, or the path of its checkpoint.
        data: A data set, of which the test part is run, a file or folder; or arrays ``(x, y)``.
        policy: ``"dynamic"``, ``"dynamic:0.4"``, one pair for all layers, or a width vector.
        count: Number of samples; None is all.
        progress: Called with the samples done and the samples in all.

    Raises:
        UsageError, BadFileError: The data or the policy does not belong to the model, or there are no labels.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        print(dqt.validate(graph, "digits", policy="4x4", count=50))
        ```
    """
    graph = graph_of(model)
    settled = parse_policy(policy, graph)
    samples = samples_of(data, graph, count)
    if samples.labels is None:
        raise UsageError("there are no labels", where="parameter `data`", next_step="give (x, y)")
    answers, choices, total = [], [], len(samples.codes)
    for start in range(0, total, BATCH):
        found = run(graph, samples.codes[start : start + BATCH], settled)
        answers.append(found.outputs.argmax(axis=1))
        choices.append(found.choices)
        progress(f"accuracy at {policy_text(settled)}", min(start + BATCH, total), total)
    predicted, chosen = np.concatenate(answers), np.concatenate(choices)
    names = graph.classes or tuple(map(str, range(graph.tensor(graph.output).size)))
    vectors = Counter(
        vector_text([layer.candidates[k] for layer, k in zip(graph.adaptive, row, strict=True)]) or "fixed"
        for row in chosen
    )
    return Validation(
        graph.name,
        policy_text(settled),
        total,
        float((predicted == samples.labels).mean()),
        per_class(predicted, samples.labels, names),
        float(bitops(graph, chosen).mean()),
        dict(vectors.most_common()),
    )
