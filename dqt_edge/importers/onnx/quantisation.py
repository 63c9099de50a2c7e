"""QuantizeLinear and DequantizeLinear: scales of activations, integers of weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..problems import Unfit
from .context import Array, Context, Quantised
from .file import RawNode
from .fold import fold
from .operators import MISFITS

DYNAMIC = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM")
OPSET_MIN = 7
"""Version since which shapes are broadcast as NumPy does it."""
SAME_CODES = ("Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
"""What may lie between the DequantizeLinear of a constant and the layer that reads it."""


def refuse_formats(context: Context, where: str) -> None:
    """What a whole model is refused for, in one sentence.

    Raises:
        UnsupportedError: Operators of an old version, scales that the device would have to find, or activations that
            have not 8 bits.
    """
    if context.raw.opset < OPSET_MIN:
        raise UnsupportedError(
            f"it is written in version {context.raw.opset} of ONNX's operators",
            where=where,
            next_step=f"convert it to version {OPSET_MIN} or later: onnx.version_converter.convert_version(model, 13)",
        )
    dynamic = next((node for node in context.raw.nodes if node.type in DYNAMIC), None)
    if dynamic is not None:
        raise UnsupportedError(
            f"the model finds its scales while it runs ({dynamic.type})",
            where=where,
            next_step="quantise it with quantize_static, or import the floating-point model with calibration data",
        )
    for node in context.raw.nodes:
        if node.type == "QuantizeLinear" and not context.is_constant(node.inputs[0]):
            zero = context.constants.get(node.input(2))
            kind = "uint8" if zero is None else str(zero.dtype)
            if kind not in ("int8", "uint8"):
                raise UnsupportedError(
                    f"its activations are {kind}",
                    where=where,
                    next_step="quantise it with QuantType.QInt8 or QUInt8 activations, or import the float model",
                )


def prepare(context: Context, onnx: Any) -> None:  # noqa: ANN401 - a module
    """Compute all constants, quantised ones with their integers kept; find out whether the model is an integer one."""
    for node in context.raw.nodes:
        if not node.inputs or not all(context.is_constant(name) for name in node.inputs if name):
            continue
        try:
            prepare_node(context, onnx, node)
        except (Unfit, *MISFITS):
            continue  # the operator that reads it tells
        context.done.add(node.index)
    quantising = (n for n in context.raw.nodes if n.type == "QuantizeLinear" and n.index not in context.done)
    context.integer = any(True for _ in quantising)


def prepare_node(context: Context, onnx: Any, node: RawNode) -> None:  # noqa: ANN401 - a module
    """Compute an operator of constants; raises Unfit."""
    first = node.input(0)
    if node.type == "QuantizeLinear":
        context.constants[node.outputs[0]] = _quantised(context, node)
    elif node.type == "DequantizeLinear":
        context.quantised[node.outputs[0]] = _dequantised(context, node)
    elif first in context.quantised and node.type in SAME_CODES:
        context.quantised[node.outputs[0]] = _moved(context, onnx, node)
    else:
        inputs = [context.constant(node, i, "its inputs") if name else None for i, name in enumerate(node.inputs)]
        found = fold(onnx, context.raw.opset, node, inputs)
        context.constants.update(zip(node.outputs, found, strict=False))


def _along(values: Array, numbers: Array, axis: int) -> Array:
    """One number, or one for each element of an axis, so that it broadcasts."""
    if numbers.size == 1:
        return numbers.reshape(())
    if not -values.ndim <= axis < values.ndim or values.shape[axis] != numbers.size:
        raise Unfit(f"it has {numbers.size} scales for shape {values.shape}", "one for each channel")
    along = [1] * values.ndim
    along[axis] = -1
    return numbers.reshape(along)


def _parameters(context: Context, node: RawNode) -> tuple[Array, Array, int]:
    """Scales, zero points and axis."""
    if node.attributes.get("block_size"):
        raise Unfit("it has a scale for each block of weights", "one scale for each channel")
    scales = context.reals(node, 1, "its scales").ravel()
    zeros = np.asarray(context.constant(node, 2, "its zero points")) if node.input(2) else np.zeros(1, np.uint8)
    if (scales <= 0).any():
        raise Unfit("a scale is not positive", "positive scales")
    if zeros.dtype.kind not in "iu":
        raise Unfit(f"its zero points are {zeros.dtype}", "integers")
    return scales, zeros.ravel(), int(node.attributes.get("axis", 1))


def _quantised(context: Context, node: RawNode) -> Array:
    values = context.reals(node, 0, "its values")
    scales, zeros, axis = _parameters(context, node)
    limits = np.iinfo(zeros.dtype)
    codes = np.rint(values / _along(values, scales, axis)) + _along(values, zeros.astype(np.float64), axis)
    return np.asarray(np.clip(codes, limits.min, limits.max).astype(zeros.dtype))


def _dequantised(context: Context, node: RawNode) -> Quantised:
    values = np.asarray(context.constant(node, 0, "its values"))
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 4:
        raise Unfit(f"it dequantises {values.dtype}", "integers of 8 bits, and biases of 32")
    scales, zeros, axis = _parameters(context, node)
    if node.input(2) and context.constant(node, 2, "its zero points").dtype != values.dtype:
        raise Unfit(f"its zero points are no {values.dtype}, as its values are", "one type for both")
    _along(values, scales, axis)
    codes = values.astype(np.int64) - (_along(values, zeros.astype(np.int64), axis) if node.input(2) else 0)
    return Quantised(codes, scales, axis % max(values.ndim, 1))


def _moved(context: Context, onnx: Any, node: RawNode) -> Quantised:  # noqa: ANN401 - a module
    known = context.quantised[node.input(0)]
    rest = [context.constants.get(name) for name in node.inputs[1:]]
    values = fold(onnx, context.raw.opset, node, [known.values, *rest])[0]
    if known.scales.size == 1:
        return Quantised(values, known.scales, 0)
    # Where each element of the axis went, found with the axis' own numbers in the place of the values.
    along = [1] * known.values.ndim
    along[known.axis] = -1
    numbers = np.broadcast_to(np.arange(known.scales.size).reshape(along), known.values.shape)
    places = fold(onnx, context.raw.opset, node, [np.ascontiguousarray(numbers), *rest])[0]
    for axis in range(places.ndim):
        row = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
        if len(row) == known.scales.size and (row == np.arange(len(row))[:, None]).all():
            return Quantised(values, known.scales, axis)
    raise Unfit("its scales are not along one axis", "one scale for each channel")


def quantize(context: Context, node: RawNode) -> None:
    """A change of scale, or none where the layer before has it already."""
    view = context.view(node)
    quant = context.quant_of(node)
    if view.quant is None and not view.value.refused:
        raise Unfit("it reads a tensor that no quantised layer makes", "QuantizeLinear behind each layer")
    if view.quant == quant or view.value.refused:
        context.put(node.outputs[0], view)
        return
    value = context.builder.unary(context.name(node), view.value, "identity", quant=quant, source=node.outputs[0])
    context.put(node.outputs[0], dataclasses.replace(view, value=value, quant=quant))


def dequantize(context: Context, node: RawNode) -> None:
    """The codes stay, and so does their meaning."""
    view, quant = context.view(node), context.quant_of(node)
    if view.quant not in (None, quant) and not view.value.refused:
        raise Unfit("its scale is another than that of its QuantizeLinear", "one scale for both")
    context.put(node.outputs[0], view)
