"""Promise: what cannot be imported is listed whole, each cause in one sentence, and no consequence of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite", reason="the package tflite is not installed")

from dqt_edge.errors import UnsupportedError
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.tflite import read_network
from tests.importers.test_tflite import OUT, W, chain, conv
from tests.support.tflite_models import ModelFile


def odd_activation(m: ModelFile, x: int) -> None:
    conv(m, x, W, m.tensor(*OUT), FusedActivationFunction=4)


def wide(m: ModelFile, x: int) -> None:
    m.op("RELU", [x], m.tensor((1, 6, 6, 4), "INT32", 0.1, 0))


def recurrent(m: ModelFile, x: int) -> None:
    m.op("UNIDIRECTIONAL_SEQUENCE_LSTM", [x], m.tensor((1, 6, 6, 4), "INT8", 0.1, 0))


def loop(m: ModelFile, x: int) -> None:
    m.op("WHILE", [x], m.tensor((1, 6, 6, 4), "INT8", 0.1, 0))


def unknown(m: ModelFile, x: int) -> None:
    m.op("CUMSUM", [x], m.tensor((1, 6, 6, 4), "INT8", 0.1, 0))


def uneven_groups(m: ModelFile, x: int) -> None:
    conv(m, x, W[..., :3], m.tensor(*OUT))


UNSUPPORTED = {
    "activation": (odd_activation, "fused activation has number 4"),
    "type": (wide, "activations are INT32"),
    "recurrent": (recurrent, "a recurrent layer is computed step by step"),
    "loop": (loop, "loops and branches"),
    "unknown": (unknown, "this operator is not supported"),
    "groups": (uneven_groups, "its weights read 3 of 4 channels"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_unsupported_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    make, reason = UNSUPPORTED[name]
    path = chain(make).write(tmp_path / "bad.tflite")
    with pytest.raises(UnsupportedError) as caught:
        assemble(read_network(path))
    assert reason in caught.value.what
    assert caught.value.what.startswith("1 layer of the model cannot be imported:")
    assert "nearest supported form: " in caught.value.what
    assert "nothing was written" in caught.value.next_step


def test_the_list_has_every_cause_and_no_consequence(tmp_path: Path) -> None:
    def make(m: ModelFile, x: int) -> None:
        first = conv(m, x, W, m.tensor(*OUT), FusedActivationFunction=4)
        second = m.op("CUMSUM", [first], m.tensor(*OUT))
        third = conv(m, second, W, m.tensor(*OUT))
        joined = m.op("CONCATENATION", [third, second], m.tensor((1, 6, 6, 8), "INT8", 0.1, -128), Axis=3)
        m.op("WHILE", [joined], m.tensor((1, 6, 6, 8), "INT8", 0.1, -128))

    with pytest.raises(UnsupportedError) as caught:
        read_network(chain(make).write(tmp_path / "bad.tflite"))
    told = caught.value.what.splitlines()
    assert told[0] == "3 layers of the model cannot be imported:"
    assert [line.split("(")[1].split(")")[0] for line in told[1:]] == ["CONV_2D", "CUMSUM", "WHILE"]
    assert told[3].startswith("  - 4 '")


def test_a_dimension_that_is_open_is_named(tmp_path: Path) -> None:
    m = chain(lambda m, x: m.op("RELU", [x], m.tensor(*OUT)))
    m.tensors[0]["signature"] = (-1, -1, 6, 4)
    with pytest.raises(UnsupportedError, match=r"its dimension 1 is open: \(\?, \?, 6, 4\)") as caught:
        read_network(m.write(tmp_path / "open.tflite"))
    assert caught.value.what.startswith("1 layer")


def test_activations_of_16_bits_are_one_sentence(tmp_path: Path) -> None:
    m = ModelFile()
    x = m.tensor((1, 6, 6, 4), "INT16", 0.1, 0)
    for _ in range(3):
        x = m.op("RELU", [x], m.tensor((1, 6, 6, 4), "INT16", 0.1, 0))
    with pytest.raises(UnsupportedError, match="its activations have 16 bits") as caught:
        read_network(m.write(tmp_path / "wide.tflite"))
    assert "\n" not in caught.value.what
    assert "TFLITE_BUILTINS_INT8" in caught.value.next_step


def test_a_fixed_batch_is_named(tmp_path: Path) -> None:
    def make(m: ModelFile, x: int) -> None:
        times = m.tensor((4,), "INT32", data=np.array([2, 1, 1, 1]))
        conv(m, m.op("TILE", [x, times], m.tensor((2, 6, 6, 4), *OUT[1:])), W, m.tensor((2, 6, 6, 4), *OUT[1:]))

    with pytest.raises(UnsupportedError, match="it computes 2 samples at once"):
        read_network(chain(make).write(tmp_path / "two.tflite"))
