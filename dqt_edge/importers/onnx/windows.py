"""Where the windows of ONNX's convolutions and poolings lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..problems import Unfit
from .file import RawNode

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


class Windows(NamedTuple):
    """Kernels over a map; a series has height 1.

    Attributes:
        padding: (top, left, bottom, right).
        beyond: Rows and columns at the end that are no padding of the file's, but are needed for ``ceil_mode``.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    beyond: tuple[int, int]


def window_of(node: RawNode, own: Sequence[int], kernel: Sequence[int], rank: int) -> Windows:
    """Windows of an operator over a map of (height, width) ``own``."""
    axes = rank - 2
    strides, dilations = (_pair(node, name, axes) for name in ("strides", "dilations"))
    height, width = (int(n) for n in kernel)
    if min(height, width, *strides, *dilations) < 1:
        raise Unfit(f"its kernel is {height}x{width} and its stride {strides}", "positive strides and kernels")
    given = [int(n) for n in node.attributes.get("pads", ())]
    if given and (len(given) != 2 * axes or min(given) < 0):
        raise Unfit(f"it pads by {given}", "two numbers for each axis, not negative")
    auto, ceil = auto_pad(node), node.attributes.get("ceil_mode", 0)
    if ceil not in (0, 1):
        raise Unfit(f"its ceil_mode is {ceil}", "0 or 1")
    sides, beyond = [], []
    for i, n in enumerate(own):
        reach = ((height, width)[i] - 1) * dilations[i] + 1
        at = i - (2 - axes)
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            total = max((-(-n // strides[i]) - 1) * strides[i] + reach - n, 0)
            small = total // 2
            sides.append((small, total - small) if auto == "SAME_UPPER" else (total - small, small))
            beyond.append(0)
            continue
        before, after = (given[at], given[at + axes]) if given and at >= 0 and auto != "VALID" else (0, 0)
        free = n + before + after - reach
        if free < 0:
            raise Unfit(f"its kernel reaches over {reach} of {n + before + after} elements", "a smaller kernel")
        extra = 0
        if ceil:
            count = -(-free // strides[i]) + 1
            if (count - 1) * strides[i] >= n + before:  # a window must begin within the map or the padding before it
                count -= 1
            extra = max((count - 1) * strides[i] - free, 0)
        sides.append((before, after))
        beyond.append(extra)
    (top, bottom), (left, right) = sides
    return Windows((height, width), strides, (top, left, bottom, right), dilations, (beyond[0], beyond[1]))


def auto_pad(node: RawNode) -> str:
    """How an operator finds its padding by itself; raises Unfit for a way that ONNX does not have."""
    found = node.attributes.get("auto_pad", "NOTSET")
    if found not in AUTO_PADS:
        raise Unfit(f"its auto_pad is {found!r}", f"one of {', '.join(AUTO_PADS)}")
    return str(found)


def require_kernel(node: RawNode, weights: Sequence[int]) -> None:
    """Refuse a kernel that is stated and is not that of the weights."""
    stated = node.attributes.get("kernel_shape")
    if stated is not None and [int(n) for n in stated] != [int(n) for n in weights]:
        raise Unfit(f"its kernel_shape is {list(stated)}, and its weights have {list(weights)}", "one shape for both")


def _pair(node: RawNode, name: str, axes: int) -> tuple[int, int]:
    given = [int(n) for n in node.attributes.get(name, ())] or [1] * axes
    if len(given) != axes:
        raise Unfit(f"its {name} are {given}", f"one number for each of {axes} axes")
    first, second = [1] * (2 - axes) + given
    return first, second
