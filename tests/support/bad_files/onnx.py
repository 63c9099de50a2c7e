"""Bad .onnx files: the message itself, its graph, tensors, attributes and quantisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.onnx import read_onnx

from .case import Case, Format

Edit = Callable[[Any], object]


def _read(path: Path) -> None:
    network = read_onnx(path)
    if network.integer:
        assemble(network)


@cache
def _good() -> bytes:
    """A convolution, an activation, pooling and a product, in floating point."""
    from tests.support.onnx_models import Maker  # noqa: PLC0415 - needs an optional package

    m = Maker()
    x = m.add("MaxPool", m.add("Relu", m.conv(m.input("n", 3, 8, 8), 3, 4)), kernel_shape=[2, 2], strides=[2, 2])
    y = m.dense(m.add("Reshape", x, m.const([-1, 36])), 36, 3)
    return bytes(m.model(y).SerializeToString())


@cache
def _quantised() -> bytes:
    """The same between QuantizeLinear and DequantizeLinear."""
    from tests.support.onnx_models import Maker  # noqa: PLC0415 - needs an optional package

    m = Maker()
    zero = m.const(np.asarray(0, np.int8), np.int8)

    def coded(x: str, scale: float) -> str:
        parameters = m.const(np.float32(scale)), zero
        return str(m.add("DequantizeLinear", m.add("QuantizeLinear", x, *parameters), *parameters))

    weights = m.const(m.rng.integers(-127, 128, (4, 3, 3, 3)), np.int8)
    scales = m.const(np.full(4, 0.01, np.float32))
    zeros = m.const(np.zeros(4, np.int8), np.int8)
    x = coded(m.input("n", 3, 8, 8), 0.02)
    w = m.add("DequantizeLinear", weights, scales, zeros, axis=0)
    y = coded(m.add("Conv", x, w), 0.05)
    return bytes(m.model(y).SerializeToString())


def _case(edit: Edit, told: str, good: Callable[[], bytes] = _good) -> Case:
    """A model whose message was changed."""

    def make() -> bytes:
        import onnx  # noqa: PLC0415 - an optional package

        model = onnx.load_model_from_string(good())
        edit(model)
        return bytes(model.SerializeToString())

    return Case(make, told)


def _raw(edit: Callable[[bytes], bytes], told: str) -> Case:
    return Case(lambda: edit(_good()), told)


def _node(index: int, **fields: Any) -> Edit:
    """Other fields of an operator."""

    def edit(model: Any) -> None:
        node = model.graph.node[index]
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(node, name)[:]
                getattr(node, name).extend(value)
            else:
                setattr(node, name, value)

    return edit


def _attribute(index: int, **values: Any) -> Edit:
    """Other attributes of an operator."""

    def edit(model: Any) -> None:
        import onnx  # noqa: PLC0415 - an optional package

        node = model.graph.node[index]
        kept = [a for a in node.attribute if a.name not in values]
        del node.attribute[:]
        node.attribute.extend([*kept, *(onnx.helper.make_attribute(name, value) for name, value in values.items())])

    return edit


def _tensor(index: int, **fields: Any) -> Edit:
    """Other fields of a constant."""

    def edit(model: Any) -> None:
        tensor = model.graph.initializer[index]
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(tensor, name)[:]
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)

    return edit


def _values(index: int, values: Any) -> Edit:
    """Another constant under the name of one."""

    def edit(model: Any) -> None:
        import onnx  # noqa: PLC0415 - an optional package

        tensor = model.graph.initializer[index]
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(values), tensor.name))

    return edit


def _outside(location: str) -> Edit:
    """Weights in another file."""

    def edit(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=location)

    return edit


def _dimension(axis: int, value: int) -> Edit:
    return lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[axis], "dim_value", value)


def _function_of_itself(model: Any) -> None:
    import onnx  # noqa: PLC0415 - an optional package

    helper, versions = onnx.helper, [onnx.helper.make_opsetid("", 17)]
    call = helper.make_node("f", ["x"], ["y"], domain="d")
    model.functions.append(helper.make_function("d", "f", ["x"], ["y"], [call], versions))
    model.graph.node.append(helper.make_node("f", ["image"], ["more"], domain="d"))


def _functions_without_end(model: Any) -> None:
    """Thirty functions that each call the next twice."""
    import onnx  # noqa: PLC0415 - an optional package

    helper, versions = onnx.helper, [onnx.helper.make_opsetid("", 17)]
    for i in range(30):
        twice = [helper.make_node(f"f{i + 1}", [a], [b], domain="d") for a, b in (("x", "z"), ("z", "y"))]
        model.functions.append(helper.make_function("d", f"f{i}", ["x"], ["y"], twice, versions))
    model.graph.node.append(helper.make_node("f0", ["image"], ["more"], domain="d"))


def _graphs_within(model: Any) -> None:
    """Graphs in attributes of operators of graphs, 60 deep."""
    import onnx  # noqa: PLC0415 - an optional package

    inner = onnx.GraphProto()
    for _ in range(60):
        outer = onnx.GraphProto()
        outer.node.add(op_type="If", output=["y"]).attribute.add(name="then_branch", type=5).g.CopyFrom(inner)
        inner = outer
    model.graph.node.add(op_type="If", input=["image"], output=["more"]).attribute.add(name="b", type=5).g.CopyFrom(
        inner
    )


def _sparse(model: Any) -> None:
    model.graph.sparse_initializer.add().values.name = "w"


def _grown(model: Any) -> None:
    """A constant of 2^42 elements, made of one."""
    model.graph.initializer.add(name="shape", data_type=7, dims=[4], int64_data=[1, 3, 1 << 20, 1 << 20])
    model.graph.initializer.add(name="one", data_type=1, dims=[1], float_data=[1.0])
    model.graph.node.add(op_type="Expand", name="grow", input=["one", "shape"], output=["large"])
    model.graph.node.add(op_type="Add", name="add", input=["image", "large"], output=["more"])


CONV, RELU, POOL, RESHAPE, GEMM = range(5)
WEIGHTS, BIAS, SHAPE, MATRIX = range(4)

MESSAGE = {
    "an empty file": _raw(lambda c: b"", "it names no version of ONNX's operators"),
    "a picture": _raw(lambda c: b"\x89PNG\r\n\x1a\n" + bytes(99), "Error parsing message with type 'onnx.ModelProto'"),
    "a .tflite file": _raw(
        lambda c: b"\x1c\0\0\0TFL3" + bytes(99), "Error parsing message with type 'onnx.ModelProto'"
    ),
    "a page of text": _raw(lambda c: b"<html>" * 99, "Error parsing message with type 'onnx.ModelProto'"),
    "cut off within the first operator": _raw(lambda c: c[:40], "Error parsing message with type 'onnx.ModelProto'"),
    "cut off within the weights": _raw(lambda c: c[: len(c) // 2], "Error parsing message with type 'onnx.ModelProto'"),
    "cut off before the last byte": _raw(lambda c: c[:-1], "Error parsing message with type 'onnx.ModelProto'"),
    "a length of 2^63": _raw(
        lambda c: c + b"\x3a" + b"\xff" * 9 + b"\x01", "Error parsing message with type 'onnx.ModelProto'"
    ),
    "a number without end": _raw(
        lambda c: c + b"\x08" + b"\xff" * 30, "Error parsing message with type 'onnx.ModelProto'"
    ),
}

GRAPH = {
    "no version of the operators": _case(lambda m: m.opset_import.__delitem__(slice(None)), "it names no version"),
    "a version of -1": _case(lambda m: setattr(m.opset_import[0], "version", -1), "it names no version"),
    "a version of tomorrow": _case(lambda m: setattr(m.opset_import[0], "version", 2**40), "version 1099511627776"),
    "no operators": _case(lambda m: m.graph.node.__delitem__(slice(None)), "nothing makes its output"),
    "no inputs": _case(lambda m: m.graph.input.__delitem__(slice(None)), "0 inputs and 1 outputs"),
    "no outputs": _case(lambda m: m.graph.output.__delitem__(slice(None)), "1 inputs and 0 outputs"),
    "an input twice": _case(lambda m: m.graph.input.append(m.graph.input[0]), "it has the input 'image' twice"),
    "an output that nothing makes": _case(
        lambda m: setattr(m.graph.output[0], "name", "x"), "nothing makes its output 'x'"
    ),
    "an output without a name": _case(lambda m: setattr(m.graph.output[0], "name", ""), "nothing makes its output ''"),
    "an input without a shape": _case(
        lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"), "its input 'image' has no shape"
    ),
    "an input that is no tensor": _case(
        lambda m: m.graph.input[0].type.sequence_type.elem_type.tensor_type.SetInParent(),
        "its input 'image' has no shape",
    ),
    "an input of 9 axes": _case(
        lambda m: [m.graph.input[0].type.tensor_type.shape.dim.add(dim_value=2) for _ in range(5)],
        "its input 'image' has 9 axes",
    ),
    "an input of -8 rows": _case(_dimension(2, -8), "input 'image'"),
    "an input of 2^62 columns": _case(_dimension(3, 1 << 62), "input 'image'"),
    "an input of text": _case(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 8), "input 'image'"),
    "an input of an unknown type": _case(
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 99), "its input 'image'"
    ),
    "a function that calls itself": _case(_function_of_itself, "its function 'f' calls itself"),
    "functions that call each other without end": _case(_functions_without_end, "its functions make more than 10000"),
    "graphs within graphs": _case(_graphs_within, "Error parsing message with type 'onnx.ModelProto'"),
    "20,000 operators": _case(
        lambda m: [m.graph.node.add(op_type="Relu", input=["image"], output=[f"r{i}"]) for i in range(20_000)],
        "it has 20005 entries of node",
    ),
}

TENSORS = {
    "weights above the folder": _case(_outside("../../etc/passwd"), "the values of 'c0' are in another file"),
    "weights by a whole path": _case(_outside("/etc/passwd"), "the values of 'c0' are in another file"),
    "weights in a file beside": _case(_outside("secret"), "the values of 'c0' are in another file"),
    "weights that are sparse": _case(_sparse, "its weights are sparse tensors"),
    "weights of a negative shape": _case(_tensor(WEIGHTS, dims=[-4, 3, 3, 3]), "'c0' has shape [-4, 3, 3, 3]"),
    "weights of 2^62 elements": _case(_tensor(WEIGHTS, dims=[1 << 62, 3, 3, 3]), "'c0' has shape [4611686018427387904"),
    "weights whose size is more than 63 bits": _case(_tensor(WEIGHTS, dims=[1 << 32, 1 << 32]), "'c0' has shape"),
    "weights of 9 axes": _case(_tensor(WEIGHTS, dims=[1] * 9), "'c0' has shape"),
    "weights that are too few": _case(_tensor(WEIGHTS, raw_data=bytes(64)), "'c0'"),
    "weights that are too many": _case(_tensor(WEIGHTS, raw_data=bytes(4096)), "'c0'"),
    "weights cut off within a number": _case(_tensor(WEIGHTS, raw_data=bytes(431)), "'c0'"),
    "weights of no type": _case(_tensor(WEIGHTS, data_type=0), "'c0'"),
    "weights of an unknown type": _case(_tensor(WEIGHTS, data_type=99), "'c0'"),
    "weights of text": _case(_tensor(WEIGHTS, data_type=8), "'c0'"),
    "weights that are no numbers": _case(_values(WEIGHTS, np.full((4, 3, 3, 3), np.nan, np.float32)), "'Conv0' (Conv)"),
    "biases that are infinite": _case(_values(BIAS, np.full(4, np.inf, np.float32)), "'Conv0' (Conv)"),
    "biases for other channels": _case(_values(BIAS, np.zeros(3, np.float32)), "'Conv0' (Conv)"),
    "weights for other input channels": _case(_values(WEIGHTS, np.zeros((4, 2, 3, 3), np.float32)), "'Conv0' (Conv)"),
    "weights of three axes": _case(_values(WEIGHTS, np.zeros((4, 3, 3), np.float32)), "'Conv0' (Conv)"),
    "weights of no channels": _case(_values(WEIGHTS, np.zeros((0, 3, 3, 3), np.float32)), "'Conv0' (Conv)"),
    "a matrix for other inputs": _case(_values(MATRIX, np.zeros((3, 35), np.float32)), "'Gemm4' (Gemm)"),
    "two constants of one name": _case(_tensor(BIAS, name="c0"), "its constant 'c0' is there twice"),
    "a constant with an input's name": _case(_tensor(BIAS, name="image"), "it has 0 inputs"),
    "a constant without a name": _case(_tensor(BIAS, name=""), "'c1'"),
    "a constant of 2^42 elements of few bytes": _case(_grown, "'grow' (Expand)"),
}

OPERATORS = {
    "an operator that reads what nothing makes": _case(
        _node(RELU, input=["x"]), "operator 1 (Relu) reads 'x', which noth"
    ),
    "an operator that reads itself": _case(_node(RELU, input=["t1"]), "operator 1 (Relu) reads 't1', which nothing"),
    "operators in a wrong order": _case(
        lambda m: m.graph.node.insert(0, m.graph.node.pop(1)), "operator 0 (Relu) reads 't0', which nothing makes"
    ),
    "an operator that makes what another made": _case(_node(RELU, output=["t0"]), "operator 1 (Relu) makes 't0' again"),
    "an operator that makes its input": _case(_node(CONV, output=["image"]), "operator 0 (Conv) makes 'image' again"),
    "an operator that makes a constant": _case(_node(CONV, output=["c0"]), "operator 0 (Conv) makes 'c0' again"),
    "an operator that makes nothing": _case(_node(GEMM, output=[]), "nothing makes its output 't4'"),
    "an operator that reads nothing": _case(_node(RELU, input=[]), "'Relu1' (Relu)"),
    "a convolution without weights": _case(_node(CONV, input=["image"]), "'Conv0' (Conv)"),
    "an operator of no type": _case(_node(RELU, op_type=""), "'Relu1' ()"),
    "an operator of another domain": _case(_node(RELU, domain="evil", op_type="System"), "'Relu1' (evil.System)"),
    "an operator whose name turns colours": _case(_node(RELU, op_type="\x1b[31m"), "'Relu1' (\x1b[31m)"),
    "a loop": _case(_node(RELU, op_type="Loop"), "'Relu1' (Loop): it is control flow"),
    "code of Python": _case(_node(RELU, domain="ai.onnx.contrib", op_type="PyOp"), "(ai.onnx.contrib.PyOp)"),
}

ATTRIBUTES = {
    "a stride of 0": _case(_attribute(CONV, strides=[0, 1]), "'Conv0' (Conv)"),
    "a negative stride": _case(_attribute(CONV, strides=[-1, 1]), "'Conv0' (Conv)"),
    "a stride of 2^40": _case(_attribute(CONV, strides=[1 << 40, 1]), "'Conv0' (Conv)"),
    "three strides": _case(_attribute(CONV, strides=[1, 1, 1]), "'Conv0' (Conv)"),
    "strides that are real": _case(_attribute(CONV, strides=[0.5, 0.5]), "'Conv0' (Conv)"),
    "strides that are text": _case(_attribute(CONV, strides="two"), "'Conv0' (Conv)"),
    "negative padding": _case(_attribute(CONV, pads=[-1, 0, 0, 0]), "'Conv0' (Conv)"),
    "padding of 2^40": _case(_attribute(CONV, pads=[1 << 40, 0, 0, 0]), "'Conv0' (Conv)"),
    "padding of two numbers": _case(_attribute(CONV, pads=[1, 1]), "'Conv0' (Conv)"),
    "an unknown padding": _case(_attribute(CONV, auto_pad="EVERYWHERE"), "'Conv0' (Conv)"),
    "a dilation of 0": _case(_attribute(CONV, dilations=[0, 1]), "'Conv0' (Conv)"),
    "no groups": _case(_attribute(CONV, group=0), "'Conv0' (Conv)"),
    "minus one group": _case(_attribute(CONV, group=-1), "'Conv0' (Conv)"),
    "groups that do not divide": _case(_attribute(CONV, group=7), "'Conv0' (Conv)"),
    "another kernel than the weights have": _case(_attribute(CONV, kernel_shape=[5, 5]), "'Conv0' (Conv)"),
    "a window of no rows": _case(_attribute(POOL, kernel_shape=[0, 2]), "'MaxPool2' (MaxPool)"),
    "a window of 2^40": _case(_attribute(POOL, kernel_shape=[1 << 40, 2]), "'MaxPool2' (MaxPool)"),
    "no window": _case(lambda m: m.graph.node[POOL].attribute.pop(0), "'MaxPool2' (MaxPool)"),
    "a mode of pooling that is a tensor": _case(_attribute(POOL, ceil_mode=7), "'MaxPool2' (MaxPool)"),
    "an attribute of another type than its values": _case(
        lambda m: setattr(m.graph.node[POOL].attribute[0], "type", 1), "'MaxPool2' (MaxPool)"
    ),
    "a reshape to another size": _case(_values(SHAPE, np.array([-1, 35])), "'Reshape3' (Reshape)"),
    "a reshape with two open sizes": _case(_values(SHAPE, np.array([-1, -1])), "'Reshape3' (Reshape)"),
    "a reshape to -5": _case(_values(SHAPE, np.array([1, -5])), "'Reshape3' (Reshape)"),
    "a reshape to 2^62": _case(_values(SHAPE, np.array([1 << 62, 4])), "'Reshape3' (Reshape)"),
    "a reshape by real numbers": _case(_values(SHAPE, np.array([-1.0, 36.0], np.float32)), "'Reshape3' (Reshape)"),
    "a product by no number": _case(_attribute(GEMM, alpha=float("nan")), "'Gemm4' (Gemm)"),
    "a product without end": _case(_attribute(GEMM, beta=float("inf")), "'Gemm4' (Gemm)"),
}

QUANTISATION = {
    name: _case(edit, told, _quantised)
    for name, (edit, told) in {
        "a scale of 0": (_values(4, np.float32(0)), "(DequantizeLinear): its scale is 0.0"),
        "a negative scale": (_values(4, np.float32(-0.1)), "(DequantizeLinear): its scale is -0.1"),
        "a scale that is no number": (_values(4, np.float32(np.nan)), "(DequantizeLinear): its scales are not finite"),
        "an infinite scale": (_values(4, np.float32(np.inf)), "(DequantizeLinear): its scales are not finite"),
        "an empty scale": (_values(4, np.zeros(0, np.float32)), "(DequantizeLinear): its activations have 0 scales"),
        "scales for other channels": (_values(2, np.full(3, 0.01, np.float32)), "DequantizeLinear"),
        "scales along axis 9": (_attribute(2, axis=9), "'DequantizeLinear2'"),
        "zero points for other channels": (_values(3, np.zeros(3, np.int8)), "DequantizeLinear"),
        "zero points of another type": (_values(3, np.zeros(4, np.uint8)), "DequantizeLinear"),
        "zero points of 16 bits": (_values(0, np.int16(0)), "int16"),
        "weights of no zero points' type": (_values(1, np.zeros((4, 3, 3, 3), np.float32)), "DequantizeLinear"),
    }.items()
}

ONNX = Format(
    "onnx",
    "model.onnx",
    _good,
    _read,
    {**MESSAGE, **GRAPH, **TENSORS, **OPERATORS, **ATTRIBUTES, **QUANTISATION},
    least=30,
    around=lambda: {"secret": b"nothing for strangers"},
)
