"""ONNX Runtime's operator-oriented format: each operator on integers, as the one on real numbers that it stands for.

``QLinearConv`` and its like read integers and scales, and write integers. Written as DequantizeLinear, the operator on
real numbers and QuantizeLinear, they are what the QDQ format says, and take the same road.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .file import RawNode, RawOnnx


class _Form(NamedTuple):
    """An operator on integers.

    Attributes:
        real: The operator on real numbers.
        reads: Positions of what it reads; each is followed by its scale and zero point.
        writes: Position of the result's scale, which its zero point follows.
        bias: Position of an int32 bias, or -1.
        axis: Of the scales of weights, the second of what it reads.
    """

    real: str
    reads: tuple[int, ...]
    writes: int
    bias: int = -1
    axis: int = 0


FORMS = {
    "QLinearConv": _Form("Conv", (0, 3), 6, bias=8),
    "QLinearMatMul": _Form("MatMul", (0, 3), 6, axis=1),
    "QGemm": _Form("Gemm", (0, 3), 7, bias=6, axis=1),
    "QLinearAdd": _Form("Add", (0, 3), 6),
    "QLinearMul": _Form("Mul", (0, 3), 6),
    "QLinearSigmoid": _Form("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": _Form("LeakyRelu", (0,), 3),
    "QLinearSoftmax": _Form("Softmax", (0,), 3),
    "QLinearAveragePool": _Form("AveragePool", (0,), 3),
    "QLinearGlobalAveragePool": _Form("GlobalAveragePool", (0,), 3),
    "QLinearReduceMean": _Form("ReduceMean", (0,), 3),
}
DROPPED = ("channels_last", "opset")
"""Attributes of the forms on integers that those on real numbers do not have."""


def expand(raw: RawOnnx) -> RawOnnx:
    """The model with every operator on integers written as QDQ."""
    if not any(node.type in FORMS or node.type == "QLinearConcat" for node in raw.nodes):
        return raw
    constants = dict(raw.constants)
    nodes: list[RawNode] = []
    for node in raw.nodes:
        if node.type == "QLinearConcat":
            reads = tuple(range(2, len(node.inputs) - 2, 3))
            nodes += _expanded(node, _Form("Concat", reads, 0), constants)
        elif node.type in FORMS and not node.attributes.get("channels_last"):
            nodes += _expanded(node, FORMS[node.type], constants)
        else:
            nodes.append(node)
    numbered = tuple(dataclasses.replace(node, index=i) for i, node in enumerate(nodes))
    return dataclasses.replace(raw, nodes=numbered, constants=constants)


def _expanded(node: RawNode, form: _Form, constants: dict[str, npt.NDArray[Any]]) -> list[RawNode]:
    made, operands = [], []
    result = node.outputs[0]
    axis = form.axis
    if node.type == "QGemm" and node.attributes.get("transB"):
        axis = 0
    for i, position in enumerate(form.reads):
        parameters = tuple(node.input(position + k) for k in (0, 1, 2))
        attributes = {"axis": axis} if i else {}
        operands.append(f"{result}/read_{i}")
        made.append(RawNode(0, node.name, "DequantizeLinear", parameters, (operands[-1],), attributes))
    bias = node.input(form.bias) if form.bias >= 0 else ""
    if bias:
        scales = [constants.get(node.input(position + 1)) for position in form.reads]
        if all(scale is not None for scale in scales):
            steps = np.asarray(scales[0], np.float64) * np.asarray(scales[1], np.float64).ravel()
            constants[f"{result}/steps"] = steps * float(node.attributes.get("alpha", 1.0))
        operands.append(f"{result}/bias")
        inputs = (bias, f"{result}/steps")
        made.append(RawNode(0, node.name, "DequantizeLinear", inputs, (operands[-1],), {"axis": 0}))
    attributes = {name: value for name, value in node.attributes.items() if name not in DROPPED}
    scale = node.input(form.writes)
    real = f"{result}/real" if scale else result
    made.append(RawNode(0, node.name, form.real, tuple(operands), (real,), attributes))
    if scale:
        parameters = (real, scale, node.input(form.writes + 1))
        made.append(RawNode(0, node.name, "QuantizeLinear", parameters, (result,), {}))
    return made
