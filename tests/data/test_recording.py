"""Promise: a recorded stream is read as it was written, and what is none is refused with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dqt_edge.data.recording import split_recording
from dqt_edge.errors import BadFileError

X, Y = np.zeros((6, 8, 8)), np.arange(6)


def test_records_lie_one_behind_another() -> None:
    t = np.array([5.0, 6.0, 7.0, 0.0, 2.0, 4.0])
    arrays, found = split_recording({"x": X, "y": Y, "t": t, "record": np.array(["b", "b", "b", "a", "a", "a"])}, "f")
    assert set(arrays) == {"x_test", "y_test"}
    assert found.names == ("b", "a")
    assert [(p.start, p.stop) for p in found.pieces] == [(0, 3), (3, 6)]
    assert found.seconds == 2 + 4 + 2 * 1.5  # the usual step, the median of 1, 1, 2 and 2
    np.testing.assert_allclose(found.places, [0, 1, 2, 3, 5, 7])
    head = found.head(3)
    assert (head.names, head.record.tolist(), head.seconds) == (("b",), [0, 0, 0], 3.0)


def test_the_test_part_of_a_file_is_its_stream() -> None:
    given = {"x": X, "y": Y, "x_test": X[:2], "y_test": Y[:2], "t_test": np.array([0, 1]), "classes": np.array(["a"])}
    arrays, found = split_recording(given, "f")
    assert set(arrays) == {"x_test", "y_test", "classes"}
    assert len(arrays["x_test"]) == len(found.record) == 2


def test_a_stream_with_records_alone_has_an_order_and_no_time() -> None:
    _, found = split_recording({"x": X, "y": Y, "record": np.array([1, 1, 2, 2, 2, 9])}, "f")
    assert found.t is found.seconds is None
    assert found.places.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs an array 't' or 'record' beside its samples, and there is x, y"),
        ({"t": np.array([0, 1, 2, 3, 2.5, 6])}, "t does not ascend: sample 4 is at 2.5 s, the one before at 3 s"),
        ({"t": np.arange(5)}, "not 6 finite seconds"),
        ({"t": np.array([0, 1, 2, 3, np.nan, 6])}, "not 6 finite seconds"),
        ({"t": np.array(list("abcdef"))}, "not 6 finite seconds"),
        ({"record": np.array([1, 1, 2, 2, 1, 1])}, "the samples of record 1 do not follow each other"),
        ({"record": np.array([1, 2])}, "record has shape [2] for 6 samples"),
    ],
)
def test_what_is_no_stream_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFileError) as caught:
        split_recording({"x": X, "y": Y} | given, "day.npz")
    assert words in caught.value.what
    assert caught.value.where == "day.npz"


def test_of_a_test_part_the_error_names_its_own_arrays() -> None:
    with pytest.raises(BadFileError, match="needs an array 't_test' or 'record_test'"):
        split_recording({"x_test": X, "y_test": Y, "t": np.arange(6)}, "f")
