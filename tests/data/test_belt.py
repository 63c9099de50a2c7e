"""Promise: the belt's frames are what the script says of them: when a frame is of a digit's class, and how long."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np

from dqt_edge.data.load import load_data
from recipes.data import belt


def quiet(image: np.ndarray, row: int) -> belt.Scene:
    """A scene in the dark, without noise."""
    return belt.Scene(image, 7, row, np.zeros((12, 12)), 1.0, 0.0)


def test_a_digit_comes_from_the_left_a_pixel_a_frame() -> None:
    rng = np.random.default_rng(3)
    image = rng.uniform(0.1, 1, (8, 8)).astype(np.float32)
    pixels = np.round(image * 255).astype(np.uint8)
    seen = quiet(image, 4)
    shown = [belt.frame(seen, column, rng) for column in belt.PASSING]
    assert [int((one > 0).any(axis=0).sum()) for one in shown] == [*range(1, 8), *[8] * 5, *range(7, 0, -1)]
    np.testing.assert_array_equal(shown[7][4:, :8], pixels)
    np.testing.assert_array_equal(shown[0][4:, 0], pixels[:, -1])
    np.testing.assert_array_equal(shown[-1][4:, -1], pixels[:, 0])
    assert not belt.frame(seen, None, rng).any()
    hidden = [8 - int((one > 0).any(axis=0).sum()) for one in shown]
    labels = [belt.label_at(seen, column) for column in belt.PASSING]
    assert labels == [7 if columns <= 1 else belt.NOTHING for columns in hidden]
    assert belt.label_at(seen, None) == belt.NOTHING


def test_a_stream_shows_each_digit_for_seven_frames_between_empty_ones() -> None:
    digits = load_data("digits")
    x, y = belt.stream(digits.x_test[..., 0], digits.y_test, 5)
    assert x.shape == (len(y), 12, 12, 1)
    assert x.dtype == np.uint8
    runs = [(label, len(list(group))) for label, group in groupby(y.tolist())]
    assert all(length == 7 for label, length in runs if label != belt.NOTHING)
    assert sum(label != belt.NOTHING for label, _ in runs) == belt.STREAM
    gaps = [length for label, length in runs[1:-1] if label == belt.NOTHING]
    assert 10 + 12 <= min(gaps) <= max(gaps) < 60 + 12  # six frames with a part of a digit on either side
    assert not any(a == b for (a, _), (b, _) in pairwise(runs))
    assert (belt.stream(digits.x_test[..., 0], digits.y_test, 5)[0] == x).all()


def test_the_file_has_single_frames_to_learn_and_streams_to_choose_and_judge_by() -> None:
    digits = load_data("digits")
    arrays = belt.make(digits)
    assert len(arrays["x"]) == 5 * len(digits.y_train)
    assert (arrays["y"] == belt.NOTHING).mean() == 0.4
    for part in ("val", "test"):
        assert len(arrays[f"x_{part}"]) == len(arrays[f"y_{part}"]) == len(arrays[f"t_{part}"])
        np.testing.assert_allclose(np.diff(arrays[f"t_{part}"]), 0.1)
        assert 0.83 < (arrays[f"y_{part}"] == belt.NOTHING).mean() < 0.91
