"""Promise: a run that was stopped and resumed ends with the bits of one that never stopped."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError, UsageError
from dqt_edge.training.options import Options
from dqt_edge.training.state import State, load_state, save_state, state_file
from tests.training.conftest import SHORT

PLAIN = Options(model="tiny-plain", epochs=5, seed=2)


def stop_after(epoch: int) -> Any:
    """A callback that presses Ctrl-C behind an epoch."""

    def on_epoch(row: dict[str, Any]) -> None:
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return on_epoch


@pytest.fixture(scope="module")
def plain_run(tensorflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from dqt_edge.training.loop import train

    return train(PLAIN, tmp_path_factory.mktemp("plain") / "plain.safetensors")


def assert_same(first: Any, second: Any) -> None:
    from dqt_edge.training.to_graph import to_graph

    assert to_graph(first.model, "m") == to_graph(second.model, "m")
    for a, b in zip(first.model.variables, second.model.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert first.log == second.log
    assert first.best_epoch == second.best_epoch


@pytest.mark.train
@pytest.mark.parametrize("epoch", [1, 3, 5], ids=["before calibration", "nested", "after the last epoch"])
def test_a_resumed_run_equals_an_uninterrupted_one(epoch: int, plain_run: Any, out: Path) -> None:
    from dqt_edge.training.loop import StoppedError, train

    with pytest.raises(StoppedError) as caught:
        train(PLAIN, out, on_epoch=stop_after(epoch))
    assert caught.value.what == f"training was stopped after epoch {epoch} of 5"
    assert "`resume`" in caught.value.next_step
    assert caught.value.exit_code == 130
    assert not out.exists()
    assert_same(train(PLAIN, out, resume=True), plain_run)


@pytest.mark.train
@pytest.mark.slow
def test_a_resumed_run_with_a_controller_equals_an_uninterrupted_one(short_run: Any, out: Path) -> None:
    from dqt_edge.training.loop import StoppedError, train

    with pytest.raises(StoppedError):
        train(SHORT, out, on_epoch=stop_after(4))
    assert_same(train(SHORT, out, resume=True), short_run)


STEPS = 1221 // 64
"""Of an epoch of the digits."""


@pytest.mark.train
@pytest.mark.parametrize(
    ("stop", "save_every", "said"),
    [
        (2 * STEPS + 7, 5.0, "after epoch 2 of 5"),
        pytest.param(7, 0.0, "after epoch 0 of 5 and step 6 of 19", marks=pytest.mark.slow),
        pytest.param(STEPS + 1, 0.0, "after epoch 1 of 5", marks=pytest.mark.slow),
        (4 * STEPS + 7, 0.0, "after epoch 4 of 5 and step 6 of 19"),
    ],
    ids=["from the last whole epoch", "in warm-up", "at calibration", "in the nested phase"],
)
def test_a_stop_within_an_epoch_goes_on_from_the_last_saved_step(
    stop: int, save_every: float, said: str, plain_run: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dqt_edge.training import loop
    from dqt_edge.training.distribution import Devices

    calls = 0
    whole = Devices.place

    def interrupted(self: Devices, part: Any) -> Any:
        nonlocal calls
        calls += part.ndim == 1  # labels come in training alone
        if calls == stop:
            raise KeyboardInterrupt
        return whole(self, part)

    monkeypatch.setattr(Devices, "place", interrupted)
    with pytest.raises(loop.StoppedError) as caught:
        loop.train(PLAIN, out, save_every=save_every)
    assert caught.value.what == f"training was stopped {said}"
    monkeypatch.undo()
    assert_same(loop.train(PLAIN, out, resume=True), plain_run)


def some_state() -> State:
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32(2.5)}
    log = [{"epoch": 3, "loss": 0.25}]
    return State(3, values, {"0": np.int64(7)}, values, [1.0, 1.0, 97.5, -0.1], ["sum"], log, 17, [0.1, 1 / 3], True)


def test_the_state_round_trips(out: Path) -> None:
    path = state_file(out)
    save_state(path, some_state(), PLAIN, 1221)
    found, expected = load_state(path, PLAIN, 1221), some_state()
    assert found is not None
    for group in ("variables", "optimizer", "best"):
        for name, array in getattr(expected, group).items():
            np.testing.assert_array_equal(getattr(found, group)[name], array)
            assert getattr(found, group)[name].shape == np.shape(array)
    assert (found.epoch, found.best_score, found.fused, found.log) == (
        expected.epoch, expected.best_score, expected.fused, expected.log,
    )  # fmt: skip
    assert (found.step, found.totals, found.nested) == (17, [0.1, 1 / 3], True)


def test_without_a_state_there_is_nothing_to_resume(out: Path) -> None:
    assert load_state(state_file(out), PLAIN, 1221) is None


@pytest.mark.parametrize("change", [{"seed": 3}, {"epochs": 6}, {"learning_rate": 1e-3}, {"candidates": ((8, 8),)}])
def test_other_options_are_refused(change: dict[str, Any], out: Path) -> None:
    path = state_file(out)
    save_state(path, some_state(), PLAIN, 1221)
    with pytest.raises(UsageError) as caught:
        load_state(path, replace(PLAIN, **change), 1221)
    assert f"`{next(iter(change))}`" in caught.value.what


def test_other_data_are_refused(out: Path) -> None:
    path = state_file(out)
    save_state(path, some_state(), PLAIN, 1221)
    with pytest.raises(UsageError, match="had 1,221 training samples, now there are 1,220"):
        load_state(path, PLAIN, 1220)


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_damaged_state_is_refused(keep: int, out: Path) -> None:
    path = state_file(out)
    save_state(path, some_state(), PLAIN, 1221)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFileError, match="training state is damaged"):
        load_state(path, PLAIN, 1221)


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.state").write_text("in the way")
    with pytest.raises(BadFileError, match="cannot make the folder"):
        save_state(state_file(tmp_path / "model.safetensors"), some_state(), PLAIN, 1221)
