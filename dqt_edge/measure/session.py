"""Session: what a device did with a set of samples under one policy."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..device.replies import in_units
from ..graph import Dense, Graph, MacLayer, interpreter, vector_text
from ..graph.bitops import bitops
from ..graph.dial import Dynamic
from ..graph.policy import Policy, Settled, parse_policy, policy_text
from ..tasks import Score, every_output, inputs_of, reals, score_json, task_of
from ..tasks.statistics import PerClass
from .stream import Stream

Codes = npt.NDArray[np.uint8]


class Answer(Protocol):
    """One inference, as the device client returns it."""

    @property
    def output(self) -> bytes: ...  # noqa: D102
    @property
    def choices(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def counts(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def checksums(self) -> tuple[int, ...] | None: ...  # noqa: D102


class Device(Protocol):
    """What a session needs of a device client."""

    def infer(
        self,
        codes: bytes,
        choices: tuple[int, ...] | None = None,
        *,
        bias: tuple[int, ...] | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Answer:
        """Run one sample; ``choices`` None lets the controller decide, with ``bias`` on its logits.

        ``start`` begins a stream of a model with states.
        """
        ...


@dataclass(frozen=True)
class LayerFact:
    """One executed layer.

    Attributes:
        count: Mean counter units for each inference, None where nothing is counted.
        cycles: Mean modelled cycles, None where none are modelled.
    """

    name: str
    kernel: str
    macs: int
    count: float | None
    mean_weight_bits: float | None
    mean_activation_bits: float | None
    cycles: float | None = None


@dataclass(frozen=True, eq=False)
class Inferences:
    """Every inference of a session, in order.

    Attributes:
        answers: The device's answers as class numbers, int64 [samples]; None for a task without classes.
        counts: What each took, in the session's unit, float64 [samples]; None where nothing is counted.
        choices: Candidate of each adaptive layer, int64 [samples, adaptive layers], see ``interpreter.Result``.
        points: Decision point that answered, int64 [samples]; the number of points for the network's end.
        passes: 1 or 2, int64 [samples].
    """

    answers: npt.NDArray[np.int64] | None
    counts: npt.NDArray[np.float64] | None
    choices: npt.NDArray[np.int64]
    points: npt.NDArray[np.int64]
    passes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Session:
    """What happened. Counts are in ``unit``; ``bitops_ratio`` is the mean over samples of BitOPs against all 8x8.

    Attributes:
        mismatches: Samples whose output codes or choices differ from the interpreter's.
        first_difference: Sample and first differing layer, when there is a mismatch.
        width_vectors: How often each width vector was chosen.
        task: Of the model.
        score: How good the device's answers are; None where there is nothing to judge by.
        interpreter_score: The same of the interpreter's answers.
        controller_share: Part of the counts that the controller's layers took.
        cycles: Mean modelled cycles of an inference, over the first samples; None where none are modelled.
        cycles_model: What they are, or why there are none; None where a device counts cycles itself, or time.
        each: Every inference.
        stream: What it did with a recorded stream; None for samples that are none.
    """

    board: str
    model: str
    policy: str
    unit: str
    samples: int
    task: str
    score: Score | None
    interpreter_score: Score | None
    mismatches: int
    first_difference: str | None
    count: float | None
    count_least: float | None
    count_most: float | None
    controller_share: float | None
    bitops_ratio: float
    width_vectors: dict[str, int]
    layers: tuple[LayerFact, ...]
    cycles: float | None = None
    cycles_model: str | None = None
    each: Inferences | None = field(default=None, compare=False, repr=False)
    stream: Stream | None = field(default=None, compare=False, repr=False)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0..1; None without labels, and for tasks that have none."""
        return None if self.score is None else self.score.accuracy

    @property
    def interpreter_accuracy(self) -> float | None:
        """The same of the interpreter's answers."""
        return None if self.interpreter_score is None else self.interpreter_score.accuracy

    @property
    def per_class(self) -> PerClass:
        """Class name -> (right, samples); empty without labels, and for tasks without classes."""
        return {} if self.score is None else self.score.per_class

    @property
    def decided(self) -> bool:
        """Whether the controller chose the widths."""
        return self.policy.startswith("dynamic")


def layer_checksums(graph: Graph, sample: Codes, policy: Policy, before: Codes | None = None) -> list[int]:
    """CRC-32 of each layer's output by the interpreter; 0 for controller layers under a fixed policy.

    Args:
        graph: The model.
        sample: Codes of one sample.
        policy: See ``graph.policy``.
        before: Samples that came before it in its stream, for a model with states.
    """
    samples = sample[None] if before is None or not graph.states else np.concatenate([before, sample[None]])
    result = interpreter.run(graph, samples, policy, keep_tensors=True)
    sums = []
    for layer in graph.all_layers:
        if layer.output in result.tensors:
            sums.append(zlib.crc32(result.tensors[layer.output][-1].tobytes()))
        elif isinstance(layer, Dense) and result.logits is not None:
            sums.append(zlib.crc32(result.logits[-1].astype("<i4").tobytes()))
        else:
            sums.append(0)
    return sums


def run_session(
    device: Device,
    graph: Graph,
    board: Board,
    codes: Codes,
    labels: npt.NDArray[Any] | None,
    policy: Policy,
    *,
    real: npt.NDArray[Any] | None = None,
    counted: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> Session:
    """Run every sample on the device and compare it with the interpreter.

    Args:
        device: An open client whose model has been checked.
        graph: The model.
        board: Where it runs; gives the counter's unit.
        codes: Input codes, uint8 [samples, height, width, channels]; of several inputs [samples, bytes], see
            ``graph.samples``. A model with states takes them as one stream.
        labels: Targets as the model's task takes them, class indices say, or None.
        policy: See ``graph.policy``.
        real: The inputs in the data's own unit, if they are known; an autoencoder is judged by them.
        counted: False where the counter means nothing (an emulator without one).
        progress: Called after each sample.
    """
    settled = parse_policy(policy, graph)
    expected = interpreter.run(graph, codes, settled)
    wanted = every_output(expected)
    bias = settled.bias if isinstance(settled, Dynamic) else None
    counts, outputs, wrong, first = [], [], 0, None
    for i, sample in enumerate(codes):
        choices = tuple(int(c) for c in expected.choices[i]) if isinstance(settled, tuple) else None
        answer = device.infer(sample.tobytes(), choices, bias=bias, counts=True, start=i == 0)
        outputs.append(np.frombuffer(answer.output, np.uint8))
        counts.append([*(answer.counts or ()), answer.total])
        if answer.output != wanted[i].tobytes() or tuple(answer.choices) != tuple(expected.choices[i]):
            wrong += 1
            if first is None:
                first = f"sample {i}: {_first_difference(device, graph, codes[: i + 1], expected.choices, settled)}"
        progress()
    measured = None
    if counted:
        units = [[in_units(ticks, board.counter) for ticks in row] for row in counts]
        measured = np.array(units, np.float64)
    task, inputs = task_of(graph), inputs_of(graph, codes, real)
    given = reals(graph, np.array(outputs))
    scores = [task.score(found, labels, inputs) for found in (given, reals(graph, wanted))]
    session = _summary(graph, board, settled, (scores[0], scores[1]), expected, wrong, first, measured)
    total = None if measured is None else measured[:, -1]
    answers = task.answers(given)
    single = None if answers is None or answers.ndim > 1 else answers
    return replace(session, each=Inferences(single, total, expected.choices, expected.points, expected.passes))


def _first_difference(
    device: Device, graph: Graph, samples: Codes, choices: npt.NDArray[np.int64], policy: Settled
) -> str:
    """Run the last sample again with checksums, its stream from the start, and name the first layer that differs."""
    bias = policy.bias if isinstance(policy, Dynamic) else None
    for i in range(0 if graph.states else len(samples) - 1, len(samples)):
        vector = tuple(int(c) for c in choices[i]) if isinstance(policy, tuple) else None
        answer = device.infer(samples[i].tobytes(), vector, bias=bias, checksums=True, start=i == 0)
    wanted = layer_checksums(graph, samples[-1], policy, samples[:-1])
    for layer, found, want in zip(graph.all_layers, answer.checksums or (), wanted, strict=False):
        if found != want:
            return f"layer {layer.name!r} differs first"
    return "all layers agree when it is run again, so the first answer was not repeatable"


def _summary(
    graph: Graph,
    board: Board,
    policy: Settled,
    scores: tuple[Score | None, Score | None],
    expected: interpreter.Result,
    wrong: int,
    first: str | None,
    ticks: npt.NDArray[np.float64] | None,
) -> Session:
    adaptive = graph.adaptive
    vectors = Counter(
        vector_text([layer.options[k] for layer, k in zip(adaptive, row, strict=True)]) or "fixed"
        for row in expected.choices
    )
    total = None if ticks is None else ticks[:, -1]
    controller = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    columns = [i for i, layer in enumerate(graph.all_layers) if layer.name in controller]
    share = None
    if ticks is not None and total is not None and columns and total.sum() > 0:
        share = float(ticks[:, columns].sum() / total.sum())
    return Session(
        board=board.id,
        model=graph.name,
        policy=policy_text(policy),
        unit=board.counter.unit,
        samples=len(expected.outputs),
        task=graph.task,
        score=scores[0],
        interpreter_score=scores[1],
        mismatches=wrong,
        first_difference=first,
        count=None if total is None else float(total.mean()),
        count_least=None if total is None else float(total.min()),
        count_most=None if total is None else float(total.max()),
        controller_share=share,
        bitops_ratio=float(bitops(graph, expected.choices).mean()),
        width_vectors=dict(vectors.most_common()),
        layers=_layer_facts(graph, expected.choices, ticks),
    )


def _layer_facts(
    graph: Graph, choices: npt.NDArray[np.int64], ticks: npt.NDArray[np.float64] | None
) -> tuple[LayerFact, ...]:
    facts = []
    position = 0
    for i, layer in enumerate(graph.all_layers):
        bits: tuple[float, float] | tuple[None, None] = (None, None)
        if isinstance(layer, MacLayer):
            pairs = np.array(layer.candidates, np.float64)
            rows = pairs[:1]
            if len(layer.candidates) > 1:
                rows = pairs[choices[:, position]]
                position += 1
            bits = (float(rows[:, 0].mean()), float(rows[:, 1].mean()))
        count = None if ticks is None else float(ticks[:, i].mean())
        facts.append(LayerFact(layer.name, type(layer).__name__, graph.macs(layer), count, *bits))
    return tuple(facts)


def as_json(session: Session) -> dict[str, Any]:
    """Plain JSON values. The scores' figures are ``metrics``; ``accuracy`` is there for tasks that have one."""
    from dataclasses import asdict  # noqa: PLC0415

    apart = {"score", "interpreter_score", "each", "stream"}
    found = {name: value for name, value in vars(session).items() if name not in apart}
    found["layers"] = [asdict(layer) for layer in session.layers]
    found |= score_json(session.task, session.score)
    if session.interpreter_score is not None:
        found["interpreter_metrics"] = session.interpreter_score.as_json()["metrics"]
        if session.interpreter_accuracy is not None:
            found["interpreter_accuracy"] = session.interpreter_accuracy
    if session.stream is not None:
        found["stream"] = session.stream.as_json()
    return found
