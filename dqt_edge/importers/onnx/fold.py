"""What an .onnx file computes from constants alone: shapes, mostly, and weights that an exporter left unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..problems import Unfit
from .file import RawNode

Array = npt.NDArray[Any]
SIZE_MAX = 1 << 24
"""Elements of a result: a hostile file must not make a large one of a few bytes."""
FOLDED = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "CastLike",
        "Ceil",
        "Clip",
        "Concat",
        "ConstantOfShape",
        "Cos",
        "Div",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "MatMul",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Round",
        "Sign",
        "Sin",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tanh",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)


def fold(onnx: Any, opset: int, node: RawNode, inputs: Sequence[Array | None]) -> list[Array]:  # noqa: ANN401
    """Outputs of an operator of constants.

    Raises:
        Unfit: It is none of those that are computed here, or its result is too large, or it cannot be computed.
    """
    if node.type not in FOLDED:
        raise Unfit(
            "it computes a constant, which is not done for this operator", "the model exported with constants folded"
        )
    size = _size(node, [part for part in inputs if part is not None])
    if size > SIZE_MAX:
        raise Unfit(f"it makes a constant of {size} elements", f"at most {SIZE_MAX}")
    try:
        found = _evaluate(onnx, opset, node, inputs)
    except Exception as error:  # NumPy and the package raise what they like
        raise Unfit(f"it cannot be computed ({type(error).__name__})", "a model that onnx.checker accepts") from error
    return [np.asarray(part) for part in found]


def _evaluate(onnx: Any, opset: int, node: RawNode, inputs: Sequence[Array | None]) -> list[Any]:  # noqa: ANN401
    helper = onnx.helper
    names = [f"i{k}" if part is not None else "" for k, part in enumerate(inputs)]
    outputs = [f"o{k}" for k in range(len(node.outputs))]
    made = helper.make_node(node.type, names, outputs)
    for name, value in node.attributes.items():
        given = onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        made.attribute.append(helper.make_attribute(name, given))
    feeds = {name: part for name, part in zip(names, inputs, strict=True) if part is not None}
    graph = helper.make_graph(
        [made],
        "fold",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(p.dtype), p.shape) for n, p in feeds.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    with np.errstate(all="ignore"):
        return list(onnx.reference.ReferenceEvaluator(model).run(None, feeds))


def _size(node: RawNode, inputs: Sequence[Array]) -> int:
    """A bound on the elements of the result."""
    if node.type == "ConstantOfShape":
        return prod(abs(int(n)) for n in inputs[0].ravel())
    if node.type in ("Expand", "Tile") and len(inputs) > 1:
        return max(inputs[0].size, 1) * prod(max(abs(int(n)), 1) for n in inputs[1].ravel())
    if node.type == "Range" and len(inputs) == 3:
        start, stop, step = (float(part.ravel()[0]) for part in inputs)
        return int(min(abs((stop - start) / step), 2.0 * SIZE_MAX)) if step else 0
    if node.type in ("Gather", "MatMul"):
        return prod(max(part.size, 1) for part in inputs)
    size = sum(part.size for part in inputs)
    try:
        return max(size, prod(np.broadcast_shapes(*(part.shape for part in inputs))))
    except ValueError:
        return size
