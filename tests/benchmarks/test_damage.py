"""What ``make fuzz-flash`` counts: a damaged image that answers wrongly without a word is found."""

from __future__ import annotations

import pytest

from benchmarks import damage
from dqt_edge.boards import load_board
from dqt_edge.errors import DamagedImageError, SilentDeviceError

WORDS = {"where": "QEMU", "next_step": "flash it again"}


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([b"a", b"b"], "right"),
        ([b"a", b"c"], "WRONG: "),
        (DamagedImageError("damaged", **WORDS), "said so"),
        (SilentDeviceError("silent", **WORDS), "silent"),
    ],
)
def test_each_outcome_is_told(seen: object, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = []

    def answers(_board: object, image: object) -> object:
        images.append(image.read_bytes())  # type: ignore[attr-defined]
        return seen

    monkeypatch.setattr(damage, "answers_of", answers)
    content = bytes(range(256))
    for case in range(damage.CUT_EVERY + 1):
        assert damage.outcome(load_board("qemu-m4"), content, [b"a", b"b"], case).startswith(kind)
    assert all(len(image) == len(content) for image in images)
    assert [image.endswith(b"\xff" * 2) for image in images].count(True) == 2, "two were cut off"
    changed = [sum((a ^ b).bit_count() for a, b in zip(image, content, strict=True)) for image in images]
    assert changed[1:-1] == [1] * (damage.CUT_EVERY - 1)
