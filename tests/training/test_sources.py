"""Promise: what is read ahead comes in order, once, and goes wrong where it would have; keys alone vary a batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from dqt_edge.data.sources import Arrays, Variation, ahead

RNG = np.random.default_rng(3)


def test_what_is_read_ahead_comes_in_order() -> None:
    assert list(ahead(range(50))) == list(range(50))
    assert list(ahead([])) == []


def test_an_error_comes_behind_what_was_read_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    reader = ahead(items())
    assert [next(reader) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(reader)


def test_no_more_is_read_than_asked_for_and_a_closed_reader_ends_its_thread() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            made.append(item)
            yield item

    reader = ahead(items(), depth=2)
    assert next(reader) == 0
    reader.close()
    assert len(made) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_arrays_vary_by_the_key_alone_whoever_reads_which_part() -> None:
    source = Arrays(RNG.random((9, 6, 6, 1)).astype(np.float32), np.zeros(9, np.int64), (1 / 255, 3))
    indices, variation = np.array([5, 1, 8, 2]), Variation(2, flip=True)
    whole = source.varied(indices, variation, (7, 1), slice(0, 4))
    parts = [source.varied(indices, variation, (7, 1), part) for part in (slice(0, 1), slice(1, 4))]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole != source.varied(indices, variation, (7, 2), slice(0, 4))).any()
    np.testing.assert_array_equal(source.varied(indices, Variation(), (1,), slice(0, 4)), source.codes(indices))
