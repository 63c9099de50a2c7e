"""Kernels with and without the DSP extension keep to their buffers: every layer in scratch of the planned size."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")

from dqt_edge.graph import interpreter
from dqt_edge.project.code_table import code_table
from tests.support.emulated_kernels import EmulatedKernels
from tests.support.kernel_cases import cases, extreme_codes

pytestmark = [pytest.mark.emulate, pytest.mark.cross]

GRAPHS = [
    ("conv", (5, 7, 4), 0),
    ("conv", (4, 5, 3), 9),
    ("conv", (6, 3, 8), 130),
    ("conv", (3, 4, 36), 0),
    ("conv", (1, 1, 260), 0),
    ("depthwise", (5, 6, 4), 0),
    ("depthwise", (3, 5, 7), 255),
    ("dense", (1, 1, 37), 0),
]


@pytest.mark.parametrize("board", ["qemu-m3", "qemu-m4"])
@pytest.mark.parametrize(("kind", "shape", "zero"), GRAPHS)
def test_layers_stay_in_their_buffers(board: str, kind: str, shape, zero: int, tmp_path: Path) -> None:
    """Behind scratch and arena there is no memory; every write elsewhere than scratch, stack and output is found."""
    graph = cases(kind, 3 * sum(shape), shape, 24, zero=zero)
    kernels = EmulatedKernels(graph, tmp_path / "p", board)
    table = code_table(kernels.plan.board)
    sections, symbols = table.sections, table.symbols

    def depth(name: str) -> int:
        below = [ref for ref in sections[name]["refs"] if sections[ref]["kind"] == "code"]
        return sections[name]["stack"] + max((depth(ref) for ref in below), default=0)

    codes = extreme_codes(1, shape, 2)[1]
    for turn in range(3):
        chosen = [turn % len(layer.candidates) for layer in graph.layers]
        vector = [
            layer.candidates[k] for layer, k in zip(graph.layers, chosen, strict=True) if len(layer.candidates) > 1
        ]
        want = interpreter.run(graph, codes[None], vector, keep_tensors=True).tensors
        for i, (layer, candidate) in enumerate(zip(graph.layers, chosen, strict=True)):
            output, stack = kernels.run(i, candidate, {"input": codes.tobytes()})
            assert output == want[layer.output].tobytes(), f"{layer.name} at {layer.candidates[candidate]}"
            assert stack <= depth(symbols[f"dqt_{kernels.plan.layers[i].kernel}"])
