"""Which operators of TFLite are known, and what their options mean."""

from __future__ import annotations

from ..graph import Shape, Window
from .network import Activation
from .problems import Unfit
from .tflite_file import RawOperator, RawTensor

Padding = tuple[int, int, int, int]
ACTIVATIONS: dict[int, Activation] = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}
LONE: dict[str, Activation] = {"RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "relu_n1_to_1"}
KINDS = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "ADD": "add",
    "MUL": "multiply",
    "AVERAGE_POOL_2D": "pool",
    "MAX_POOL_2D": "pool",
    "MEAN": "over_image",
    "REDUCE_MAX": "over_image",
    "CONCATENATION": "concat",
    "QUANTIZE": "quantize",
    **dict.fromkeys(LONE, "relu"),
}
SHAPES = ("SHAPE", "STRIDED_SLICE", "PACK")
"""What a converter writes to compute a shape that it could have known: read by RESHAPE alone, and passed over."""
SAME_DATA = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
SUPPORTED = ", ".join([*KINDS, *SAME_DATA, "PAD, SOFTMAX and DEQUANTIZE at the end"])
NEAREST = {
    "LOGISTIC": "a model that ends before the sigmoid",
    "HARD_SWISH": "RELU or RELU6",
    "LEAKY_RELU": "RELU or RELU6",
    "PRELU": "RELU or RELU6",
    "TANH": "RELU or RELU6",
    "SUB": "ADD",
    "TRANSPOSE_CONV": "CONV_2D",
    "SPLIT": "two convolutions that read the same tensor",
}


def shape_of(tensor: RawTensor) -> Shape:
    """(height, width, channels) of one sample; raises Unfit for anything else."""
    shape = tensor.shape
    if not 1 <= len(shape) <= 4 or min(shape) < 1:
        raise Unfit(f"tensor {tensor.name!r} has shape {shape}", "a batch of up to three dimensions")
    if shape[0] != 1:
        raise Unfit(f"it computes {shape[0]} samples at once", "a batch of one")
    return (1, 1, 1, *shape[1:])[-3:]  # type: ignore[return-value]


def require_plain(op: RawOperator) -> None:
    """Refuse a dilation; raises Unfit."""
    factors = op.options["DilationHFactor"], op.options["DilationWFactor"]
    if factors != (1, 1):
        raise Unfit(f"its dilation is {factors[0]}x{factors[1]}", "dilation 1")


def fused(op: RawOperator) -> Activation:
    """The activation behind an operator; raises Unfit for one that is not known."""
    code = op.options["FusedActivationFunction"]
    if code not in ACTIVATIONS:
        raise Unfit(f"its fused activation has number {code}", "none, RELU, RELU6 or RELU_N1_TO_1")
    return ACTIVATIONS[code]


def window_of(op: RawOperator, kernel: tuple[int, int], shape: Shape, pads: Padding) -> Window:
    """The operator's window over the tensor before any PAD; ``shape`` is that of its input, behind the PAD."""
    stride = op.options["StrideH"], op.options["StrideW"]
    if min(*stride, *kernel) < 1:
        raise Unfit(f"its stride is {stride} and its kernel {kernel}", "positive strides and kernels")
    own = Window.same(shape[:2], kernel, stride).padding if op.options["Padding"] == 0 else (0, 0, 0, 0)
    top, left, bottom, right = (a + b for a, b in zip(own, pads, strict=True))
    return Window(kernel, stride, (top, left, bottom, right))
