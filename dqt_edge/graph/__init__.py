"""A trained network as integers: the value itself, its arithmetic, its interpreter, its file."""

from .dial import DialPoint
from .graph import TASKS, Controller, Graph
from .layers import (
    CONCAT_MAX,
    FLAT,
    WEIGHTS_MAX,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    MacLayer,
    MaxPool2D,
    window_counts,
)
from .terminals import TERMINALS_MAX, State
from .values import (
    DIMENSION_MAX,
    FULL,
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
    "TASKS",
    "TERMINALS_MAX",
    "WEIGHTS_MAX",
    "WINDOW_MAX",
    "Add",
    "AveragePool2D",
    "Concat",
    "Controller",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "DialPoint",
    "Graph",
    "Layer",
    "MacLayer",
    "MaxPool2D",
    "Pair",
    "Requantize",
    "Shape",
    "State",
    "Tensor",
    "Window",
    "pair_text",
    "vector_text",
    "window_counts",
]
