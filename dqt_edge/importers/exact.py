"""What a layer would give in real numbers, of the same codes: who of two that differ is the nearer one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from . import floating
from .network import LIMITS, Edge, Network, Node

Codes = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]


class Exact:
    """Tensors in real numbers, by the model file's own scales, weights and biases; not by a Graph's multipliers.

    Args:
        network: In integers, as a reader makes it of the file.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._nodes = {node.output: node for node in network.nodes}

    def result(self, tensor: str, known: Mapping[str, Codes]) -> Reals | None:
        """Codes of a tensor before they are rounded, within 0..255, float64 [samples, height, width, channels].

        None for a tensor that no operator of the file makes: a step in between. What lies between it and the known
        tensors is not rounded either.

        Args:
            tensor: An output of a layer of the graph.
            known: Tensors whose codes are given, uint8 [samples, height, width, channels]; those of sources at least.
        """
        if tensor not in self._nodes:
            return None
        reals = {name: self._real(self._network.edges[name], codes) for name, codes in known.items() if name != tensor}
        for node in self._below(tensor, reals):
            reals[node.output] = _in_reals(node, reals, self._network)
        edge = self._network.edges[tensor]
        assert edge.scale is not None
        codes = np.clip(reals[tensor] / edge.scale + edge.zero_point, 0, 255)
        return np.asarray(codes.reshape(-1, *edge.shape), np.float64)

    def _below(self, tensor: str, reals: Mapping[str, Reals]) -> list[Node]:
        """Nodes between the known tensors and one, in the order of execution."""
        wanted, found = {tensor}, []
        for node in reversed(self._network.nodes):
            if node.output in wanted and node.output not in reals:
                found.append(node)
                wanted.update(node.reads)
        return found[::-1]

    @staticmethod
    def _real(edge: Edge, codes: Codes) -> Reals:
        assert edge.scale is not None
        return ((codes.astype(np.float64) - edge.zero_point) * edge.scale).reshape(len(codes), *edge.shape)


def _in_reals(node: Node, reals: Mapping[str, Reals], network: Network) -> Reals:
    """A node of an integer network with real weights, and with its fused addition if it has one."""
    if node.weights is not None and node.weight_scales is not None and node.bias is not None:
        scale = network.edges[node.inputs[0]].scale
        assert scale is not None
        along = node.weight_scales.reshape(-1, *[1] * (node.weights.ndim - 1))
        node = dataclasses.replace(node, weights=node.weights * along, bias=node.bias * node.weight_scales * scale)
    sources: list[floating.Floats] = [reals[name] for name in node.inputs]
    if node.residual is None:
        return np.asarray(floating.node_values(node, sources, network), np.float64)
    plain = dataclasses.replace(node, residual=None, activation="none")
    sums = floating.node_values(plain, sources, network) + reals[node.residual]
    return np.asarray(np.clip(sums, *LIMITS[node.activation]), np.float64)
