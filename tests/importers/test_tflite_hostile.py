"""Promise: whatever the bytes of a .tflite file are, the result is a model or a typed error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.graph import FULL, MacLayer
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.tflite import read_network
from tests.support.tflite_models import joined_network, small_network


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadFileError, match="cannot read the model"):
        read_network(Path("nowhere.tflite"))


def test_no_damage_makes_more_than_a_typed_error(tmp_path: Path) -> None:
    """400 files with random bytes changed or cut off: a model, or an error of ours."""
    models = [small_network().encode(), joined_network().encode(), small_network("FLOAT32").encode()]
    rng = np.random.default_rng(7)
    path = tmp_path / "damaged.tflite"
    refused = 0
    for i in range(400):
        good = models[i % len(models)]
        damaged = bytearray(good)
        for place in rng.integers(8, len(good), rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: len(good) if rng.random() < 0.8 else rng.integers(len(good))])
        try:
            network = read_network(path)
            if not network.integer:
                continue
            graph = assemble(network)
            assert all(FULL in layer.candidates for layer in graph.layers if isinstance(layer, MacLayer))
        except DqtError:
            refused += 1
    assert refused > 20
