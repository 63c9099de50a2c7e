"""What the translators of ONNX's operators share: tensors by name, constants, and where a result is quantised."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..builder import Builder
from ..network import Activation
from ..problems import Unfit
from ..values import Quant, Value
from .file import MOVES, RawNode, RawOnnx, coded_by
from .view import Axes, View, view_of

Array = npt.NDArray[Any]
Reals = npt.NDArray[np.float64]
CHANNEL_AXIS = 1
SHAPES_OF = ("Shape", "Size")
"""Operators that do not read the elements of a tensor."""


class NotQuantised(Unfit):
    """An integer model computes on with real numbers; of refused layers nothing else is to be expected."""


class Consequence(Exception):  # noqa: N818 - a signal between two functions, never shown as an error
    """The operator reads what a refused one would have made, and whose shape nobody knows: nothing to say of it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Quantised:
    """A constant behind a DequantizeLinear.

    Attributes:
        values: int64, with the zero point taken off.
        scales: One, or one for each element of ``axis``.
    """

    values: npt.NDArray[np.int64]
    scales: Reals
    axis: int

    @property
    def real(self) -> Reals:
        """The numbers that it stands for."""
        along = [1] * self.values.ndim
        if self.scales.size > 1:
            along[self.axis] = -1
        return np.asarray(self.values * self.scales.reshape(along or (1,)), np.float64)


@dataclasses.dataclass(frozen=True)
class Target:
    """Where an operator's result goes.

    Attributes:
        name: Of the tensor in the file that the layer makes.
        source: The same tensor, or its quantised form, for ``compare``.
        activation: Fused; the operator that did it in the file is done with.
        quant: Of the result; None in a floating-point model.
    """

    name: str
    source: str
    activation: Activation = "none"
    quant: Quant | None = None


class Context:
    """The state of a reader.

    Args:
        raw: The file.
        constants: Of the file, and what was folded; more are added as shapes become known.
        name: Of the model.
    """

    def __init__(self, raw: RawOnnx, constants: dict[str, Array], name: str) -> None:
        self.raw, self.constants = raw, constants
        self.builder = Builder(name)
        self.views: dict[str, View | None] = {}
        """None: a refused operator would have made it, in an unknown shape."""
        self.quantised: dict[str, Quantised] = {}
        self.done: set[int] = set()
        """Operators that another one took in."""
        self.readers: dict[str, list[RawNode]] = defaultdict(list)
        self.makers = {name: node for node in raw.nodes for name in node.outputs}
        self.integer = False
        self.dropped: list[str] = []
        """Ends of a classifier that are left out."""
        self.open_batch = False
        """Whether the model takes any number of samples."""
        self.layouts: dict[str, tuple[tuple[Axes, Axes], ...]] = {}
        """Parts and order of the tensors of the file, or of their pieces; see :class:`View`."""

    def connect(self, nodes: Sequence[RawNode]) -> None:
        """Learn who reads what."""
        self.readers.clear()
        for node in nodes:
            for name in set(node.inputs):
                self.readers[name].append(node)

    # --- Operands -------------------------------------------------------------------------------------------

    def view(self, node: RawNode, position: int = 0) -> View:
        """An activation that an operator reads."""
        name = node.input(position)
        if name in self.views:
            view = self.views[name]
            if view is None:
                raise Consequence
            return view
        if not name:
            raise Unfit("an input is missing", "the operator with all its inputs")
        raise Unfit("it reads a constant where a tensor is expected", "a model that was exported with constants folded")

    def is_constant(self, name: str) -> bool:
        """Whether the file knows the tensor's values."""
        return name in self.constants or name in self.quantised

    def constant(self, node: RawNode, position: int, what: str) -> Array:
        """Values of a constant input, as the file has them; the real numbers of a quantised one."""
        name = node.input(position)
        if name in self.quantised:
            return self.quantised[name].real
        if name in self.constants:
            return self.constants[name]
        if name in self.views and self.views[name] is None:
            raise Consequence
        raise Unfit(f"{what} are {'computed' if name else 'missing'}", "constant values")

    def reals(self, node: RawNode, position: int, what: str) -> Reals:
        """Finite real numbers of a constant input."""
        values = np.asarray(self.constant(node, position, what), np.float64)
        if not np.isfinite(values).all():
            raise Unfit(f"{what} are not finite", "finite values")
        return values

    def numbers(self, node: RawNode, attribute: str, position: int) -> list[int] | None:
        """Whole numbers that newer versions have as an input and older ones as an attribute; None if absent."""
        if node.input(position):
            found = np.asarray(self.constant(node, position, f"its {attribute}"))
            if found.dtype.kind not in "iub":
                raise Unfit(f"its {attribute} are {found.dtype}", "whole numbers")
            return [int(n) for n in found.ravel()]
        value = node.attributes.get(attribute)
        return None if value is None else [int(n) for n in np.atleast_1d(value)]

    # --- Results --------------------------------------------------------------------------------------------

    def put(self, name: str, view: View, source: str = "") -> None:
        """Say what a tensor of the file is; ``source``: its quantised form, if that is another one."""
        self.views[name] = view
        if self.integer and not source and view.quant is not None:
            quant, codes = self.ahead(name)
            source = codes if quant == view.quant else ""
        self.builder.rename_source(view.value, source or name)
        for known in {name, source or name}:
            self.layouts[known] = view.pieces or ((view.parts, view.order),)

    def result(self, target: Target, value: Value, shape: Sequence[int], axes: Sequence[int]) -> None:
        """The same for a new value whose axes are these of the file's shape."""
        self.put(target.name, view_of(value, shape, axes, target.quant), target.source)

    def target(
        self, node: RawNode, *, fuse: bool = False, kept: Quant | None = None, bounded: Quant | None = None
    ) -> Target:
        """Where the result of an operator goes.

        Args:
            node: The operator.
            fuse: The layer can have an activation.
            kept: Scale that the result may have where the file quantises it no further.
            bounded: Scale of a function whose range is known, used at the end of the model.

        Raises:
            Unfit: An integer model computes on with real numbers.
        """
        name, activation = node.outputs[0], "none"
        if not self.integer:
            return Target(name, name)
        reader = self.only_reader(name)
        if fuse and reader is not None:
            found = self.activation(reader)
            if found != "none":
                self.done.add(reader.index)
                self.layouts.pop(name, None)
                name, activation = reader.outputs[0], found
        quant, source = self.ahead(name)
        quant = quant or kept or (bounded if name in self.raw.outputs or not self.readers[name] else None)
        if quant is None:
            raise NotQuantised(
                "its result is not quantised",
                "QuantizeLinear behind it too, or the floating-point model with calibration data",
            )
        return Target(name, source or name, activation, quant)  # type: ignore[arg-type]

    def only_reader(self, name: str) -> RawNode | None:
        """The operator that alone reads a tensor."""
        readers = self.readers[name]
        return readers[0] if len(readers) == 1 and name not in self.raw.outputs else None

    def activation(self, node: RawNode) -> Activation:
        """What a layer can do itself; "none" for anything else."""
        if node.type == "Relu":
            return "relu"
        if node.type == "Clip":
            low, high = self.clip_limits(node)
            return "relu6" if (low, high) == (0, 6) else "relu" if (low, high) == (0, np.inf) else "none"
        return "none"

    def clip_limits(self, node: RawNode) -> tuple[float, float]:
        """Least and largest value of a Clip."""
        found = []
        for position, (name, default) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
            value = self.constant(node, position, "its limits") if node.input(position) else node.attributes.get(name)
            limit = default if value is None else float(np.asarray(value).ravel()[0])
            found.append(default if abs(limit) > np.finfo(np.float32).max / 2 else limit)
        return found[0], found[1]

    def ahead(self, name: str, depth: int = 16) -> tuple[Quant | None, str]:
        """Scale that a tensor may have, and its quantised form if it has one.

        Of a QuantizeLinear that reads it; else of those behind operators that select or limit elements, if that is all
        that reads it and they agree: then it is the same whether such an operator works on numbers or on codes.
        """
        readers = [reader for reader in self.readers[name] if reader.type not in SHAPES_OF]
        for reader in readers:
            if reader.type == "QuantizeLinear" and reader.inputs[0] == name:
                return self.quant_of(reader), reader.outputs[0]
        found = [self._behind(reader, name, depth) for reader in readers]
        if name in self.raw.outputs or not found or any(quant != found[0] for quant in found):
            return None, ""
        return found[0], ""

    def _behind(self, reader: RawNode, name: str, depth: int) -> Quant | None:
        """Scale behind an operator that selects or limits elements; None if it does anything else."""
        if reader.type not in (*MOVES, "Relu", "Clip") or reader.input(0) != name or not depth:
            return None
        if reader.type in ("Resize", "Upsample") and reader.attributes.get("mode", "nearest") != "nearest":
            return None
        found = [self.ahead(output, depth - 1)[0] for output in reader.outputs if self.readers[output]]
        return found[0] if found and all(quant == found[0] for quant in found) else None

    def quant_of(self, node: RawNode) -> Quant:
        """Scale and zero point of a QuantizeLinear or DequantizeLinear of an activation."""
        scale = self.reals(node, 1, "its scales")
        if scale.size != 1:
            raise Unfit(f"its activations have {scale.size} scales", "one scale for each tensor of activations")
        zero, offset = 0, 0
        if node.input(2):
            found = self.constant(node, 2, "its zero points")
            zero, kind = int(found.ravel()[0]), str(found.dtype)
        else:
            # 3 is INT8 in ONNX's list of types.
            kind = "int8" if node.attributes.get("output_dtype") == 3 else "uint8"
        if kind not in ("int8", "uint8"):
            raise Unfit(f"its activations are {kind}", "int8 or uint8 activations")
        offset = 128 if kind == "int8" else 0
        return Quant(float(scale.ravel()[0]), zero + offset)

    def real(self, name: str, value: Array, view: View) -> float:
        """The real number that one constant stands for beside a tensor, which may hold integers in the file."""
        number = float(value.ravel()[0]) if value.size else 0.0
        if coded_by(self.makers, name) is None or view.quant is None:
            return number
        offset = 128 if value.dtype == np.int8 else 0
        return view.quant.scale * (number + offset - view.quant.zero_point)

    # --- Moving data ----------------------------------------------------------------------------------------

    def as_axes(self, view: View, axes: Sequence[int], name: str) -> Value:
        """The data of a view with these axes; a layer only if it does not lie so."""
        return view.as_axes(axes, lambda value, order: self.builder.transpose(f"{name}_order", value, order))

    def name(self, node: RawNode) -> str:
        """Name of an operator's layer."""
        return f"{node.type.rpartition('.')[2].lower()}_{node.index}"


def batch_free(shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    """These axes without a batch axis of one sample."""
    return [axis for axis in axes if axis or shape[0] != 1 or len(shape) == 1]
