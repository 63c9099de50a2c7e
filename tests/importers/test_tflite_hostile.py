"""Promise: whatever the bytes of a .tflite file are, the result is a model or a typed error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import BadFileError, DqtError, UnsupportedError
from dqt_edge.graph import FULL, MacLayer
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.tflite import read_network
from tests.support.tflite_models import joined_network, small_network


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 64, b"\x08\0\0\0TFL3" + b"\xff" * 64, b"text" * 100])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(BadFileError) as caught:
        read_network(path)
    assert caught.value.where == str(path)


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


def test_an_operator_or_a_model_without_outputs(tmp_path: Path) -> None:
    m = small_network()
    kind, inputs, _, options = m.ops[-1]
    m.ops[-1] = (kind, inputs, [], options)
    with pytest.raises(DqtError):
        read_network(m.write(tmp_path / "none.tflite"))


def test_a_stride_that_would_fill_the_memory(tmp_path: Path) -> None:
    m = small_network()
    m.ops[1][3]["StrideH"] = 1 << 30
    with pytest.raises(UnsupportedError, match="its StrideH and StrideW are"):
        read_network(m.write(tmp_path / "wide.tflite"))
