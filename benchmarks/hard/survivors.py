"""Mutants that no test can kill, each looked at, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .mutator import Mutant


@dataclass(frozen=True)
class Survivor:
    """Mutants in files of a name, on lines with a text, of one token into another; empty: of any."""

    file: str
    line: str
    before: str
    after: str
    reason: str


SURVIVORS: tuple[Survivor, ...] = ()


def reason_for(mutant: Mutant) -> str | None:
    """Why a mutant cannot be killed, or None."""
    for known in SURVIVORS:
        if (
            Path(mutant.file).match(known.file)
            and known.line in mutant.line
            and known.before in ("", mutant.before)
            and known.after in ("", mutant.after)
        ):
            return known.reason
    return None
