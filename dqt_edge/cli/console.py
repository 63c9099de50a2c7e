"""The console of the commands: what tables and lines hold is text, without markup and without control characters."""

from __future__ import annotations

import rich.console
from rich.console import ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.control import Control
from rich.segment import Segment

from ..errors import plain


class Console(rich.console.Console):
    """Rich's, for text that others wrote: names of classes, files and layers, words of tools and devices.

    Args:
        soft_wrap: Leave the breaking of long lines to the terminal.
        stderr: Write to standard error.
    """

    def __init__(self, *, soft_wrap: bool = False, stderr: bool = False) -> None:
        super().__init__(soft_wrap=soft_wrap, stderr=stderr, emoji=False, markup=False)
        self.push_render_hook(_Escaping())


class _Escaping(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Called for everything that is printed."""
        return [each if isinstance(each, Control) else _Escaped(each) for each in renderables]


class _Escaped:
    """Something to print, with the control characters of its text escaped; styles stay."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: rich.console.Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)
