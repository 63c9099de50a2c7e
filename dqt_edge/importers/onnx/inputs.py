"""Whether an input of an .onnx model has its channels first."""

from __future__ import annotations

from .context import CHANNEL_AXIS, Context

CHANNELS_FIRST = frozenset(
    [
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "BatchNormalization",
        "DepthToSpace",
        "SpaceToDepth",
        "InstanceNormalization",
        "GroupNormalization",
        "LRN",
        "LpPool",
        "GlobalLpPool",
        "QLinearConv",
        "ConvInteger",
    ]
)
"""Operators whose channels are on axis 1."""
KEEPING = frozenset(
    [
        "QuantizeLinear",
        "DequantizeLinear",
        "Identity",
        "Dropout",
        "Cast",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Max",
        "Min",
        "Relu",
        "Clip",
        "LeakyRelu",
        "Sigmoid",
        "Tanh",
        "HardSigmoid",
        "HardSwish",
        "Exp",
        "Log",
        "Abs",
        "Neg",
        "Sqrt",
        "Pad",
        "Slice",
        "Resize",
        "Upsample",
        "Concat",
        "PRelu",
        "Elu",
        "Softplus",
        "joined",
    ]
)
"""Operators whose axes are those of what they read."""


def channels_first(context: Context, name: str, rank: int) -> bool:
    """Whether the first operator that knows channels sees those of an input on the input's axis 1.

    Converters from TensorFlow put a Transpose between an input with channels last and its first convolution; exporters
    of PyTorch have none.
    """
    if rank not in (3, 4):
        return False
    front: list[tuple[str, tuple[int, ...]]] = [(name, tuple(range(rank)))]
    seen = set()
    while front:
        tensor, axes = front.pop(0)
        if tensor in seen:
            continue
        seen.add(tensor)
        for reader in context.readers[tensor]:
            if reader.type in CHANNELS_FIRST and reader.input(0) == tensor:
                return axes[CHANNEL_AXIS] == CHANNEL_AXIS
            if reader.type == "Transpose":
                order = reader.attributes.get("perm", tuple(reversed(range(rank))))
                if sorted(order) == list(range(rank)):
                    front.append((reader.outputs[0], tuple(axes[i] for i in order)))
            elif reader.type in KEEPING and reader.outputs:
                inner = reader.attributes.get("axes") if reader.type == "joined" else None
                front.append((reader.outputs[0], axes if inner is None else tuple(axes[i] for i in inner)))
    return False
