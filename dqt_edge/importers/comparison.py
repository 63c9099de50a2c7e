"""An imported model beside the runtime that its file was made for: answers, and codes layer by layer."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import FULL, Graph, interpreter
from ..graph.samples import split_inputs
from ..system.show import Facts, Shown
from ..tasks import Score, every_output, inputs_of, reals, score_json, task_of
from ..tasks.kinds import Classifier
from ..tasks.statistics import Reals
from .exact import Exact
from .files import read_model
from .layerwise import LayerDifference, Layerwise
from .layouts import to_graph
from .reading import read_bytes
from .reference import Reference, Source, codes_of, feeds, open_reference

BATCH = 50
Codes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Everything at 8x8.

    Attributes:
        runtime: Package that TFLite's interpreter came from.
        task: Of the model.
        score, reference_score: How good the answers are, ours and TFLite's; None where there is nothing to judge by.
        answer_differences: Answers that are another class; None for a task whose answers are real numbers.
        answers: How many answers were compared: one for each sample, or for each place of a map.
        output_rms: Root mean square of the difference of the outputs, in their own unit.
        layers: In order of execution.
        first_difference: First layer that differs in the running network; None if no code does.
    """

    model: str
    runtime: str
    samples: int
    task: str
    score: Score | None
    reference_score: Score | None
    answer_differences: int | None
    answers: int
    output_rms: float
    layers: tuple[LayerDifference, ...]
    first_difference: str | None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0..1; None without labels, and for tasks that have none."""
        return None if self.score is None else self.score.accuracy

    @property
    def reference_accuracy(self) -> float | None:
        """The same of TFLite's answers."""
        return None if self.reference_score is None else self.reference_score.accuracy

    @property
    def agreement(self) -> str:
        """How far the answers agree, in words."""
        away = f"outputs differ by {self.output_rms:.4g} (root mean square)"
        if self.answer_differences is None:
            return away
        what = "samples" if self.answers == self.samples else "places"
        return f"another answer at {self.answer_differences:,} of {self.answers:,} {what}; {away}"

    @property
    def goodness(self) -> tuple[tuple[str, str], ...]:
        """Each figure of the task with both its values."""
        if self.score is None or self.reference_score is None:
            return ()
        pairs = zip(self.score.figures, self.reference_score.figures, strict=False)
        theirs = {"onnxruntime": "ONNX Runtime", "keras": "Keras"}.get(self.runtime, "TFLite")
        return tuple((o.title, f"dqt-edge {o.text}, {theirs} {t.text}") for o, t in pairs if o.name != "threshold")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = {k: v for k, v in dataclasses.asdict(self).items() if k not in ("score", "reference_score")}
        found |= score_json(self.task, self.score)
        found["reference_metrics"] = score_json(self.task, self.reference_score)["metrics"]
        if self.reference_accuracy is not None:
            found["reference_accuracy"] = self.reference_accuracy
        return found

    @property
    def largest_alone(self) -> int:
        """Largest difference of any comparable layer, given equal inputs."""
        return max((layer.alone for layer in self.layers if layer.comparable), default=0)

    @property
    def largest_off(self) -> int:
        """The same without layers where ours is the exact result and the runtime the less exact one."""
        return max((layer.alone for layer in self.layers if layer.comparable and not layer.explained), default=0)

    @property
    def beyond(self) -> tuple[LayerDifference, ...]:
        """Layers that are more than one code off, given equal inputs, where the runtime is not the less exact one."""
        return tuple(layer for layer in self.layers if layer.beyond)

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.model!r} beside {self.runtime}, {self.samples:,} samples", (
            ("largest difference of a layer", f"{self.largest_alone} codes, given equal inputs"),
            ("first layer that differs", self.first_difference or "none"),
            ("answers", self.agreement),
            *self.goodness,
        )


def compare(
    graph: Graph,
    path: Path,
    codes: Codes,
    labels: npt.NDArray[Any] | None = None,
    real: npt.NDArray[Any] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Comparison:
    """Run samples on both sides.

    Args:
        graph: An imported model.
        path: The .tflite file it was imported from.
        codes: Input codes, uint8 [samples, height, width, channels].
        labels: Targets as the model's task takes them, class indices say, or None.
        real: The same inputs as real numbers, for models that take them; made from the codes if None.
        progress: Called with the number of samples done.

    Raises:
        UsageError: The checkpoint was not imported from this file, or no sample is given.
        BadFileError, ToolchainError: The model or the interpreter is missing or broken.
    """
    sources = _sources(graph, path)
    given = split_inputs(graph, codes)
    if not len(codes):
        raise UsageError("there are no samples to compare", where="data", next_step="give at least one sample")
    reference = open_reference(path, min(BATCH, len(codes)), stream=bool(graph.states))
    known = {name: s for name, s in sources.items() if reference.knows(s)}
    tally = _Tally(graph, known, reference, functools.cache(lambda: _exact(path)))
    ours = _ours(graph, given)
    for start in range(0, len(codes), BATCH):
        rows = slice(start, start + BATCH)
        part = {name: array[rows] for name, array in given.items()}
        numbers = None if real is None else real[rows]
        found = reference.run(feeds(graph, reference, part, {graph.input: numbers}), tally.wanted)
        tally.add(part, next(ours), found)
        progress(len(part[graph.input]))
    return tally.result(labels, inputs_of(graph, codes, real))


def _exact(path: Path) -> Exact | None:
    """The file's layers in real numbers; None for a file without scales, whose codes calibration made."""
    network = read_model(path)
    return Exact(network) if network.integer else None


def _ours(graph: Graph, given: dict[str, Codes]) -> Iterator[interpreter.Result]:
    """Our own run, batch by batch; of a graph with states as one stream."""
    policy = (FULL,) * len(graph.adaptive)
    count = len(given[graph.input])
    if graph.states:
        whole = interpreter.run(graph, given, policy, keep_tensors=True)
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        if graph.states:
            tensors = {name: codes[rows] for name, codes in whole.tensors.items()}
            outputs = {name: codes[rows] for name, codes in whole.output_codes.items()}
            yield interpreter.Result(whole.outputs[rows], whole.choices[rows], tensors, None, outputs)
        else:
            part = {name: codes[rows] for name, codes in given.items()}
            yield interpreter.run(graph, part, policy, keep_tensors=True)


def _sources(graph: Graph, path: Path) -> dict[str, Source]:
    """Tensor of the Graph -> its index or name in the file."""
    wanted = graph.provenance.get("sha256")
    sources = graph.provenance.get("tensors")
    found = hashlib.sha256(read_bytes(path)).hexdigest()
    known = isinstance(sources, dict) and all(isinstance(i, int | str) for i in sources.values())
    if wanted != found or not known:
        raise UsageError(
            "the checkpoint was not imported from this model",
            where=str(path),
            next_step="give the file of the import, or import it again",
        )
    assert isinstance(sources, dict)
    names = {tensor.name for tensor in graph.tensors}
    return {name: index for name, index in sources.items() if name in names}


class _Tally:
    """Adds up the differences of many batches."""

    def __init__(
        self, graph: Graph, sources: dict[str, Source], reference: Reference, exact: Callable[[], Exact | None]
    ) -> None:
        self.graph, self.sources, self.reference = graph, sources, reference
        self.layouts = graph.provenance.get("layouts", {})
        quantised = {name: reference.quantised(source) is not None for name, source in sources.items()}
        inner = quantised if any(quantised.values()) else {}
        borders = {*graph.inputs, *graph.outputs}
        real = frozenset(n for n, codes in inner.items() if not codes and n not in borders)
        self.layers = Layerwise(graph, real, exact)
        self.wanted = list(dict.fromkeys([*sources.values(), *reference.outputs]))
        self.ours: list[Reals] = []
        self.theirs: list[Reals] = []
        self.final: list[Reals] = []
        """What the file itself answers with: a softmax in few bits makes equals of near ones."""

    def add(self, part: dict[str, Codes], ours: interpreter.Result, found: dict[Source, npt.NDArray[Any]]) -> None:
        found = {source: self.ordered(source, values) for source, values in found.items()}
        theirs = {name: self.codes(name, source, found[source]) for name, source in self.sources.items()}
        self.layers.add(ours.tensors, theirs, part)
        self.ours.append(reals(self.graph, every_output(ours)))
        # Before a sigmoid or softmax that the import dropped, and as the file has it.
        pairs = list(zip(self.graph.outputs, self.reference.outputs, strict=True))
        self.theirs.append(_joined([self.reals(self.sources.get(name, last), found) for name, last in pairs]))
        self.final.append(_joined([self.reals(last, found) for _, last in pairs]))

    def ordered(self, source: Source, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A tensor of the runtime with its axes in the order of ours, [samples, size]."""
        return to_graph(values, self.layouts.get(source))

    def codes(self, name: str, source: Source, values: npt.NDArray[Any]) -> Codes:
        """A tensor of the runtime as codes of one of ours."""
        return codes_of(self.graph, name, values, self.reference.quantised(source))

    def reals(self, source: Source, found: dict[Source, npt.NDArray[Any]]) -> Reals:
        """What an output of the runtime stands for, [samples, size]."""
        values = found[source].astype(np.float64)
        quantised = self.reference.quantised(source)
        return values if quantised is None else np.asarray(quantised[0] * (values - quantised[1]), np.float64)

    def result(self, labels: npt.NDArray[Any] | None, inputs: npt.NDArray[Any]) -> Comparison:
        layers = self.layers.result(self.reference.package)
        task, ours, theirs = task_of(self.graph), np.concatenate(self.ours), np.concatenate(self.theirs)
        final = np.concatenate(self.final)
        answers, wanted = task.answers(ours), task.answers(theirs)
        return Comparison(
            model=self.graph.name,
            runtime=self.reference.package,
            samples=len(ours),
            task=task.name,
            score=task.score(ours, labels, inputs),
            reference_score=task.score(final if task.name == Classifier.name else theirs, labels, inputs),
            answer_differences=None if answers is None or wanted is None else int((answers != wanted).sum()),
            answers=0 if answers is None else answers.size,
            output_rms=float(np.sqrt(((ours - theirs) ** 2).mean())),
            layers=layers,
            first_difference=next((layer.name for layer in layers if layer.network), None),
        )


def _joined(parts: list[Reals]) -> Reals:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
