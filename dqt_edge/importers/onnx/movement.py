"""Operators of ONNX that give data another shape: mostly, no data moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..problems import Unfit
from ..values import Operand
from .chains import JOINED
from .context import Context
from .file import FLOATS, RawNode
from .operators import Operator
from .view import Axes, View, view_of


def reshaped(context: Context, view: View, shape: Sequence[int], name: str) -> View:
    """A view in another shape; the data moves only if it does not lie so that it could stay."""
    shape = tuple(int(n) for n in shape)
    if prod(shape) != prod(view.shape) or min(shape, default=1) < 1:
        raise Unfit(f"it reshapes {view.shape} to {shape}", "a reshape of one sample that keeps its size")
    found = view.reshaped(shape)
    if found is None:
        axes = range(len(view.shape))
        found = view_of(context.as_axes(view, axes, name), view.shape, axes, view.quant).reshaped(shape)
        assert found is not None  # what lies in the file's order takes any shape
    return found


def same(context: Context, node: RawNode) -> None:
    """Identity, and Dropout, which does nothing once a model is trained."""
    if len(node.outputs) > 1 and context.readers[node.outputs[1]]:
        raise Unfit("its mask is used", "the operator's first output alone")
    context.put(node.outputs[0], context.view(node))


def cast(context: Context, node: RawNode) -> None:
    """A change of the type that keeps real numbers real."""
    if int(node.attributes.get("to", 1)) not in FLOATS and node.type == "Cast":
        raise Unfit("it makes integers of real numbers", "a model without it, or Floor")
    same(context, dataclasses.replace(node, outputs=node.outputs[:1]))


def transpose(context: Context, node: RawNode) -> None:
    """Another order of the axes in the file; the data stays until something needs it otherwise."""
    view = context.view(node)
    rank = len(view.shape)
    axes = [int(n) for n in node.attributes.get("perm", reversed(range(rank)))]
    if sorted(axes) != list(range(rank)):
        raise Unfit(f"it orders {rank} axes by {axes}", "a permutation of the axes")
    context.put(node.outputs[0], view.transposed(axes))


def reshape(context: Context, node: RawNode) -> None:
    """Reshape: 0 keeps an axis, -1 takes what is left."""
    view = context.view(node)
    wanted = context.numbers(node, "shape", 1) or []
    if not node.attributes.get("allowzero"):
        wanted = [view.shape[i] if n == 0 and i < len(view.shape) else n for i, n in enumerate(wanted)]
    rest = prod(n for n in wanted if n != -1)
    if wanted.count(-1) > 1 or (-1 in wanted and (rest < 1 or prod(view.shape) % rest)):
        raise Unfit(f"it reshapes {view.shape} to {wanted}", "a reshape of one sample that keeps its size")
    shape = [prod(view.shape) // rest if n == -1 else n for n in wanted]
    context.put(node.outputs[0], reshaped(context, view, shape, context.name(node)))


def flatten(context: Context, node: RawNode) -> None:
    """Flatten: the axes before and from ``axis`` on become one each."""
    view = context.view(node)
    rank = len(view.shape)
    axis = int(node.attributes.get("axis", 1))
    axis = axis + rank if axis < 0 else axis
    shape = prod(view.shape[:axis]), prod(view.shape[axis:])
    context.put(node.outputs[0], reshaped(context, view, shape, context.name(node)))


def squeeze(context: Context, node: RawNode) -> None:
    """Squeeze and Unsqueeze: axes of one element go or come."""
    view = context.view(node)
    axes = context.numbers(node, "axes", 1)
    if node.type == "Unsqueeze":
        rank = len(view.shape) + len(axes or ())
        places = {axis % rank for axis in axes or ()}
        rest = iter(view.shape)
        shape = [1 if axis in places else next(rest, 1) for axis in range(rank)]
    else:
        rank = max(len(view.shape), 1)
        gone = {axis % rank for axis in axes} if axes else {axis for axis, n in enumerate(view.shape) if n == 1}
        shape = [n for axis, n in enumerate(view.shape) if axis not in gone]
    context.put(node.outputs[0], reshaped(context, view, shape, context.name(node)))


def require_one_sample(context: Context, view: View, axis: int) -> None:
    """Refuse what works across the samples of an open batch."""
    if axis == 0 and context.open_batch and len(view.shape) > 1 and view.shape[0] == 1:
        raise Unfit("it works along the batch", "operators that treat each sample alone")


def axis_of(view: View, axis: int) -> int:
    """An axis counted from the front."""
    if not -len(view.shape) <= axis < len(view.shape):
        raise Unfit(f"it works along axis {axis} of {len(view.shape)}", "an axis that the tensor has")
    return axis % len(view.shape)


def concat(context: Context, node: RawNode) -> None:
    """Tensors side by side, in the order in which the largest of them lies."""
    fixed = {i: context.reals(node, i, "a part") for i, name in enumerate(node.inputs) if context.is_constant(name)}
    views = [context.view(node, i) for i in range(len(node.inputs)) if i not in fixed]
    axis = axis_of(views[0], int(node.attributes.get("axis", 1)))
    require_one_sample(context, views[0], axis)
    rank = len(views[0].shape)
    shapes = [*(view.shape for view in views), *(array.shape for array in fixed.values())]
    if any(len(shape) != rank for shape in shapes):
        raise Unfit(f"it joins shapes {shapes}", "tensors of one rank")
    if (
        not fixed
        and rank == 2
        and axis == 1
        and any(not view.plain for view in views)
        and _only_dense(context, node.outputs[0])
    ):
        _concat_as_it_lies(context, node, views)
        return
    shape = list(views[0].shape)
    shape[axis] = sum(part[axis] for part in shapes)
    largest = max(views, key=lambda view: (prod(view.shape), view.together))
    axes = with_axis(largest, axis)
    values: list[Operand] = [context.as_axes(view, axes, context.name(node)) for view in views]
    for i, array in fixed.items():
        gone = [a for a in range(rank) if a not in axes]
        turned = array.transpose(*gone, *axes)
        if any(n != 1 for n in turned.shape[: len(gone)]):
            raise Unfit(f"it joins a constant of shape {array.shape}, which is another for each sample", "one for all")
        values.insert(i, turned.reshape(turned.shape[len(gone) :]))
    target = context.target(node, fuse=True)
    value = context.builder.concat(
        context.name(node),
        values,
        axes.index(axis),
        activation=target.activation,
        quant=target.quant,
        source=target.source,
    )
    context.result(target, value, shape, axes)


SAME_PLACES = (
    "QuantizeLinear",
    "DequantizeLinear",
    "Dropout",
    "Identity",
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    JOINED,
)
"""Operators that do not ask where elements lie."""


def _only_dense(context: Context, name: str) -> bool:
    """Whether nothing but dense layers reads the elements of a flat tensor."""
    readers = context.readers[name]
    if not readers or name in context.raw.outputs:
        return False
    return all(
        (reader.type in SAME_PLACES and _only_dense(context, reader.outputs[0]))
        or (reader.type in ("Gemm", "MatMul") and reader.input(0) == name and context.is_constant(reader.input(1)))
        for reader in readers
        if reader.input(0) == name or reader.type not in SAME_PLACES
    )


def _concat_as_it_lies(context: Context, node: RawNode, views: Sequence[View]) -> None:
    """Flat maps side by side, without putting each in the file's order: the dense layers' weights know."""
    pieces = tuple(piece for view in views for piece in (view.pieces or ((view.parts, view.order),)))
    size = sum(view.shape[1] for view in views)
    values = [context.builder.reshape(view.value, (view.shape[1],)) for view in views]
    target = context.target(node, fuse=True)
    common: dict[str, Any] = {"activation": target.activation, "quant": target.quant, "source": target.source}
    value = context.builder.concat(context.name(node), values, 0, **common)
    context.put(target.name, View(value, (views[0].shape[0], size), (size,), (0,), target.quant, pieces), target.source)


def with_axis(view: View, axis: int) -> list[int]:
    """The axes as they lie, with one more of a single element: channels behind all, others in the file's order."""
    lying = view.lying()
    if axis == 1 and axis not in lying and len(view.shape) in (3, 4):
        return [*lying, axis]
    return list(view.lying(keep=[axis]))


def split(context: Context, node: RawNode) -> None:
    """Split into given sizes, or into equal ones."""
    view = context.view(node)
    axis = axis_of(view, int(node.attributes.get("axis", 0)))
    require_one_sample(context, view, axis)
    n, count = view.shape[axis], len(node.outputs)
    sizes = context.numbers(node, "split", 1) or [-(-n // count)] * (count - 1) + [n - -(-n // count) * (count - 1)]
    if sum(sizes) != n or len(sizes) != count or min(sizes) < 1:
        raise Unfit(f"it splits {n} elements into {sizes}", "parts of one element or more")
    first = 0
    for name, size in zip(node.outputs, sizes, strict=True):
        if name and (context.readers[name] or name in context.raw.outputs):
            part = _cut(context, view, {axis: (first, first + size, 1)}, f"{context.name(node)}_{first}")
            context.put(name, part)
        first += size


def _cut(context: Context, view: View, ranges: dict[int, tuple[int, int, int]], name: str) -> View:
    """Part of a view; ranges (begin, end, step) by axis, resolved as the builder wants them."""
    wide = {axis: r for axis, r in ranges.items() if r != (0, view.shape[axis], 1)}
    if not wide:
        return view
    axes = list(view.lying())
    begin, end, step = [0] * len(axes), [view.shape[axis] for axis in axes], [1] * len(axes)
    shape = list(view.shape)
    for axis, (first, last, by) in wide.items():
        count = len(range(first, last, by))
        if count < 1:
            raise Unfit(
                f"it takes {first}:{last}:{by} of {view.shape[axis]} elements, which is nothing", "some elements"
            )
        shape[axis] = count
        if axis in axes:
            at = axes.index(axis)
            begin[at], end[at], step[at] = first, last, by
    value = context.builder.slice(name, context.as_axes(view, axes, name), begin, end, step)
    return view_of(value, shape, axes, view.quant)


def slice_(context: Context, node: RawNode) -> None:
    """Slice: Python's meaning of begin, end and step."""
    view = context.view(node)
    begins, ends = context.numbers(node, "starts", 1) or [], context.numbers(node, "ends", 2) or []
    axes = context.numbers(node, "axes", 3) or list(range(len(begins)))
    steps = context.numbers(node, "steps", 4) or [1] * len(begins)
    if not len(begins) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Unfit("its begins, ends, axes and steps do not fit", "one of each for every axis")
    ranges = {}
    for begin, end, axis, step in zip(begins, ends, axes, steps, strict=True):
        at = axis_of(view, axis)
        first, last, by = slice(begin, end, step).indices(view.shape[at])
        ranges[at] = first, last, by
    context.put(node.outputs[0], _cut(context, view, ranges, context.name(node)))


def reverse(context: Context, node: RawNode) -> None:
    """ReverseSequence over whole sequences."""
    view = context.view(node)
    axis, batch = (
        axis_of(view, int(node.attributes.get(name, n))) for name, n in (("time_axis", 0), ("batch_axis", 1))
    )
    lengths = context.constant(node, 1, "its lengths")
    n = view.shape[axis]
    if any(int(length) != n for length in lengths.ravel()) or lengths.size != view.shape[batch]:
        raise Unfit("it reverses parts of its sequences", "Slice with a step of -1")
    context.put(node.outputs[0], _cut(context, view, {axis: (n - 1, -1, -1)}, context.name(node)))


RUNS_MAX = 32
"""Slices that a Gather may become."""


def gather(context: Context, node: RawNode) -> None:
    """Gather with constant places: evenly spaced ones are a slice, others some slices side by side."""
    view = context.view(node)
    places = np.asarray(context.constant(node, 1, "its places"))
    axis = axis_of(view, int(node.attributes.get("axis", 0)))
    require_one_sample(context, view, axis)
    n = view.shape[axis]
    numbers = [int(i) + (n if i < 0 else 0) for i in places.ravel()]
    if not numbers or min(numbers) < 0 or max(numbers) >= n or places.dtype.kind not in "iu":
        raise Unfit(f"it reads places {numbers[:8]} of {n} elements", "places within the tensor")
    runs = _runs(numbers)
    if len(runs) > RUNS_MAX:
        raise Unfit(f"its places make {len(runs)} slices", f"at most {RUNS_MAX}")
    name = context.name(node)
    parts = [_cut(context, view, {axis: run}, f"{name}_{i}") for i, run in enumerate(runs)]
    made = parts[0]
    if len(parts) > 1:
        axes = with_axis(parts[0], axis)
        values = [context.as_axes(part, axes, name) for part in parts]
        value = context.builder.concat(name, values, axes.index(axis), quant=view.quant)
        shape = (*view.shape[:axis], len(numbers), *view.shape[axis + 1 :])
        made = view_of(value, shape, axes, view.quant)
    shape = (*view.shape[:axis], *places.shape, *view.shape[axis + 1 :])
    context.put(node.outputs[0], reshaped(context, made, shape, name))


def _runs(numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    """Evenly spaced numbers as (begin, end, step)."""
    runs = []
    i = 0
    while i < len(numbers):
        step = numbers[i + 1] - numbers[i] if i + 1 < len(numbers) else 1
        count = 1
        while step and i + count < len(numbers) and numbers[i + count] == numbers[i] + count * step:
            count += 1
        step = step if count > 1 else 1
        runs.append((numbers[i], numbers[i] + count * step, step))
        i += count
    return runs


def depth_to_space(context: Context, node: RawNode) -> None:
    """DepthToSpace and SpaceToDepth: a reshape, a transpose and a reshape."""
    view = context.view(node)
    block = int(node.attributes.get("blocksize", 0))
    if len(view.shape) != 4 or block < 1:
        raise Unfit(f"it works on shape {view.shape} with blocks of {block}", "a map, and a block of 1 or more")
    n, c, h, w = view.shape
    if node.type == "SpaceToDepth":
        fits = h % block == 0 and w % block == 0
        apart: Axes = (n, c, h // block, block, w // block, block)
        order, last = (0, 3, 5, 1, 2, 4), (n, c * block * block, h // block, w // block)
    else:
        fits = c % (block * block) == 0
        deep = c // (block * block)
        last = n, deep, h * block, w * block
        if node.attributes.get("mode", "DCR") == "CRD":
            apart, order = (n, deep, block, block, h, w), (0, 1, 4, 2, 5, 3)
        else:
            apart, order = (n, block, block, deep, h, w), (0, 3, 4, 1, 5, 2)
    if not fits:
        raise Unfit(f"its blocks of {block} do not divide {view.shape}", "blocks that do")
    name = context.name(node)
    moved = reshaped(context, view, apart, name).transposed(order)
    context.put(node.outputs[0], reshaped(context, moved, last, name))


_SAME_DATA = "anywhere; the shape may be computed"
_BLOCKS = Operator(depth_to_space, "any block, both modes")
SHAPES = {
    "Identity": Operator(same),
    "Dropout": Operator(same, "it does nothing"),
    **dict.fromkeys(("Cast", "CastLike"), Operator(cast, "between types of real numbers, and of shapes")),
    "Transpose": Operator(transpose, "of any axes; most leave nothing behind"),
    "Reshape": Operator(reshape, _SAME_DATA),
    "Flatten": Operator(flatten, _SAME_DATA),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), Operator(squeeze, _SAME_DATA)),
    "Concat": Operator(concat, "along any axis; of tensors and constants"),
    "Split": Operator(split, "along any axis"),
    "Slice": Operator(slice_, "constant bounds, any steps"),
    "Gather": Operator(gather, "constant places, which make up to 32 slices"),
    "ReverseSequence": Operator(reverse, "of whole sequences"),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _BLOCKS),
}
