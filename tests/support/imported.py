"""An imported network beside its original, layer by layer, and on devices beside the interpreter."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DoesNotFitError
from dqt_edge.graph import FULL, Graph, interpreter, nested
from dqt_edge.importers import floating
from dqt_edge.importers.network import LIMITS, Edge, Network, Node
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from dqt_edge.project.manifest import Project

BOARDS = ("host", "qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")


Runs = dict[str, tuple[Graph, npt.NDArray[np.uint8]]]
"""Graphs of different names, each with codes of its one input [samples, height, width, channels], by any key."""
EXACT, TOO_LARGE = "exact", "does not fit"


def on_device(graph: Graph, codes: npt.NDArray[np.uint8], board_id: str, folder: Path) -> str:
    """:func:`on_board` of one graph."""
    return on_board({graph.name: (graph, codes)}, board_id, folder)[graph.name]


def on_board(runs: Runs, board_id: str, folder: Path) -> dict[str, str]:
    """What became of each graph on a board that this machine runs, all of them in one image.

    ``EXACT``, if every layer of every sample has the interpreter's codes; else where the first difference is; or
    ``TOO_LARGE``. Graphs that do not fit together are tried one by one.
    """
    try:
        made = export_together([graph for graph, _ in runs.values()], load_board(board_id), folder / "p").project
    except DoesNotFitError:
        if len(runs) == 1:
            return dict.fromkeys(runs, TOO_LARGE)
        found = {}
        for i, (key, run) in enumerate(runs.items()):
            found |= on_board({key: run}, board_id, folder / str(i))
        return found
    build(made.folder, cross=board_id != "host", definitions=["DQT_SANITIZE=ON"] if board_id == "host" else [])
    return {key: _beside_interpreter(made, graph, codes) for key, (graph, codes) in runs.items()}


def _beside_interpreter(made: Project, graph: Graph, codes: npt.NDArray[np.uint8]) -> str:
    policy = (FULL,) * len(graph.adaptive)
    wanted = interpreter.run(graph, codes, policy)
    with open_client(made.board, made.elf, made.model(graph.name).digest) as client:
        for i, sample in enumerate(codes):
            got = client.infer(sample.tobytes(), tuple(wanted.choices[i].tolist()), checksums=True)
            sums = layer_checksums(graph, sample, policy)
            for layer, found, right in zip(graph.all_layers, got.checksums or (), sums, strict=True):
                if found != right:
                    return f"sample {i}: layer {layer.name!r} differs"
            if got.output != b"".join(output[i].tobytes() for output in wanted.output_codes.values()):
                return f"sample {i}: the output differs although every layer agrees"
    return EXACT


def beside_reals(network: Network, graph: Graph, codes: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Largest difference of each layer, in codes, from the same layer computed in real numbers from the same codes.

    Args:
        network: Integer network that the graph was assembled from.
        graph: At 8x8.
        codes: Input codes of its one input.
    """
    kept = interpreter.run(graph, codes, (FULL,) * len(graph.adaptive), keep_tensors=True).tensors
    layers = {layer.output: layer for layer in graph.layers}
    found = {}
    for node in network.nodes:
        layer = layers.get(node.output)
        if layer is None or set(layer.inputs) != set(node.reads):
            continue  # a lookup that computes several nodes, or codes that are another edge's
        reals = {name: _real(network.edges[name], kept[name]) for name in node.reads}
        values = floating.node_values(_dequantised(node, network), [reals[name] for name in node.inputs], network)
        if node.residual is not None:
            values = _dequantised_sum(node, reals, network)
        edge = network.edges[node.output]
        assert edge.scale is not None
        wanted = nested.quantize(values, edge.scale, edge.zero_point).astype(np.int64)
        distance = np.abs(wanted.reshape(len(codes), -1) - kept[node.output].reshape(len(codes), -1))
        found[node.name] = int(distance.max())
    return found


def _real(edge: Edge, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    assert edge.scale is not None
    return (
        ((codes.astype(np.float64) - edge.zero_point) * edge.scale).reshape(len(codes), *edge.shape).astype(np.float32)
    )


def _dequantised(node: Node, network: Network) -> Node:
    """The node with real weights."""
    if node.weights is None or node.weight_scales is None or node.bias is None:
        return node
    scale = network.edges[node.inputs[0]].scale
    assert scale is not None
    along = node.weight_scales.reshape(-1, *[1] * (node.weights.ndim - 1))
    return dataclasses.replace(node, weights=node.weights * along, bias=node.bias * node.weight_scales * scale)


def _dequantised_sum(
    node: Node, reals: dict[str, npt.NDArray[np.float32]], network: Network
) -> npt.NDArray[np.float32]:
    """A convolution with its fused addition."""
    plain = dataclasses.replace(_dequantised(node, network), residual=None, activation="none")
    sums = floating.node_values(plain, [reals[name] for name in node.inputs], network) + reals[str(node.residual)]
    low, high = LIMITS[node.activation]
    return np.clip(sums, np.float32(low), np.float32(high))
