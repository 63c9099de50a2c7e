"""What a training run shows: bars, rate, time left and curves; on a pipe, one line for each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .curve import curve
from .pace import Pace, Step

if TYPE_CHECKING:
    from ..tasks.score import Kind

WIDTH = 100
"""Characters of a line, where the terminal has as many."""
LABEL, FACTS = 14, 27
"""Characters in front of a bar and behind it."""
REFRESH = 8
"""Times a second that a terminal is drawn anew."""


class Progress:
    """Context manager; call :meth:`stage`, :meth:`step` and :meth:`epoch` as the work goes on.

    Args:
        console: Where it is shown: a terminal gets bars, anything else lines.
        epochs: Of the run.
        clock: Seconds.
        quiet: Show nothing.
    """

    def __init__(
        self, console: Console, epochs: int, *, clock: Callable[[], float] = time.monotonic, quiet: bool = False
    ) -> None:
        self.console, self.epochs, self.quiet = console, epochs, quiet
        self.pace, self.clock = Pace(clock), clock
        self.last: Step | None = None
        self.done = 0
        self.losses: list[float] = []
        self.figures: list[float] = []
        self.kind: Kind | None = None
        self.current, self.since = "", clock()
        self.spinner = Spinner("line" if console.options.ascii_only else "dots")
        shown = console.is_terminal and not console.is_dumb_terminal and not quiet
        self.live = Live(self, console=console, refresh_per_second=REFRESH) if shown else None

    def __enter__(self) -> Progress:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.current = ""
        if self.live is not None:
            self.live.stop()

    def stage(self, name: str) -> None:
        """Show what begins."""
        self.current, self.since = name, self.clock()
        self.pace.begin()
        self._line(name)

    def step(self, step: Step) -> None:
        """Show a step."""
        self.pace.step(step)
        self.last = step

    def epoch(self, row: dict[str, Any]) -> None:
        """Show an epoch."""
        self.pace.epoch()
        self.done = row["epoch"]
        self.kind = _figures()[row["metric"]]
        self.losses.append(row["loss"])
        self.figures.append(next(row[name] for name in ("val_dynamic", "val_full", "val_float") if name in row))
        self._line(f"epoch {row['epoch']}/{self.epochs} {row['phase']}: {describe(row)}")

    def _line(self, text: str) -> None:
        if self.live is None and not self.quiet:
            self.console.print(text, soft_wrap=True)

    # --- In a terminal ------------------------------------------------------------------------------------------

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        last, width = self.last, min(options.max_width, WIDTH)
        bar = max(4, width - LABEL - FACTS - 2)
        if self.current and (last is None or self.current != "training"):
            self.spinner.update(text=Text(f"{self.current}, {self.clock() - self.since:.0f} s"))
            yield self.spinner
        if last is None:
            return
        table = Table.grid(padding=(0, 1, 0, 0))
        for size in (LABEL, bar, FACTS):
            table.add_column(width=size, no_wrap=True, overflow="crop")
        share = f"{100 * self.done // self.epochs} %"
        table.add_row(f"epoch {min(self.done + 1, self.epochs)}/{self.epochs}", _bar(self.done, self.epochs, bar),
                      f"{share}, {self._left()}")  # fmt: skip
        table.add_row(f"{last.phase} {last.step}/{last.steps}", _bar(last.step, last.steps, bar), self._rate())
        if self.losses and self.kind is not None:
            only_ascii = options.ascii_only
            best = (min if self.kind.better == "less" else max)(self.figures)
            facts = f"{_told(self.kind, self.figures[-1])}, best {_told(self.kind, best)}"
            table.add_row("validation", curve(self.figures, bar, only_ascii=only_ascii), facts)
            table.add_row("loss", curve(self.losses, bar, only_ascii=only_ascii), f"{self.losses[-1]:.3f}")
        yield table

    def _rate(self) -> str:
        rate = self.pace.rate
        return "" if rate is None else f"{rate:.3g} steps/s" if rate < 1000 else f"{rate:.0f} steps/s"

    def _left(self) -> str:
        if self.done >= self.epochs:
            return "done"
        left = self.pace.left
        return "time left unknown" if left is None else f"{duration(left)} left"


def _bar(done: int, total: int, width: int) -> ProgressBar:
    return ProgressBar(total=total, completed=done, width=width)


def duration(seconds: float) -> str:
    """``42 s``, ``3:07 min`` or ``5:09 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    return f"{minutes}:{whole % 60:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def _figures() -> Mapping[str, Kind]:
    """Figures of the tasks. Loads NumPy, which a command shows something before."""
    from ..tasks.score import FIGURES  # noqa: PLC0415

    return FIGURES


def _told(kind: Kind, value: float) -> str:
    return f"{value:.1f} %" if kind.percent else f"{value:.4g}"


def describe(row: dict[str, Any]) -> str:
    """Loss, and the task's figure of each policy and decision point, with the cost of the dynamic pass."""
    kind = _figures()[row["metric"]]
    title = "" if row["metric"] == "accuracy" else f"{kind.title}: "
    parts = [f"loss {row['loss']:.3f}", f"{title}train {_told(kind, row['train'])}"]
    names = {"val_float": "validation", "val_full": "8x8", "val_least": "least", "val_dynamic": "dynamic"}
    parts += [f"{text} {_told(kind, row[name])}" for name, text in names.items() if name in row]
    parts += [f"{name[4:]} {_told(kind, value)}" for name, value in row.items() if name.endswith("_exit")]
    if "val_cost" in row:
        parts.append(f"at {row['val_cost']:.2f} BitOPs")
    return ", ".join(parts)
