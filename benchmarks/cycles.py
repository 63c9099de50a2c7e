"""Instructions and modelled cycles of each layer of a model, on emulated cores.

    python -m benchmarks.cycles MODEL.safetensors --cores m4 m55 --pairs 8x8 4x4

Inputs are random; every output is compared with the interpreter's. Without ``--pairs``, each layer runs at its first
candidate, then its second, and so on. For the networks of ``make bench``: ``python -m benchmarks.networks --layers``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dqt_edge.errors import DqtError
from dqt_edge.graph import Graph
from dqt_edge.graph.checkpoint import load
from dqt_edge.graph.policy import Policy, parse_policy
from dqt_edge.system.files import write_atomically

from .measuring import FLASHES, SIBLINGS, Facts, measure

FOLDER = Path("build/bench/cycles")
CORES = ("m0", "m3", "m4", "m7", "m33", "m55", *SIBLINGS, *FLASHES)
WIDTH = 120
"""Columns of the tables."""


def main() -> None:
    """Measure what was asked for, and print a table for each core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a checkpoint")
    parser.add_argument("--cores", nargs="+", default=["m4"], choices=CORES)
    parser.add_argument("--pairs", nargs="+", default=[], help="policies: 8x8, or one pair for each layer")
    parser.add_argument("--json", type=Path, help="write the facts there")
    options = parser.parse_args()
    console = Console(width=WIDTH)
    found = {}
    try:
        graph = load(options.model)
        for core in options.cores:
            found[core] = measure(graph, core, FOLDER / f"{graph.name}-{core}", policies_of(graph, options.pairs))
            show_layer_costs(console, f"{graph.name} on {core}", found[core])
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    if options.json:
        write_atomically(options.json, (json.dumps(found, indent=1) + "\n").encode())


def policies_of(graph: Graph, texts: Sequence[str] = ()) -> dict[str, Policy]:
    """Policies by name: those given, or candidate by candidate, the last one of a layer that has fewer."""
    if texts:
        return {text: parse_policy(text, graph) for text in texts}
    most = max((len(layer.candidates) for layer in graph.adaptive), default=1)
    vectors = [[x.candidates[min(k, len(x.candidates) - 1)] for x in graph.adaptive] for k in range(most)]
    return {f"candidate {k}": vector for k, vector in enumerate(vectors)}


def show_layer_costs(console: Console, title: str, by_policy: Mapping[str, Facts]) -> None:
    """Instructions and modelled cycles of each layer, in brackets for each MAC, or for each instruction."""
    facts = next(iter(by_policy.values()))
    cycles = facts["cycles"] is not None
    columns = [f"{policy}{kind}" for policy in by_policy for kind in (("", " cycles") if cycles else ("",))]
    table = Table("layer", "kernel", "MAC", *columns, title=f"{title}: instructions, {facts['cycles_model']}")
    for i, layer in enumerate(facts["layers"]):
        row = []
        for found in by_policy.values():
            costs = found["layers"][i]
            for quantity in ("instructions", "cycles") if cycles else ("instructions",):
                count = costs[quantity]
                row.append(f"{count:,.0f}" + (f" ({count / layer['macs']:.3f})" if layer["macs"] else ""))
        table.add_row(layer["name"], layer["kernel"], f"{layer['macs']:,}", *row)
    row = [f"{found[q]:,}" for found in by_policy.values() for q in ("instructions", *(("cycles",) if cycles else ()))]
    table.add_row("all", "", "", *row, style="bold")
    console.print(table)


if __name__ == "__main__":
    main()
