"""An imported model beside TFLite's interpreter: answers, and codes layer by layer."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import FULL, Graph, MacLayer, interpreter, nested
from ..system.show import Facts, Shown
from ..tasks import Score, every_output, inputs_of, reals, score_json, task_of
from ..tasks.kinds import Classifier
from ..tasks.statistics import Reals
from .reference import Reference
from .tflite_file import read_bytes

BATCH = 50
Codes = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class LayerDifference:
    """Codes of one layer, ours against TFLite's.

    Attributes:
        alone: Largest difference when our layer reads TFLite's own tensors.
        alone_share: Part of the codes that then differ, 0..1.
        network: Largest difference when both networks run from their input.
    """

    name: str
    alone: int
    alone_share: float
    network: int


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
        return tuple((o.title, f"dqt-edge {o.text}, TFLite {t.text}") for o, t in pairs if o.better)

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
        """Largest difference of any layer, given equal inputs."""
        return max((layer.alone for layer in self.layers), default=0)

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
    if not len(codes):
        raise UsageError("there are no samples to compare", where="data", next_step="give at least one sample")
    reference = Reference(path, min(BATCH, len(codes)))
    tally = _Tally(graph, sources)
    for start in range(0, len(codes), BATCH):
        part = codes[start : start + BATCH]
        given = _inputs(graph, part, None if real is None else real[start : start + BATCH], reference.dtype)
        wanted = sorted({*sources.values(), reference.output})
        tally.add(part, reference.run(given, wanted), reference.output)
        progress(len(part))
    return tally.result(reference.package, labels, inputs_of(graph, codes, real))


def _sources(graph: Graph, path: Path) -> dict[str, int]:
    """Tensor of the Graph -> index in the file."""
    wanted = graph.provenance.get("sha256")
    sources = graph.provenance.get("tensors")
    found = hashlib.sha256(read_bytes(path)).hexdigest()
    known = isinstance(sources, dict) and all(isinstance(i, int) for i in sources.values())
    if wanted != found or not known:
        raise UsageError(
            "the checkpoint was not imported from this model",
            where=str(path),
            next_step="give the .tflite file of the import, or import it again",
        )
    assert isinstance(sources, dict)
    names = {tensor.name for tensor in graph.tensors}
    return {name: index for name, index in sources.items() if name in names}


def _inputs(graph: Graph, codes: Codes, real: npt.NDArray[Any] | None, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if dtype == np.uint8:
        return codes
    if dtype == np.int8:
        return (codes.astype(np.int16) - 128).astype(np.int8)
    tensor = graph.tensor(graph.input)
    values = tensor.scale * (codes.astype(np.float64) - tensor.zero_point) if real is None else real
    return np.asarray(values, np.float32)


class _Tally:
    """Adds up the differences of many batches."""

    def __init__(self, graph: Graph, sources: dict[str, int]) -> None:
        self.graph, self.sources = graph, sources
        self.policy = (FULL,) * len(graph.adaptive)
        self.alone = dict.fromkeys((layer.name for layer in graph.layers), 0)
        self.network = dict(self.alone)
        self.differing = dict(self.alone)
        self.total = dict(self.alone)
        self.ours: list[Reals] = []
        self.theirs: list[Reals] = []
        self.final: list[Reals] = []
        """What the file itself answers with: a softmax in few bits makes equals of near ones."""

    def codes(self, name: str, values: npt.NDArray[Any]) -> Codes:
        """A tensor of TFLite as our codes."""
        tensor = self.graph.tensor(name)
        if values.dtype == np.int8:
            values = (values.astype(np.int16) + 128).astype(np.uint8)
        elif values.dtype != np.uint8:
            values = nested.quantize(values, tensor.scale, tensor.zero_point)
        return np.asarray(values.reshape(-1, *tensor.shape), np.uint8)

    def add(self, codes: Codes, found: dict[int, npt.NDArray[Any]], output: int) -> None:
        graph = self.graph
        ours = interpreter.run(graph, codes, self.policy, keep_tensors=True)
        theirs = {name: self.codes(name, found[index]) for name, index in self.sources.items()}
        for layer in graph.layers:
            if layer.output not in theirs:
                continue
            given = {name: theirs.get(name, ours.tensors[name]) for name in layer.inputs}
            pair = FULL if isinstance(layer, MacLayer) else None
            alone = _distance(interpreter.run_layer(layer, graph, given, pair), theirs[layer.output])
            self.alone[layer.name] = max(self.alone[layer.name], int(alone.max()))
            self.differing[layer.name] += int((alone > 0).sum())
            self.total[layer.name] += alone.size
            distance = int(_distance(ours.tensors[layer.output], theirs[layer.output]).max())
            self.network[layer.name] = max(self.network[layer.name], distance)
        self.ours.append(reals(graph, every_output(ours)))
        self.theirs.append(self.reals(found[self.sources.get(graph.output, output)]))
        self.final.append(found[output].astype(np.float64))

    def reals(self, values: npt.NDArray[Any]) -> Reals:
        """What TFLite's output stands for: before a sigmoid or softmax that the import dropped."""
        if np.issubdtype(values.dtype, np.floating):
            return values.astype(np.float64)
        return reals(self.graph, self.codes(self.graph.output, values).reshape(len(values), -1))

    def result(self, runtime: str, labels: npt.NDArray[Any] | None, inputs: npt.NDArray[Any]) -> Comparison:
        layers = tuple(
            LayerDifference(name, self.alone[name], self.differing[name] / self.total[name], self.network[name])
            for name in self.alone
            if self.total[name]
        )
        task, ours, theirs = task_of(self.graph), np.concatenate(self.ours), np.concatenate(self.theirs)
        final = np.concatenate(self.final)
        answers, wanted = task.answers(ours), task.answers(theirs)
        return Comparison(
            model=self.graph.name,
            runtime=runtime,
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


def _distance(first: Codes, second: Codes) -> npt.NDArray[np.int16]:
    return np.abs(first.astype(np.int16) - second.astype(np.int16))
