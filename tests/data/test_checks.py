"""Promise: what is wrong with data that can be read is said at once, and sound data is not talked about."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dqt_edge.cli import main
from dqt_edge.data.checks import check_codes, check_inputs
from dqt_edge.data.dataset import require_classes
from dqt_edge.data.load import load_data
from dqt_edge.errors import BadFileError, DataWarning

RNG = np.random.default_rng(7)
X = RNG.random((60, 4, 4)).astype(np.float32)
Y = np.arange(60) % 3


def read(tmp_path: Path, **arrays: Any) -> Any:
    np.savez(tmp_path / "my.npz", **arrays)
    return load_data(str(tmp_path / "my.npz"))


SAID: dict[str, tuple[dict[str, Any], str]] = {
    "gap": ({"x": X, "y": Y * 2}, "no training sample is of class '1', '3'"),
    "from one on": ({"x": X, "y": Y + 1}, "no training sample is of class '0'"),
    "only in the test part": ({"x": X, "y": Y, "x_test": X, "y_test": Y + 1}, "no training sample is of class '3'"),
    "one sample": ({"x": X, "y": np.where(np.arange(60) == 7, 3, Y)}, "one sample alone is of class '3'"),
    "one tested class": ({"x_test": X, "y_test": Y * 0 + 2}, "all 60 samples are of class '2'"),
    "other unit of the test part": (
        {"x": X, "y": Y, "x_test": 255 * X, "y_test": Y}, "they seem to be in another unit",
    ),
    "other unit of the validation part": (
        {"x": X, "y": Y, "x_val": X / 255, "y_val": Y}, "they seem to be in another unit",
    ),
    "wider test part": ({"x": X, "y": Y, "x_test": 2 * X, "y_test": Y}, "of the values are cut off"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_it_is_said(name: str, tmp_path: Path) -> None:
    arrays, said = SAID[name]
    with pytest.warns(DataWarning) as caught:
        read(tmp_path, **arrays)
    assert any(said in str(warning.message) for warning in caught)
    assert all(str(tmp_path / "my.npz") in str(warning.message) for warning in caught)


@pytest.mark.parametrize("arrays", [{"y": Y * 0}, {"y": Y * 0 + 5}, {"y": Y * 0, "x_test": X, "y_test": Y}])
def test_one_class_cannot_be_trained(arrays: dict[str, Any], tmp_path: Path) -> None:
    found = read(tmp_path, x=X, **arrays)  # an autoencoder can learn from them
    with pytest.raises(BadFileError, match="training samples are of class"):
        require_classes(found)


def test_a_folder_is_looked_at_too(tmp_path: Path) -> None:
    for place in ("train/a/0", "train/a/1", "train/b/0", "val/a/0", "test/a/0"):
        path = tmp_path / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(path)
    with pytest.warns(DataWarning, match="one sample alone is of class 'b'"):
        load_data(str(tmp_path), shape=(4, 4, 1))


def test_sound_data_is_not_talked_about(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path, x=X, y=Y, x_test=X[:9], y_test=Y[:9])
        for scale, zero_point in ((1 / 255, 0), (2 / 255, 0), (2 / 255, 128)):
            check_inputs(X, scale, zero_point, "here")
        check_inputs(X * 255, 1.0, 0, "here")
        check_codes(np.zeros((3, 4, 4, 1), np.uint8), 0, "here")
        check_codes(RNG.integers(0, 256, (3, 4, 4, 1)).astype(np.uint8), 128, "here")


@pytest.mark.parametrize("factor", [1000, 255, 5, 1 / 100, 1 / 255, -5])
def test_values_far_from_the_scales_range_are_in_another_unit(factor: float) -> None:
    with pytest.warns(DataWarning, match="in another unit"):
        check_inputs(X * factor, 1 / 255, 0, "here")


@pytest.mark.parametrize(("x", "share"), [(1.5 * X, 0.33), (X - 0.5, 0.5)])
def test_what_is_cut_off_is_counted(x: np.ndarray, share: float) -> None:
    with pytest.warns(DataWarning, match="cut off, at code 0 or 255") as caught:
        check_inputs(x, 1 / 255, 0, "here")
    said = float(str(caught[0].message).split("% of the values")[0].split()[-1]) / 100
    assert said == pytest.approx(share, abs=0.06)


def test_codes_that_pile_up_at_the_ends_are_said() -> None:
    with pytest.warns(DataWarning, match=r"100.0% of the codes are 0 or 255"):
        check_codes(np.where(X > 0.5, 255, 0).astype(np.uint8), 128, "here")


def test_the_command_line_prints_a_warning_like_an_error(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "my.npz"
    np.savez(data, x=X, y=Y * 2)
    with pytest.raises(SystemExit):  # the model takes other images
        main(["search", str(model_file), "--data", str(data)])
    said = capsys.readouterr().err
    assert f"warning: no training sample is of class '1', '3'\n  where: {data}\n  next:  " in said
    assert "checks.py" not in said
