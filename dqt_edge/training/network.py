"""A Spec with weights: the Keras model that is trained, lowered and evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..architectures.spec import (
    INPUT,
    Apply,
    AveragePool,
    Conv,
    Depthwise,
    Fully,
    Join,
    MacNode,
    MaxPool,
    Move,
    Node,
    Product,
    Spec,
    Sum,
    control_window,
    field_window,
    inputs_of,
    shapes,
)
from ..errors import UsageError
from ..graph import FULL, Pair, Shape, nested, pair_text
from .controller import NestedController
from .head import NestedHead
from .layers import NestedConv2D, NestedDense, NestedDepthwiseConv2D, Pool, Run
from .plain_layers import Addition, Applied, Joined, Moved, Multiplied
from .quantizers import UNIT, Array, EmaScale, FixedScale, Pact, View

Gate = Callable[[Array], Array]
"""From controller logits to one-hot gates."""


class Passed(NamedTuple):
    """What a forward pass computed.

    Attributes:
        outputs: [samples, size].
        decided: The controller's logits [samples, layers, candidates], where it ran.
        early: Logits of each decision point, [samples, classes].
    """

    outputs: Array
    decided: Array
    early: tuple[Array, ...]


def plain_part(
    node: Node, source: Shape, signed: bool, learned: bool, quantizer: FixedScale | None, unit: float
) -> keras.layers.Layer:
    """Layer of a node without weights.

    Args:
        node: The node.
        source: Shape of its first input.
        signed: Whether any of its inputs has a zero point.
        learned: Whether clips are trained.
        quantizer: Of its output, where that is the network's own and holds real numbers.
        unit: Real size of 1 in such an output.
    """
    if isinstance(node, Sum):
        return Addition(node, learned, quantizer)
    if isinstance(node, Join):
        return Joined(node, signed, quantizer)
    if isinstance(node, Product):
        return Multiplied(node, signed, quantizer)
    if isinstance(node, Apply):
        return Applied(node, quantizer, unit)
    if isinstance(node, Move):
        return Moved(node)
    assert isinstance(node, MaxPool | AveragePool)
    return Pool(node, source, signed)


class NestedModel(keras.Model):  # type: ignore[misc]
    """The network of a Spec.

    Args:
        spec: Structure.
        input_shape: (height, width, channels).
        classes: Class names.
        candidates: Width pairs of the adaptive layers. A layer that reads a signed tensor takes them with
            8-bit activations.
        input_scale, input_zero_point: Of the input codes.
        task: What the outputs stand for, see ``tasks``.
        output_coding: Scale and zero point of an output of real numbers, in the data's unit; None: as training finds.
        view: How narrow views are made; all but ``centred`` are for comparison and cannot be exported.
        learned: Whether scales and clips are trained; else they follow what the 8-bit pass shows.

    Attributes:
        fused: Names of the additions that the convolution before them absorbs; settled at calibration.
        heads: Those of the decision points, by the node that each lies behind.
    """

    def __init__(
        self,
        spec: Spec,
        input_shape: Shape,
        classes: tuple[str, ...],
        *,
        candidates: tuple[Pair, ...],
        input_scale: float,
        input_zero_point: int,
        task: str = "classifier",
        output_coding: tuple[float, int] | None = None,
        view: View = "centred",
        learned: bool = True,
    ) -> None:
        super().__init__(name=spec.name.replace("-", "_"))
        self.view, self.learned = view, learned
        self.spec, self.classes, self.candidates = spec, classes, candidates
        self.input_scale, self.input_zero_point = input_scale, input_zero_point
        self.task, self.output_coding = task, output_coding
        self.shapes = shapes(spec, input_shape)
        self.fusible = {
            total: (conv, other)
            for total, (conv, other) in spec.fused().items()
            if self.shapes[conv] == self.shapes[other]
        }
        self.fused: set[str] = set(self.fusible)
        self.parts: dict[str, keras.layers.Layer] = {}
        self.adaptive: list[str] = []
        self._zero_points = {INPUT: input_zero_point}
        for node in spec.nodes:
            part = self._part(node, len(candidates) > 1)
            self.parts[node.name] = part
            setattr(self, f"part_{node.name}", part)  # Keras finds variables through attributes
            quantizer = part.output_quantizer
            source = self._zero_points[inputs_of(node)[0]]
            self._zero_points[node.name] = source if quantizer is None else quantizer.zero_point
        self.controller: NestedController | None = None
        if spec.control is not None and self.adaptive:
            signed = self._zero_points[spec.control] != 0
            self.controller = NestedController(
                self.shapes[spec.control],
                signed,
                spec.hidden,
                len(self.adaptive),
                len(candidates),
                control_window(spec, self.shapes[spec.control]),
            )
        self.heads: dict[str, NestedHead] = {}
        for place in spec.points:
            seen, signed = self.shapes[place.after], self._zero_points[place.after] != 0
            window, outputs = field_window(place.grid, seen), int(np.prod(self.result_shape))
            head = NestedHead(place.name, seen, signed, place.hidden, outputs, window)
            self.heads[place.after] = head
            setattr(self, f"head_{place.name}", head)
        self.built = True

    def _part(self, node: Node, widths: bool) -> keras.layers.Layer:
        source = self.shapes[inputs_of(node)[0]]
        signed = self._zero_points[inputs_of(node)[0]] != 0
        quantizer = None
        if self.output_coding is not None and node is self.spec.nodes[-1]:
            quantizer = FixedScale(f"{node.name}_codes", self.output_coding[1])
        if not isinstance(node, MacNode):
            any_signed = any(self._zero_points[name] != 0 for name in inputs_of(node))
            unit = 1.0 if quantizer is None or self.output_coding is None else self.output_coding[0] / UNIT
            return plain_part(node, source, any_signed, self.learned, quantizer, unit)
        pairs: tuple[Pair, ...] = (FULL,)
        position = None
        if node.adaptive and widths:
            pairs = tuple((w, 8) for w, _ in self.candidates) if signed else self.candidates
            if len(set(pairs)) < len(pairs):
                raise UsageError(
                    f"layer {node.name!r} reads a tensor with a zero point, always at 8 bits, so that its "
                    f"candidates {', '.join(map(pair_text, pairs))} repeat themselves",
                    where="parameter `candidates`",
                    next_step="give candidates with different weight widths",
                )
            position = len(self.adaptive)
            self.adaptive.append(node.name)
        kind = {Conv: NestedConv2D, Depthwise: NestedDepthwiseConv2D, Fully: NestedDense}[type(node)]
        return kind(
            node, source, candidates=pairs, position=position, view=self.view, learned=self.learned, quantizer=quantizer
        )

    # --- Forward --------------------------------------------------------------------------------------------

    def zero_point(self, name: str) -> int:
        """Zero point of a node's output, or of ``input``."""
        return self._zero_points[name]

    def scale(self, name: str) -> Array:
        """Real size of one code of a node's output, or of ``input``."""
        if name == INPUT:
            return tf.constant(UNIT, tf.float32)
        quantizer = self.parts[name].output_quantizer
        return self.scale(inputs_of(self.parts[name].node)[0]) if quantizer is None else quantizer.scale()

    def call(self, x: Array, *, run: Run, gate: Gate | None = None) -> tuple[Array, Array]:
        """The first two of :meth:`passed`."""
        made = self.passed(x, run=run, gate=gate)
        return made.outputs, made.decided

    def passed(self, x: Array, *, run: Run, gate: Gate | None = None) -> Passed:
        """Outputs, choices and early answers.

        Args:
            x: Real inputs that lie on codes.
            run: How to compute.
            gate: Turns the controller's logits into the gates of this pass.
        """
        live = {INPUT: x}
        decided, early = None, []
        absorbed = {self.fusible[name][0] for name in self.fused}
        for node in self.spec.nodes:
            part, sources = self.parts[node.name], [live[name] for name in inputs_of(node)]
            if isinstance(node, MacNode):
                value = part(sources[0], scale=self.scale(node.input), run=run)
            else:
                value = part(*sources)
            live[node.name] = self._settle(part.output_quantizer, value, run, node.name in absorbed)
            # The 8-bit pass too runs the controller, for the range of its pooled input.
            wanted = gate is not None or run.calibrate or run.follow is not None
            if node.name == self.spec.control and self.controller is not None and wanted:
                decided = self.controller(live[node.name], run=run)
                if gate is not None:
                    run = replace(run, gates=gate(decided))
            if node.name in self.heads:
                early.append(self.heads[node.name](live[node.name], run=run))
        outputs = tf.reshape(live[self.spec.nodes[-1].name], [-1, int(np.prod(self.result_shape))])
        return Passed(outputs, decided, tuple(early))

    @staticmethod
    def _settle(quantizer: Pact | EmaScale | FixedScale | None, value: Array, run: Run, absorbed: bool) -> Array:
        """Quantise a layer's output; the convolution of a fused addition only has its range followed."""
        if quantizer is None:
            return value
        if run.calibrate:
            quantizer.calibrate(value)
        settled = quantizer(value, nested=run.nested, follow=run.follow)
        return value if absorbed else settled

    @property
    def result_shape(self) -> Shape:
        """(height, width, channels) of the output."""
        return self.shapes[self.spec.nodes[-1].name]

    def real_scale(self, name: str) -> float:
        """Like :meth:`scale`, for export, in double precision."""
        return UNIT if name == INPUT else float(np.asarray(self.scale(name), np.float64))

    def lift(self, name: str) -> float:
        """Real size of the zero point of a node's output."""
        return self.zero_point(name) * self.real_scale(name)

    def residual_multiplier(self, total: str) -> npt.NDArray[np.int32]:
        """Multipliers with which a fused addition's other operand enters the accumulator."""
        conv, other = self.fusible[total]
        part = self.parts[conv]
        source, scale = self.real_scale(part.node.input), self.real_scale(other)
        units = part.folded(source, self.lift(total))[1] * source
        return np.array([min(nested.residual_multiplier(scale, u), nested.INT32_MAX) for u in units], np.int32)

    def fits_fused(self, total: str) -> bool:
        """Whether an addition's multipliers are so large that their rounding does not matter."""
        return int(self.residual_multiplier(total).min()) >= nested.FUSED_RESIDUAL_MIN

    def settle_fusion(self) -> None:
        """Fuse the additions that may be, and keep the others as layers of their own."""
        self.fused = {total for total in self.fusible if self.fits_fused(total)}

    def on_codes(self, x: np.ndarray) -> np.ndarray:
        """What the network sees of inputs in the data's units: the codes that the device gets, as float32."""
        return self.of_codes(nested.quantize(x, self.input_scale, self.input_zero_point))

    def of_codes(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """What the network sees of input codes."""
        return (codes.astype(np.float32) - self.input_zero_point) * np.float32(UNIT)

    def macs(self) -> dict[str, int]:
        """Multiply-accumulates of each node that has any, as ``Graph.macs`` counts them."""
        counts = {}
        for node in self.spec.nodes:
            if isinstance(node, MacNode):
                height, width, _ = self.shapes[node.name]
                size = int(np.prod(self.parts[node.name].kernel.shape))
                counts[node.name] = size if isinstance(node, Fully) else height * width * size
        return counts
