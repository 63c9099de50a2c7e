"""A line of evidence: what it proves, the command that shows it, and what a run of it found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .told import Told


@dataclass(frozen=True)
class Reading:
    """How to read the output of a program that does not speak as ``told.py`` does.

    Attributes:
        figure: Expression whose matches are the figure, joined by commas.
        finding: Expression whose matches are findings; with an exit code other than 0, the output's end is one too.
    """

    figure: str
    finding: str

    def of(self, output: str) -> Told:
        """What the output says."""
        found = [" ".join(match.split()) for match in re.findall(self.figure, output, re.MULTILINE)]
        return Told(["; ".join(found)] if found else [], re.findall(self.finding, output, re.MULTILINE))


@dataclass(frozen=True)
class Line:
    """One piece of evidence.

    Attributes:
        name: Short, for ``--lines``.
        proves: A sentence.
        module: Run as ``python -m module``.
        options: Of that command.
        tests: Node ids of the tests of ``make test`` that hold the same promise in less time.
        uses: Paths, besides the product's, that a run depends on; without suffix for a module's.
        reading: How its output is read; None if it speaks as ``told.py`` does.
    """

    name: str
    proves: str
    module: str
    options: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    reading: Reading | None = None

    @property
    def command(self) -> str:
        """As a person types it."""
        return " ".join(("python", "-m", self.module, *self.options))

    @property
    def paths(self) -> tuple[str, ...]:
        """What a run depends on, besides the product."""
        return (self.module.replace(".", "/") + ".py", *self.uses)

    def read(self, output: str, code: int) -> Told:
        """What a run that ended with an exit code has said."""
        if self.reading is not None:
            told = self.reading.of(output)
        else:
            told = Told()
            for text in output.splitlines():
                told.read(text)
        if (code != 0 or not told.figure) and not told.finding:
            last = " / ".join(line.strip() for line in output.strip().splitlines()[-5:])
            told.finding.append(f"ended with exit code {code}: {last[-600:]}")
        return told


@dataclass(frozen=True)
class Outcome:
    """What a run of a line found.

    Attributes:
        name, proves, command: The line's.
        commit: Of the tree that was tested, with ``+`` behind it if files were changed.
        date: When it ended, ISO 8601, UTC.
        seconds: Of wall time.
        key: What the run depends on; the outcome holds as long as it is the same.
    """

    name: str
    proves: str
    command: str
    commit: str
    date: str
    seconds: float
    key: str
    figure: str
    findings: Sequence[str] = ()
    left_out: Sequence[str] = ()
    exempt: Sequence[str] = ()
    tools: Sequence[str] = field(default_factory=tuple)

    def record(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
