"""What a translator is, and what it can do, in words that the documentation is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .context import Context
from .file import RawNode


class Operator(NamedTuple):
    """How an operator is read.

    Attributes:
        translate: Makes calls of the builder of it.
        supported: Which forms, in words.
    """

    translate: Callable[[Context, RawNode], None]
    supported: str = "yes"


MISFITS = (ArithmeticError, AssertionError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What reading a damaged operator may end in."""
