"""Two sessions beside each other, for a pipeline that must notice when something gets worse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MismatchError
from ..report.changes import NO_MISMATCH, Change, changes, read_sessions, read_thresholds
from ..system.show import Facts, Shown
from .given import FilePath


@dataclass(frozen=True, repr=False)
class SessionComparison(Shown):
    """What changed.

    Attributes:
        changes: Every number that both reports have, by policy.
    """

    changes: tuple[Change, ...]

    @property
    def beyond(self) -> tuple[Change, ...]:
        """What is worse than the thresholds allow."""
        return tuple(change for change in self.changes if change.beyond)

    def require_within(self) -> None:
        """Raise MismatchError unless everything is within the thresholds."""
        if self.beyond:
            worst = self.beyond[0]
            raise MismatchError(
                f"{worst.name} went from {worst.before:,.6g} to {worst.after:,.6g}; {worst.allowed:,.6g} is allowed",
                where=f"policy {worst.policy}; {len(self.beyond)} of {len(self.changes)} numbers are beyond",
                next_step="find out why, or change the thresholds if it is meant",
            )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"beyond": len(self.beyond), "changes": [change.as_json() for change in self.changes]}

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        rows = [(f"{c.policy}: {c.name}", f"{c.before:,.6g} -> {c.after:,.6g}") for c in self.changes]
        return f"{len(self.beyond)} of {len(self.changes)} numbers beyond their thresholds", rows


def compare_sessions(
    before: FilePath, after: FilePath, thresholds: FilePath | Mapping[str, float] | None = None
) -> SessionComparison:
    """Compare two reports of sessions: costs, how good the answers are, differences from the interpreter.

    Args:
        before: A ``report.json`` of ``profile``, a ``try.json`` of ``try_model``, or a folder with one.
        after: Another one, of the same board, task, policies and samples.
        thresholds: A TOML file, or a mapping. ``count``, ``cycles``, ``bitops_ratio``: the share by which each may
            grow. A figure of the task, ``accuracy`` say: how much may be lost, shares as 0..1. ``mismatches``: how many
            there may be, 0 unless given. None is that alone.

    Returns:
        Every number before and after. One beyond its threshold is no error here: ask ``beyond``, or call
        ``require_within()``.

    Raises:
        UsageError: The two cannot be compared.
        BadFileError: A file is missing or damaged, or has an unknown threshold.

    Example:
        ```python
        import dqt_edge as dqt

        project = dqt.export("digits.safetensors", "host", "digits-host")
        dqt.build(project)
        for policy, folder in (("8x8", "before"), ("8x8", "after")):
            dqt.profile(project, "digits", policy=policy, count=20, report=folder)
        found = dqt.compare_sessions("before", "after", {"accuracy": 0.01, "bitops_ratio": 0})
        found.require_within()
        print(found)
        ```
    """
    limits = NO_MISMATCH if thresholds is None else thresholds
    if isinstance(limits, str | os.PathLike):
        limits = read_thresholds(Path(limits))
    old, new = (read_sessions(Path(path)) for path in (before, after))
    return SessionComparison(changes(old, new, {**NO_MISMATCH, **limits}))
