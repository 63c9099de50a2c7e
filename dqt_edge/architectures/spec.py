"""A network's structure as data, before any weight exists. Imports without TensorFlow.

A converter from another framework makes a Spec and the weights of its nodes; everything else follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Union

import numpy as np

from ..errors import UnsupportedError
from ..graph import FLAT, WINDOW_MAX, Pad, Rearrange, Resize, Shape, Window

Padding = Union[Literal["same", "valid"], tuple[int, int, int, int]]  # noqa: UP007 - used at run time on 3.10
"""TensorFlow's names, or rows and columns of zeros (top, left, bottom, right)."""


@dataclass(frozen=True)
class Conv:
    """Convolution, then BatchNorm if ``norm`` (else a bias), then PACT if ``relu``.

    ``limit`` is the largest value behind a bounded ReLU, 6 for ReLU6: PACT's clip starts there at most.
    """

    name: str
    input: str
    filters: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    relu: bool = True
    norm: bool = True
    adaptive: bool = True
    limit: float | None = None
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Depthwise:
    """Depthwise convolution, one filter a channel; the rest as in :class:`Conv`."""

    name: str
    input: str
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "same"
    relu: bool = True
    norm: bool = True
    adaptive: bool = True
    limit: float | None = None
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Fully:
    """Dense layer on the flattened input, with a bias."""

    name: str
    input: str
    units: int
    relu: bool = False
    norm: bool = False
    adaptive: bool = False
    limit: float | None = None


@dataclass(frozen=True)
class Sum:
    """Addition of two tensors, then PACT if ``relu``; each dimension of an operand is the result's, or 1.

    ``signs`` are those of the operands: -1 subtracts one.
    """

    name: str
    inputs: tuple[str, str]
    relu: bool = True
    limit: float | None = None
    signs: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class MaxPool:
    """Maximum under a window."""

    name: str
    input: str
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: Padding = "valid"


@dataclass(frozen=True)
class AveragePool:
    """Mean under a window, padding not counted; ``kernel`` None pools everything."""

    name: str
    input: str
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "valid"


@dataclass(frozen=True)
class Join:
    """Tensors side by side along ``axis``: 0 height, 1 width, 2 channels, 3 all in a row."""

    name: str
    inputs: tuple[str, ...]
    axis: int = 2


@dataclass(frozen=True)
class Product:
    """Product of two tensors; each dimension of an operand is the result's, or 1."""

    name: str
    inputs: tuple[str, str]


@dataclass(frozen=True)
class Apply:
    """A function of each number, by its name in ``importers.functions``, with parameters by their names there.

    A parameter is a number, or one for each channel.
    """

    name: str
    input: str
    function: str
    parameters: tuple[tuple[str, float | tuple[float, ...]], ...] = ()


@dataclass(frozen=True)
class Move:
    """The input's numbers elsewhere: in another order, between zeros, or between others.

    ``by`` is the graph's layer that does it, of which the names do not count; ``shape`` is that of its output.
    """

    name: str
    input: str
    by: Rearrange | Pad | Resize
    shape: Shape


Node = Union[Conv, Depthwise, Fully, Sum, MaxPool, AveragePool, Join, Product, Apply, Move]  # noqa: UP007 - used at run time on 3.10
MacNode = (Conv, Depthwise, Fully)
INPUT = "input"


@dataclass(frozen=True)
class Place:
    """Where a decision point lies, and the size of its head.

    Attributes:
        after: Node behind which it lies.
        grid: Its head sees means over at most ``grid`` x ``grid`` fields of that node's output.
        hidden: Units of the head's hidden layer.
    """

    after: str
    grid: int = 4
    hidden: int = 32

    @property
    def name(self) -> str:
        """Name of the point, with which those of its head's layers begin."""
        return f"{self.after}_exit"


@dataclass(frozen=True)
class Spec:
    """Nodes in topological order; the last one makes the logits.

    Attributes:
        name: Model name.
        nodes: A node's inputs are names of earlier nodes, or ``input``.
        control: Node behind which the controller runs; None for a model without one.
        hidden: Units of the controller's hidden layer.
        grid: The controller sees means over at most ``grid`` x ``grid`` fields of that node's output; 1 is one mean.
        points: Decision points, in the order of their nodes. A named model says where it may have some; a run takes
            none, these, or others.
    """

    name: str
    nodes: tuple[Node, ...]
    control: str | None = None
    hidden: int = 64
    grid: int = 1
    points: tuple[Place, ...] = ()

    def fused(self) -> dict[str, tuple[str, str]]:
        """Additions that a convolution can absorb: sum name -> (convolution, the other operand).

        The convolution must be linear, read by nobody else, and run after the other operand exists: it is the
        later of the two operands.
        """
        order = [INPUT, *(node.name for node in self.nodes)]
        looked_at = {self.control, *(place.after for place in self.points)}
        found = {}
        for node in self.nodes:
            if not isinstance(node, Sum) or node.inputs[0] == node.inputs[1] or node.signs != (1, 1):
                continue
            other, last = sorted(node.inputs, key=order.index)
            maker = next((n for n in self.nodes if n.name == last), None)
            alone = sum(last in inputs_of(n) for n in self.nodes) == 1
            if isinstance(maker, Conv) and not maker.relu and alone and last not in looked_at:
                found[node.name] = (last, other)
        return found


def inputs_of(node: Node) -> tuple[str, ...]:
    """Names that a node reads."""
    return node.inputs if isinstance(node, Sum | Join | Product) else (node.input,)


def window_of(node: Conv | Depthwise | MaxPool | AveragePool, source: Shape) -> Window:
    """Sliding window of a node on an input of that shape."""
    size = source[:2]
    kernel = node.kernel or size
    dilation = node.dilation if isinstance(node, Conv | Depthwise) else (1, 1)
    if node.padding == "same":
        return Window.same(size, kernel, node.stride, dilation)
    return Window(kernel, node.stride, (0, 0, 0, 0) if node.padding == "valid" else node.padding, dilation)


def field_window(grid: int, source: Shape) -> Window:
    """Window that makes at most ``grid`` x ``grid`` means of an output of shape ``source``."""
    height, width = (-(-n // grid) for n in source[:2])
    return Window.same(source[:2], (height, width), (height, width))


def control_window(spec: Spec, source: Shape) -> Window:
    """Window with which the controller pools the output, of shape ``source``, of the node that it runs behind."""
    return field_window(spec.grid, source)


def _broadcast(spec: Spec, node: Sum | Product, first: Shape, second: Shape) -> Shape:
    if any(a != b and 1 not in (a, b) for a, b in zip(first, second, strict=True)):
        raise UnsupportedError(
            f"layer {node.name!r} {'adds' if isinstance(node, Sum) else 'multiplies'} shapes {first} and {second}",
            where=f"model {spec.name!r}",
            next_step="make both operands of one shape",
        )
    return (max(first[0], second[0]), max(first[1], second[1]), max(first[2], second[2]))


def _joined(spec: Spec, node: Join, sources: list[Shape]) -> Shape:
    if node.axis == FLAT:
        return (1, 1, sum(int(np.prod(shape)) for shape in sources))
    others = {tuple(n for axis, n in enumerate(shape) if axis != node.axis) for shape in sources}
    if len(others) > 1:
        raise UnsupportedError(
            f"layer {node.name!r} joins shapes {sources} along axis {node.axis}",
            where=f"model {spec.name!r}",
            next_step="join tensors that differ along that axis only",
        )
    joined = list(sources[0])
    joined[node.axis] = sum(shape[node.axis] for shape in sources)
    return (joined[0], joined[1], joined[2])


def shapes(spec: Spec, input_shape: Shape) -> dict[str, Shape]:
    """Shape of every node's output, and of ``input``.

    Raises:
        UnsupportedError: A window does not fit its input, or an addition's operands differ.
    """
    known = {INPUT: input_shape}
    for node in spec.nodes:
        source = known[inputs_of(node)[0]]
        if isinstance(node, Fully):
            known[node.name] = (1, 1, node.units)
        elif isinstance(node, Join):
            known[node.name] = _joined(spec, node, [known[name] for name in node.inputs])
        elif isinstance(node, Sum | Product):
            known[node.name] = _broadcast(spec, node, source, known[node.inputs[1]])
        elif isinstance(node, Apply):
            known[node.name] = source
        elif isinstance(node, Move):
            known[node.name] = node.shape
        else:
            height, width = window_of(node, source).output_size(*source[:2])
            if min(height, width) < 1:
                raise UnsupportedError(
                    f"the window of layer {node.name!r} is larger than its {source[0]}x{source[1]} input",
                    where=f"model {spec.name!r} on images {input_shape[0]}x{input_shape[1]}",
                    next_step="use larger images, or another model",
                )
            known[node.name] = (height, width, node.filters if isinstance(node, Conv) else source[2])
    pooled = [] if spec.control is None else [("the controller", spec.control, spec.grid)]
    for who, name, grid in [*pooled, *((f"point {p.name!r}", p.after, p.grid) for p in spec.points)]:
        if -(-max(known[name][:2]) // grid) > WINDOW_MAX:
            raise UnsupportedError(
                f"{who} would pool a tensor of {known[name][0]}x{known[name][1]}, "
                f"and a window has at most {WINDOW_MAX} rows and columns",
                where=f"model {spec.name!r} on images {input_shape[0]}x{input_shape[1]}",
                next_step="use smaller images",
            )
    return known
