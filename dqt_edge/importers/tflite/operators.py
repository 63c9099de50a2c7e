"""Which operators of TFLite are read, and one sentence for each that never will be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..network import Activation
from ..problems import Unfit
from .file import RawOperator

if TYPE_CHECKING:
    from .operands import Operands

Reading = Callable[["Operands", RawOperator], None]


@dataclass(frozen=True)
class Operator:
    """How an operator is read, and what of it is supported: words for the documentation."""

    read: Reading
    supported: str


OPERATORS: dict[str, Operator] = {}
"""By the schema's name, in the order of the documentation."""


def reads(*types: str, supported: str) -> Callable[[Reading], Reading]:
    """Let a function read these operators."""

    def register(function: Reading) -> Reading:
        OPERATORS.update(dict.fromkeys(types, Operator(function, supported)))
        return function

    return register


_RECURRENT = (
    "a recurrent layer is computed step by step, in more than 8 bits",
    "Conv1D layers with dilation over the last steps, which may keep their last inputs in state variables",
)
_CONTROL = (
    "loops and branches, as converters write them for GRU and LSTM layers, are not run",
    "Conv1D layers with dilation in place of recurrent ones",
)
_TABLE = ("it looks up rows of a table by an input", "the table's rows as inputs of the model")
REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            *("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "RNN"),
            *("UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"),
        ),
        _RECURRENT,
    ),
    **dict.fromkeys(("WHILE", "IF"), _CONTROL),
    **dict.fromkeys(("EMBEDDING_LOOKUP", "EMBEDDING_LOOKUP_SPARSE", "HASHTABLE_LOOKUP"), _TABLE),
    "SVDF": (
        "it keeps its state in 16 bits",
        "Conv1D or Dense over the last inputs, which a state variable keeps",
    ),
    "CONV_3D": ("a convolution over three axes", "CONV_2D, with one axis among the channels"),
    "LOCAL_RESPONSE_NORMALIZATION": ("it divides by what it computes", "BatchNormalization"),
    "L2_NORMALIZATION": ("it divides by what it computes", "a model that ends before it"),
    "NON_MAX_SUPPRESSION_V4": ("it chooses boxes", "a model that ends before it, with boxes and scores as outputs"),
    "NON_MAX_SUPPRESSION_V5": ("it chooses boxes", "a model that ends before it, with boxes and scores as outputs"),
}
ACTIVATIONS: dict[int, Activation] = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}


def operator_of(op: RawOperator) -> Operator:
    """How an operator is read; raises Unfit for one that is not."""
    if op.type == "CUSTOM":
        if op.custom.startswith("Flex"):
            raise Unfit(
                f"{op.custom[4:]} runs in TensorFlow, not in TFLite",
                "layers that convert without SELECT_TF_OPS",
            )
        if op.custom == "TFLite_Detection_PostProcess":
            raise Unfit("it chooses boxes", "a model that ends before it, with boxes and scores as outputs")
        raise Unfit(f"custom operator {op.custom!r} is not known", "layers that convert to TFLite's own operators")
    if op.type in REFUSED:
        raise Unfit(*REFUSED[op.type])
    if op.type not in OPERATORS:
        raise Unfit("this operator is not supported", "an operator that docs/importing.md lists")
    return OPERATORS[op.type]


def fused(op: RawOperator) -> Activation:
    """The activation behind an operator; raises Unfit for one that is not known."""
    code = op.number("FusedActivationFunction")
    if code not in ACTIVATIONS:
        raise Unfit(f"its fused activation has number {code}", "none, RELU, RELU6 or RELU_N1_TO_1")
    return ACTIVATIONS[code]
