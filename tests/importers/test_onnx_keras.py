"""Promise: what Keras and tf2onnx export is read, operator by operator, in floating point and quantised.

All cases of one input shape are branches of one model, which is exported once.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")

from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.onnx import read_onnx
from tests.support.onnx_models import beside_runtime, codes_beside_runtime, moves_of, quantise
from tests.support.operator_cases import (
    ACTIVATIONS,
    CONVOLUTIONS,
    FUNCTIONS,
    JOINTS,
    NORMALISATIONS,
    POOLINGS,
    SERIES,
    SHAPES,
    OperatorCase,
    case_id,
    whole_networks,
)

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("onnx-keras")]

LEFT_OUT = {"Conv2D, groups": "tf2onnx leaves a call of a function in the file, which nothing can run"}
CHOSEN = (
    "hard_swish",
    "swish",
    "mish",
    "PReLU",
    "Softmax",
    "x[",
    "mean over rows",
    "split",
    "stack",
    "reflect",
    "flip",
)
"""Of activations and functions, those that are several operators in a file; ``test_onnx_operators.py`` has all."""
SMALL = [case for case in (*ACTIVATIONS, *FUNCTIONS) if any(word in case.name for word in CHOSEN)]
COMPARED = [
    case
    for case in (*CONVOLUTIONS, *JOINTS, *POOLINGS, *SHAPES, *NORMALISATIONS, *SMALL)
    if case.name not in LEFT_OUT and "Conv2D with" not in case.name
]
LINEAR = ("UpSampling2D, bilinear", "Resizing")
"""Cases with weights of 1/1024 between neighbours."""
MOVES = ("Cropping", "UpSampling", "Transpose", "RepeatVector", "multiplier", "split", "pad, reflect", "tile", "repeat")
MOVES_TOO = ("flip", "x[:, 1:6, ::2]", "Resizing")
"""Cases that move data."""


def exported(keras: Any, model: Any, path: Path) -> Path:
    """As ``model.export(format="onnx")`` writes it, whose progress is not shown."""
    model([np.zeros((1, *tensor.shape[1:]), np.float32) for tensor in model.inputs])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False, opset_version=17)
    return path


def branches(keras: Any, cases: list[OperatorCase]) -> Any:
    """One model with an output for each case."""
    source = keras.Input(cases[0].shape)
    outputs = []
    for i, case in enumerate(cases):
        part = case.model(keras, seed=i)  # of weights of its own, or tf2onnx would join equal operators
        part.name = case_id(case)
        outputs.append(part(source))
    return keras.Model(source, outputs, name="cases")


@pytest.fixture(scope="session")
def models(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """For each case its file and which of its outputs it is."""
    groups: dict[tuple[int, ...], list[OperatorCase]] = defaultdict(list)
    for case in COMPARED:
        groups[case.shape].append(case)
    found = {}
    for cases in groups.values():
        path = tmp_path_factory.mktemp("keras") / "cases.onnx"
        exported(keras, branches(keras, cases), path)
        found |= {case.name: (path, i) for i, case in enumerate(cases)}
    return found


@pytest.fixture(scope="session")
def errors(models: dict[str, tuple[Path, int]]) -> dict[str, float]:
    """Largest difference of each case from ONNX Runtime, by its largest output."""
    by_file = {path: beside_runtime(read_onnx(path), path) for path in {path for path, _ in models.values()}}
    return {name: by_file[path][i] for name, (path, i) in models.items()}


@pytest.mark.parametrize("case", COMPARED, ids=case_id)
def test_a_case_computes_what_onnx_runtime_computes(case: OperatorCase, errors: dict[str, float]) -> None:
    assert errors[case.name] < (1e-3 if case.name in LINEAR else 1e-4)


def test_transposes_of_the_exporter_vanish(models: dict[str, tuple[Path, int]]) -> None:
    """What is left are moves that the cases themselves ask for."""
    asked = sum(any(word in case.name for word in (*MOVES, *MOVES_TOO)) for case in COMPARED)
    left = [name for path in {path for path, _ in models.values()} for name in moves_of(read_onnx(path))]
    assert len(left) <= 2 * asked, left
    assert not [name for name in left if "transpose_" in name and "convtranspose" not in name]


def test_quantised_series_are_within_one_code_of_onnx_runtime(
    models: dict[str, tuple[Path, int]], tmp_path: Path
) -> None:
    source = next(models[case.name][0] for case in COMPARED if case.shape == SERIES)
    path = quantise(source, tmp_path / "model.onnx")
    differences = codes_beside_runtime(assemble(read_onnx(path)), path, 2)
    assert max(differences.values()) <= 1, {k: v for k, v in differences.items() if v > 1}


@pytest.mark.parametrize("name", whole_networks())
def test_a_whole_network_computes_what_onnx_runtime_computes(name: str, keras: Any, tmp_path: Path) -> None:
    path = exported(keras, whole_networks()[name](keras), tmp_path / "model.onnx")
    assert max(beside_runtime(read_onnx(path), path)) < 1e-4
