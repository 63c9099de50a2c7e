"""Operators of ONNX that change the size of a tensor: Pad, Tile, Expand, Resize."""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import numpy as np

from ..problems import Unfit
from .context import Context
from .elementwise import broadcast_axes
from .file import RawNode
from .layers import require_quantised
from .movement import axis_of, require_one_sample
from .operators import Operator
from .view import View, view_of

PAD_MODES = ("constant", "reflect", "edge")
SCALE_TOLERANCE = 1e-3
"""Elements by which a factor may miss a whole size: ONNX finds places by the factor, the builder by the sizes."""
Rounding = Literal["floor", "ceil", "half_up", "half_down"]
ROUNDINGS: dict[str, Rounding] = {
    "round_prefer_floor": "half_down",
    "round_prefer_ceil": "half_up",
    "floor": "floor",
    "ceil": "ceil",
}
COORDINATES = {
    "asymmetric": (False, False),
    "half_pixel": (True, False),
    "pytorch_half_pixel": (True, False),
    "half_pixel_symmetric": (True, False),
    "tf_half_pixel_for_nn": (True, False),
    "align_corners": (False, True),
}
"""Where the centres of pixels lie: (half_pixel, align_corners)."""


def pad(context: Context, node: RawNode) -> None:
    """Pad with a constant, mirrored or repeated elements; negative numbers cut off."""
    view = context.view(node)
    rank = len(view.shape)
    mode: Any = node.attributes.get("mode", "constant")
    if mode not in PAD_MODES:
        raise Unfit(f"its mode is {mode!r}", f"one of {', '.join(PAD_MODES)}")
    given = context.numbers(node, "pads", 1) or []
    axes = [axis_of(view, axis) for axis in context.numbers(node, "axes", 3) or range(rank)]
    if len(given) != 2 * len(axes):
        raise Unfit(f"it pads by {given}", "two numbers for each axis")
    value = np.asarray(node.attributes.get("value", 0.0))
    if node.input(2):
        value = context.constant(node, 2, "its value")
    number = context.real(node.input(0), np.asarray(value), view)
    sides = {axis: (given[i], given[i + len(axes)]) for i, axis in enumerate(axes) if given[i] or given[i + len(axes)]}
    if 0 in sides and rank > 1 and view.shape[0] == 1:
        raise Unfit("it pads the batch", "padding of each sample")
    lying = view.lying(keep=sorted(sides))
    pads = [sides.get(axis, (0, 0)) for axis in lying]
    name = context.name(node)
    made = context.builder.pad(name, context.as_axes(view, lying, name), pads, number, mode)
    shape = [n + sum(sides.get(axis, (0, 0))) for axis, n in enumerate(view.shape)]
    context.put(node.outputs[0], view_of(made, shape, lying, view.quant))


def tile(context: Context, node: RawNode) -> None:
    """Tile: each axis several times."""
    view = context.view(node)
    times = context.numbers(node, "repeats", 1) or []
    if len(times) != len(view.shape) or min(times) < 1:
        raise Unfit(f"it repeats shape {view.shape} {times} times", "one number for each axis")
    if times[0] > 1:
        require_one_sample(context, view, 0)
    lying = view.lying(keep=[axis for axis, n in enumerate(times) if n > 1])
    name = context.name(node)
    made = context.builder.tile(name, context.as_axes(view, lying, name), [times[axis] for axis in lying])
    shape = [n * t for n, t in zip(view.shape, times, strict=True)]
    context.put(node.outputs[0], view_of(made, shape, lying, view.quant))


def expand(context: Context, node: RawNode) -> None:
    """Expand: axes of one element repeated."""
    view = context.view(node)
    wanted = context.numbers(node, "shape", 1) or []
    try:
        shape = tuple(int(n) for n in np.broadcast_shapes(view.shape, tuple(wanted)))
    except ValueError as error:
        raise Unfit(f"it repeats {view.shape} to {wanted}", "axes of one element") from error
    wide = view.reshaped((1,) * (len(shape) - len(view.shape)) + view.shape)
    assert wide is not None  # nothing but axes of one element was added
    axes = broadcast_axes(wide, shape)
    name = context.name(node)
    value = context.as_axes(wide, axes, name)
    made = context.builder.broadcast(name, value, tuple(shape[axis] for axis in axes))
    context.put(node.outputs[0], view_of(made, shape, axes, view.quant))


def resize(context: Context, node: RawNode) -> None:
    """Resize and Upsample, by the nearest element or linearly."""
    view = context.view(node)
    require_quantised(context, view)
    sizes = _sizes(context, node, view)
    changed = [axis for axis, n in enumerate(view.shape) if n != sizes[axis]]
    method = _method(node)
    half_pixel, corners, rounding = _places(node, method)
    if not changed:
        context.put(node.outputs[0], view)
        return
    if len(changed) > 2 or 0 in changed:
        raise Unfit(f"it resizes {view.shape} to {sizes}", "a new height and width")
    shrinks = any(sizes[axis] < view.shape[axis] for axis in changed)
    if node.attributes.get("antialias") and shrinks:
        raise Unfit("it smooths what it shrinks (antialias)", "antialias 0, or an average pooling")
    if len(view.shape) in (3, 4) and 1 not in changed:
        axes = [*range(2, len(view.shape)), 1]
    else:
        axes = [*changed, *(axis for axis in view.lying() if axis not in changed)]
    first = 2 if len(view.shape) == 4 and 1 not in changed else len(changed)
    name = context.name(node)
    value = context.as_axes(view, axes, name)
    own = [1, 1, *value.shape[:first]][-2:]
    size = [1, 1, *(sizes[axis] for axis in axes[:first])][-2:]
    value = context.builder.reshape(value, (*own, prod(value.shape[first:])))
    whole = all(m % n == 0 for n, m in zip(own, size, strict=True))
    if method == "nearest" and whole and rounding in ("half_up", "half_down") and half_pixel:
        half_pixel, rounding = False, "floor"  # the same for whole factors, and without a table
    made = context.builder.resize(
        name,
        value,
        (size[0], size[1]),
        method=method,
        half_pixel=half_pixel,
        align_corners=corners,
        rounding=rounding if method == "nearest" else None,
    )
    made = context.builder.reshape(made, tuple(sizes[axis] for axis in axes))
    context.put(node.outputs[0], view_of(made, sizes, axes, view.quant))


def _method(node: RawNode) -> Literal["nearest", "bilinear"]:
    mode = node.attributes.get("mode", "nearest")
    if mode == "nearest":
        return "nearest"
    if mode in ("linear", "bilinear"):
        return "bilinear"
    raise Unfit(f"its mode is {mode!r}", "nearest or linear")


def _places(node: RawNode, method: str) -> tuple[bool, bool, Rounding]:
    """(half_pixel, align_corners, rounding of the nearest)."""
    modern = node.type == "Resize" and len(node.inputs) > 2
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel" if modern else "asymmetric")
    if mode not in COORDINATES or node.attributes.get("exclude_outside"):
        raise Unfit(f"its coordinates are {mode!r}", f"one of {', '.join(COORDINATES)}")
    nearest = node.attributes.get("nearest_mode", "round_prefer_floor" if modern else "floor")
    rounding = ROUNDINGS.get(nearest, "floor")
    if mode == "tf_half_pixel_for_nn":
        if method != "nearest" or rounding != "floor":
            raise Unfit(f"its coordinates are {mode!r} with {nearest}", "half_pixel")
        rounding = "half_up"
    return (*COORDINATES[mode], rounding)


def _sizes(context: Context, node: RawNode, view: View) -> list[int]:
    """The new shape."""
    if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unfit("it keeps the aspect ratio", "sizes for height and width, or scales")
    axes = [axis_of(view, int(a)) for a in node.attributes.get("axes", range(len(view.shape)))]
    found = list(view.shape)
    if node.input(3):
        wanted = [int(n) for n in context.constant(node, 3, "its sizes").ravel()]
        if len(wanted) != len(axes):
            raise Unfit(f"its sizes are {wanted}", "one for each axis")
        for axis, n in zip(axes, wanted, strict=True):
            found[axis] = n
    else:
        position = 2 if len(node.inputs) > 2 else 1
        if node.input(position):
            scales = context.reals(node, position, "its scales").ravel()
        else:
            scales = np.asarray(node.attributes.get("scales", ()), np.float64)
        if len(scales) != len(axes):
            raise Unfit(f"its scales are {scales.tolist()}", "one for each axis")
        for axis, scale in zip(axes, scales, strict=True):
            exact = view.shape[axis] * float(scale)
            found[axis] = int(np.floor(exact + 1e-4))
            if abs(exact - found[axis]) > SCALE_TOLERANCE:
                raise Unfit(f"it scales {view.shape[axis]} elements by {scale:g}", "a factor that makes a whole size")
    if min(found) < 1:
        raise Unfit(f"it resizes {view.shape} to {found}", "sizes of one element or more")
    return found


SIZES = {
    "Pad": Operator(pad, "of any axes; a value, mirrored or repeated elements; negative numbers cut off"),
    "Tile": Operator(tile, "along any axes"),
    "Expand": Operator(expand, "along any axes"),
    **dict.fromkeys(
        ("Resize", "Upsample"),
        Operator(resize, "nearest and linear; asymmetric, half_pixel and align_corners; whole sizes"),
    ),
}
