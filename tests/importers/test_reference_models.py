"""Promise: MLPerf Tiny's int8 models import, and no layer is more than one code from TFLite.

The models are not shipped. DQT_REFERENCE_MODELS names a folder with the four .tflite files of mlcommons/tiny.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.tflite import read_network

FOLDER = os.environ.get("DQT_REFERENCE_MODELS")
MODELS = {"pretrainedResnet_quant": 14, "kws_ref_model": 11, "vww_96_int8": 29, "ad01_int8": 10}


@pytest.mark.train
@pytest.mark.skipif(FOLDER is None, reason="DQT_REFERENCE_MODELS does not name a folder with the models")
@pytest.mark.parametrize("name", MODELS)
def test_a_reference_model_is_within_one_code(name: str) -> None:
    path = Path(FOLDER or "") / f"{name}.tflite"
    graph = assemble(read_network(path), ((8, 8), (4, 8), (4, 4)))
    assert len(graph.layers) == MODELS[name]
    shape = graph.tensor(graph.input).shape
    codes = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
    assert compare(graph, path, codes).largest_alone <= 1
