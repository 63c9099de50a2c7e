"""Instructions, modelled cycles, flash and RAM of the four MLPerf Tiny topologies on emulated cores, beside the peers'.

Run by ``make bench``. Every output is checked against the interpreter. Writes ``build/bench/networks.json``:
``{m0|m3|m4|m7|m33|m55: {resnet8|dscnn|vww|ad: {8x8|4x4|2x4: facts}}}``, facts as ``measuring.measure`` returns them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dqt_edge.boards import load_board
from dqt_edge.errors import DoesNotFitError, DqtError
from dqt_edge.graph import Graph
from dqt_edge.graph.policy import Policy
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.counting import CountedDevice
from dqt_edge.measure.cycles.histogram import Histogram
from dqt_edge.measure.cycles.model import model_of, why_none
from dqt_edge.project.footprint import predict
from dqt_edge.project.manifest import find_project
from dqt_edge.system.files import write_atomically
from tests.support.topologies import CANDIDATES, TOPOLOGIES

from .cycles import show_layer_costs
from .measuring import FLASHES, ROOMY, SIBLINGS, machine, measure, sample_codes
from .peer_figures import rivals
from .profile import show_listing, show_profile
from .reference_models import by_candidate, reference_graph

FOLDER = Path("build/bench")
BASELINE = Path(__file__).with_name("baseline.json")
QUANTITIES = ("instructions", "cycles", "flash", "arena", "scratch", "stack")
TOLERANCE = 0.01
PEERS = Path(__file__).with_name("peers.json")
CORES = ("m0", "m3", "m4", "m7", "m33", "m55")
WIDTH = 100
"""Columns of the tables."""
PAIRS = {f"{w}x{a}": (w, a) for w, a in CANDIDATES}
POLICIES: dict[str, Policy] = {name: [pair] for name, pair in PAIRS.items()}
REAL = "-real"
"""Ends the name of a network with the weights of its reference model."""
RIVALS = {"cmsis_nn_s8_O3": "CMSIS-NN", "best_s8_kernel_per_layer_any_peer": "best peer, by layer"}

Facts = dict[str, dict[str, dict[str, Any]]]
"""Network -> pair -> quantity -> figure."""


def main() -> None:
    """Measure what was asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", nargs="+", default=CORES, choices=[*CORES, *SIBLINGS, *FLASHES])
    parser.add_argument("--networks", nargs="+", default=list(TOPOLOGIES), choices=list(TOPOLOGIES))
    parser.add_argument(
        "--check", action="store_true", help="compare with benchmarks/baseline.json; exit code 5 if worse"
    )
    parser.add_argument("--models", type=Path, help="folder of mlcommons/tiny's int8 .tflite files: measure these too")
    parser.add_argument("--write-baseline", action="store_true", help="make this run the baseline")
    parser.add_argument("--layers", action="store_true", help="print the counts of each layer too")
    parser.add_argument("--profile", action="store_true", help="print what the instructions are spent on")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS), choices=list(PAIRS), help="pairs to profile")
    parser.add_argument("--layer", nargs="+", default=None, help="layers to profile, by name; all unless given")
    parser.add_argument("--listing", nargs="+", default=[], metavar="FUNCTION", help="profile line by line")
    options = parser.parse_args()
    console = Console(width=WIDTH)
    try:
        found: dict[str, Facts] = {}
        for core in options.cores:
            found[core] = {}
            for name in options.networks:
                console.print(f"{name} on {core}")
                graph, folder = TOPOLOGIES[name](), FOLDER / f"{name}-{core}"
                found[core][name] = measure(graph, core, folder, POLICIES)
                if options.models:
                    real = reference_graph(options.models, name)
                    folder = folder.with_name(f"{name}{REAL}-{core}")
                    found[core][name + REAL] = measure(real, core, folder, by_candidate(real))
                if options.profile or options.listing:
                    profile(console, graph, core, folder, options)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    write_atomically(FOLDER / "networks.json", (json.dumps(found, indent=1) + "\n").encode())
    show(console, found)
    console.print("\n".join(misfits(options.cores, options.networks)), highlight=False)
    if options.layers:
        show_layers(console, found)
    if options.write_baseline:
        write_atomically(BASELINE, (json.dumps(totals(found), indent=1) + "\n").encode())
    if options.check:
        grown = growth(totals(found), json.loads(BASELINE.read_text(encoding="utf-8")))
        console.print("\n".join(grown) or "nothing grew by more than 1 % over the baseline")
        sys.exit(5 if grown else 0)


def totals(found: dict[str, Facts]) -> dict[str, int]:
    """The figures that the gate watches: ``core/network/pair/quantity`` -> instructions or bytes."""
    return {
        f"{core}/{network}/{pair}/{quantity}": int(facts[quantity])
        for core, networks in found.items()
        for network, pairs in networks.items()
        if core in CORES and network in TOPOLOGIES
        for pair, facts in pairs.items()
        for quantity in QUANTITIES
        if facts[quantity] is not None
    }


def growth(now: dict[str, int], baseline: dict[str, int]) -> list[str]:
    """Lines that name each figure which grew by more than the tolerance, or which the baseline does not know.

    Cycles that the baseline does not know are no growth: it may be of a computer without the core's model.
    """
    lines = []
    for name, value in now.items():
        before = baseline.get(name)
        if before is None and not name.endswith("/cycles"):
            lines.append(f"{name}: {value:,}, not in the baseline")
        elif before is not None and value > before * (1 + TOLERANCE):
            lines.append(f"{name}: {value:,}, {value / before - 1:+.1%} over {before:,}")
    return lines


def misfits(cores: Iterable[str], networks: Iterable[str]) -> Iterator[str]:
    """Lines on networks that were given more memory than the board has, and do not fit without."""
    for core in cores:
        for name in networks if core in ROOMY else ():
            try:
                predict([make_plan(TOPOLOGIES[name](), load_board(f"qemu-{core}"))])
            except DoesNotFitError as error:
                yield f"{name} on {core}: measured with more memory, because {error.what} ({error.where})"


def profile(console: Console, graph: Graph, core: str, folder: Path, options: argparse.Namespace) -> None:
    """Print what the instructions of a built network are spent on: one inference at each pair asked for."""
    made = find_project(folder)
    image = made.elf
    codes = sample_codes(graph)[0].tobytes()
    names = [layer.name for layer in graph.all_layers]
    wanted = [names.index(name) for name in options.layer or names if name in names]
    with CountedDevice(made, histogram=True, options=machine(core)[1]) as device:
        for pair in options.pairs:
            choices = tuple(layer.candidates.index(PAIRS[pair]) for layer in graph.adaptive)
            device.infer(codes, choices, counts=True)
            assert device.counts is not None
            histogram = Histogram.total(device.counts.histograms[i] for i in wanted)
            title = f"{graph.name} on {core} at {pair}" + (f", {' '.join(options.layer)}" if options.layer else "")
            cycles = (
                None if why_none(made.board.cpu.core) else model_of(made.board.cpu.core, image).by_address(histogram)
            )
            show_profile(console, title, image, histogram.executed, cycles, mve=made.board.cpu.mve)
            for function in options.listing:
                show_listing(console, image, function, histogram.executed, cycles)


def show(console: Console, found: dict[str, Facts]) -> None:
    """Totals in millions beside the peers', and bytes."""
    peers = json.loads(PEERS.read_text(encoding="utf-8"))
    networks = list(next(iter(found.values())))
    table = Table("core", "", *networks, title="Instructions for an inference, millions (outputs all exact)")
    for core, facts in found.items():
        add_totals(table, core, facts, "instructions")
        for key, title in RIVALS.items():
            if core in peers[key]:
                row = [peers[key][core][name.removesuffix(REAL)] / 1e6 for name in networks]
                table.add_row(core, title, *(f"{count:.3f}" for count in row), style="dim")
    console.print(table)
    table = Table("core", "", *networks, title="Modelled cycles for an inference, millions")
    for core, facts in found.items():
        add_totals(table, core, facts, "cycles")
        for title, costs in rivals(core, peers):
            table.add_row(core, title, *(f"{costs[name.removesuffix(REAL)]:.3f}" for name in networks), style="dim")
    console.print(table)
    for core, facts in found.items():
        console.print(f"{core}: {facts[networks[0]]['8x8']['cycles_model']}", highlight=False)
    sizes = Table("core", "", *networks, title="Bytes")
    for core, facts in found.items():
        sizes.add_row(core, "flash, every width", *(f"{facts[n]['8x8']['flash']:,}" for n in networks))
        ram = ("arena", "scratch", "stack")
        rows = ["+".join(f"{facts[n]['8x8'][part]:,}" for part in ram) for n in networks]
        sizes.add_row(core, "arena+scratch+stack", *rows)
    console.print(sizes)


def add_totals(table: Table, core: str, facts: Facts, quantity: str) -> None:
    """Rows of a core: a quantity of each network at each pair, narrower pairs with their share of 8x8."""
    for pair in PAIRS if all(facts[name]["8x8"][quantity] is not None for name in facts) else ():
        row = []
        for by_pair in facts.values():
            count, whole = (by_pair[p][quantity] for p in (pair, "8x8"))
            row.append(f"{count / 1e6:.3f}" + ("" if pair == "8x8" else f" ({count / whole:.2f})"))
        table.add_row(core, f"dqt-edge {pair}", *row)


def show_layers(console: Console, found: dict[str, Facts]) -> None:
    """Instructions and modelled cycles layer by layer."""
    for core, facts in found.items():
        for name, by_pair in facts.items():
            show_layer_costs(console, f"{name} on {core}", by_pair)


if __name__ == "__main__":
    main()
