"""Runs a batch of samples by a Setting: which layers of a Graph run for which sample, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .graph import Graph
from .layers import Dense, Layer
from .nested import CODE_MAX
from .points import DecisionPoint, Setting, widest_choices
from .running import Codes, accumulate, is_skipped, run_layer, run_selected

Integers = npt.NDArray[np.int64]


@dataclass(eq=False)
class Batch:
    """What a batch has come to; the fields are those of ``interpreter.Result``."""

    tensors: dict[str, Codes]
    choices: Integers
    points: Integers
    passes: Integers
    runs: Integers
    margins: Integers
    early: Integers
    logits: Integers | None = None


def run_setting(graph: Graph, inputs: dict[str, Codes], setting: Setting) -> Batch:
    """Run a batch, given the codes of its inputs by name; the setting is a checked one."""
    n, end = len(inputs[graph.input]), len(graph.points)
    layers = graph.all_layers
    batch = Batch(
        tensors=dict(inputs),
        choices=np.full((n, len(graph.adaptive)), -1),
        points=np.full(n, end),
        passes=np.ones(n, np.int64),
        runs=np.zeros((n, len(layers)), np.int64),
        margins=np.full((n, end + 1), -1),
        early=np.full((n, end), -1),
    )
    _Runner(graph, setting, batch).run()
    for layer in layers:
        if layer.output not in batch.tensors and (not isinstance(layer, Dense) or layer.requantize is not None):
            batch.tensors[layer.output] = np.zeros((n, *graph.tensor(layer.output).shape), np.uint8)
    return batch


class _Runner:
    """Runs a batch once."""

    def __init__(self, graph: Graph, setting: Setting, batch: Batch) -> None:
        self.graph, self.setting, self.batch = graph, setting, batch
        self.columns = {layer.name: i for i, layer in enumerate(graph.all_layers)}
        self.positions = {layer.name: i for i, layer in enumerate(graph.adaptive)}
        self.widest = np.array(widest_choices(graph), np.int64)
        self.branches = dict(graph.skipped_with)
        self.going = np.arange(len(batch.points))
        """Samples without an answer yet."""
        self.wanted = np.zeros((len(self.going), len(self.positions)), np.int64)
        """Candidate that each adaptive layer will run at, of all samples."""
        if setting.widths is not None:
            self.wanted[:] = setting.widths

    def run(self) -> None:
        """All layers, from decision to decision."""
        graph, controller = self.graph, self.graph.controller
        points = {point.after: point for point in graph.points}
        for layer in graph.layers:
            if not len(self.going):
                break
            self._run(layer)
            if controller is not None and controller.after == layer.name and self.setting.widths is None:
                self._choose()
            if layer.name in points:
                self._decide(points[layer.name])
        self._end()

    def _run(self, layer: Layer) -> None:
        """A layer, of the samples that still go on."""
        if layer.name in self.branches:
            self._run_unless_skipped(layer)
            return
        going, live = self.going, self._live(layer)
        position = self.positions.get(layer.name)
        if position is None:
            made = run_layer(layer, self.graph, live)
        else:
            column = self.wanted[going, position]
            made = run_selected(layer, self.graph, live, column)
            if (self.batch.passes[going] == 1).all():
                self.batch.choices[going, position] = column
        self._keep(layer, made)

    def _run_unless_skipped(self, layer: Layer) -> None:
        """A layer of a branch, of the samples that do not skip the branch."""
        everyone, position = self.going, self.branches.pop(layer.name)
        self.going = everyone[~is_skipped(self.graph, position, self.wanted[everyone])]
        if len(self.going):
            self._run(layer)
        self.going, self.branches[layer.name] = everyone, position
        own = self.positions.get(layer.name)
        if own is not None:  # its choice stands, though it is not run
            first = everyone[self.batch.passes[everyone] == 1]
            self.batch.choices[first, own] = self.wanted[first, own]
        self.batch.tensors.setdefault(
            layer.output, np.zeros((len(self.batch.points), *self.graph.tensor(layer.output).shape), np.uint8)
        )

    def _keep(self, layer: Layer, made: Codes) -> None:
        tensors, shape = self.batch.tensors, self.graph.tensor(layer.output).shape
        tensors.setdefault(layer.output, np.zeros((len(self.batch.points), *shape), np.uint8))[self.going] = made
        self.batch.runs[self.going, self.columns[layer.name]] += 1

    def _live(self, layer: Layer) -> dict[str, Codes]:
        return {name: self.batch.tensors[name][self.going] for name in layer.inputs}

    def _logits(self, layers: tuple[Layer, ...]) -> Integers:
        """Accumulators of the last layer, [samples that go on, channels]."""
        for layer in layers[:-1]:
            self._run(layer)
        last = layers[-1]
        assert isinstance(last, Dense)
        self.batch.runs[self.going, self.columns[last.name]] += 1
        return accumulate(last, self.graph, self._live(last), last.candidates[0]).reshape(len(self.going), -1)

    def _choose(self) -> None:
        """The controller's choice of widths."""
        controller = self.graph.controller
        assert controller is not None
        logits = self._logits(controller.layers).reshape(len(self.going), len(controller.decides), -1)
        self.batch.logits = np.zeros((len(self.batch.points), *logits.shape[1:]), np.int64)
        self.batch.logits[self.going] = logits
        bias = 0 if self.setting.bias is None else np.array(self.setting.bias, np.int64)
        self.wanted[self.going] = (logits + bias).argmax(axis=-1)  # the first of equals

    def _decide(self, point: DecisionPoint) -> None:
        """Answer the samples whose margin is large enough, and widen what follows for those whose margin is small."""
        graph, batch, setting = self.graph, self.batch, self.setting
        index = graph.points.index(point)
        if not setting.runs_head(index):
            return
        logits = self._logits(point.layers)
        top = logits.argmax(axis=1)
        margin = _margins(logits)
        batch.margins[self.going, index], batch.early[self.going, index] = margin, top
        stops = margin >= setting.exits[index]
        if setting.stops is not None:
            stops &= np.isin(top, setting.stops)
        unsure = self.going[~stops & (margin < setting.widen[index])]
        behind = graph.layers[1 + next(i for i, x in enumerate(graph.layers) if x.name == point.after) :]
        for layer in behind:
            if layer.name in self.positions:
                position = self.positions[layer.name]
                self.wanted[unsure, position] = self.widest[position]
        self._answer(self.going[stops], top[stops])
        batch.points[self.going[stops]] = index
        self.going = self.going[~stops]

    def _answer(self, samples: Integers, classes: Integers) -> None:
        shape = self.graph.tensor(self.graph.output).shape
        outputs = self.batch.tensors.setdefault(
            self.graph.output, np.zeros((len(self.batch.points), *shape), np.uint8)
        ).reshape(len(self.batch.points), -1)
        outputs[samples, classes] = CODE_MAX

    def _end(self) -> None:
        """The second pass of the samples whose margin is too small and that ran narrow anywhere."""
        graph, batch = self.graph, self.batch
        if not len(self.going):
            return
        outputs = batch.tensors[graph.output].reshape(len(batch.points), -1)[self.going]
        margin = _margins(outputs.astype(np.int64))
        batch.margins[self.going, -1] = margin
        narrow = (self.wanted[self.going] != self.widest).any(axis=1)
        self.going = self.going[narrow & (margin < self.setting.again)]
        if not len(self.going):
            return
        batch.passes[self.going] = 2
        self.wanted[self.going] = self.widest
        for layer in graph.layers[graph.second_pass_start :]:
            self._run(layer)


def _margins(values: Integers) -> Integers:
    """The largest less the second of each row; of a single code itself."""
    if values.shape[1] == 1:
        return values[:, 0]
    ordered = np.partition(values, -2, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])
