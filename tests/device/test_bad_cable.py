"""Promise: on a bad cable every answer is right, or the link says that it is bad; never is a wrong one taken."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.device.client import Client, Timeouts
from dqt_edge.device.native import NativeTransport
from dqt_edge.errors import DeviceError, ProtocolError
from tests.firmware import stand_in
from tests.support.cable import BadCable, Damage

PATIENT = Timeouts(silence=60)
CABLES = {
    "one bit in 10,000": (Damage(bits=1e-4), "bits"),
    "1 % of the frames lost": (Damage(drops=0.01), "drops"),
    "2 % of the frames twice": (Damage(repeats=0.02), "repeats"),
    "5 % of the frames late": (Damage(delays=0.05, late=0.02), "delays"),
    "everything": (Damage(5e-5, 0.01, 0.01, 0.02, 0.02), "bits"),
}


@pytest.mark.parametrize("name", CABLES)
def test_every_answer_is_right(built: Callable[..., Path], name: str) -> None:
    damage, kind = CABLES[name]
    generator = random.Random(f"cable {name}")
    cable = BadCable(NativeTransport(built("host")), damage, seed=3)
    with Client(cable, PATIENT) as client:
        client.expect(stand_in.MODEL_HASH, "host")
        for _ in range(120):
            codes = stand_in.make_input(generator)
            want = stand_in.expected(codes, (2, 1))
            answer = client.infer(codes, (2, 1), counts=True, checksums=True)
            assert (answer.choices, answer.output, answer.checksums) == (want.choices, want.output, want.checksums)
    assert cable.happened[kind] > 1


def test_a_line_that_damages_most_is_refused_in_words(built: Callable[..., Path]) -> None:
    generator = random.Random(7)
    cable = BadCable(NativeTransport(built("host")), Damage(bits=3e-3), seed=5)

    def run() -> None:
        for _ in range(1000):
            codes = stand_in.make_input(generator)
            assert client.infer(codes, (2, 1)).output == stand_in.expected(codes, (2, 1)).output

    with Client(cable, PATIENT) as client, pytest.raises(DeviceError) as caught:
        run()
    assert isinstance(caught.value, ProtocolError)
    assert "that are no frame" in caught.value.what or "came damaged" in caught.value.what
