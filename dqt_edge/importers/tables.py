"""Lookup tables: of functions, and of whole groups of layers that compute each code from one code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..graph import Add, Layer, Lookup, Maximum, Minimum, Multiply, Tensor, interpreter, nested
from .functions import Function

Table = npt.NDArray[np.uint8]
CODES = np.arange(256, dtype=np.uint8)


def table_of(function: Function, source: Tensor, result: Tensor, limits: tuple[int, int]) -> Table:
    """Codes of a function's values, uint8 [channels or 1, 256]: each the nearest, within limits."""
    real = source.scale * (CODES.astype(np.float64) - source.zero_point)
    values = function(np.broadcast_to(real[:, None], (256, function.channels))).T
    codes = nested.round_half_up(values / result.scale) + result.zero_point
    return np.clip(codes, *limits).astype(np.uint8)


def fuse_lookups(
    tensors: dict[str, Tensor], layers: Sequence[Layer], kept: frozenset[str]
) -> tuple[dict[str, Tensor], tuple[Layer, ...], list[str]]:
    """One lookup for layers that compute each code from the same code: a function of a function, ``x * sigmoid(x)``.

    Exact: the table holds what the layers would have computed.

    Args:
        tensors: By name.
        layers: In order.
        kept: Tensors that must stay: outputs and states.

    Returns:
        Tensors and layers that are left, and the names of the layers that now compute several.
    """
    roots: dict[str, tuple[str, Table]] = {}
    """Tensor -> the tensor that it is a function of, and the function."""
    found: list[Layer] = []
    for layer in layers:
        made = _lookup(layer, tensors, roots)
        if made is not None:
            roots[made.output] = made.input, made.table
        found.append(layer if made is None else made)
    wanted = set(kept)
    needed: list[Layer] = []
    for layer in reversed(found):
        if layer.output in wanted:
            wanted.update(layer.inputs)
            needed.append(layer)
    made_by = {layer.output for layer in needed}
    gone = {layer.output for layer in layers} - made_by
    single = {layer.name: layer for layer in layers}
    fused = [layer.name for layer in reversed(needed) if layer is not single[layer.name]]
    return {name: t for name, t in tensors.items() if name not in gone}, tuple(reversed(needed)), fused


def _lookup(layer: Layer, tensors: dict[str, Tensor], roots: dict[str, tuple[str, Table]]) -> Lookup | None:
    """The layer as a lookup of the tensor that all its inputs are functions of; None if it is no such layer."""
    if isinstance(layer, Lookup):
        if layer.input not in roots:
            return layer
        root, table = roots[layer.input]
        return replace(layer, input=root, table=_after(table, layer.table))
    if not isinstance(layer, Add | Multiply | Maximum | Minimum):
        return None
    parts = [roots.get(name, (name, CODES[None])) for name in layer.inputs]
    shapes = {tensors[name].shape for name in (*layer.inputs, layer.output)}
    if len({root for root, _ in parts}) != 1 or len(shapes) != 1:
        return None
    channels = max(len(table) for _, table in parts)
    live = {
        name: np.broadcast_to(table, (channels, 256)).T.reshape(1, 1, 256, channels)
        for name, (_, table) in zip(layer.inputs, parts, strict=True)
    }
    shape = (1, 256, channels)
    small = {name: replace(tensors[name], shape=shape) for name in (*layer.inputs, layer.output)}
    codes = interpreter.run_layer(layer, _Tensors(small), live)  # type: ignore[arg-type]
    return Lookup(layer.name, parts[0][0], layer.output, np.ascontiguousarray(codes[0, 0].T))


def _after(first: Table, second: Table) -> Table:
    """What two tables do one behind the other."""
    channels = max(len(first), len(second))
    first, second = (np.broadcast_to(t, (channels, 256)) for t in (first, second))
    return np.ascontiguousarray(np.take_along_axis(second, first.astype(np.intp), axis=1))


class _Tensors:
    """What the interpreter asks of a graph to run one layer: tensors by name."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name]
