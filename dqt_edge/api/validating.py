"""How good a model is, by the interpreter: what every device will answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..data.choose import SEED
from ..errors import UsageError
from ..graph.interpreter import joined, run
from ..graph.points import Setting
from ..graph.policy import Policy, parse_policy, policy_label
from ..measure.decided import answered_at, choices_text, mean_bitops
from ..system.show import Facts, Shown
from ..tasks import Score, every_output, inputs_of, reals, task_of
from ..tasks.kinds import Reconstruction
from ..tasks.statistics import PerClass
from .given import Data, Model, Progress, graph_of, samples_of, silent

BATCH = 100


@dataclass(frozen=True, repr=False)
class Validation(Shown):
    """How good a model is under a policy.

    Attributes:
        score: The figures of the model's task, with their intervals.
        bitops_ratio: Mean BitOPs, of everything at 8x8.
        width_vectors: How often each width vector was chosen; a dash for a layer that did not run.
        answered_at: Share of the samples that each decision point answered, by name, and the network's ``end``; empty
            without decision points.
        second_passes: Share of the samples that a second pass answered; None where no setting decided.
    """

    model: str
    policy: str
    samples: int
    score: Score
    bitops_ratio: float
    width_vectors: dict[str, int]
    answered_at: dict[str, float] = field(default_factory=dict)
    second_passes: float | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0..1; None for a task that has none."""
        return self.score.accuracy

    @property
    def per_class(self) -> PerClass:
        """Class name -> (right, samples); empty for a task without classes."""
        return self.score.per_class

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.model!r}, policy {self.policy}", (
            *((figure.title, figure.full_text) for figure in self.score.figures),
            ("samples", f"{self.samples:,}"),
            ("BitOPs", f"{self.bitops_ratio:.3f} of 8x8"),
            ("width vectors", f"{len(self.width_vectors):,}"),
            *((f"answered at {name}", f"{100 * share:.1f} %") for name, share in self.answered_at.items()),
            *([("second passes", f"{100 * self.second_passes:.1f} %")] if self.second_passes is not None else []),
        )


def validate(
    model: Model,
    data: Data,
    *,
    policy: Policy = "dynamic",
    count: int | None = None,
    seed: int = SEED,
    first: bool = False,
    progress: Progress = silent,
) -> Validation:
    """Measure how good a model is, by the interpreter and without any device.

    Args:
        model: A graph, or the path of its checkpoint; its task says what is measured.
        data: A data set, of which the test part is run, a file or folder; or arrays ``(x, y)``, of an autoencoder also
            ``x``.
        policy: ``"dynamic"``, ``"dynamic:0.4"``, one pair for all layers, or a width vector.
        count: Number of samples, chosen at random, each class in proportion; None is all.
        seed: Of the choice.
        first: Take the first ``count`` samples instead.
        progress: Called with the samples done and the samples in all.

    Raises:
        UsageError, BadFileError: The data or the policy does not belong to the model, or there are no targets.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        print(dqt.validate(graph, "digits", policy="4x4", count=50))
        ```
    """
    graph = graph_of(model)
    settled = parse_policy(policy, graph)
    samples = samples_of(data, graph, count, seed=seed, first=first)
    task = task_of(graph)
    if samples.labels is None and task.name != Reconstruction.name:
        raise UsageError("there are no targets to judge by", where="parameter `data`", next_step="give (x, y)")
    parts, total = [], len(samples.codes)
    step = total if graph.states else BATCH  # a stream is one run
    for start in range(0, total, step):
        parts.append(run(graph, samples.codes[start : start + step], settled))
        progress(f"answers at {policy_label(policy, settled)}", min(start + step, total), total)
    found = joined(parts)
    real = inputs_of(graph, samples.codes, samples.real)
    score = task.score(reals(graph, every_output(found)), samples.labels, real)
    assert score is not None
    vectors = Counter(choices_text(graph, row) for row in found.choices)
    by_setting = isinstance(settled, Setting)
    return Validation(
        graph.name,
        policy_label(policy, settled),
        total,
        score,
        mean_bitops(graph, found, settled),
        dict(vectors.most_common()),
        answered_at(graph, found.points) if by_setting else {},
        float((found.passes == 2).mean()) if by_setting else None,
    )
