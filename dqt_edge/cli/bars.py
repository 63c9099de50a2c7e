"""Progress bars of the commands: one for each kind of work that a public function tells of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .echo import above
from .output import current

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bars:
    """What a public function takes as ``progress``; before it tells of anything, a bar without an end moves."""

    def __init__(self, shown: Progress, first: str) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}
        self._waiting: TaskID | None = shown.add_task(first, total=None)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much is done of a kind of work."""
        if self._waiting is not None:
            self._shown.remove_task(self._waiting)
            self._waiting = None
        if what not in self._tasks:
            self._tasks[what] = self._shown.add_task(what, total=total)
        self._shown.update(self._tasks[what], completed=done, total=total)

    def stage(self, name: str) -> None:
        """Say what is waited for, as long as nothing is told of it."""
        if self._waiting is not None:
            self._shown.update(self._waiting, description=name)


@contextmanager
def bars(first: str = "starting") -> Iterator[Bars]:
    """Bars that a terminal shows at once, and that vanish at the end; a pipe, a file and --quiet get none.

    Commands enter it before they import what takes long.

    Args:
        first: What is waited for.
    """
    from rich.progress import Progress

    shown = current()
    console = shown.console()
    disable = shown.quiet or not console.is_terminal
    with above(console), Progress(console=console, transient=True, disable=disable) as bar:
        yield Bars(bar, first)
