"""What is known of a file's tensors while its operators are read, and how an operator's operands are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..builder import Builder, Operand, Quant, Value, Weights
from ..channels import masters_of
from ..problems import Unfit
from ..values import covering
from .chains import Chain, grid_of
from .file import SIZE_MAX, RawGraph, RawOperator, RawTensor
from .folding import MOVING, real_values
from .spread import Spread

if TYPE_CHECKING:
    from .states import State

Array = npt.NDArray[Any]
CODES = {"INT8": (-128, 127), "UINT8": (0, 255)}
"""Least and largest code of a type."""
INTEGERS = tuple(CODES)
RANK_MAX = 6
COMPUTING = ("QUANTIZE", "DEQUANTIZE", "MEAN", "SUM")
"""Operators that follow a change of scale even where they only move data: MEAN and SUM over axes of one element."""
EXTREMES = ("MAXIMUM", "MINIMUM")
FLOATING = Unfit(
    "it computes in floating point between layers of integers",
    "a model that is quantised throughout, or not at all",
)


class Consequence(Unfit):
    """What would be refused only because something before it is."""


@dataclass(frozen=True, eq=False)
class Known:
    """A tensor that has been read, for a batch of one.

    Attributes:
        shape: As in the file, with its batch dimension.
        value: What a layer makes; None of a constant.
        quant: Of ``value``; None in a floating-point model.
        data: Of a constant, in the file's own type.
        spread: It lies between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND.
        doubtful: Made by a refused operator, and ``shape`` is the file's guess.
        chain: Its elements are a function of those of another tensor.
    """

    shape: tuple[int, ...]
    value: Value | None = None
    quant: Quant | None = None
    data: Array | None = None
    spread: Spread | None = None
    doubtful: bool = False
    chain: Chain | None = None


class Operands:
    """Tensors of the first subgraph, and the Builder that layers go to."""

    def __init__(self, graphs: tuple[RawGraph, ...], builder: Builder) -> None:
        self.graphs, self.builder = graphs, builder
        self.graph = graph = graphs[0]
        self.grid = grid_of(graph.tensors)
        self.handles: dict[int, str] = {}
        """Tensors that stand for state variables, and the variables' names."""
        self.states: dict[str, State] = {}
        self.dropped: list[str] = []
        """Operators at the end that only name the largest output."""
        self.notes: dict[str, str] = {}
        """What is to be known of layers that are less exact than TFLite's, by name."""
        self.known: dict[int, Known] = {
            t.index: Known(t.shape, data=t.data) for t in graph.tensors if t.data is not None
        }
        self.readers: dict[int, list[RawOperator]] = defaultdict(list)
        for op in graph.operators:
            for index in set(op.inputs):
                self.readers[index].append(op)
        made = {i for op in graph.operators for i in op.outputs} | set(graph.inputs)
        self.integer = any(graph.tensors[i].type in INTEGERS and len(graph.tensors[i].scales) for i in made)
        """Whether it computes in integers, though parts may be floating."""

    # --- Tensors ----------------------------------------------------------------------------------------------

    def tensor(self, op: RawOperator, position: int) -> RawTensor:
        """A tensor that an operator reads; raises Unfit if it is absent."""
        if not self.has(op, position):
            raise Unfit("an input is missing", "the operator with all its inputs")
        return self.graph.tensors[op.inputs[position]]

    @staticmethod
    def has(op: RawOperator, position: int) -> bool:
        """Whether the operator has this input."""
        return len(op.inputs) > position and op.inputs[position] >= 0

    def operand(self, op: RawOperator, position: int = 0) -> Known:
        """What an operator reads: a layer's output, or a constant."""
        tensor = self.tensor(op, position)
        if tensor.index not in self.known:
            if tensor.unread:
                raise Unfit(f"it reads a constant that is {tensor.unread}", "constants of 8, 16 or 32 bits")
            raise Unfit("it reads a tensor that nothing makes", "the model converted again")
        return self.known[tensor.index]

    def source(self, op: RawOperator, position: int = 0) -> Known:
        """A layer's output that an operator reads."""
        found = self.operand(op, position)
        if found.spread is not None:
            raise Unfit(
                "it reads what SPACE_TO_BATCH_ND makes",
                "SPACE_TO_BATCH_ND, one convolution and BATCH_TO_SPACE_ND, which is a dilation",
            )
        if found.chain is not None and found.value is None:
            raise Unfit("it reads truth values", "SELECT, by comparisons of one tensor with constants")
        if found.value is None:
            raise Unfit("it reads a constant", "a tensor that an earlier layer makes")
        return found

    def values(self, known: Known) -> Value:
        """The value with the file's shape, batch dimension included if the rank permits."""
        assert known.value is not None
        shape = known.shape
        if len(shape) > RANK_MAX and shape[0] == 1:
            shape = shape[1:]
        return self.shaped(known.value, shape)

    def sample(self, known: Known) -> Value:
        """The value without a leading 1."""
        assert known.value is not None
        return self.shaped(known.value, sample_shape(known.shape))

    def shaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The same data in another shape."""
        return value if value.shape == shape else self.builder.reshape(value, shape)

    # --- Constants --------------------------------------------------------------------------------------------

    def constant(self, op: RawOperator, position: int, what: str) -> Array:
        """A constant in the file's own type."""
        found = self.operand(op, position)
        if found.data is None:
            kind = Consequence if found.value is not None and found.value.refused else Unfit
            raise kind(f"{what} are not constant", "constant values")
        return found.data

    def integers(self, op: RawOperator, position: int, what: str) -> list[int]:
        """A constant list of integers."""
        return [int(n) for n in self.constant(op, position, what).ravel()]

    def real(self, op: RawOperator, position: int, what: str) -> npt.NDArray[np.float64]:
        """The real numbers that a constant stands for."""
        values = real_values(self.constant(op, position, what), self.tensor(op, position))
        if not np.isfinite(values).all():
            raise Unfit(f"{what} are not finite", "finite values")
        return values

    def weights(self, op: RawOperator, rank: int, axis: int) -> Weights:
        """Weights, scales and biases; ``axis`` is that of the output channels."""
        data = self.constant(op, 1, "its weights")
        tensor = self.tensor(op, 1)
        if data.ndim != rank or not data.size:
            raise Unfit(f"its weights have shape {data.shape}", f"weights of {rank} dimensions")
        channels = data.shape[axis]
        if self.graph.tensors[op.outputs[0]].type == "FLOAT32":
            real = Weights(self.real(op, 1, "its weights"), None, self.bias(op, channels, "FLOAT32"))
            return self.quantised(op, real, axis) if self.integer else real
        if tensor.type not in INTEGERS or len(tensor.scales) not in (1, channels):
            found = f"{tensor.type} with {len(tensor.scales)} scales"
            raise Unfit(
                f"its weights are {found} for {channels} channels", "INT8 weights with a scale for each channel"
            )
        low, high = CODES[tensor.type]
        beyond = tensor.zeros[(tensor.zeros < low) | (tensor.zeros > high)]
        if len(beyond):
            raise Unfit(f"its weights have zero point {beyond[0]}", f"a zero point within {tensor.type}")
        zeros = np.broadcast_to(tensor.zeros if len(tensor.zeros) else np.zeros(1, np.int64), len(tensor.scales))
        along = [1] * rank
        along[axis] = -1
        values = data.astype(np.int64) - zeros.reshape(along)
        return Weights(values, np.broadcast_to(tensor.scales, channels).copy(), self.bias(op, channels, "INT32"))

    def quantised(self, op: RawOperator, real: Weights, axis: int) -> Weights:
        """Weights that a converter left as real numbers between two tensors of integers, as integers."""
        source, result = self.operand(op, 2 if op.type == "TRANSPOSE_CONV" else 0).quant, self.quant(op.outputs[0])
        if source is None or result is None:
            raise FLOATING
        values = np.moveaxis(real.values, axis, 0)
        bias = np.zeros(len(values)) if real.bias is None else real.bias
        masters, scales, steps = masters_of(values, bias, source.scale, result.scale)
        return Weights(np.moveaxis(masters.astype(np.int64), 0, axis), scales, steps)

    def bias(self, op: RawOperator, channels: int, kind: str) -> Array | None:
        """Biases, one for each channel: real ones, or integers in units of the accumulator."""
        position = 3 if op.type == "TRANSPOSE_CONV" else 2
        if not self.has(op, position):
            return None
        found = self.tensor(op, position).type
        data = self.constant(op, position, "its biases").ravel()
        if found != kind or len(data) != channels or not np.isfinite(data).all():
            raise Unfit(f"it has {len(data)} biases of type {found}", "one 32-bit bias for each channel")
        return data.astype(np.float64 if kind == "FLOAT32" else np.int64)

    # --- Scales -----------------------------------------------------------------------------------------------

    def quant(self, index: int, covers: Callable[[], tuple[float, float]] | None = None) -> Quant | None:
        """Scale and zero point of what an operator makes; None in a floating-point model.

        A floating tensor among integers takes those of the QUANTIZE that reads it, or, if there is none, such that the
        range of ``covers`` fits.
        """
        tensor = self.graph.tensors[index]
        if tensor.type in INTEGERS:
            if len(tensor.scales) != 1:
                raise Unfit("its activations have no single scale", "activations with one scale for each tensor")
            zero = int(tensor.zeros[0]) if len(tensor.zeros) else 0
            zero += 128 if tensor.type == "INT8" else 0
            if not 0 <= zero <= 255:
                raise Unfit(f"its zero point is {tensor.zeros[0]}", f"a zero point within {tensor.type}")
            return Quant(float(tensor.scales[0]), zero)
        if tensor.type != "FLOAT32":
            raise Unfit(f"its activations are {tensor.type}", "INT8 activations")
        if not self.integer:
            return None
        found = self.quantised_later(index)
        if found is None and covers is not None:
            found = covering(*covers())
        if found is None:
            raise FLOATING
        return found

    def quant_covering(self, low: float, high: float) -> Quant | None:
        """Scale for a tensor that the file does not have; None in a floating-point model."""
        return covering(low, high) if self.integer else None

    def quantised_later(self, index: int) -> Quant | None:
        """Scale of the first QUANTIZE behind a floating tensor, with nothing that computes between.

        The larger or smaller of a tensor and another, if nothing else reads it, may be limited before as well as after.
        """
        seen, ahead = {index}, [index]
        while ahead:
            readers = self.readers[ahead.pop()]
            for op in readers:
                if op.type == "QUANTIZE":
                    return self.quant(op.outputs[0])
                passes = op.type in MOVING or (op.type in EXTREMES and len(readers) == 1)
                fresh = set(op.outputs) - seen if passes else set()
                seen |= fresh
                ahead += fresh
        return None

    # --- Results ----------------------------------------------------------------------------------------------

    def name(self, op: RawOperator, kind: str) -> str:
        """A name for a layer."""
        return f"{kind}_{op.index}"

    def put(
        self,
        op: RawOperator,
        shape: tuple[int, ...],
        value: Value,
        quant: Quant | None,
        output: int = 0,
        chain: Chain | None = None,
    ) -> None:
        """What an operator makes: ``value`` holds ``shape`` (with the batch dimension) row by row."""
        if min(shape, default=1) < 1 or prod(shape) != prod(value.shape) or prod(shape) > SIZE_MAX:
            raise Unfit(f"it makes shape {shape} of {value.shape}", "tensors that are not empty")
        self.known[op.outputs[output]] = Known(shape, value, quant, chain=chain)

    def move(self, op: RawOperator, shape: tuple[int, ...], value: Value, origin: Known, output: int = 0) -> None:
        """What an operator makes that moves data: it keeps the scale, and changes it only where the file does.

        TFLite's kernels copy codes. Where the file then gives them another scale, which the converter does behind
        REVERSE_V2, other real numbers are meant from there on. ``COMPUTING`` operators compute the codes anew.
        """
        index = op.outputs[output]
        target = origin.quant
        if self.graph.tensors[index].type in INTEGERS:
            target = self.quant(index)
        elif self.graph.tensors[index].type != "FLOAT32":
            raise Unfit(f"its activations are {self.graph.tensors[index].type}", "INT8 activations")
        copied = op.type not in COMPUTING and target is not None and origin.quant is not None
        if target == origin.quant or not copied:
            self.builder.rename_source(value, index)
        if target != origin.quant:
            name = self.name(op, "rescale") + (f"_{output}" if output else "")
            if not copied or target is None or origin.quant is None:
                value = self.builder.unary(name, value, "identity", quant=target, source=index)
            else:
                factor = target.scale / origin.quant.scale
                summand = target.scale * (origin.quant.zero_point - target.zero_point)
                meant = {"factor": factor, "summand": summand}
                value = self.builder.unary(name, value, "linear", quant=target, source=index, **meant)
        self.put(op, shape, value, target, output)

    def joined(self, op: RawOperator, positions: tuple[int, ...] = (0, 1)) -> tuple[list[Operand], tuple[int, ...]]:
        """Operands that are broadcast against each other, and the shape of the result."""
        found = [self.operand(op, i) for i in positions]
        for known, position in zip(found, positions, strict=True):
            if known.data is None:
                self.source(op, position)
        shapes = [known.shape for known in found]
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            raise Unfit(
                f"it joins shapes {' and '.join(map(str, shapes))}", "shapes of which each size is one, or equal"
            ) from None
        full = [(1,) * (len(shape) - len(s)) + s for s in shapes]
        drop = bool(shape) and shape[0] == 1
        operands: list[Operand] = []
        for known, position, own in zip(found, positions, full, strict=True):
            inner = own[1:] if drop else own
            if known.value is None:
                operands.append(self.real(op, position, "its constant").reshape(inner))
            else:
                operands.append(self.shaped(known.value, inner))
        return operands, tuple(int(n) for n in shape)

    def range_of(self, op: RawOperator, position: int) -> tuple[float, float]:
        """Least and largest real number that an operand may hold."""
        known = self.operand(op, position)
        if known.data is not None:
            values = self.real(op, position, "its constant")
            return float(values.min()), float(values.max())
        if known.quant is None:
            raise FLOATING
        return (
            known.quant.scale * (0 - known.quant.zero_point),
            known.quant.scale * (255 - known.quant.zero_point),
        )

    def refuse(self, op: RawOperator) -> None:
        """Give the outputs of a refused operator values, so that later ones can still be checked."""
        for index in op.outputs:
            tensor = self.graph.tensors[index]
            if index in self.known or tensor.type in ("RESOURCE", "STRING"):
                continue
            try:
                quant = self.quant(index, lambda: (-1.0, 1.0))
            except Unfit:
                quant = Quant(1.0, 0) if self.integer else None
            shape = tuple(max(n, 1) for n in tensor.shape[:RANK_MAX])
            value = self.builder.refused(sample_shape(shape), quant)
            doubtful = bool(set(tensor.open) - {0}) or self.doubts(op) or not tensor.shape
            self.known[index] = Known(shape, value, quant, doubtful=doubtful)

    def doubts(self, op: RawOperator) -> bool:
        """Whether an operator reads a tensor whose shape is only a guess."""
        return any(self.known[i].doubtful for i in op.inputs if i in self.known)

    def mark(self, op: RawOperator) -> None:
        """What an operator makes of guessed shapes is a guess too."""
        for index in op.outputs:
            if index in self.known and not self.known[index].doubtful:
                self.known[index] = replace(self.known[index], doubtful=True)


def sample_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading 1: that of one sample."""
    return shape[1:] if shape and shape[0] == 1 else shape
