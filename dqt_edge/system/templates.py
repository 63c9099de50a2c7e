"""The one Jinja environment: an undefined name is an error. What a template compiles to is kept for the next run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Undefined

from .resources import cache_folder, data_folder

if TYPE_CHECKING:
    from jinja2.bccache import Bucket


class TemplateCache(FileSystemBytecodeCache):
    """Jinja's cache (by path and digest of a template, Jinja and Python). One that cannot be used costs time only."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was kept of a template, if it can be read."""
        with contextlib.suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps a compiled template, if it can be written."""
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


def known(value: object) -> object:
    """What a template of C may write: text and integers. Anything else is a fault of ours, and never becomes C.

    Raises:
        TypeError: Another kind of value, such as a float or an array.
    """
    if isinstance(value, str | Undefined) or (hasattr(value, "__index__") and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is neither text nor an integer and cannot become C")


def environment(*, autoescape: bool = False) -> Environment:
    """Environment over the folder ``templates``; ``autoescape``: the text is HTML, and else it is C."""
    folder = cache_folder("templates")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Environment(
        loader=FileSystemLoader(data_folder("templates")),
        bytecode_cache=TemplateCache(str(folder), "html-%s" if autoescape else "c-%s"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=None if autoescape else known,
        autoescape=autoescape,  # noqa: S701 - what is not HTML is C
    )
