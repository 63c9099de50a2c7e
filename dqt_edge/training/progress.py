"""The progress bar of a training run; on a pipe, one line for every tenth of it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ..tasks.score import FIGURES


class Progress:
    """Context manager; call :meth:`stage` and :meth:`epoch` as the work goes on."""

    def __init__(self, console: Console, epochs: int) -> None:
        self.console, self.epochs = console, epochs
        self.bar = Bar(
            TextColumn("{task.fields[phase]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("train", total=epochs, phase="", facts="")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def stage(self, name: str) -> None:
        """Show what begins."""
        self.bar.start()
        self.bar.update(self.task, phase=name)

    def epoch(self, row: dict[str, Any]) -> None:
        """Show an epoch."""
        facts = describe(row)
        self.bar.update(self.task, completed=row["epoch"], phase=row["phase"], facts=facts)
        every = max(1, self.epochs // 10)
        if not self.console.is_terminal and (row["epoch"] % every == 0 or row["epoch"] == self.epochs):
            self.console.print(f"epoch {row['epoch']}/{self.epochs} {row['phase']}: {facts}", soft_wrap=True)


def describe(row: dict[str, Any]) -> str:
    """Loss, and the task's figure of each policy and decision point, with the cost of the dynamic pass."""
    kind = FIGURES[row["metric"]]

    def told(value: float) -> str:
        return f"{value:.1f} %" if kind.percent else f"{value:.4g}"

    title = "" if row["metric"] == "accuracy" else f"{kind.title}: "
    parts = [f"loss {row['loss']:.3f}", f"{title}train {told(row['train'])}"]
    names = {"val_float": "validation", "val_full": "8x8", "val_least": "least", "val_dynamic": "dynamic"}
    parts += [f"{text} {told(row[name])}" for name, text in names.items() if name in row]
    parts += [f"{name[4:]} {told(value)}" for name, value in row.items() if name.endswith("_exit")]
    if "val_cost" in row:
        parts.append(f"at {row['val_cost']:.2f} BitOPs")
    return ", ".join(parts)
