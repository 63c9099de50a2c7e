"""Promise: networks that people have come in from a Keras file, and compute what they compute there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import UnsupportedError
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.keras import read_keras
from tests.support.keras_answers import error_of, graph_answers, inputs_of, keras_answers, network_answers, shaped
from tests.support.zoo import NETWORKS, ZooNetwork

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras, with NumPy 2
]
TAKEN = [network for network in NETWORKS if not network.large or "keras" in network.refusals]
"""``make zoo`` takes the large ones too, and devices beside."""
DEEP = 1e-3
"""Sums of hundreds of layers in float32, whose order differs, and weights of a resize in 1/1024."""


def agreement(found: Any, wanted: Any) -> float:
    """Correlation of two arrays."""
    return float(np.corrcoef(found.ravel(), wanted.ravel())[0, 1])


@pytest.mark.some(2)
@pytest.mark.parametrize("network", TAKEN, ids=lambda network: network.name)
def test_a_network_keeps_its_function(network: ZooNetwork, keras: Any, tmp_path: Path) -> None:
    model = network.build(keras)
    model.save(tmp_path / "m.keras")
    if "keras" in network.refusals:
        with pytest.raises(UnsupportedError) as caught:
            read_keras(tmp_path / "m.keras")
        assert all(network.refusals["keras"] in line for line in caught.value.what.splitlines()[1:])
        return
    read = read_keras(tmp_path / "m.keras")
    inputs = inputs_of(model, 8)
    wanted = keras_answers(model, inputs)
    assert error_of(network_answers(read, inputs), wanted) < DEEP
    graph = assemble(calibrate(read, shaped(read, inputs)))
    for found, reals in zip(graph_answers(graph, inputs), wanted, strict=True):
        assert agreement(found, reals) > 0.9
