"""Random networks on the native build and on every QEMU core against the interpreter, layer by layer.

Run by ``make fuzz SEEDS=200``. Stops at the first difference and names board, seed, policy and layer; the seed
alone makes the network again. ``--first`` goes on where an earlier run ended. A network that a board has no room for
is named, and not run there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.progress import track

from dqt_edge.errors import DoesNotFitError
from dqt_edge.graph import SKIP
from tests.support.random_decisions import any_pointed_graph, try_decisions
from tests.support.random_networks import BOARDS, try_network, try_stream


def main() -> None:
    """Run the seeds and exit with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--signals", action="store_true", help="networks of signals, one element wide")
    parser.add_argument("--streams", action="store_true", help="networks with several inputs and outputs, and states")
    parser.add_argument("--points", action="store_true", help="networks with decision points, under random settings")
    parser.add_argument(
        "--skips", action="store_true", help="networks with points whose residual branches may be skipped"
    )
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    options = parser.parse_args()
    inferences, skipped, too_large = 0, 0, list[str]()
    for seed in track(range(options.first, options.first + options.seeds), "random networks"):
        for board_id in options.boards:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    project = Path(folder) / "p"
                    if options.streams:
                        found, difference = try_stream(seed, board_id, project)
                    elif options.points or options.skips:
                        graph = any_pointed_graph(seed, signal=options.signals, skips=options.skips)
                        skipped += board_id == options.boards[0] and any(SKIP in x.options for x in graph.adaptive)
                        found, difference = try_decisions(graph, seed, board_id, project)
                    else:
                        found, difference = try_network(seed, board_id, project, signal=options.signals)
            except DoesNotFitError as error:
                too_large.append(f"seed {seed} not run on {board_id}: {error.what}")
                continue
            inferences += found
            if difference:
                print(f"board {board_id}, seed {seed}: {difference}")
                sys.exit(1)
    print(f"{options.seeds} networks, {len(options.boards)} boards, {inferences} inferences, 0 differences")
    if options.skips:
        print(f"{skipped} of them have a branch that may be skipped")
    for line in too_large:
        print(line)


if __name__ == "__main__":
    main()
