"""A random network on a device, layer by layer beside the interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.dial import Dynamic
from dqt_edge.graph.policy import Policy
from dqt_edge.graph.samples import join_inputs
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.tasks import every_output
from tests.support.random_graphs import random_bias, random_codes, random_graph
from tests.support.random_streams import random_samples, random_stream

BOARDS = ("host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")
SAMPLES = 3
VECTORS = 3


def try_network(seed: int, board_id: str, folder: Path, *, signal: bool = False) -> tuple[int, str | None]:
    """Number of inferences, and the first difference if there is one."""
    graph = random_graph(seed, largest=14, signal=signal, every=seed % 2 == 1)
    return try_graph(graph, random_codes(seed, graph, SAMPLES), seed, board_id, folder)


def try_stream(seed: int, board_id: str, folder: Path) -> tuple[int, str | None]:
    """The same of a network with several inputs and outputs, and in most cases states."""
    graph = random_stream(seed, inputs=1 + seed % 3, outputs=1 + (seed + 1) % 4, states=seed % 4 != 3)
    return try_graph(graph, join_inputs(graph, random_samples(seed, graph, SAMPLES + 2)), seed, board_id, folder)


def try_graph(graph: Graph, samples: np.ndarray, seed: int, board_id: str, folder: Path) -> tuple[int, str | None]:
    """Every sample under several policies; with states, the samples are a stream that each policy begins anew."""
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
        for policy in policies:
            want = interpreter.run(graph, samples, policy)
            outputs = every_output(want)
            for i, sample in enumerate(samples):
                choices = tuple(want.choices[i].tolist()) if want.logits is None else None
                bias = getattr(policy, "bias", None)
                got = client.infer(sample.tobytes(), choices, bias=bias, checksums=True, start=i == 0)
                count += 1
                where = f"policy {policy}, sample {i}"
                sums = layer_checksums(graph, sample, policy, samples[:i])
                for layer, a, b in zip(graph.all_layers, got.checksums or (), sums, strict=True):
                    if a != b:
                        return count, f"{where}: layer {layer.name!r} differs"
                if got.output != outputs[i].tobytes():
                    return count, f"{where}: an output differs although every layer agrees"
                if got.choices != tuple(want.choices[i].tolist()):
                    return count, f"{where}: the choices differ"
        stats = client.stats()
        if (stats.runs, stats.naks, stats.bad_frames) != (count, 0, 0):
            return count, f"the device counts otherwise: {stats}"
    return count, None
