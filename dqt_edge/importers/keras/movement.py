"""Functions of ``keras.ops`` that move data: shapes, orders of axes, indices, repetition, padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..builder import Value
from ..problems import Unfit
from .call import Call, Reads, reads


def _reshape(call: Call) -> Value:
    if math.prod(call.shape) != math.prod(call.x.shape):
        raise Unfit("it moves data between the samples of a batch", "a reshape of each sample")
    return call.builder.reshape(call.x, call.shape)


def _cast(call: Call) -> Value:
    if call.layer.dtype is not None and "float" not in str(call.layer.dtype):
        raise Unfit(f"it makes {call.layer.dtype} of real numbers", "no cast, or one to a floating-point type")
    return call.x


def _same(call: Call) -> Value:
    return call.x


def _transpose(call: Call) -> Value:
    rank = len(call.x.shape) + 1
    order = call.layer.axes or tuple(reversed(range(rank)))
    return _reordered(call, [int(axis) % rank for axis in order])


def _swap_axes(call: Call) -> Value:
    order = list(range(len(call.x.shape) + 1))
    first, second = call.layer.axis1, call.layer.axis2
    order[first], order[second] = order[second], order[first]
    return _reordered(call, order)


def _move_axis(call: Call) -> Value:
    rank = len(call.x.shape) + 1
    sources = [int(axis) % rank for axis in np.ravel(call.layer.source)]
    targets = [int(axis) % rank for axis in np.ravel(call.layer.destination)]
    order = [axis for axis in range(rank) if axis not in sources]
    for target, source in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source)
    return _reordered(call, order)


def _reordered(call: Call, order: list[int]) -> Value:
    """``order`` counts the batch."""
    if order[0] != 0:
        raise Unfit("it moves the batch", "an order of axes that starts with 0")
    return call.builder.transpose(call.name, call.x, tuple(axis - 1 for axis in order[1:]))


def _concatenate(call: Call) -> Value:
    axis = call.axis(int(call.layer.axis), len(call.inputs[0].shape))
    return call.builder.concat(call.name, call.parts, axis, source=call.source)


def _stack(call: Call) -> Value:
    axis = call.axis(int(call.layer.axis), len(call.shape))
    wide = (*call.shape[:axis], 1, *call.shape[axis + 1 :])
    rows = [call.builder.reshape(v, wide) if isinstance(v, Value) else v.reshape(wide) for v in call.parts]
    return call.builder.concat(call.name, rows, axis, source=call.source)


def _split(call: Call) -> list[Value]:
    axis, start, made = call.axis(int(call.layer.axis)), 0, []
    for i, shape in enumerate(call.shapes):
        begin, end = [0] * len(shape), list(call.x.shape)
        begin[axis], end[axis] = start, start + shape[axis]
        made.append(_sliced(call, f"{call.name}_{i}", begin, end, [1] * len(shape)))
        start += shape[axis]
    return made


def _unstack(call: Call) -> list[Value]:
    axis, made = call.axis(int(call.layer.axis)), []
    for i, shape in enumerate(call.shapes):
        begin, end = [0] * len(call.x.shape), list(call.x.shape)
        begin[axis], end[axis] = i, i + 1
        part = _sliced(call, f"{call.name}_{i}", begin, end, [1] * len(call.x.shape))
        made.append(call.builder.reshape(part, shape))
    return made


def _sliced(call: Call, name: str, begin: list[int], end: list[int], step: list[int]) -> Value:
    return call.builder.slice(name, call.x, tuple(begin), tuple(end), tuple(step))


def _get_item(call: Call) -> Value:
    """``x[key]``: numbers, slices, one ellipsis and new axes."""
    key = call.argument(1, "key")
    parts = list(key) if isinstance(key, list | tuple) else [key]
    if any(not (part is None or part is Ellipsis or isinstance(part, int | slice)) for part in parts):
        raise Unfit("its index is no number or slice", "numbers and slices")
    rank = len(call.x.shape) + 1
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    at = parts.index(Ellipsis)
    rest = rank - sum(part is not None for part in parts) + 1
    parts[at : at + 1] = [slice(None)] * rest
    parts = [part for part in parts if part is not None]  # a new axis is a matter of shape only
    if parts[0] != slice(None):
        raise Unfit("it takes some samples of a batch", "x[:, ...]")
    found = [slice(part, part + 1 or None) if isinstance(part, int) else part for part in parts[1:]]
    limits = [part.indices(n) for part, n in zip(found, call.x.shape, strict=True)]
    begin, end, step = ([limit[i] for limit in limits] for i in range(3))
    return call.builder.reshape(_sliced(call, call.name, begin, end, step), call.shape)


def _pad(call: Call) -> Value:
    widths = [(int(before), int(after)) for before, after in call.layer.pad_width]
    if len(widths) == 1 or widths[0] != (0, 0):
        raise Unfit("it pads the batch", "(0, 0) for the batch")
    value = call.argument(1, "constant_values")
    return call.builder.pad(
        call.name, call.x, widths[1:], value=0.0 if value is None else float(value), mode=call.layer.mode
    )


def _flip(call: Call) -> Value:
    axis = call.layer.axis
    if axis is None:
        raise Unfit("it works across the samples of a batch", "axes of one sample")
    axes = [call.axis(int(a)) for a in np.ravel(axis)]
    sizes = call.x.shape
    begin = [n - 1 if i in axes else 0 for i, n in enumerate(sizes)]
    end = [-1 if i in axes else n for i, n in enumerate(sizes)]
    return _sliced(call, call.name, begin, end, [-1 if i in axes else 1 for i in range(len(sizes))])


def _repeat(call: Call) -> Value:
    if call.layer.axis is None or np.size(call.layer.repeats) != 1:
        raise Unfit("it repeats without an axis, or some elements more often", "one number of times along one axis")
    return call.builder.repeat(call.name, call.x, call.axis(int(call.layer.axis)), int(np.ravel(call.layer.repeats)[0]))


def _tile(call: Call) -> Value:
    rank = len(call.x.shape) + 1
    times = [int(n) for n in np.ravel(call.layer.repeats)]
    times = [1] * (rank - len(times)) + times
    if len(times) != rank or times[0] != 1:
        raise Unfit("it repeats the batch", "1 for the batch")
    return call.builder.tile(call.name, call.x, tuple(times[1:]))


def _broadcast(call: Call) -> Value:
    return call.builder.broadcast(call.name, call.x, call.shape)


def _depth_to_space(call: Call) -> Value:
    (height, width, channels), block = call.x.shape, int(call.layer.block_size)
    parts = call.builder.reshape(call.x, (height, width, block, block, channels // block**2))
    return call.builder.reshape(call.builder.transpose(call.name, parts, (0, 2, 1, 3, 4)), call.shape)


def _space_to_depth(call: Call) -> Value:
    (height, width, channels), block = call.x.shape, int(call.layer.block_size)
    parts = call.builder.reshape(call.x, (height // block, block, width // block, block, channels))
    return call.builder.reshape(call.builder.transpose(call.name, parts, (0, 2, 1, 3, 4)), call.shape)


def _resize(call: Call) -> Value:
    layer: Any = call.layer
    if layer.interpolation not in ("nearest", "bilinear") or layer.antialias:
        raise Unfit(f"its interpolation is {layer.interpolation}", "nearest or bilinear, without antialias")
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise Unfit("it keeps the ratio of height to width", "a size of that ratio")
    size, method = (call.shape[0], call.shape[1]), layer.interpolation
    return call.builder.resize(call.name, call.x, size, method=method, half_pixel=True, align_corners=False)


_ANY = "anywhere"
MOVEMENTS: dict[str, Reads] = {
    **reads(_reshape, "Reshape", "ExpandDims", "Squeeze", supported=_ANY),
    **reads(_transpose, "Transpose", supported=_ANY),
    **reads(_swap_axes, "Swapaxes", supported=_ANY),
    **reads(_move_axis, "Moveaxis", supported=_ANY),
    **reads(_concatenate, "Concatenate", supported=_ANY),
    **reads(_stack, "Stack", supported=_ANY),
    **reads(_split, "Split", supported=_ANY),
    **reads(_unstack, "Unstack", supported=_ANY),
    **reads(_flip, "Flip", supported=_ANY),
    **reads(_repeat, "Repeat", supported=_ANY),
    **reads(_tile, "Tile", supported=_ANY),
    **reads(_broadcast, "BroadcastTo", supported=_ANY),
    **reads(_depth_to_space, "DepthToSpace", supported=_ANY),
    **reads(_space_to_depth, "SpaceToDepth", supported=_ANY),
    **reads(_get_item, "GetItem", supported="numbers, slices with any step, new axes and `...`"),
    **reads(_pad, "Pad", supported="of any axes: constant, reflect or symmetric"),
    **reads(_resize, "Resize", supported="nearest and bilinear, without `antialias` and another ratio"),
    **reads(_same, "Copy", "StopGradient", supported="left out"),
    **reads(_cast, "Cast", "SaturateCast", "ConvertToTensor", supported="left out, to a floating-point type"),
}
