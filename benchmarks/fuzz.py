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

import numpy as np
from rich.progress import track

from dqt_edge import interpreter, project, toolchain
from dqt_edge.boards import load_board
from dqt_edge.device.session import open_client
from dqt_edge.dial import Dynamic
from dqt_edge.errors import DoesNotFitError
from dqt_edge.measure.session import layer_checksums
from tests.support.random_graphs import random_bias, random_codes, random_graph

BOARDS = ("host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m55")
SAMPLES = 3
VECTORS = 3


def main() -> None:
    """Run the seeds and exit with 1 at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--signals", action="store_true", help="networks of signals, one element wide")
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    options = parser.parse_args()
    inferences, too_large = 0, list[str]()
    for seed in track(range(options.first, options.first + options.seeds), "random networks"):
        for board_id in options.boards:
            try:
                with tempfile.TemporaryDirectory() as folder:
                    found, difference = try_network(seed, board_id, Path(folder) / "p", signal=options.signals)
            except DoesNotFitError as error:
                too_large.append(f"seed {seed} not run on {board_id}: {error.what}")
                continue
            inferences += found
            if difference:
                print(f"board {board_id}, seed {seed}: {difference}")
                sys.exit(1)
    print(f"{options.seeds} networks, {len(options.boards)} boards, {inferences} inferences, 0 differences")
    for line in too_large:
        print(line)


def try_network(seed: int, board_id: str, folder: Path, *, signal: bool = False) -> tuple[int, str | None]:
    """Number of inferences, and the first difference if there is one."""
    graph = random_graph(seed, largest=14, signal=signal)
    made, _, _ = project.export(graph, load_board(board_id), folder)
    sanitize = ["DQT_SANITIZE=ON"] if board_id == "host" else []
    toolchain.build(folder, cross=board_id != "host", definitions=sanitize)
    rng = np.random.default_rng((seed, 5))
    policies: list[interpreter.Policy] = [
        [layer.candidates[rng.integers(len(layer.candidates))] for layer in graph.adaptive] for _ in range(VECTORS)
    ]
    if graph.controller is not None:
        candidates = len(graph.adaptive[0].candidates)
        biases = [random_bias(rng, candidates, 2**31 - 1) for _ in range(VECTORS)]
        policies += ["dynamic", *map(Dynamic, biases)]
    count = 0
    with open_client(made.board, made.elf, made.model_hash) as client:
        for sample in random_codes(seed, graph, SAMPLES):
            for policy in policies:
                want = interpreter.run(graph, sample[None], policy)
                choices = tuple(want.choices[0].tolist()) if want.logits is None else None
                got = client.infer(sample.tobytes(), choices, bias=getattr(policy, "bias", None), checksums=True)
                count += 1
                sums = layer_checksums(graph, sample, policy)
                for layer, a, b in zip(graph.all_layers, got.checksums or (), sums, strict=True):
                    if a != b:
                        return count, f"policy {policy}: layer {layer.name!r} differs"
                if got.output != want.outputs[0].tobytes():
                    return count, f"policy {policy}: the output differs although every layer agrees"
    return count, None


if __name__ == "__main__":
    main()
