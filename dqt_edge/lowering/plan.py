"""Plan: a graph lowered for a board, with every decision taken; templates only write it down."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..boards import Board, Cpu
from ..graph import Dense, Graph, Layer, MacLayer, Pair, Shape, State
from ..graph.checkpoint import model_hash
from ..graph.values import SKIP
from ..tasks import least_yes
from . import records
from .arena import aligned
from .constant_channels import settled
from .constants import Constant, Constants, c_name
from .kernels.catalogue import estimated
from .kernels.descriptors import output_shape
from .kernels.kernel import Choice, Context
from .memory import Region, fullest, plan_memory, regions_by_layer
from .orient import along_rows
from .points import PlannedPoints, planned_points
from .record import Record
from .records import Proof
from .skips import NO_SKIPS, Branch, Skips
from .terminal import Terminal

MARK_SIZE = 8
"""Bytes at the end of the arena that say whose states lie in it: DQT_MARK_SIZE of dqt_tables.h."""


@dataclass(frozen=True)
class PlannedLayer:
    """One executed layer.

    Attributes:
        kernel: C function, without the ``dqt_`` prefix.
        record: The descriptor that the kernel reads.
        widths: Candidates, never empty; (8, 8) for layers without weights.
        proofs: For each candidate, what is proved of the weights at its width.
        scratch: Bytes of scratch that the kernel clobbers.
        bound: Largest accumulator magnitude, 0 for layers without one.
        number: By which a hook and a device know it: the network's layers and the controller's in the order of
            execution, behind them those of all heads.
        cycles: Estimated for each candidate on the board's core; None where they are not known.
        point: Name of the decision point to whose head it belongs.
        skips: What decides whether it runs.
    """

    name: str
    kernel: str
    record: Record
    widths: tuple[Pair, ...]
    proofs: tuple[Proof, ...]
    adaptive: bool
    controller: bool
    output: int
    output_size: int
    shape: Shape
    macs: int
    scratch: int
    bound: int
    weight_bytes: int
    number: int = 0
    cycles: tuple[float | None, ...] = ()
    point: str | None = None
    skips: Skips = NO_SKIPS

    @property
    def symbol(self) -> str:
        """First part of the names of its tables in C."""
        return f"dqt_{c_name(self.name)}"

    @property
    def width_records(self) -> tuple[records.Width, ...]:
        """Its candidates with their proofs, as records."""
        return tuple(records.Width(w, a, proof) for (w, a), proof in zip(self.widths, self.proofs, strict=True))

    @property
    def widths_symbol(self) -> str:
        """Name in C of the table of its candidates, made of their values: layers with equal ones share a table."""
        marks = {Proof.NONE: "", Proof.TOP: "t", Proof.BOTH: "b"}
        parts = (f"{w}x{a}{marks[proof]}" for (w, a), proof in zip(self.widths, self.proofs, strict=True))
        return f"dqt_widths_{'_'.join(parts)}"

    @property
    def descriptor(self) -> records.Layer:
        """The record that ``dqt_run()`` reads: which kernel runs it, on which parameters."""
        return next((outer for _, _, outer in reversed(self.around)), self._own_descriptor)

    @property
    def around(self) -> tuple[tuple[str, Record, records.Layer], ...]:
        """Records between :attr:`descriptor` and the layer's own parameters, from within; see ``Skips.around``."""
        return tuple(self.skips.around(self.name, self._own_descriptor))

    @property
    def _own_descriptor(self) -> records.Layer:
        return records.Layer(
            run=f"dqt_{self.kernel}",
            parameters=f"&{self.symbol}_parameters",
            widths=self.widths_symbol,
            width_count=len(self.widths),
            adaptive=self.adaptive,
            controller=self.controller,
            output=self.output,
            output_size=self.output_size,
        )

    @property
    def table_size(self) -> int:
        """Bytes of its descriptors in flash, without the table of its candidates."""
        around = sum(record.byte_size() for _, record, _ in self.around)
        return records.Layer.byte_size() + self.record.table_size() + around


@dataclass(frozen=True, eq=False)
class Plan:
    """A graph lowered for a board. Offsets and sizes in bytes.

    Attributes:
        layers: In the order of execution, those of heads behind the layers that they read.
        inputs, outputs: As the model's user sees them, the first ones first.
        states: What is copied in the arena behind each inference.
        classes: Class names, one for each output code, or none.
        yes_from: Least output code that answers yes, 0..256, of a binary model; None of any other.
        memory_size: Tensors and scratch together; the chosen candidates lie behind.
        memory_lower_bound: No placement of them can be smaller than this.
        scratch_size: Scratch of the layer during which the arena is fullest.
        peak: Name of that layer.
        regions: What lies in the arena while each of ``layers`` runs.
        decide_at: Number of the layer behind which the controller has decided; None without a controller.
        logits: Offset of the controller's logits; 0 without a controller.
        points: What decides for each input; None if nothing but a controller does.
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
    regions: tuple[tuple[Region, ...], ...]
    inputs: tuple[Terminal, ...]
    outputs: tuple[Terminal, ...]
    states: tuple[records.State, ...]
    decide_at: int | None
    logits: int
    dial_targets: str | None = None
    dial_biases: str | None = None
    dial_count: int = 0
    points: PlannedPoints | None = None
    offsets: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    yes_from: int | None = None

    @property
    def network(self) -> tuple[PlannedLayer, ...]:
        """The layers that ``dqt_run()`` knows: all but those of heads."""
        return tuple(layer for layer in self.layers if layer.point is None)

    @property
    def peak_regions(self) -> tuple[Region, ...]:
        """What lies in the arena when it is fullest."""
        return next(live for layer, live in zip(self.layers, self.regions, strict=True) if layer.name == self.peak)

    @property
    def tensors_size(self) -> int:
        """Bytes of ``memory_size`` that tensors take when the arena is fullest."""
        return self.memory_size - self.scratch_size

    @property
    def choices(self) -> int:
        """Offset of the choices, the index of each adaptive layer's candidate: behind tensors and scratch."""
        return aligned(self.memory_size)

    @property
    def arena_size(self) -> int:
        """Bytes of the arena: tensors, scratch, the choices, and the mark of a model with states."""
        return self.choices + aligned(self.adaptive_count) + (MARK_SIZE if self.states else 0)

    @property
    def input_size(self) -> int:
        """Bytes of all inputs."""
        return sum(terminal.size for terminal in self.inputs)

    @property
    def output_size(self) -> int:
        """Bytes of all outputs."""
        return sum(terminal.size for terminal in self.outputs)

    @property
    def candidate_max(self) -> int:
        """Most candidates of an adaptive layer; 1 if there is none."""
        return max((len(layer.widths) for layer in self.layers if layer.adaptive), default=1)

    def weights_image(self) -> bytes:
        """The constants as they lie in flash: little-endian, each in whole words."""
        parts = [c.values.astype(c.values.dtype.newbyteorder("<")).tobytes() for c in self.constants]
        return b"".join(part + bytes(-len(part) % 4) for part in parts) or bytes(4)

    @property
    def adaptive_count(self) -> int:
        """Number of adaptive layers: the length of a width vector."""
        return sum(layer.adaptive for layer in self.layers)

    @property
    def width_tables(self) -> dict[str, tuple[records.Width, ...]]:
        """Candidates by the name of their table in C."""
        return {layer.widths_symbol: layer.width_records for layer in self.layers}

    @property
    def table_size(self) -> int:
        """Bytes of all descriptors in flash: of layers, inputs, outputs, states and decision points."""
        widths = sum(map(len, self.width_tables.values())) * records.Width.byte_size()
        places = (len(self.inputs) + len(self.outputs)) * records.Place.byte_size()
        states = len(self.states) * records.State.byte_size()
        points = 0 if self.points is None else self.points.table_size
        return widths + places + states + points + sum(layer.table_size for layer in self.layers)

    def estimated_cycles(self, candidate: int | None = None) -> float:
        """Estimated cycles of an inference, the controller included, without layers of which they are not known.

        Args:
            candidate: Of every layer, the last one of a layer that has fewer; None is the mean over the candidates.
        """
        total = 0.0
        for layer in self.layers:
            known = [cycles for cycles in layer.cycles if cycles is not None]
            if known:
                total += sum(known) / len(known) if candidate is None else known[min(candidate, len(known) - 1)]
        return total

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels that the model uses, sorted."""
        return tuple(sorted({kernel for layer in self.layers for kernel in (layer.kernel, *layer.skips.kernels)}))


def as_lowered(graph: Graph) -> Graph:
    """The graph whose layers kernels compute: the same function, written anew where a faster kernel then takes it."""
    return settled(along_rows(graph))


def make_plan(
    graph: Graph, board: Board, kernels: Mapping[str, str] | None = None, *, arena_first: bool = False
) -> Plan:
    """Lower a graph for a board.

    Args:
        graph: The network.
        board: Where it runs.
        kernels: Kernels to take, by the layers' names, whatever they cost; the planner's choice for the others.
        arena_first: Make the arena as small as can be, whatever it costs in time.

    Raises:
        UnsupportedError: A dimension that the kernels' descriptors cannot hold.
    """
    given, graph = graph, as_lowered(graph)
    shapes = {tensor.name: tensor.shape for tensor in given.tensors}
    memory, constants = plan_memory(graph, board, kernels, arena_first=arena_first), Constants()
    context = Context({t.name: t for t in graph.tensors}, memory.placement.offsets, constants)
    controller = {layer.name for layer in graph.controller.layers} if graph.controller else set()
    adaptive = {layer.name for layer in graph.adaptive}
    numbers = dict(zip((layer.name for layer in graph.all_layers), graph.device_numbers, strict=True))
    heads = {layer.name: point.name for point in graph.points for layer in point.layers}
    branches = _branches(graph, aligned(memory.placement.size))
    layers = []
    for layer in graph.all_layers:
        layers.append(
            _planned(
                layer,
                memory.choices[layer.name],
                context,
                shape=shapes.get(layer.output, output_shape(layer, context.tensors)),
                adaptive=layer.name in adaptive,
                controller=layer.name in controller,
                number=numbers[layer.name],
                point=heads.get(layer.name),
                branch=branches.get(layer.name),
                macs=graph.macs(layer),
                cpu=board.cpu,
            )
        )
    decide_at, logits = None, 0
    if graph.controller is not None:
        last = graph.controller.layers[-1]
        decide_at = numbers[last.name]
        logits = memory.placement.offsets[last.output]
    placement = memory.placement
    regions = regions_by_layer(memory, tuple(layer.name for layer in layers))
    at = fullest(memory, regions)
    scratch = aligned(layers[at].scratch)
    dial = graph.controller.dial if graph.controller is not None else ()
    dial_targets = dial_biases = None
    if dial:
        targets = np.array([point.thousandths for point in dial], np.uint16)
        biases = np.array([point.bias for point in dial], np.int32)
        dial_targets = constants.add("dial", "targets", targets, "targets of the dial, thousandths of all at 8x8")
        dial_biases = constants.add("dial", "biases", biases, "biases of the dial, [target][candidate]")
    points = planned_points(graph, layers, placement.offsets, constants)
    return Plan(
        name=graph.name,
        model_hash=model_hash(given),
        board=board,
        layers=tuple(layers),
        constants=tuple(constants.found),
        memory_size=placement.size,
        memory_lower_bound=placement.lower_bound,
        scratch_size=scratch,
        peak=layers[at].name,
        regions=regions,
        inputs=tuple(Terminal.of(given.tensor(name), placement.offsets[name]) for name in given.inputs),
        outputs=tuple(Terminal.of(given.tensor(name), placement.offsets[name]) for name in given.outputs),
        states=tuple(_state(state, given.tensor(state.read).size, placement.offsets) for state in given.states),
        classes=given.classes if len(given.classes) == given.tensor(given.output).size else (),
        yes_from=least_yes(given),
        decide_at=decide_at,
        logits=logits,
        dial_targets=dial_targets,
        dial_biases=dial_biases,
        dial_count=len(dial),
        points=points,
        offsets=placement.offsets,
    )


def _branches(graph: Graph, choices: int) -> dict[str, Branch]:
    """When which layers do not run; ``choices``: offset of the choices in the arena."""
    adaptive = graph.adaptive
    return {name: Branch(choices + i, len(adaptive[i].candidates)) for name, i in graph.skipped_with.items()}


def _state(state: State, size: int, offsets: Mapping[str, int]) -> records.State:
    """Tensors take whole words in the arena, so the last one may be copied whole."""
    return records.State(offsets[state.read], offsets[state.write], -(-size // 4), 0x01010101 * state.initial)


def _planned(
    layer: Layer,
    choice: Choice,
    context: Context,
    *,
    shape: Shape,
    adaptive: bool,
    controller: bool,
    number: int,
    point: str | None,
    branch: Branch | None,
    macs: int,
    cpu: Cpu,
) -> PlannedLayer:
    first = len(context.constants.found)
    described = choice.describe(layer, context)
    widths: tuple[Pair, ...] = ((8, 8),)
    proofs: tuple[Proof, ...] = (Proof.NONE,)
    if isinstance(layer, MacLayer):
        widths, proof = layer.options, choice.kernel.proof
        proofs = tuple(Proof.NONE if proof is None or pair == SKIP else proof(layer, pair) for pair in widths)
    skips = Skips.of(layer, branch, context.constants)
    element = 4 if isinstance(layer, Dense) and layer.requantize is None else 1
    return PlannedLayer(
        name=layer.name,
        kernel=choice.kernel.name,
        record=described.record,
        widths=widths,
        proofs=proofs,
        adaptive=adaptive,
        controller=controller,
        output=context.offsets[layer.output],
        output_size=element * math.prod(shape),
        shape=shape,
        macs=macs,
        scratch=choice.scratch,
        bound=described.bound,
        weight_bytes=sum(constant.values.nbytes for constant in context.constants.found[first:]),
        number=number,
        cycles=estimated(choice, layer, context.tensors, cpu),
        point=point,
        skips=skips,
    )
