"""The evaluation forward under a Setting: every layer for every sample, then a selection of what was decided.

The interpreter runs only what each sample needs; here nothing is left out, and masks say what counts. Neither calls
the other, and a test holds them equal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..graph import Conv2D, Dense, DepthwiseConv2D, Graph, Layer, MacLayer, Setting, nested
from ..graph.interpreter import Result
from ..graph.points import DecisionPoint, widest_choices
from .integer_layers import accumulate, is_run, layer_codes
from .quantizers import Array


def evaluate_setting(graph: Graph, codes: npt.NDArray[np.uint8], setting: Setting) -> Result:
    """Evaluate one batch of input codes at a checked setting, all tensors kept."""
    return _Pass(graph, codes, setting).result()


class _Pass:
    """One batch."""

    def __init__(self, graph: Graph, codes: npt.NDArray[np.uint8], setting: Setting) -> None:
        self.graph, self.setting, count = graph, setting, len(codes)
        self.adaptive = [layer.name for layer in graph.adaptive]
        self.branches = graph.skipped_with
        self.widest = tf.constant(widest_choices(graph), tf.int64)
        self.live: dict[str, Array] = {graph.input: tf.cast(codes, tf.int64)}
        """Tensors of all samples, those that were not to be run too."""
        self.kept: dict[str, Array] = dict(self.live)
        """The same, 0 where a sample's layer was not run."""
        self.going = tf.ones(count, tf.bool)
        """Samples without an answer yet."""
        self.wanted = tf.tile([setting.widths or (0,) * len(self.adaptive)], (count, 1))
        self.wanted = tf.reshape(tf.cast(self.wanted, tf.int64), (count, len(self.adaptive)))
        """Candidate of each adaptive layer."""
        self.choices = [tf.fill([count], np.int64(-1)) for _ in self.adaptive]
        self.points = tf.fill([count], np.int64(len(graph.points)))
        self.passes = tf.ones(count, tf.int64)
        self.runs = {layer.name: tf.zeros(count, tf.int64) for layer in graph.all_layers}
        self.margins = [tf.fill([count], np.int64(-1)) for _ in range(len(graph.points) + 1)]
        self.early = [tf.fill([count], np.int64(-1)) for _ in graph.points]
        self.answers = tf.zeros((count, *graph.tensor(graph.output).shape), tf.int64)
        """Outputs of samples that were answered early, 0 elsewhere."""
        self.logits: Array = None

    def result(self) -> Result:
        """Both passes, as the interpreter's ``Result``."""
        graph, controller = self.graph, self.graph.controller
        for layer in graph.layers:
            self._run(layer)
            if controller is not None and controller.after == layer.name and self.setting.widths is None:
                self._choose()
            for index, point in enumerate(graph.points):
                if point.after == layer.name and self.setting.runs_head(index):
                    self._decide(index, point)
        self._again()
        for each in graph.all_layers:
            if each.output not in self.kept and not (isinstance(each, Dense) and each.requantize is None):
                self.kept[each.output] = tf.zeros((len(self.points), *graph.tensor(each.output).shape), tf.int64)
        self.kept[graph.output] += self.answers
        tensors = {name: value.numpy().astype(np.uint8) for name, value in self.kept.items()}
        outputs = tensors[graph.output].reshape(len(self.points), -1)
        return Result(
            outputs,
            _columns(self.choices, len(self.points)),
            tensors,
            None if self.logits is None else self.logits.numpy(),
            {graph.output: outputs},
            points=self.points.numpy(),
            passes=self.passes.numpy(),
            runs=_columns(list(self.runs.values()), len(self.points)),
            margins=_columns(self.margins, len(self.points)),
            early=_columns(self.early, len(self.points)),
        )

    def _run(self, layer: Layer) -> None:
        """A layer of all samples; it counts for those without an answer."""
        if isinstance(layer, Conv2D | DepthwiseConv2D | Dense) and layer.name in self.adaptive:
            at = self.adaptive.index(layer.name)
            every = tf.stack([layer_codes(layer, self.graph, self.live, pair) for pair in layer.options], axis=1)
            made = tf.gather(every, self.wanted[:, at], batch_dims=1, axis=1)
            first = tf.logical_and(self.going, self.passes == 1)
            self.choices[at] = tf.where(first, self.wanted[:, at], self.choices[at])
        else:
            made = layer_codes(layer, self.graph, self.live)
        self.live[layer.output] = made
        counts = self.going
        if layer.name in self.branches:
            counts = tf.logical_and(counts, is_run(self.graph, self.branches[layer.name], self.wanted))
        before = self.kept.get(layer.output, tf.zeros_like(made))
        self.kept[layer.output] = tf.where(tf.reshape(counts, (-1, 1, 1, 1)), made, before)
        self.runs[layer.name] += tf.cast(counts, tf.int64)

    def _logits(self, layers: tuple[Layer, ...]) -> Array:
        """Accumulators of the last layer, int64 [samples, channels]."""
        for layer in layers[:-1]:
            self._run(layer)
        last = layers[-1]
        assert isinstance(last, MacLayer)
        self.runs[last.name] += tf.cast(self.going, tf.int64)
        return tf.reshape(accumulate(last, self.graph, self.live, last.candidates[0]), (len(self.points), -1))

    def _choose(self) -> None:
        """The controller's widths."""
        assert self.graph.controller is not None
        logits = self._logits(self.graph.controller.layers)
        logits = tf.reshape(logits, (len(self.points), len(self.graph.controller.decides), -1))
        self.logits = tf.where(self.going[:, None, None], logits, 0)
        bias = tf.constant(self.setting.bias or (0,) * logits.shape[-1], tf.int64)
        self.wanted = tf.where(self.going[:, None], tf.argmax(logits + bias, axis=-1), self.wanted)

    def _decide(self, index: int, point: DecisionPoint) -> None:
        """Answers at a point, and wider candidates behind it."""
        logits, setting = self._logits(point.layers), self.setting
        top, margin = tf.argmax(logits, axis=1), _margin(logits)
        self.margins[index] = tf.where(self.going, margin, -1)
        self.early[index] = tf.where(self.going, top, -1)
        stops = tf.logical_and(self.going, margin >= setting.exits[index])
        if setting.stops is not None:
            allowed = tf.reduce_any(
                top[:, None] == tf.constant(setting.stops, tf.int64, (1, len(setting.stops))), axis=1
            )
            stops = tf.logical_and(stops, allowed)
        unsure = tf.logical_and(tf.logical_not(stops), margin < setting.widen[index])
        order = [layer.name for layer in self.graph.layers]
        behind = tf.constant([order.index(name) > order.index(point.after) for name in self.adaptive], tf.bool)
        if self.adaptive:
            wider = tf.logical_and(unsure[:, None], behind[None])
            self.wanted = tf.where(wider, self.widest[None], self.wanted)
        shape = self.answers.shape
        one_hot = tf.one_hot(top, logits.shape[1], on_value=np.int64(nested.CODE_MAX), off_value=np.int64(0))
        self.answers += tf.reshape(tf.where(stops[:, None], one_hot, 0), shape)
        self.points = tf.where(stops, np.int64(index), self.points)
        self.going = tf.logical_and(self.going, tf.logical_not(stops))

    def _again(self) -> None:
        """The second pass."""
        margin = _margin(tf.reshape(self.live[self.graph.output], (len(self.points), -1)))
        self.margins[-1] = tf.where(self.going, margin, -1)
        if not self.setting.again:
            return
        narrow = tf.reduce_any(self.wanted != self.widest[None], axis=1)
        self.going = tf.reduce_all([self.going, narrow, margin < self.setting.again], axis=0)
        self.passes = tf.where(self.going, np.int64(2), self.passes)
        self.wanted = tf.where(self.going[:, None], self.widest[None], self.wanted)
        for layer in self.graph.layers[self.graph.second_pass_start :]:
            self._run(layer)


def _margin(values: Array) -> Array:
    """The largest less the second of each row, int64."""
    two = tf.math.top_k(values, k=2).values
    return two[:, 0] - two[:, 1]


def _columns(columns: list[Array], count: int) -> npt.NDArray[np.int64]:
    """Vectors side by side, int64 [samples, columns]."""
    return np.stack([column.numpy() for column in columns], axis=1) if columns else np.zeros((count, 0), np.int64)
