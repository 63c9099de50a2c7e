"""What it costs to choose widths at run time: nothing but the controller.

Run by ``make bench-switching``. For each network and core:

- The image with all candidates, told to run at some width vector, against an image that has only those widths.
- The image whose controller chooses, against an image that has only the widths it chose.
- Inferences that change every layer's width each time, against inferences that never change it: the same input at the
  same widths must take the same instructions, layer by layer, whatever ran before.

Ends with exit code 5 if a difference is beyond 1 % in the first two, or is not zero in the third. Writes
``build/bench/switching.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dqt_edge.errors import DqtError, MismatchError
from dqt_edge.graph import (
    AveragePool2D,
    Controller,
    Dense,
    Graph,
    Layer,
    MacLayer,
    Pair,
    Requantize,
    Tensor,
    Window,
    interpreter,
    nested,
    pair_text,
)
from dqt_edge.measure.counting import CountedDevice
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.system.files import write_atomically
from tests.support.topologies import TOPOLOGIES

from .measuring import machine, sample_codes
from .networks import CORES, FOLDER, TOLERANCE, WIDTH

HIDDEN = 64
"""Channels of the controller's hidden layer."""


@dataclass(frozen=True)
class Comparison:
    """Instructions of one inference at a width vector.

    Attributes:
        policy: Who chose: ``vector`` or ``controller``.
        widths: The vector.
        flexible: Of the image with every candidate, the controller's layers apart.
        controller: Of the controller's layers; 0 if it did not run.
        static: Of the image that has only these widths.
    """

    policy: str
    widths: tuple[Pair, ...]
    flexible: int
    controller: int
    static: int

    @property
    def excess(self) -> float:
        """What the choice costs, apart from the controller, as a share of the static image's instructions."""
        return self.flexible / self.static - 1


@dataclass(frozen=True)
class Switching:
    """Instructions of inferences on the same inputs, [inference][layer], with and without changes of width between."""

    vectors: tuple[tuple[Pair, ...], ...]
    switching: tuple[tuple[int, ...], ...]
    never: tuple[tuple[int, ...], ...]

    @property
    def difference(self) -> int:
        """Sum of absolute differences over inferences and layers; 0: a switch costs nothing."""
        rows = zip(self.switching, self.never, strict=True)
        return sum(abs(a - b) for row in rows for a, b in zip(*row, strict=True))


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", nargs="+", default=["m4", "m55"], choices=CORES)
    parser.add_argument("--networks", nargs="+", default=list(TOPOLOGIES), choices=list(TOPOLOGIES))
    options = parser.parse_args()
    console, facts, failed = Console(width=WIDTH), [], False
    try:
        for core in options.cores:
            for name in options.networks:
                graph = with_controller(TOPOLOGIES[name]())
                console.print(f"{name} on {core}" + ("" if graph.controller else ", whose first layer narrows already"))
                comparisons, switching = measure(graph, core, FOLDER / f"switching-{name}-{core}")
                show(console, f"{name} on {core}", comparisons, switching)
                failed |= switching.difference != 0 or any(abs(c.excess) > TOLERANCE for c in comparisons)
                found = {"comparisons": [dataclasses.asdict(c) for c in comparisons]}
                facts.append({"core": core, "network": name} | found | {"switching": dataclasses.asdict(switching)})
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    write_atomically(FOLDER / "switching.json", (json.dumps(facts, indent=1) + "\n").encode())
    sys.exit(5 if failed else 0)


def with_controller(graph: Graph) -> Graph:
    """The graph with a controller of random weights behind its first layer; as it is if that layer narrows itself.

    Pooling over the whole map, a dense layer to 64 with ReLU, a dense layer to the logits.
    """
    adaptive, first = graph.adaptive, graph.layers[0]
    if not adaptive or first in adaptive:
        return graph
    rng = np.random.default_rng(2)
    source = graph.tensor(first.output)
    (height, width, channels), count = source.shape, len(adaptive[0].candidates)
    pooled, hidden = (
        Tensor("controller.pooled", (1, 1, channels), 0.02),
        Tensor("controller.hidden", (1, 1, HIDDEN), 0.02),
    )

    def scaling(n: int, gain: float) -> Requantize:
        multiplier, shift = nested.quantize_multiplier(gain)
        return Requantize(np.full(n, multiplier, np.int32), np.full(n, shift, np.uint8))

    def dense(name: str, source: Tensor, output: str, channels: int, requantize: Requantize | None) -> Dense:
        weights = rng.integers(-128, 128, (channels, source.size)).astype(np.int8)
        return Dense(name, source.name, output, weights, np.zeros(channels, np.int32), requantize)

    area = height * width
    pool = AveragePool2D(
        *("controller.pool", source.name, pooled.name, Window((height, width)), (area,)),
        *(np.zeros(1, np.int32), scaling(1, 1 / area)),
    )
    layers: tuple[Layer, ...] = (
        pool,
        dense("controller.dense", pooled, hidden.name, HIDDEN, scaling(HIDDEN, 100 / (74 * 74 * channels**0.5))),
        dense("controller.logits", hidden, "controller.accumulators", len(adaptive) * count, None),
    )
    controller = Controller(first.name, layers, tuple(layer.name for layer in adaptive))
    return dataclasses.replace(graph, tensors=(*graph.tensors, pooled, hidden), controller=controller)


def static(graph: Graph, widths: Sequence[Pair]) -> Graph:
    """The graph with one candidate a layer and no controller."""
    chosen = dict(zip((layer.name for layer in graph.adaptive), widths, strict=True))

    def fixed(layer: Layer) -> Layer:
        if not isinstance(layer, MacLayer) or layer.name not in chosen:
            return layer
        pair = chosen[layer.name]
        rows = None if layer.bias_by_width is None else layer.bias_of(pair)[None]
        return dataclasses.replace(layer, candidates=(pair,), bias_by_width=rows)

    owned = {layer.output for layer in graph.controller.layers} if graph.controller else set()
    tensors = tuple(tensor for tensor in graph.tensors if tensor.name not in owned)
    return dataclasses.replace(graph, tensors=tensors, layers=tuple(map(fixed, graph.layers)), controller=None)


def measure(graph: Graph, core: str, folder: Path, inferences: int = 6) -> tuple[list[Comparison], Switching]:
    """Compare the image with every candidate with static ones, and runs that switch with runs that do not.

    Raises:
        MismatchError: An output differs from the interpreter's.
    """
    codes = sample_codes(graph)
    adaptive = graph.adaptive
    rng = np.random.default_rng(3)
    narrowest, widest = (tuple(layer.candidates[k] for layer in adaptive) for k in (-1, 0))
    mixed = tuple(layer.candidates[rng.integers(len(layer.candidates))] for layer in adaptive)
    vectors = tuple(dict.fromkeys([widest, narrowest, mixed]))
    comparisons = []
    with _device(graph, core, folder / "all") as device:
        runs: list[tuple[str, tuple[Pair, ...], tuple[int, ...]]] = []
        for vector in vectors:
            runs.append(("vector", vector, run(device, graph, codes[0], vector)[1]))
        if graph.controller is not None:
            widths, layers = run(device, graph, codes[0], None)
            runs.append(("controller", widths, layers))
        switching = _switch(device, graph, codes, vectors, inferences)
    own = [layer.name for layer in graph.controller.layers] if graph.controller else []
    for number, (policy, widths, layers) in enumerate(runs):
        fixed = static(graph, widths)
        with _device(fixed, core, folder / f"static{number}") as device:
            total = sum(run(device, fixed, codes[0], ())[1])
        decided = sum(n for layer, n in zip(graph.all_layers, layers, strict=True) if layer.name in own)
        comparisons.append(Comparison(policy, widths, sum(layers) - decided, decided, total))
    return comparisons, switching


def _switch(
    device: CountedDevice,
    graph: Graph,
    codes: np.ndarray,
    vectors: tuple[tuple[Pair, ...], ...],
    inferences: int,
) -> Switching:
    plan = [(codes[i % len(codes)], vectors[i % len(vectors)]) for i in range(inferences)]
    changing = tuple(run(device, graph, sample, vector)[1] for sample, vector in plan)
    never: dict[int, tuple[int, ...]] = {}
    for vector in vectors:  # all inferences of one vector, then all of the next
        for i, (sample, wanted) in enumerate(plan):
            if wanted == vector:
                run(device, graph, sample, vector)
                never[i] = run(device, graph, sample, vector)[1]
    return Switching(vectors, changing, tuple(never[i] for i in range(inferences)))


def _device(graph: Graph, core: str, folder: Path) -> CountedDevice:
    board, options = machine(core)
    made, _, _ = export(graph, board, folder)
    build(made.folder, cross=True)
    return CountedDevice(made, options=options)


def run(
    device: CountedDevice, graph: Graph, sample: np.ndarray, widths: Sequence[Pair] | None
) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """One inference, checked; None: the controller chooses. Returns the widths, and instructions by layer."""
    want = interpreter.run(graph, sample[None], "dynamic" if widths is None else list(widths))
    choices = tuple(int(c) for c in want.choices[0])
    got = device.infer(sample.tobytes(), None if widths is None else choices, counts=True)
    if got.output != want.outputs[0].tobytes() or tuple(got.choices) != choices:
        raise MismatchError(
            f"graph {graph.name!r} differs from the interpreter", where="benchmarks.switching", next_step="report this"
        )
    assert device.counts is not None
    pairs = tuple(layer.candidates[k] for layer, k in zip(graph.adaptive, choices, strict=True))
    return pairs, device.counts.layers


def show(console: Console, title: str, comparisons: Sequence[Comparison], switching: Switching) -> None:
    """One table of static against chosen widths, and a line about switching."""
    table = Table("who chose", "widths", "chosen", "static", "excess", "controller", title=title)
    for c in comparisons:
        widths = f"all {pair_text(c.widths[0])}" if len(set(c.widths)) == 1 else "mixed"
        own = f"{c.controller:,} ({c.controller / c.static:.2%})" if c.controller else ""
        table.add_row(c.policy, widths, f"{c.flexible:,}", f"{c.static:,}", f"{c.excess:+.3%}", own)
    console.print(table)
    count = len(switching.switching)
    console.print(
        f"{count} inferences at {len(switching.vectors)} width vectors, switching each time: "
        f"{sum(map(sum, switching.switching)):,} instructions; never: {sum(map(sum, switching.never)):,}",
        highlight=False,
    )


if __name__ == "__main__":
    main()
