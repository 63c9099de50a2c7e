"""The table of README: modelled cycles and instructions of our networks, beside open and closed peers, in Markdown.

    python -m benchmarks.networks --cores m0plus m4 m4-l4r5 m7 m33 m55 --models FOLDER
    python -m benchmarks.comparison

reads ``build/bench/networks.json`` and ``benchmarks/peers.json``. The best peer of a core is the best of all, open and
closed, on silicon and modelled.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .networks import FOLDER, PAIRS, PEERS, REAL
from .peer_figures import rivals
from .reference_models import MODELS

TITLES = {name: model.title for name, model in MODELS.items()}
CORES = {
    "m0": "Cortex-M0",
    "m0plus": "Cortex-M0+",
    "m3": "Cortex-M3",
    "m4": "Cortex-M4",
    "m4-l4r5": "Cortex-M4, flash of an STM32L4R5",
    "m7": "Cortex-M7",
    "m33": "Cortex-M33",
    "m55": "Cortex-M55",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, default=FOLDER / "networks.json", help="what make bench wrote")
    options = parser.parse_args()
    found = json.loads(options.networks.read_text(encoding="utf-8"))
    peers = json.loads(PEERS.read_text(encoding="utf-8"))
    print("\n".join(table(found, peers)))
    print()
    print("\n".join(sources(found, peers)))


def table(found: Mapping[str, Any], peers: Mapping[str, Any]) -> Iterator[str]:
    """Rows of Markdown: for each core ours at each pair, then peers by their cycles on ResNet-8."""
    yield f"| million cycles (million instructions) | {' | '.join(TITLES.values())} |"
    yield "|---" * (1 + len(TITLES)) + "|"
    for core, networks in found.items():
        yield f"| **{CORES[core]}** |{' |' * len(TITLES)}"
        for ending, weights in (("", "random weights"), (REAL, "the reference models' weights")):
            for pair in PAIRS:
                cells = [ours(networks.get(name + ending), pair) for name in TITLES]
                if any(cells):
                    yield f"| dqt-edge {pair}, {weights}, modelled | {' | '.join(cells)} |"
        rows = list(rivals(core, peers))
        for title, costs in rows:
            yield f"| {title} | {' | '.join(number(costs[name]) for name in TITLES)} |"
        if rows:
            best = {name: min(costs[name] for _, costs in rows) for name in TITLES}
            yield f"| best peer | {' | '.join(number(best[name]) for name in TITLES)} |"


def ours(by_pair: Mapping[str, Any] | None, pair: str) -> str:
    """A cell: cycles, and in brackets instructions; without cycles where they were not modelled."""
    if by_pair is None:
        return ""
    instructions, cycles = by_pair[pair]["instructions"] / 1e6, by_pair[pair]["cycles"]
    return f"({number(instructions)})" if cycles is None else f"{number(cycles / 1e6)} ({number(instructions)})"


def sources(found: Mapping[str, Any], peers: Mapping[str, Any]) -> Iterator[str]:
    """What the figures are, and whence."""
    for core, networks in found.items():
        facts: Sequence[Any] = list(networks.values())
        yield f"- {CORES[core]}: {facts[0]['8x8']['cycles_model']}."
    yield f"- Silicon: {peers['silicon_source']}."
    yield f"- CMSIS-NN modelled: {peers['modelled_cmsis_nn_source']}."


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


if __name__ == "__main__":
    main()
