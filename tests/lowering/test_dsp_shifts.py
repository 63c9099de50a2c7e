"""Convolutions on cores with DSP whose channels have shifts of their own."""

from __future__ import annotations

import numpy as np
import pytest

from dqt_edge.graph import Requantize
from tests.support.kernel_cases import full_scale
from tests.support.rig import kernel_layers
from tests.support.rig.cases import run_chunk


def far_apart(rng: np.random.Generator, weights: np.ndarray, zero: int) -> tuple[np.ndarray, Requantize]:
    """Multipliers of very different sizes: shifts from 26 to 60, and multipliers of few bits or nearly all."""
    bias, requantize, _ = full_scale(weights, zero)
    multiplier, shift = requantize.multiplier.astype(np.int64), requantize.shift.astype(np.int64)
    for channel in range(len(shift)):
        room = 31 - int(multiplier[channel]).bit_length()
        more = int(rng.choice([0, room // 2, max(room - 1, 0), room]))
        multiplier[channel] <<= more
        shift[channel] += more + int(rng.choice([0, 0, 0, 1, 12]))
        if more == room and rng.random() < 0.5:
            shift[channel] = int(rng.integers(26, 33))
    return bias, Requantize(multiplier.astype(np.int32), shift.clip(None, 62).astype(np.uint8))


@pytest.mark.qemu
def test_multipliers_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The micro-kernel makes the codes of any shift from 32 on; what it cannot make, plain C does."""
    monkeypatch.setattr(kernel_layers, "spread", far_apart)
    for core in ("m4", "m7"):
        for kind in ("conv", "residual"):
            counts, failures = run_chunk((kind, 2000, 20, (core,)))
            assert not failures
            assert sum(counts.values()) > 500
