"""The one Jinja environment: an undefined name is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .resources import data_folder

if TYPE_CHECKING:
    import jinja2


def environment() -> jinja2.Environment:
    """Environment over the folder ``templates``, for text that is not HTML; set ``autoescape`` for what is."""
    import jinja2  # noqa: PLC0415 - slow to load, and 'check' renders nothing

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_folder("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - C, not HTML
    )
