"""A trained network as integers: the value itself, its arithmetic, its interpreter, its file."""

from .dial import DialPoint
from .graph import TASKS, Controller, Graph
from .layers import (
    WEIGHTS_MAX,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MacLayer,
    MaxPool2D,
    window_counts,
)
from .layers_data import CONCAT_MAX, FLAT, LOOPS_MAX, Concat, Pad, Rearrange, Resize
from .layers_elementwise import Add, Lookup, Maximum, Minimum, Multiply, Softmax
from .points import NEVER, DecisionPoint, Setting, TunedPoint
from .terminals import TERMINALS_MAX, State
from .values import (
    DIMENSION_MAX,
    FULL,
    SKIP,
    WINDOW_MAX,
    Pair,
    Requantize,
    Shape,
    Tensor,
    Window,
    pair_text,
    vector_text,
)

__all__ = [
    "CONCAT_MAX",
    "DIMENSION_MAX",
    "FLAT",
    "FULL",
    "LOOPS_MAX",
    "NEVER",
    "SKIP",
    "TASKS",
    "TERMINALS_MAX",
    "WEIGHTS_MAX",
    "WINDOW_MAX",
    "Add",
    "AveragePool2D",
    "Concat",
    "Controller",
    "Conv2D",
    "DecisionPoint",
    "Dense",
    "DepthwiseConv2D",
    "DialPoint",
    "Graph",
    "Layer",
    "Lookup",
    "MacLayer",
    "MaxPool2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Pad",
    "Pair",
    "Rearrange",
    "Requantize",
    "Resize",
    "Setting",
    "Shape",
    "Softmax",
    "State",
    "Tensor",
    "TunedPoint",
    "Window",
    "pair_text",
    "vector_text",
    "window_counts",
]
