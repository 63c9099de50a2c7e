"""Bad .tflite files: the FlatBuffer itself, its tables, tensors, operators and their options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.tflite import read_network

from .case import Case, Format
from .tflite_raw import RAW, good

Edit = Callable[[Any], object]


def _read(path: Path) -> None:
    network = read_network(path)
    if network.integer:
        assemble(network)


def _case(edit: Edit, told: str, kind: str = "INT8") -> Case:
    """A model that was changed before it was written; ``kind``: of its numbers."""

    def make() -> bytes:
        from tests.support.tflite_models import small_network  # noqa: PLC0415 - needs an optional package

        model = small_network(kind)
        model.outputs = [ANSWER]
        edit(model)
        return bytes(model.encode())

    return Case(make, told)


def _cases(table: dict[str, tuple[Edit, str]], kind: str = "INT8") -> dict[str, Case]:
    return {name: _case(*row, kind) for name, row in table.items()}


def on_tensor(index: int, **values: Any) -> Edit:
    """Other facts of a tensor."""
    return lambda m: m.tensors[index].update(values)


def on_op(index: int, **options: Any) -> Edit:
    """Other options of an operator."""
    return lambda m: m.ops[index][3].update(options)


def inputs(index: int, *tensors: int) -> Edit:
    """Another list of inputs of an operator."""
    return lambda m: m.ops[index][1].__setitem__(slice(None), tensors)


def outputs(index: int, *tensors: int) -> Edit:
    """Another list of outputs of an operator."""
    return lambda m: m.ops[index][2].__setitem__(slice(None), tensors)


def renamed(index: int, kind: str) -> Edit:
    """Another kind of operator, with the inputs and outputs of the one that was there."""
    return lambda m: m.ops.__setitem__(index, (kind, m.ops[index][1], m.ops[index][2], {}))


def constant(index: int, values: Any, kind: str = "INT32") -> Edit:
    """Another constant in the place of one."""
    array = np.asarray(values, np.int32)
    return lambda m: m.tensors[index].update(data=array, shape=array.shape, kind=kind)


PADS, PADDED, CONV, WEIGHTS, BIAS, DEEP, DEEP_WEIGHTS, TOTAL, AXES, SHAPE, FLAT, LOGITS, DENSE, ANSWER = (
    *(1, 2, 3, 4, 5, 6, 7, 9, 13, 15, 16, 17, 18, 20),
)
INT_MAX = 2**31 - 1

TENSORS = _cases(
    {
        "an input of -9 rows": (
            on_tensor(0, shape=(1, -9, 7, 3)),
            "input 'part/tensor_0;other/tensor_0' (INPUT): its dim",
        ),
        "a tensor of 2^31 - 1 rows": (on_tensor(CONV, shape=(1, INT_MAX, 4, 8)), "tensor 3"),
        "a tensor whose size is more than 31 bits": (on_tensor(CONV, shape=(1, 1 << 16, 1 << 16, 8)), "tensor 3"),
        "a tensor whose size is more than 63 bits": (on_tensor(CONV, shape=(1 << 26,) * 4), "tensor 3"),
        "a tensor of 9 axes": (on_tensor(CONV, shape=(1,) * 9), "tensor 3"),
        "an input of no rows": (
            on_tensor(0, shape=(1, 0, 7, 3)),
            "input 'part/tensor_0;other/tensor_0' (INPUT): its shape is (0, 7, 3)",
        ),
        "an input of no axes": (on_tensor(0, shape=()), "0 'part/tensor_2' (PAD): it pads shape ()"),
        "an input of text": (on_tensor(0, kind="STRING"), "tensor_0"),
        "an input that is a resource": (on_tensor(0, kind="RESOURCE"), "tensor_0"),
        "an input of an unknown type": (lambda m: m.tensors[0].update(type=99), "tensor_0"),
        "a scale of 0": (on_tensor(CONV, scales=[0.0]), "tensor 3 of subgraph 0 has a scale"),
        "a negative scale": (on_tensor(CONV, scales=[-0.1]), "tensor 3 of subgraph 0 has a scale"),
        "a scale that is no number": (on_tensor(CONV, scales=[float("nan")]), "tensor 3 of subgraph 0 has a scale"),
        "an infinite scale": (on_tensor(CONV, scales=[float("inf")]), "tensor 3 of subgraph 0 has a scale"),
        "one bad scale of many": (
            lambda m: m.tensors[WEIGHTS]["scales"].__setitem__(5, 0.0),
            "tensor 4 of subgraph 0 has a scale",
        ),
        "zero points for other channels": (
            on_tensor(WEIGHTS, zeros=[0, 0]),
            "tensor 4 of subgraph 0 has 2 zero points for 8 scales",
        ),
        "zero points without scales": (on_tensor(CONV, scales=[], zeros=[3]), "(CONV_2D)"),
        "a zero point of 300": (on_tensor(CONV, zeros=[300]), "its zero point is 300"),
        "a zero point of -129": (on_tensor(0, zeros=[-129]), "its zero point is -129"),
        "a zero point of 2^62": (on_tensor(DEEP, zeros=[1 << 62]), "its zero point is 4611686018427387904"),
        "an activation with many scales": (on_tensor(CONV, scales=[0.1] * 8, zeros=[0] * 8, axis=3), "no single scale"),
        "weights with scales for other channels": (
            on_tensor(WEIGHTS, scales=[0.1] * 5, zeros=[0] * 5),
            "tensor 4 of subgraph 0 has 5 scales along axis 0 of shape (8, 3, 3, 3)",
        ),
        "weights with scales along another axis": (
            on_tensor(WEIGHTS, axis=1),
            "tensor 4 of subgraph 0 has 8 scales along axis 1",
        ),
        "weights with scales along axis 9": (
            on_tensor(WEIGHTS, axis=9),
            "tensor 4 of subgraph 0 has 8 scales along axis 9",
        ),
        "weights with scales along axis -1": (
            on_tensor(DEEP_WEIGHTS, axis=-1),
            "tensor 7 of subgraph 0 has 8 scales along axis -1",
        ),
        "weights with a zero point": (
            on_tensor(WEIGHTS, zeros=[0] * 7 + [9999]),
            "(CONV_2D): its weights have zero point 9999",
        ),
        "weights of 16 bits": (
            lambda m: m.tensors[WEIGHTS].update(kind="INT16", data=m.tensors[WEIGHTS]["data"].astype(np.int16)),
            "its weights are INT16",
        ),
        "weights of three axes": (
            lambda m: m.tensors[WEIGHTS].update(shape=(8, 9, 3)),
            "its weights have shape (8, 9, 3)",
        ),
        "weights for other input channels": (
            lambda m: m.tensors[WEIGHTS].update(shape=(8, 3, 3, 2), data=m.tensors[WEIGHTS]["data"][..., :2]),
            "(CONV_2D)",
        ),
        "weights of no channels": (
            lambda m: m.tensors[WEIGHTS].update(
                scales=[0.1], zeros=[0], shape=(0, 3, 3, 3), data=np.zeros((0, 3, 3, 3), np.int8)
            ),
            "(CONV_2D)",
        ),
        "weights that are too few": (
            lambda m: m.tensors[WEIGHTS].update(data=m.tensors[WEIGHTS]["data"][:7]),
            "tensor 4 of subgraph 0 has 189 bytes for shape (8, 3, 3, 3) of INT8",
        ),
        "weights that are too many": (
            lambda m: m.tensors[DENSE].update(shape=(5, 7)),
            "tensor 18 of subgraph 0 has 40 bytes for shape (5, 7) of INT8",
        ),
        "weights that are not there": (
            lambda m: m.tensors[WEIGHTS].update(data=None, scales=[0.1], zeros=[0]),
            "(CONV_2D)",
        ),
        "weights in a buffer that is not there": (
            on_tensor(WEIGHTS, buffer=9999),
            "tensor 4 of subgraph 0 has no buffer",
        ),
        "weights that are biases": (on_tensor(WEIGHTS, buffer=1 + BIAS), "tensor 4 of subgraph 0 has 32 bytes"),
        "biases of 8 bits": (
            lambda m: m.tensors[BIAS].update(kind="INT8", data=np.zeros(8, np.int8)),
            "it has 8 biases of type INT8",
        ),
        "biases for other channels": (
            lambda m: m.tensors[BIAS].update(shape=(3,), data=np.zeros(3, np.int32)),
            "it has 3 biases of type INT32",
        ),
    }
)

OPERATORS = _cases(
    {
        "an operator that reads a tensor that is not there": (
            inputs(3, CONV, 9999),
            "operator 3 of subgraph 0 has tensor 9999 among its inputs",
        ),
        "an operator that reads tensor -2": (
            inputs(3, CONV, -2),
            "operator 3 of subgraph 0 has tensor -2 among its inputs",
        ),
        "an operator that makes a tensor that is not there": (
            outputs(3, 9999),
            "operator 3 of subgraph 0 has tensor 9999 among its outputs",
        ),
        "an operator that makes tensor -1": (
            outputs(3, -1),
            "operator 3 of subgraph 0 has tensor -1 among its outputs",
        ),
        "an operator that reads nothing": (inputs(3), "3 'part/tensor_9' (ADD)"),
        "an operator that makes nothing": (outputs(10), "'' (SOFTMAX)"),
        "an operator with an input too few": (inputs(3, CONV), "3 'part/tensor_9' (ADD)"),
        "an operator without its weights": (inputs(1, PADDED, -1, BIAS), "1 'part/tensor_3' (CONV_2D)"),
        "an operator that makes two tensors": (
            outputs(3, TOTAL, FLAT),
            "operator 8 (RESHAPE) that makes tensor 16, which operator 3 (ADD)",
        ),
        "an operator that reads what it makes": (
            inputs(3, TOTAL, DEEP),
            "3 'part/tensor_9' (ADD): it reads a tensor that",
        ),
        "two operators that read each other": (
            inputs(3, 10, DEEP),
            "3 'part/tensor_9' (ADD): it reads a tensor that nothing",
        ),
        "operators in a wrong order": (lambda m: m.ops.insert(0, m.ops.pop(2)), "(DEPTHWISE_CONV_2D): it reads a tens"),
        "an operator that overwrites the input": (
            outputs(0, 0),
            "operator 0 (PAD) that makes tensor 0, which is an input",
        ),
        "an operator that overwrites weights": (
            outputs(0, WEIGHTS),
            "operator 0 (PAD) that makes tensor 4, which is a constant",
        ),
        "two operators that make one tensor": (
            outputs(2, CONV),
            "operator 2 (DEPTHWISE_CONV_2D) that makes tensor 3, which operator 1",
        ),
        "operators without any": (lambda m: m.ops.__delitem__(slice(0, 10)), "(SOFTMAX)"),
        "an operator of no known code": (lambda m: m.codes.update(ADD=9999), "operator 9999"),
        "an operator of a negative code": (lambda m: m.codes.update(ADD=-5), "(operator -5)"),
        "a custom operator": (lambda m: m.custom.update(ADD=b"Evil::system"), "custom operator 'Evil::system'"),
        "a custom operator whose name turns colours": (
            lambda m: m.custom.update(ADD=b"\x1b[31m"),
            "custom operator '\\x1b[31m'",
        ),
        "a custom operator without a name": (lambda m: m.custom.update(ADD=b""), "custom operator ''"),
        "an operator of TensorFlow itself": (
            lambda m: m.custom.update(ADD=b"FlexReadFile"),
            "ReadFile runs in TensorF",
        ),
        "a loop over itself": (renamed(6, "WHILE"), "(WHILE): loops and branches"),
        "a subgraph that is called": (renamed(6, "CALL"), "(CALL)"),
        "a subgraph that is called once and is not there": (
            lambda m: m.ops.__setitem__(6, ("CALL_ONCE", [], [12], {"InitSubgraphIndex": 7})),
            "(CALL_ONCE)",
        ),
        "the graph itself that is called once": (
            lambda m: m.ops.insert(0, ("CALL_ONCE", [], [], {"InitSubgraphIndex": 0})),
            "(CALL_ONCE)",
        ),
        "a variable that nobody made": (
            lambda m: m.ops.__setitem__(6, ("READ_VARIABLE", m.ops[6][1], m.ops[6][2], {})),
            "(READ_VARIABLE)",
        ),
        "a table that is looked up": (renamed(6, "HASHTABLE_LOOKUP"), "(HASHTABLE_LOOKUP)"),
    }
)

OPTIONS = _cases(
    {
        "a stride of 0": (on_op(1, StrideH=0), "(CONV_2D): its StrideH and StrideW"),
        "a negative stride": (on_op(1, StrideW=-2), "(CONV_2D): its StrideH and StrideW"),
        "a stride of 2^30": (on_op(1, StrideH=1 << 30), "(CONV_2D): its StrideH and StrideW"),
        "a dilation of 0": (on_op(2, DilationHFactor=0), "(DEPTHWISE_CONV_2D)"),
        "a negative dilation": (on_op(2, DilationWFactor=-1), "(DEPTHWISE_CONV_2D)"),
        "a dilation of 2^30": (on_op(2, DilationWFactor=1 << 30), "(DEPTHWISE_CONV_2D)"),
        "padding of an unknown kind": (on_op(1, Padding=7), "(CONV_2D): its padding has number 7"),
        "an unknown activation": (
            on_op(1, FusedActivationFunction=99),
            "(CONV_2D): its fused activation has number 99",
        ),
        "a window of no rows": (on_op(4, FilterHeight=0), "(MAX_POOL_2D)"),
        "a window of -1 columns": (on_op(5, FilterWidth=-1), "(AVERAGE_POOL_2D)"),
        "a window of 2^30 rows": (on_op(5, FilterHeight=1 << 30), "(AVERAGE_POOL_2D)"),
        "pooling in steps of 0": (on_op(4, StrideW=0), "(MAX_POOL_2D)"),
        "an exponent that is no number": (on_op(10, Beta=float("nan")), "(SOFTMAX)"),
        "an exponent of -1": (on_op(10, Beta=-1.0), "(SOFTMAX)"),
        "padding of -1 rows": (constant(PADS, [[0, 0], [-1, 0], [0, 1], [0, 0]]), "(PAD)"),
        "padding of 2^30 rows": (constant(PADS, [[0, 0], [1 << 30, 0], [0, 1], [0, 0]]), "(PAD)"),
        "padding of other axes": (constant(PADS, [[1, 0], [0, 1]]), "(PAD)"),
        "padding of the batch": (
            constant(PADS, [[1, 0], [0, 0], [0, 1], [0, 0]]),
            "(CONV_2D): it computes 2 samples at once",
        ),
        "a mean over axis 7": (constant(AXES, [1, 7]), "(MEAN): it works along axis 7 of 4"),
        "a mean over axis -9": (constant(AXES, [-9]), "(MEAN): it works along axis -9 of 4"),
        "a shape of another size": (constant(SHAPE, [1, 9]), "(RESHAPE)"),
        "a shape with two open sizes": (constant(SHAPE, [-1, -1]), "(RESHAPE)"),
        "a shape of -5": (constant(SHAPE, [1, -5]), "(RESHAPE)"),
        "a shape of 2^31 - 1": (constant(SHAPE, [INT_MAX, INT_MAX]), "(RESHAPE)"),
        "a dense layer for other inputs": (
            lambda m: m.tensors[DENSE].update(shape=(5, 7), data=np.zeros((5, 7), np.int8)),
            "(FULLY_CONNECTED)",
        ),
        "a sum of other shapes": (
            inputs(3, CONV, PADDED),
            "3 'part/tensor_9' (ADD): it joins shapes (1, 5, 4, 8) and (1, 10, 8, 3)",
        ),
        "a concatenation along axis 9": (
            lambda m: m.ops.__setitem__(3, ("CONCATENATION", [CONV, DEEP], [TOTAL], {"Axis": 9})),
            "(CONCATENATION)",
        ),
        "a concatenation of nothing": (
            lambda m: m.ops.__setitem__(3, ("CONCATENATION", [], [TOTAL], {"Axis": 3})),
            "(CONCATENATION)",
        ),
        "a transposition by a shape": (renamed(8, "TRANSPOSE"), "(TRANSPOSE)"),
        "slices of axes that are not there": (renamed(8, "SLICE"), "(SLICE)"),
        "rows that are gathered from nowhere": (
            lambda m: (constant(SHAPE, [99])(m), m.ops.__setitem__(8, ("GATHER", [14, SHAPE], [FLAT], {}))),
            "(GATHER)",
        ),
    }
)

FLOATS = _cases(
    {
        "weights that are no numbers": (
            lambda m: m.tensors[WEIGHTS].update(data=np.full((8, 3, 3, 3), np.nan, np.float32)),
            "(CONV_2D): its weights are not finite",
        ),
        "biases that are infinite": (
            lambda m: m.tensors[BIAS].update(data=np.full(8, np.inf, np.float32)),
            "(CONV_2D): it has 8 biases of type FLOAT32",
        ),
        "a constant that is no number": (
            lambda m: (
                m.tensors[SHAPE].update(kind="FLOAT32", shape=(8,), data=np.full(8, np.nan, np.float32)),
                m.ops.__setitem__(8, ("MUL", [14, SHAPE], [FLAT], {})),
            ),
            "(MUL): its constant are not finite",
        ),
    },
    "FLOAT32",
)

ENDS = _cases(
    {
        "no inputs": (lambda m: m.inputs.clear(), "(PAD)"),
        "an input twice": (lambda m: m.inputs.append(0), "subgraph 0 has tensor 0 twice among its inputs"),
        "an input that is not there": (lambda m: m.inputs.append(99), "subgraph 0 has tensor 99 among its inputs"),
        "an input that is -1": (lambda m: m.inputs.append(-1), "subgraph 0 has tensor -1 among its inputs"),
        "an input that is a constant": (
            lambda m: m.inputs.append(WEIGHTS),
            "subgraph 0 has tensor 4 among its inputs, which is a constant",
        ),
        "an input that an operator makes": (
            lambda m: m.inputs.append(CONV),
            "operator 1 (CONV_2D) that makes tensor 3, which is an input",
        ),
        "an end that searches along axis 7": (
            lambda m: (constant(SHAPE, [7])(m), m.ops.__setitem__(10, ("ARG_MAX", [LOGITS, SHAPE], [ANSWER], {}))),
            "(ARG_MAX): it searches along axis 7",
        ),
        "no outputs": (lambda m: m.outputs.clear(), "output"),
        "an output that is not there": (lambda m: m.outputs.append(99), "subgraph 0 has tensor 99 among its outputs"),
        "an output that is a constant": (lambda m: m.outputs.append(WEIGHTS), "output 'part/tensor_4"),
        "an output that nothing makes": (
            lambda m: (m.tensor((1, 3), "INT8", 0.1, 0), m.outputs.append(len(m.tensors) - 1)),
            "(OUTPUT): it is a constant, or nothing makes it",
        ),
    }
)

TFLITE = Format(
    "tflite",
    "model.tflite",
    lambda: good("INT8"),
    _read,
    {**RAW, **TENSORS, **OPERATORS, **OPTIONS, **FLOATS, **ENDS},
    least=70,
)
