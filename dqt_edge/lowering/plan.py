"""Plan: everything the code generator needs, decided; and what it will cost on a board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..boards import Board
from ..errors import UnsupportedError
from ..graph import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    Layer,
    MacLayer,
    MaxPool2D,
    Pair,
    Requantize,
    Shape,
    Window,
    bounds,
)
from ..graph.checkpoint import model_hash
from . import concat, dsp, mve, packing, scalar
from .arena import aligned
from .memory import Region, fullest, plan_memory
from .orient import along_rows
from .terminal import Terminal

NONE = 0xFFFFFFFF
UINT16_MAX = 0xFFFF

PACKERS = {
    "_mve": mve.pack,
    "_scalar": scalar.pack,
    "nibbles_dsp": packing.pack_nibbles,
    "wide_dsp": packing.pack_nibbles,
}
"""End of the names of kernels -> what packs their weights, where that is not ``packing.pack``."""

C_TYPES = {
    "uint32": "uint32_t",
    "int32": "int32_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
}


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the image: C name and values (int8, uint8, uint16, int32 or uint32, one dimension)."""

    name: str
    values: npt.NDArray[Any]
    comment: str

    @property
    def c_type(self) -> str:
        """Element type in C."""
        return C_TYPES[self.values.dtype.name]


@dataclass(frozen=True)
class PlannedLayer:
    """One executed layer.

    Attributes:
        kernel: C function, without the ``dqt_`` prefix.
        record: Kind of parameter record: ``mac``, ``pool``, ``sum`` or ``concatenation``.
        parameters: Fields of the record; a text value is the name of a constant.
        widths: Candidates, never empty; (8, 8) for layers without weights.
        proofs: For each, what is proved of the weights at that width (``DQT_PROOF_...`` of dqt_layer.h).
        scratch: Bytes of scratch the kernel needs.
        bound: Largest accumulator magnitude, 0 for layers without one.
    """

    name: str
    kernel: str
    record: str
    parameters: Mapping[str, Any]
    widths: tuple[Pair, ...]
    proofs: tuple[int, ...]
    adaptive: bool
    controller: bool
    output: int
    output_size: int
    shape: Shape
    macs: int
    scratch: int
    bound: int
    weight_bytes: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A graph lowered for a board. Offsets and sizes in bytes.

    Attributes:
        source, target: The model's input and output, as its user sees them.
        classes: Class names, one for each output code, or none.
        memory_size: What holds the tensors and, at its start, the scratch of the layer that runs.
        memory_lower_bound: The least that any placement of them could reach.
        scratch_size: Scratch of the layer during which the buffer is fullest.
        peak: Name of that layer.
        peak_regions: What lies in the buffer then.
        offsets: By tensor name.
    """

    name: str
    model_hash: bytes
    board: Board
    layers: tuple[PlannedLayer, ...]
    constants: tuple[Constant, ...]
    memory_size: int
    memory_lower_bound: int
    scratch_size: int
    peak: str
    peak_regions: tuple[Region, ...]
    source: Terminal
    target: Terminal
    input: int
    input_size: int
    output: int
    output_size: int
    decide_at: int | None
    logits: int
    dial_targets: str | None = None
    dial_biases: str | None = None
    dial_count: int = 0
    offsets: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @property
    def tensors_size(self) -> int:
        """Bytes of ``memory_size`` that are not scratch when it is fullest."""
        return self.memory_size - self.scratch_size

    @property
    def choices(self) -> int:
        """Offset of the chosen candidates, which lie behind the tensors."""
        return aligned(self.memory_size)

    @property
    def arena_size(self) -> int:
        """Bytes of the arena that an inference needs: tensors, scratch, and the chosen candidates."""
        return self.choices + aligned(self.adaptive_count)

    @property
    def candidate_max(self) -> int:
        """Candidates of the layers that the controller decides; at least 1."""
        return max((len(layer.widths) for layer in self.layers if layer.adaptive), default=1)

    def weights_image(self) -> bytes:
        """The constants as they lie in flash: little-endian, each in whole words."""
        parts = [c.values.astype(c.values.dtype.newbyteorder("<")).tobytes() for c in self.constants]
        return b"".join(part + bytes(-len(part) % 4) for part in parts) or bytes(4)

    @property
    def adaptive_count(self) -> int:
        """Positions of the width vector."""
        return sum(layer.adaptive for layer in self.layers)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels that the model uses, sorted."""
        return tuple(sorted({layer.kernel for layer in self.layers}))


class _Builder:
    """Collects constants and layers while the graph is walked once."""

    def __init__(self, graph: Graph, board: Board) -> None:
        self.graph = graph
        self.board = board
        self.constants: list[Constant] = []
        self.tensors = {t.name: t for t in graph.tensors}
        self.memory = plan_memory(graph, board)

    def constant(self, layer: str, kind: str, values: npt.NDArray[Any], comment: str) -> str:
        name = f"dqt_{c_name(layer)}_{kind}"
        self.constants.append(Constant(name, np.ascontiguousarray(values).ravel(), comment))
        return name

    def offset(self, tensor: str) -> int:
        return self.memory.placement.offsets[tensor]


def c_name(name: str) -> str:
    """A graph name as part of a C identifier; distinct names stay distinct."""
    return "".join(ch if ch.isascii() and ch.isalnum() else f"_{ord(ch):02x}_" if ch != "_" else "_" for ch in name)


def make_plan(graph: Graph, board: Board) -> Plan:
    """Lower a graph for a board.

    Raises:
        UnsupportedError: A dimension that the kernels' descriptors cannot hold.
    """
    given, graph = graph, along_rows(graph)
    shapes = {tensor.name: tensor.shape for tensor in given.tensors}
    builder = _Builder(graph, board)
    controller = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    adaptive = {layer.name for layer in graph.adaptive}
    layers = []
    for layer in graph.all_layers:
        planned = _lower(builder, layer, layer.name in adaptive, layer.name in controller)
        layers.append(replace(planned, shape=shapes.get(layer.output, planned.shape)))
    decide_at, logits = None, 0
    if graph.controller is not None:
        last = graph.controller.layers[-1]
        decide_at = next(i for i, planned in enumerate(layers) if planned.name == last.name)
        logits = builder.offset(last.output)
    placement = builder.memory.placement
    at, regions = fullest(builder.memory, tuple(layer.name for layer in layers))
    scratch = aligned(layers[at].scratch)
    dial = graph.controller.dial if graph.controller is not None else ()
    dial_targets = dial_biases = None
    if dial:
        targets = np.array([point.thousandths for point in dial], np.uint16)
        biases = np.array([point.bias for point in dial], np.int32)
        dial_targets = builder.constant("dial", "targets", targets, "targets of the dial, thousandths of all at 8x8")
        dial_biases = builder.constant("dial", "biases", biases, "biases of the dial, [target][candidate]")
    return Plan(
        name=graph.name,
        model_hash=model_hash(given),
        board=board,
        layers=tuple(layers),
        constants=tuple(builder.constants),
        memory_size=placement.size,
        memory_lower_bound=placement.lower_bound,
        scratch_size=scratch,
        peak=layers[at].name,
        peak_regions=regions,
        source=Terminal.of(given.tensor(given.input)),
        target=Terminal.of(given.tensor(given.output)),
        classes=given.classes,
        input=builder.offset(graph.input),
        input_size=graph.tensor(graph.input).size,
        output=builder.offset(graph.output),
        output_size=graph.tensor(graph.output).size,
        decide_at=decide_at,
        logits=logits,
        dial_targets=dial_targets,
        dial_biases=dial_biases,
        dial_count=len(dial),
        offsets=placement.offsets,
    )


def _window(source: Shape, zero_point: int, shape: Shape, window: Window) -> dict[str, int]:
    in_h, in_w, in_c = source
    out_h, out_w, out_c = shape
    return {
        "in_height": in_h,
        "in_width": in_w,
        "in_channels": in_c,
        "out_height": out_h,
        "out_width": out_w,
        "out_channels": out_c,
        "kernel_height": window.kernel[0],
        "kernel_width": window.kernel[1],
        "stride_y": window.stride[0],
        "stride_x": window.stride[1],
        "pad_top": window.padding[0],
        "pad_left": window.padding[1],
        "in_zero": zero_point,
    }


def _requantize(builder: _Builder, name: str, rq: Requantize | None) -> dict[str, Any]:
    if rq is None:
        return {"multiplier": None, "shift": None, "low": 0, "high": 255}
    multiplier = builder.constant(name, "multiplier", rq.multiplier, "requantise multipliers by channel")
    shift = None
    if (rq.shift != 32).any():
        shift = builder.constant(name, "shift", rq.shift, "requantise shifts by channel")
    return {"multiplier": multiplier, "shift": shift, "low": rq.low, "high": rq.high}


def _lower(builder: _Builder, layer: Layer, adaptive: bool, controller: bool) -> PlannedLayer:
    first = len(builder.constants)
    choice = builder.memory.choices[layer.name]
    if isinstance(layer, MacLayer):
        record, parameters, shape, bound = _lower_mac(builder, layer)
        widths = layer.candidates
    else:
        record, parameters, shape, bound = _lower_other(builder, layer)
        widths = ((8, 8),)
    proofs = (0,) * len(widths)
    if choice.kernel == "conv2d_dsp" and isinstance(layer, Conv2D):
        proofs = tuple(dsp.proof(layer, pair) for pair in widths)
    element = 4 if isinstance(layer, Dense) and layer.requantize is None else 1
    return PlannedLayer(
        name=layer.name,
        kernel=choice.kernel,
        record=record,
        parameters=parameters,
        widths=widths,
        proofs=proofs,
        adaptive=adaptive,
        controller=controller,
        output=builder.offset(layer.output),
        output_size=element * shape[0] * shape[1] * shape[2],
        shape=shape,
        macs=builder.graph.macs(layer),
        scratch=choice.scratch,
        bound=bound,
        weight_bytes=sum(c.values.nbytes for c in builder.constants[first:]),
    )


_Lowered = tuple[str, dict[str, Any], Shape, int]
"""Kind of record, its fields, shape of the output, bound of the accumulator."""


def _lower_mac(builder: _Builder, layer: Conv2D | DepthwiseConv2D | Dense) -> _Lowered:
    source = builder.tensors[layer.input]
    rows = bounds.bias_rows(layer, source)
    bound = bounds.accumulator_bound(layer, rows)
    depth = layer.by_channel.shape[1]
    if depth > UINT16_MAX or layer.channels > UINT16_MAX:
        raise UnsupportedError(
            f"layer {layer.name!r}: {depth} weights for each of {layer.channels} outputs, more than {UINT16_MAX}",
            where=f"layer {layer.name!r}",
            next_step="make the layer smaller",
        )
    if isinstance(layer, Dense):
        shape = (1, 1, layer.channels)
        window = _window((1, 1, depth), source.zero_point, shape, Window((1, 1)))
    else:
        shape = builder.tensors[layer.output].shape
        window = _window(source.shape, source.zero_point, shape, layer.window)
    parameters: dict[str, Any] = {
        "window": window,
        "input": builder.offset(layer.input),
        "output": builder.offset(layer.output),
        "residual": NONE,
        "plane_a": None,
        "plane_b": None,
        "plane_l": None,
        "masters": None,
        "residual_multiplier": None,
        "residual_zero": 0,
        "block": 0,
        "strip": 0,
        "bias_stride": 0 if len(rows) == 1 else layer.channels,
    }
    parameters["block"] = builder.memory.choices[layer.name].block
    parameters["strip"] = builder.memory.choices[layer.name].strip
    if isinstance(layer, DepthwiseConv2D):
        taps = layer.by_channel.T
        parameters["masters"] = builder.constant(layer.name, "masters", taps, "weights [tap][channel]")
    else:
        kernel = builder.memory.choices[layer.name].kernel
        weights = layer.by_channel
        if kernel == "conv2d_dsp" and isinstance(layer, Conv2D):
            weights = dsp.window_order(layer)
        pack = next((pack for ending, pack in PACKERS.items() if kernel.endswith(ending)), packing.pack)
        planes = pack(weights)
        top = "bits 7-6" if planes.b.size else "bits 7-4"
        parameters["plane_a"] = builder.constant(layer.name, "plane_a", planes.a, f"{top} of the weights")
        if any(w > 2 for w, _ in layer.candidates) and planes.b.size:
            parameters["plane_b"] = builder.constant(layer.name, "plane_b", planes.b, "bits 5-4 of the weights")
        if any(w > 4 for w, _ in layer.candidates):
            parameters["plane_l"] = builder.constant(layer.name, "plane_l", planes.low, "bits 3-0 of the weights")
    if isinstance(layer, Conv2D) and layer.residual is not None:
        assert layer.residual_multiplier is not None
        parameters["residual"] = builder.offset(layer.residual)
        parameters["residual_zero"] = builder.tensors[layer.residual].zero_point
        parameters["residual_multiplier"] = builder.constant(
            layer.name,
            "residual_multiplier",
            layer.residual_multiplier,
            "fused residual multipliers by channel",
        )
    parameters["bias_twice"] = builder.constant(layer.name, "bias_twice", rows, "twice the bias, [row][channel]")
    parameters["requantize"] = _requantize(builder, layer.name, layer.requantize)
    return "mac", parameters, shape, bound


def _lower_other(builder: _Builder, layer: Add | MaxPool2D | AveragePool2D | Concat) -> _Lowered:
    source = builder.tensors[layer.inputs[0]]
    shape = builder.tensors[layer.output].shape
    if isinstance(layer, Add):
        parameters: dict[str, Any] = {
            "input": tuple(builder.offset(name) for name in layer.inputs),
            "output": builder.offset(layer.output),
            "size": source.size,
            "multiplier": layer.multipliers,
            "offset": layer.offset,
            "shift": layer.shift,
            "low": layer.low,
            "high": layer.high,
        }
        return "sum", parameters, shape, 0
    if isinstance(layer, Concat):
        parameters = concat.parameters(layer, builder.tensors, builder.memory.placement.offsets)
        return "concatenation", parameters, shape, concat.bound(layer)
    parameters = {
        "window": _window(source.shape, source.zero_point, shape, layer.window),
        "input": builder.offset(layer.input),
        "output": builder.offset(layer.output),
        "counts": None,
        "bias_twice": None,
        "count_count": 0,
        "requantize": {"multiplier": None, "shift": None, "low": 0, "high": 255},
    }
    if isinstance(layer, MaxPool2D):
        return "pool", parameters, shape, 0
    counts = np.array(layer.counts, np.uint16)
    parameters["counts"] = builder.constant(layer.name, "counts", counts, "elements under a window")
    parameters["count_count"] = len(counts)
    parameters["bias_twice"] = builder.constant(layer.name, "bias_twice", layer.bias_twice, "twice the bias by count")
    parameters["requantize"] = _requantize(builder, layer.name, layer.requantize)
    bound = 2 * 255 * max(layer.counts) + int(np.abs(layer.bias_twice.astype(np.int64)).max())
    return "pool", parameters, shape, bound
