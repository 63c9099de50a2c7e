"""A random network on a device, layer by layer beside the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.graph import interpreter
from dqt_edge.graph.dial import Dynamic
from dqt_edge.graph.policy import Policy
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.random_graphs import random_bias, random_codes, random_graph

BOARDS = ("host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m55")
SAMPLES = 3
VECTORS = 3


def try_network(seed: int, board_id: str, folder: Path, *, signal: bool = False) -> tuple[int, str | None]:
    """Number of inferences, and the first difference if there is one."""
    graph = random_graph(seed, largest=14, signal=signal, every=seed % 2 == 1)
    made, _, _ = export(graph, load_board(board_id), folder)
    sanitize = ["DQT_SANITIZE=ON"] if board_id == "host" else []
    build(folder, cross=board_id != "host", definitions=sanitize)
    rng = np.random.default_rng((seed, 5))
    policies: list[Policy] = [
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
