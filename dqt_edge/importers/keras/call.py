"""One use of a layer or operation of Keras, and what all translations share: constants and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..builder import Builder, Operand, Value, Weights
from ..problems import Unfit

Floats = npt.NDArray[np.float64]
Translation = Callable[["Call"], Value]
Translations = Callable[["Call"], Value | list[Value]]
"""Of operations, which may make several tensors."""


@dataclass(frozen=True)
class Reads:
    """How a layer or operation is imported, and what of it is supported: words for the documentation."""

    translate: Translations
    supported: str


def reads(translate: Translations, *names: str, supported: str = "yes") -> dict[str, Reads]:
    """A part of a table: these layers or operations are imported by one function."""
    return dict.fromkeys(names, Reads(translate, supported))


def one(entry: Reads, call: Call) -> Value:
    """The only tensor that a layer makes."""
    made = entry.translate(call)
    assert isinstance(made, Value)
    return made


@dataclass(frozen=True)
class Call:
    """A layer or operation at one place of the model, with Values where Keras has tensors.

    Attributes:
        builder: Gets the layers.
        layer: The object of Keras.
        name: Of the layer that is made.
        args, kwargs: What it is called with.
        shapes: Of its results, without the batch.
        source: Name of its result in Keras.
        old: Keras 2 wrote the model, with its own hard sigmoid.
        last: It makes the model's only output.
    """

    builder: Builder
    layer: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    source: str
    old: bool = False
    last: bool = False

    @property
    def inputs(self) -> list[Value]:
        """Every tensor among the arguments."""
        return list(values(self.args)) + list(values(self.kwargs))

    @property
    def parts(self) -> list[Operand]:
        """What the first argument lists: tensors and constants, all of one rank."""
        listed = self.args[0] if self.args else next(iter(self.kwargs.values()))
        rank = len(self.inputs[0].shape)
        found = [operand(value, rank) for value in listed]
        if any(len(part.shape) != rank for part in found):
            raise Unfit("a constant among what it joins has fewer axes", "constants with the axes of the tensors")
        return found

    @property
    def x(self) -> Value:
        """The only tensor among the arguments."""
        found = self.inputs
        if len(found) != 1:
            raise Unfit(f"it reads {len(found)} tensors", "one tensor")
        return found[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the only result."""
        return self.shapes[0]

    def argument(self, index: int, name: str, default: Any = None) -> Any:  # noqa: ANN401 - any argument
        """An argument by its position or its name."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)

    def axis(self, axis: int, rank: int | None = None) -> int:
        """An axis of Keras, which counts the batch, as one of a sample of ``rank`` (by default the input's)."""
        rank = len(self.x.shape) if rank is None else rank
        found = axis + rank + 1 if axis < 0 else axis
        if found == 0:
            raise Unfit("it works across the samples of a batch", "an axis of one sample")
        if not 0 < found <= rank:
            raise Unfit(f"its axis is {axis} of {rank + 1}", "an axis of the tensor")
        return found - 1

    def scaled(self, x: Value, factor: npt.ArrayLike, summand: npt.ArrayLike) -> Value:
        """``x * factor + summand``, whose arrays are spread over a sample."""
        parts = np.asarray(factor, np.float64), np.asarray(summand, np.float64)
        return self.builder.affine(self.name, x, *parts, source=self.source)


def values(structure: Any) -> Iterator[Value]:  # noqa: ANN401 - nested arguments
    """Every Value in nested lists, tuples and dictionaries."""
    if isinstance(structure, Value):
        yield structure
    elif isinstance(structure, dict):
        for item in structure.values():
            yield from values(item)
    elif isinstance(structure, list | tuple):
        for item in structure:
            yield from values(item)


def is_layer(operation: Any) -> bool:  # noqa: ANN401 - an object of Keras
    """Whether it is a layer and not one of the operations that ``x + y`` or ``keras.ops`` make."""
    return hasattr(operation, "get_weights")


def constant(value: Any, rank: int) -> Floats:  # noqa: ANN401 - a number, an array or a variable
    """A constant operand beside a tensor whose samples have ``rank``; its batch dimension, if it has one, is 1."""
    array = np.asarray(value, np.float64)
    if array.ndim == rank + 1:
        if array.shape[0] != 1:
            raise Unfit(f"its constant of shape {array.shape} is another for each sample", "one constant for all")
        array = array[0]
    if array.ndim > rank or not np.isfinite(array).all():
        raise Unfit(f"its constant of shape {array.shape} is not finite, or has too many dimensions", "finite numbers")
    return array


def operand(value: Any, rank: int) -> Operand:  # noqa: ANN401 - a Value or a constant
    """A Value as it is, anything else as a constant."""
    return value if isinstance(value, Value) else constant(value, rank)


def floats(variable: Any) -> Floats:  # noqa: ANN401 - a variable of Keras
    """Real numbers of a variable."""
    array = np.asarray(variable, np.float64)
    if not np.isfinite(array).all():
        raise Unfit("its weights are not finite", "finite weights")
    return array


def weights_of(layer: Any, kernel: Floats) -> Weights:  # noqa: ANN401 - a Keras layer
    """A kernel in the Builder's order with the layer's bias."""
    return Weights(np.ascontiguousarray(kernel), None, floats(layer.bias) if layer.use_bias else None)


def pair(value: Any, rank: int = 2) -> tuple[int, int]:  # noqa: ANN401 - a number or several
    """(height, width); one number counts for the width of a series of height 1, or for both of a map (``rank`` 3)."""
    numbers = [value] if isinstance(value, int) else list(value)
    if isinstance(value, int) and rank == 3:
        return value, value
    return (1, int(numbers[0])) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))
