"""What a training run shows, by a clock of the test's own and without a training."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from dqt_edge.training.curve import curve
from dqt_edge.training.pace import FLOAT, NESTED, NESTED_COST, Pace, Step
from dqt_edge.training.progress import Progress, duration

EPOCHS, FLOATING, STEPS = 20, 5, 30
COMPILING, SECONDS, END = {FLOAT: 9.0, NESTED: 31.0}, {FLOAT: 0.1, NESTED: 0.45}, {FLOAT: 0.5, NESTED: 2.0}
"""Seconds of the first step of a phase, of any other, and of an epoch's end."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def events() -> list[tuple[float, Step | int]]:
    """Seconds that each step or, by its number, each epoch's end takes."""
    found: list[tuple[float, Step | int]] = []
    for epoch in range(1, EPOCHS + 1):
        phase = FLOAT if epoch <= FLOATING else NESTED
        for step in range(1, STEPS + 1):
            first = step == 1 and epoch in (1, FLOATING + 1)
            took = COMPILING[phase] if first else SECONDS[phase]
            found.append((took, Step(epoch, EPOCHS, step, STEPS, phase, FLOATING)))
        found.append((END[phase], epoch))
    return found


def row(epoch: int) -> dict[str, Any]:
    figures = {"val_float": 80.0 + epoch} if epoch <= FLOATING else {"val_full": 90.0 + epoch / 4, "val_dynamic": 89.0}
    phase = FLOAT if epoch <= FLOATING else NESTED
    return {"epoch": epoch, "phase": phase, "loss": 2.0 / epoch, "metric": "accuracy", "train": 90.0, **figures}


def test_the_time_left_holds() -> None:
    """Compilation is no rate; the nested phase counts at its own rate as soon as it is known, guessed before."""
    clock = Clock()
    pace = Pace(clock)
    pace.begin()
    assert (pace.rate, pace.left) == (None, None)
    all_events = events()
    end = clock.now + sum(took for took, _ in all_events)
    worst = {FLOAT: 0.0, NESTED: 0.0}
    known = 0
    for took, event in all_events:
        clock.now += took
        if isinstance(event, int):
            pace.epoch()
        else:
            pace.step(event)
            last = event
        if pace.left is None:
            continue
        known += 1
        compiled = COMPILING[NESTED] if last.phase == FLOAT else 0.0
        truth = end - clock.now - compiled
        if truth > 10:
            worst[last.phase] = max(worst[last.phase], abs(pace.left - truth) / truth)
        assert pace.rate == pytest.approx(1 / SECONDS[last.phase], rel=1e-6)
    assert known > 0.98 * len(all_events) - 6
    assert NESTED_COST * SECONDS[FLOAT] == pytest.approx(SECONDS[NESTED]), "the guess is this clock's"
    assert worst[FLOAT] < 0.15
    assert worst[NESTED] < 0.12
    assert pace.left == pytest.approx(0.0)


def test_the_rate_follows_a_machine_that_slows_down() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.begin()
    for step in range(1, 400):
        clock.now += 0.1 if step < 100 else 0.4
        pace.step(Step(1, 2, step, 1000, FLOAT, 1))
    assert pace.rate == pytest.approx(2.5, rel=0.05)


def shown(epochs: int, *, width: int = 80, terminal: bool = True, encoding: str = "utf-8") -> str:
    """What stands in a terminal, or in a file, behind some epochs and half of another."""
    clock = Clock()
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, force_terminal=terminal, width=width, no_color=True, legacy_windows=False)
    progress = Progress(console, EPOCHS, clock=clock)
    progress.stage("starting TensorFlow")
    clock.now += 12
    if epochs < 0:
        console.print(progress)
    else:
        progress.stage("training")
        for took, event in events()[: epochs * (STEPS + 1) + STEPS // 2]:
            clock.now += took
            if isinstance(event, int):
                progress.epoch(row(event))
            else:
                progress.step(event)
        if terminal:
            console.print(progress)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_bars_rate_time_left_and_curves(width: int) -> None:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown(12, width=width)).splitlines()
    assert max(map(len, lines)) <= width
    told = [" ".join(line.split()) for line in lines]
    assert told[0].startswith("epoch 13/20 ")
    assert told[1].startswith("nested 15/30 ")
    assert told[2].startswith("validation ▁")
    assert told[3].startswith("loss █")
    if width >= 80:
        assert told[0].endswith("60 %, 1:57 min left"), "225 steps of 0.45 s, 8 ends of 2 s"
        assert told[1].endswith("2.22 steps/s")
        assert told[2].endswith("89.0 %, best 89.0 %")
        assert told[3].endswith("0.167")


def test_a_stage_says_for_how_long_it_lasts() -> None:
    assert "starting TensorFlow, 12 s" in shown(-1)


def test_a_terminal_of_ascii_gets_letters() -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(12, encoding="ascii"))
    assert text.isascii()
    assert re.search(r"validation +_[_.:=+*#-]+ +89.0 %", text)


def test_a_file_gets_a_line_for_each_epoch() -> None:
    lines = shown(3, terminal=False).splitlines()
    assert lines[:2] == ["starting TensorFlow", "training"]
    assert [line.split(":")[0] for line in lines[2:]] == [f"epoch {n}/20 float" for n in (1, 2, 3)]
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([], 8, ""),
        ([3.0], 8, "▁"),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"),
        ([1, 1, 2, 2, 9, 9], 3, "▁▂█"),
        ([5.0, float("nan"), 0.0, float("inf")], 8, "█▁"),
    ],
)
def test_curves(values: list[float], width: int, line: str) -> None:
    assert curve(values, width) == line


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59.4, 59.6, 187, 3599.6, 18541)] == [
        "0 s", "59 s", "1:00 min", "3:07 min", "1:00 h", "5:09 h",
    ]  # fmt: skip
