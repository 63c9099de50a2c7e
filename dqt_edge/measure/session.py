"""Session: what a device did with a set of samples under one policy."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..device.replies import in_units
from ..graph import Dense, Graph, MacLayer, interpreter
from ..graph.points import Setting
from ..graph.policy import Policy, Settled, parse_policy, policy_label
from ..tasks import Score, every_output, inputs_of, reals, score_json, task_of
from ..tasks.statistics import PerClass
from .asking import asked_of, by_layer
from .decided import answered_at, choices_text, decided, mean_bitops, told
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
    @property
    def point(self) -> int: ...  # noqa: D102
    @property
    def passes(self) -> int: ...  # noqa: D102
    @property
    def margin(self) -> int: ...  # noqa: D102


class Device(Protocol):
    """What a session needs of a device client."""

    def infer(
        self,
        codes: bytes,
        choices: tuple[int, ...] | None = None,
        *,
        bias: tuple[int, ...] | None = None,
        setting: Setting | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Answer:
        """Run one sample; ``choices`` None lets the controller decide, with ``bias`` on its logits, or a setting.

        ``start`` begins a stream of a model with states.
        """
        ...


@dataclass(frozen=True)
class LayerFact:
    """One executed layer.

    Attributes:
        count: Mean counter units for each inference, None where nothing is counted.
        cycles: Mean modelled cycles, None where none are modelled.
        runs: How many times it ran for an inference, on average.
    """

    name: str
    kernel: str
    macs: int
    count: float | None
    mean_weight_bits: float | None
    mean_activation_bits: float | None
    cycles: float | None = None
    runs: float = 1.0


@dataclass(frozen=True, eq=False)
class Inferences:
    """Every inference of a session, in order.

    Attributes:
        answers: The device's answers as class numbers, int64 [samples]; None for a task without classes.
        counts: What each took, in the session's unit, float64 [samples]; None where nothing is counted.
        choices: Candidate of each adaptive layer, int64 [samples, adaptive layers], see ``interpreter.Result``.
        points: Decision point that answered, int64 [samples]; the number of points for the network's end.
        passes: 1 or 2, int64 [samples].
        graph: The model that ran.
        inputs: Its input codes, uint8 [samples, ...].
        outputs: What the device answered, real numbers [samples, size].
        targets: As the model's task takes them; None without labels.
    """

    answers: npt.NDArray[np.int64] | None
    counts: npt.NDArray[np.float64] | None
    choices: npt.NDArray[np.int64]
    points: npt.NDArray[np.int64]
    passes: npt.NDArray[np.int64]
    graph: Graph | None = None
    inputs: Codes | None = None
    outputs: npt.NDArray[np.float64] | None = None
    targets: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Session:
    """What happened. Counts are in ``unit``; ``bitops_ratio`` is the mean over samples of BitOPs against all 8x8.

    Attributes:
        mismatches: Samples whose output codes, choices, point, passes or margin differ from the interpreter's.
        first_difference: Sample and first differing layer, when there is a mismatch.
        width_vectors: How often each width vector was chosen.
        task: Of the model.
        score: How good the device's answers are; None where there is nothing to judge by.
        interpreter_score: The same of the interpreter's answers.
        controller_share: Part of the counts that the controller's layers took.
        heads_share: Part of the counts that the layers of decision points took; None without decision points.
        answered_at: Share of the samples that each decision point answered, by name, and the network's ``end``; empty
            without decision points.
        second_passes: Share of the samples that a second pass answered; None where no setting decided.
        cycles: Mean modelled cycles of an inference, see ``modelled.modelled_mean``; None where none are modelled.
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
    heads_share: float | None = None
    answered_at: dict[str, float] = field(default_factory=dict)
    second_passes: float | None = None

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
    """CRC-32 of each layer's output when it last ran, by the interpreter; 0 for one that did not run.

    Args:
        graph: The model.
        sample: Codes of one sample.
        policy: See ``graph.policy``.
        before: Samples that came before it in its stream, for a model with states.
    """
    samples = sample[None] if before is None or not graph.states else np.concatenate([before, sample[None]])
    result = interpreter.run(graph, samples, policy, keep_tensors=True)
    last = {name: codes[-1:] for name, codes in result.tensors.items()}
    sums = []
    for layer, runs in zip(graph.all_layers, result.runs[-1], strict=True):
        if not runs:
            sums.append(0)
        elif isinstance(layer, Dense) and layer.requantize is None:
            logits = interpreter.accumulate(layer, graph, last, layer.candidates[0])
            sums.append(zlib.crc32(logits.astype("<i4").tobytes()))
        else:
            sums.append(zlib.crc32(last[layer.output].tobytes()))
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
    asked = asked_of(graph, settled)
    counts, outputs, wrong, first = [], [], 0, None
    for i, sample in enumerate(codes):
        answer = device.infer(sample.tobytes(), **asked, counts=True, start=i == 0)
        outputs.append(np.frombuffer(answer.output, np.uint8))
        counts.append([*by_layer(graph, answer.counts or ()), answer.total])
        if answer.output != wanted[i].tobytes() or decided(answer, "setting" in asked) != told(expected, i, asked):
            wrong += 1
            if first is None:
                first = f"sample {i}: {_first_difference(device, graph, codes[: i + 1], settled)}"
        progress()
    measured = None
    if counted:
        units = [[in_units(ticks, board.counter) for ticks in row] for row in counts]
        measured = np.array(units, np.float64)
    task, inputs = task_of(graph), inputs_of(graph, codes, real)
    given = reals(graph, np.array(outputs))
    scores = [task.score(found, labels, inputs) for found in (given, reals(graph, wanted))]
    session = _summary(
        graph, board, policy_label(policy, settled), settled, (scores[0], scores[1]), expected, wrong, first, measured
    )
    total = None if measured is None else measured[:, -1]
    answers = task.answers(given)
    single = None if answers is None or answers.ndim > 1 else answers
    decisions = (expected.choices, expected.points, expected.passes)
    return replace(session, each=Inferences(single, total, *decisions, graph, codes, given, labels))


def _first_difference(device: Device, graph: Graph, samples: Codes, policy: Settled) -> str:
    """Run the last sample again with checksums, its stream from the start, and name the first layer that differs."""
    for i in range(0 if graph.states else len(samples) - 1, len(samples)):
        answer = device.infer(samples[i].tobytes(), **asked_of(graph, policy), checksums=True, start=i == 0)
    wanted = layer_checksums(graph, samples[-1], policy, samples[:-1])
    for layer, found, want in zip(graph.all_layers, by_layer(graph, answer.checksums or ()), wanted, strict=True):
        if found != want:
            return f"layer {layer.name!r} differs first"
    return "all layers agree when it is run again, so the first answer was not repeatable"


def _summary(
    graph: Graph,
    board: Board,
    label: str,
    policy: Settled,
    scores: tuple[Score | None, Score | None],
    expected: interpreter.Result,
    wrong: int,
    first: str | None,
    ticks: npt.NDArray[np.float64] | None,
) -> Session:
    vectors = Counter(choices_text(graph, row) for row in expected.choices)
    total = None if ticks is None else ticks[:, -1]
    controller = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    by_setting = isinstance(policy, Setting)
    return Session(
        board=board.id,
        model=graph.name,
        policy=label,
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
        controller_share=_share(graph, controller, ticks),
        bitops_ratio=mean_bitops(graph, expected, policy),
        width_vectors=dict(vectors.most_common()),
        layers=_layer_facts(graph, expected, ticks),
        heads_share=_share(graph, graph.beside - controller, ticks),
        answered_at=answered_at(graph, expected.points) if by_setting else {},
        second_passes=float((expected.passes == 2).mean()) if by_setting else None,
    )


def _share(graph: Graph, names: Collection[str], ticks: npt.NDArray[np.float64] | None) -> float | None:
    """Part of the counts that some layers took; None where nothing is counted, or there are no such layers."""
    columns = [i for i, layer in enumerate(graph.all_layers) if layer.name in names]
    if ticks is None or not columns or ticks[:, -1].sum() <= 0:
        return None
    return float(ticks[:, columns].sum() / ticks[:, -1].sum())


def _layer_facts(
    graph: Graph, expected: interpreter.Result, ticks: npt.NDArray[np.float64] | None
) -> tuple[LayerFact, ...]:
    facts = []
    position = 0
    for i, layer in enumerate(graph.all_layers):
        bits: tuple[float, float] | tuple[None, None] = (None, None)
        if isinstance(layer, MacLayer):
            pairs = np.array(layer.options, np.float64)
            rows = pairs[:1]
            if len(layer.options) > 1:
                chosen = expected.choices[:, position]
                rows = pairs[chosen[chosen >= 0]]
                position += 1
            if len(rows):
                bits = (float(rows[:, 0].mean()), float(rows[:, 1].mean()))
        count = None if ticks is None else float(ticks[:, i].mean())
        fact = LayerFact(layer.name, type(layer).__name__, graph.macs(layer), count, bits[0], bits[1])
        facts.append(replace(fact, runs=float(expected.runs[:, i].mean())))
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
