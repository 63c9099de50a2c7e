"""What a kernel is to Python: a C function that computes a layer, its sources, and what the planner must know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...boards import Cpu
from ...graph import Layer, MacLayer, Pair, Tensor, Window
from ..arena import Overlap
from ..constants import Constants
from ..record import Record
from ..records import Proof
from . import estimates
from .packing import Planes

FULL: Pair = (8, 8)
"""The pair of a layer without weights."""

BLOCK_MAX = 255
"""Weight tiles that a descriptor can ask to decode at a time."""

Tensors = Mapping[str, Tensor]
"""Tensors of a graph by name."""


class Windowed(Protocol):
    """A layer with a sliding window over one input."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def input(self) -> str:
        """The tensor that it reads."""

    @property
    def output(self) -> str:
        """The tensor that it writes."""

    @property
    def window(self) -> Window:
        """The window."""


@dataclass(frozen=True)
class Source:
    """A template that becomes a C or assembly file of an export, ``dqt_<name>``.

    Attributes:
        family: Folder below ``templates/kernels``.
        name: Of the file, and of the function where the source is a kernel.
        template: File name of the template without its suffixes; empty: the name.
        variant: What the template may ask for.
        needs: Sources whose functions this one calls.
        thumb1: Sources that take its place on Armv6-M, which has Thumb 1 only; empty: it stays.
    """

    family: str
    name: str
    template: str = ""
    variant: str = "plain"
    needs: tuple[Source, ...] = ()
    thumb1: tuple[Source, ...] = ()

    def closure(self, cpu: Cpu) -> dict[str, Source]:
        """This source and all that it needs on a core, by name."""
        if cpu.thumb1 and self.thumb1:
            return closure(self.thumb1, cpu)
        return {self.name: self} | closure(self.needs, cpu)


def closure(sources: Iterable[Source], cpu: Cpu) -> dict[str, Source]:
    """Sources and all that they need on a core, by name."""
    found: dict[str, Source] = {}
    for source in sources:
        found |= source.closure(cpu)
    return found


@dataclass(frozen=True)
class Limit:
    """A number that C and Python both work with: a macro of ``dqt_limits.h``."""

    name: str
    value: int
    comment: str


@dataclass(frozen=True)
class Way:
    """How a kernel may compute a layer.

    Attributes:
        scratch: Bytes of scratch that it clobbers.
        block: Weight tiles that a convolution decodes at a time; of a depthwise kernel, bits that say how it goes over
            the map, of which 1 is by columns; else 0.
        strip: Pairs of pixels whose operands a convolution for the DSP extension keeps in scratch at a time; of a
            depthwise kernel for any window, turns of its micro-kernel in a part of a row; else 0.
        others: Block and strip for the pairs that a convolution in Winograd's form leaves to the ordinary one.
        rereads: Whether some input is read twice, because neighbouring strips of a row share columns.
        cheap: Whether it costs hardly more time than the way before it.
    """

    scratch: int = 0
    block: int = 0
    strip: int = 0
    others: tuple[int, int] = (0, 0)
    rereads: bool = False
    cheap: bool = False


Order = Callable[[Any, Way, Tensors], dict[str, Overlap]]
"""(layer, way, tensors) -> how the output may take over memory of the layer's inputs, by their names."""


Cycles = Callable[[Any, Way, Tensors, str, Pair], float | None]
"""(layer, way, tensors, core, pair) -> estimated cycles of the whole layer; None where it knows no estimate."""


@dataclass(frozen=True)
class Context:
    """What a descriptor is made from: tensors by name, their offsets in the arena, and where constants go."""

    tensors: Tensors
    offsets: Mapping[str, int]
    constants: Constants


@dataclass(frozen=True)
class Described:
    """A descriptor, and the largest magnitude of an accumulator, 0 for layers without one."""

    record: Record
    bound: int = 0


def _always(_layer: Layer, _tensors: Tensors) -> bool:
    return True


def _plain_way(_layer: Layer, _tensors: Tensors) -> Sequence[Way]:
    return (Way(),)


@dataclass(frozen=True)
class Kernel:
    """A kernel with all its facts. Functions get the layer and the graph's tensors.

    Attributes:
        source: Its template, variant, and the sources that it needs; the name is that of the C function.
        operators: Classes of the layers that it computes.
        describe: Makes the record that the kernel reads, from a layer, its way, its packed weights, and the context.
        serves: Whether it computes a layer of these classes.
        ways: The ways in which it may compute such a layer, the fastest first; at least one.
        order: Its order of reading and writing; None: the output may not take over memory of an input.
        pack: Lays out the weights as planes; None: the kernel reads master bytes, or has no weights.
        proof: What is proved of the weights at a width; None: the kernel needs no proof.
        cycles: Estimates what a layer takes on a core, by which the planner chooses among kernels that have one. None:
            by the numbers of ``cycles/``, if it is there. An estimate of None: the order of the catalogue decides.
        fallback: Whether it may also compute layers that a faster kernel serves, where the RAM is short.
        dilated: Whether it computes windows whose taps are apart, and only those; None: these and others.
    """

    source: Source
    operators: tuple[type[Any], ...]
    describe: Callable[[Any, Way, Planes | None, Context], Described] = field(repr=False)
    serves: Callable[[Any, Tensors], bool] = field(default=_always, repr=False)
    ways: Callable[[Any, Tensors], Sequence[Way]] = field(default=_plain_way, repr=False)
    order: Order | None = field(default=None, repr=False)
    pack: Callable[[Any], Planes] | None = field(default=None, repr=False)
    proof: Callable[[Any, Pair], Proof] | None = field(default=None, repr=False)
    cycles: Cycles | None = field(default=None, repr=False)
    fallback: bool = False
    dilated: bool | None = False

    @property
    def name(self) -> str:
        """The C function, without the ``dqt_`` prefix."""
        return self.source.name

    @property
    def family(self) -> str:
        """Folder of its template."""
        return self.source.family

    def takes(self, layer: Layer, tensors: Tensors) -> bool:
        """Whether it computes a layer."""
        if not isinstance(layer, self.operators):
            return False
        window = getattr(layer, "window", None)
        dilated = window is not None and window.dilated
        return self.dilated in (None, dilated) and self.serves(layer, tensors)

    def estimate(self, layer: Layer, way: Way, tensors: Tensors, core: str) -> float | None:
        """Estimated cycles of a layer in one of the kernel's ways, the mean over its candidates; None: not known."""
        found = self.estimates(layer, way, tensors, core)
        known = [cycles for cycles in found if cycles is not None]
        return sum(known) / len(known) if len(known) == len(found) else None

    def estimates(self, layer: Layer, way: Way, tensors: Tensors, core: str) -> tuple[float | None, ...]:
        """The same for each of the layer's candidates."""
        pairs = layer.candidates if isinstance(layer, MacLayer) else (FULL,)
        return tuple(
            estimates.estimate(self.name, layer, tensors, core, pair)
            if self.cycles is None
            else self.cycles(layer, way, tensors, core, pair)
            for pair in pairs
        )

    def choices(self, layer: Layer, tensors: Tensors) -> tuple[Choice, ...]:
        """Its ways to compute a layer that it takes, the fastest first."""
        return tuple(Choice(self, way) for way in self.ways(layer, tensors))


@dataclass(frozen=True)
class Choice:
    """A kernel, and how it computes a layer."""

    kernel: Kernel
    way: Way = Way()

    @property
    def scratch(self) -> int:
        """Bytes of scratch that it clobbers."""
        return self.way.scratch

    def overlaps(self, layer: Layer, tensors: Tensors) -> dict[str, Overlap]:
        """How the output may take over memory of the layer's inputs, if nothing else needs them, by their names."""
        return {} if self.kernel.order is None else self.kernel.order(layer, self.way, tensors)

    def describe(self, layer: Layer, context: Context) -> Described:
        """The record that the kernel reads; the layer's constants are added to the context's."""
        planes = None if self.kernel.pack is None else self.kernel.pack(layer)
        return self.kernel.describe(layer, self.way, planes, context)


def block_sizes(tiles: int, most: int) -> list[int]:
    """Sizes of a block in tiles, the largest first: for each number of passes over the input, the smallest block."""
    fewest = -(-tiles // min(tiles, most, BLOCK_MAX))
    return sorted({-(-tiles // passes) for passes in range(fewest, tiles + 1)}, reverse=True)
