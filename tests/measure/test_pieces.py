"""The digest of samples: the same for the same numbers however they are read, and another for any others."""

from __future__ import annotations

import numpy as np

from dqt_edge.api.given import Pieces
from dqt_edge.measure.pieces import PIECE, digest

SEED = 8
COUNT = PIECE + 3


def test_a_digest_is_of_values_and_order() -> None:
    generator = np.random.default_rng(SEED)
    x = generator.integers(0, 255, (COUNT, 2, 3, 1)).astype(np.float32)
    y = generator.integers(0, 4, COUNT)
    whole = digest(x, y)
    assert digest(Pieces(lambda numbers: x[numbers], COUNT), y) == whole
    assert digest(np.asfortranarray(x), y) == whole
    assert digest(x.astype(">f4"), y.astype(">i8")) == whole
    assert digest(x.astype(np.float64), y.astype(np.int32)) == whole
    assert digest(x.astype(np.uint8)[..., 0], y.astype(np.uint8)) == whole
    changed, last = x.copy(), y.copy()
    changed[-1, 1, 2, 0] += 1
    last[-1] += 1
    others = [
        digest(x[::-1], y), digest(changed, y), digest(x, last), digest(x, None), digest(x[:-1], y), digest(x, y[:-1]),
        digest(x.reshape(-1, 1), y), digest(x, y.astype(np.float32)),
    ]  # fmt: skip
    assert len({whole, *others}) == len(others) + 1
