"""Descriptors of layers as the C code reads them: each class is a structure of ``dqt_layer.h``, field by field.

Names, order and types of the fields are those of the C structure; a test compares both by the compiler's debug
information.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated

from .record import I8, I32, POINTER, U8, U16, U32, Address, Bool, Loops, Member, OptionalAddress, Record, Symbol


class Proof(IntEnum):
    """What is proved of a convolution's weights at a width, for every channel and any activations (``DQT_PROOF_...``).

    TOP: the sum of a top field over a whole window fits its field. BOTH: so does that of a low field.
    """

    NONE = 0
    TOP = 1
    BOTH = 2


@dataclass(frozen=True)
class Width(Record):
    """A candidate."""

    c_type = "dqt_width"
    weight_bits: U8
    activation_bits: U8
    proof: Annotated[Proof, Member("uint8_t")]
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Place(Record):
    """Where an input or output lies in the arena."""

    c_type = "dqt_place"
    offset: U32
    size: U32


@dataclass(frozen=True)
class State(Record):
    """What is kept between inferences: ``words`` of 4 bytes at ``write`` go to ``read``; ``fill``: four codes."""

    c_type = "dqt_state"
    read: U32
    write: U32
    words: U32
    fill: U32


@dataclass(frozen=True)
class Layer(Record):
    """A layer of the model's table: its kernel, parameters and candidates, which are names of C."""

    c_type = "dqt_layer"
    run: Symbol
    parameters: Symbol
    widths: Symbol
    width_count: U16
    adaptive: Bool
    controller: Bool
    output: U32
    output_size: U32


@dataclass(frozen=True)
class Window(Record):
    """Geometry of a sliding window."""

    c_type = "dqt_window"
    in_height: U16
    in_width: U16
    in_channels: U16
    out_height: U16
    out_width: U16
    out_channels: U16
    kernel_height: U8
    kernel_width: U8
    stride_y: U8
    stride_x: U8
    pad_top: U8
    pad_left: U8
    in_zero: U8
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Requantize(Record):
    """From twice-accumulators to codes; ``shift`` None: 32 for all channels."""

    c_type = "dqt_requantize"
    multiplier: OptionalAddress
    shift: OptionalAddress
    low: U8
    high: U8
    reserved: Annotated[int, Member("uint8_t", 2)] = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Mac(Record):
    """Convolution, depthwise convolution, dense."""

    c_type = "dqt_mac"
    window: Window
    input: U32
    output: U32
    residual: Annotated[int | None, Member("uint32_t")]
    plane_a: OptionalAddress
    plane_b: OptionalAddress
    plane_l: OptionalAddress
    masters: OptionalAddress
    bias_twice: Address
    residual_multiplier: OptionalAddress
    bias_stride: U32
    requantize: Requantize
    residual_zero: U8
    block: U8
    strip: U8
    weight_zero: I8 = 0


@dataclass(frozen=True)
class Pool(Record):
    """Maximum and average pooling."""

    c_type = "dqt_pool"
    window: Window
    input: U32
    output: U32
    counts: OptionalAddress
    bias_twice: OptionalAddress
    count_count: U32
    requantize: Requantize


@dataclass(frozen=True)
class Sum(Record):
    """Addition of two stored tensors."""

    c_type = "dqt_sum"
    input: Annotated[tuple[int, int], Member("uint32_t", 2)]
    output: U32
    size: U32
    multiplier: Annotated[tuple[int, int], Member("int32_t", 2)]
    offset: I32
    shift: U8
    low: U8
    high: U8
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Dilated(Record):
    """Convolution, depthwise or not, whose taps may lie apart."""

    c_type = "dqt_dilated"
    mac: Mac
    apart_y: U16
    apart_x: U16
    pad_top: U16
    pad_left: U16


@dataclass(frozen=True)
class Winograd(Record):
    """Convolution of which a kernel computes the pair 8x8 in a way of its own: block and strip of that."""

    c_type = "dqt_winograd"
    mac: Mac
    block: U8
    strip: U8
    reserved: Annotated[int, Member("uint8_t", 2)] = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Operands(Record):
    """Two inputs that may broadcast, as three loops."""

    c_type = "dqt_operands"
    input: Annotated[tuple[int, int], Member("uint32_t", 2)]
    output: U32
    size: Loops
    first: Loops
    second: Loops


@dataclass(frozen=True)
class BroadcastSum(Record):
    """Addition that broadcasts."""

    c_type = "dqt_broadcast_sum"
    operands: Operands
    multiplier: Annotated[tuple[int, int], Member("int32_t", 2)]
    offset: I32
    shift: U8
    low: U8
    high: U8
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Multiplication(Record):
    """Product of two stored tensors."""

    c_type = "dqt_multiplication"
    operands: Operands
    bias_twice: I32
    multiplier: I32
    zero: Annotated[tuple[int, int], Member("uint8_t", 2)]
    shift: U8
    low: U8
    high: U8
    reserved: Annotated[int, Member("uint8_t", 3)] = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class CodeTable(Record):
    """A table of codes for all channels, or one for each."""

    c_type = "dqt_code_table"
    input: U32
    output: U32
    size: U32
    tables: U32
    table: Address


@dataclass(frozen=True)
class RowSoftmax(Record):
    """Softmax of each row."""

    c_type = "dqt_row_softmax"
    input: U32
    output: U32
    rows: U32
    channels: U32
    exponentials: Address


@dataclass(frozen=True)
class Rearrangement(Record):
    """Codes in another order, as six loops."""

    c_type = "dqt_rearrangement"
    input: U32
    output: U32
    start: U32
    size: Annotated[tuple[int, ...], Member("uint32_t", 6)]
    stride: Annotated[tuple[int, ...], Member("int32_t", 6)]


@dataclass(frozen=True)
class Padding(Record):
    """The input within codes of one value."""

    c_type = "dqt_padding"
    input: U32
    output: U32
    in_height: U16
    in_width: U16
    in_channels: U16
    out_height: U16
    out_width: U16
    out_channels: U16
    top: U16
    left: U16
    first: U16
    step_y: U16
    step_x: U16
    value: U8
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Resizing(Record):
    """Interpolation between two rows and two columns."""

    c_type = "dqt_resizing"
    input: U32
    output: U32
    rows: Address
    columns: Address
    in_height: U16
    in_width: U16
    out_height: U16
    out_width: U16
    channels: U16
    reserved: Annotated[int, Member("uint8_t", 2)] = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Part(Record):
    """An input of a concatenation; ``shift`` 0: it is copied."""

    c_type = "dqt_part"
    input: U32
    size: U32
    multiplier: I32
    offset: I32
    shift: U8
    low: U8
    high: U8
    reserved: U8 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Concatenation(Record):
    """Concatenation of its parts, row by row."""

    c_type = "dqt_concatenation"
    parts: Annotated[tuple[Part, ...], Member(POINTER)]
    part_count: U32
    output: U32
    rows: U32


@dataclass(frozen=True)
class Skippable(Record):
    """A layer whose last candidate is 0x0: what runs at all others, and the bias of a skip."""

    c_type = "dqt_skippable"
    layer: Layer
    bias_twice: Address


@dataclass(frozen=True)
class BranchLayer(Record):
    """A layer that does not run where a later one is skipped, whose choice lies at that offset."""

    c_type = "dqt_branch_layer"
    layer: Layer
    choice: U32
    skipped: U8
    reserved: Annotated[int, Member("uint8_t", 3)] = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Setting(Record):
    """What decides how an input is computed; None for widths that a controller chooses, for no bias, all classes."""

    c_type = "dqt_setting"
    widths: OptionalAddress
    bias: OptionalAddress
    exits: OptionalAddress
    widen: OptionalAddress
    stops: OptionalAddress
    again: U32


@dataclass(frozen=True)
class Tuned(Record):
    """A setting with its cost and agreement in thousandths."""

    c_type = "dqt_tuned"
    setting: Setting
    cost: U16
    agreement: U16


@dataclass(frozen=True)
class Point(Record):
    """A decision point: its head, and where it lies in the network."""

    c_type = "dqt_point"
    layers: Symbol
    logits: U32
    layer_count: U16
    before: U16
    first: U16
    reserved: U16 = field(default=0, init=False, repr=False)


@dataclass(frozen=True)
class Points(Record):
    """All that a model decides by."""

    c_type = "dqt_points"
    model: Symbol
    list: Annotated[str | None, Member(POINTER)]
    tuned: Annotated[str | None, Member(POINTER)]
    widest: OptionalAddress
    second: Annotated[int | None, Member("uint32_t")]
    layer_count: U16
    count: U8
    tuned_count: U8


POINT_RECORDS: tuple[type[Record], ...] = (Setting, Tuned, Point, Points)
"""Structures of ``dqt.h`` and ``dqt_tables.h`` that a model with decision points has besides."""

RECORDS: tuple[type[Record], ...] = (
    Width,
    Place,
    State,
    Layer,
    Window,
    Requantize,
    Mac,
    Dilated,
    Winograd,
    Pool,
    Sum,
    Operands,
    BroadcastSum,
    Multiplication,
    CodeTable,
    RowSoftmax,
    Rearrangement,
    Padding,
    Resizing,
    Part,
    Concatenation,
    Skippable,
    BranchLayer,
)
"""Every structure of ``dqt_layer.h`` that is written."""
