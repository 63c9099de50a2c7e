"""Two reports of sessions beside each other: what changed, and what is worse than thresholds allow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadFileError, UsageError
from ..system.files import read_capped, read_toml
from ..tasks.score import FIGURES

REPORT_MAX = 64 << 20
COSTS = ("count", "cycles", "bitops_ratio")
"""What may grow by a share of itself."""
MISMATCHES = "mismatches"
DATA = "data_sha256"
NAMES = ("report.json", "try.json")
"""Files that a folder is asked for."""
Thresholds = Mapping[str, float]
NO_MISMATCH: Thresholds = {MISMATCHES: 0}


@dataclass(frozen=True)
class Change:
    """One number of one policy, before and after.

    Attributes:
        name: ``count``, ``cycles``, ``bitops_ratio``, ``mismatches``, or a figure of the task.
        allowed: What it may be at worst; None where there is no threshold.
    """

    policy: str
    name: str
    before: float
    after: float
    allowed: float | None = None

    @property
    def better(self) -> str:
        """Whether ``more`` or ``less`` of it is better; empty for a fact."""
        return FIGURES[self.name].better if self.name in FIGURES else "less"

    @property
    def beyond(self) -> bool:
        """Whether it is worse than allowed."""
        if self.allowed is None:
            return False
        return self.after < self.allowed if self.better == "more" else self.after > self.allowed

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "beyond": self.beyond}


def read_sessions(path: Path) -> dict[str, dict[str, Any]]:
    """Sessions of a report by policy: of ``report.json``, also of a dial, of ``try.json``, or of a folder with one.

    Raises:
        BadFileError: It is missing, damaged, or holds no sessions.
    """
    if path.is_dir():
        path = next((path / name for name in NAMES if (path / name).is_file()), path / NAMES[0])
    try:
        told = json.loads(read_capped(path, REPORT_MAX))
        sessions = told.get("policies", told.get("sessions", [told]))
        found = {str(one["policy"]): {**one, "model": str(one["model"])} for one in sessions}
        for one in found.values():
            _checked(one)
    except OSError as error:
        raise BadFileError(f"cannot read the report: {error.strerror}", where=str(path), next_step=AGAIN) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFileError("this is no report of sessions", where=str(path), next_step=AGAIN) from error
    if not found:
        raise BadFileError("the report has no session", where=str(path), next_step=AGAIN)
    return found


AGAIN = "give a report.json of `dqt-edge profile`, a try.json of `dqt-edge try`, or a folder with one"


def _checked(one: Mapping[str, Any]) -> None:
    """Raise ValueError unless a session has what is compared."""
    texts = all(isinstance(one[name], str) for name in ("board", "task", "unit"))
    counts = all(isinstance(one[name], int) for name in ("samples", MISMATCHES))
    costs = all(one.get(name) is None or isinstance(one[name], int | float) for name in COSTS)
    figures = all(isinstance(value, int | float) for value in one["metrics"].values())
    if not (texts and counts and costs and figures):
        raise ValueError(one)


def read_thresholds(path: Path) -> Thresholds:
    """Thresholds of a TOML file: a number for each name; ``mismatches`` is 0 unless it says otherwise.

    Raises:
        BadFileError: It is missing, no TOML, or has a name or value that is none.
    """
    known = (*COSTS, MISMATCHES, *FIGURES)
    try:
        given = read_toml(path)
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        next_step = "write lines such as count = 0.02"
        raise BadFileError(f"cannot read the thresholds: {text}", where=str(path), next_step=next_step) from error
    for name, value in given.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise BadFileError(
                f"{name} = {value!r} is no threshold",
                where=str(path),
                next_step=f"give numbers from 0 for some of {', '.join(known)}",
            )
    return {**NO_MISMATCH, **given}


def changes(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]], thresholds: Thresholds
) -> tuple[Change, ...]:
    """Every number that both reports have.

    Raises:
        UsageError: They are not comparable.
    """
    _require_comparable(before, after)
    found = []
    for policy, old in before.items():
        new = after[policy]
        for name in COSTS:
            if old.get(name) is not None and new.get(name) is not None:
                share = thresholds.get(name)
                allowed = None if share is None else old[name] * (1 + share)
                found.append(Change(policy, name, old[name], new[name], allowed))
        for name in (name for name in old["metrics"] if name in new["metrics"] and name in FIGURES):
            value, loss, better = old["metrics"][name], thresholds.get(name), FIGURES[name].better
            allowed = None if loss is None or not better else value - loss if better == "more" else value + loss
            found.append(Change(policy, name, value, new["metrics"][name], allowed))
        found.append(Change(policy, MISMATCHES, old[MISMATCHES], new[MISMATCHES], thresholds.get(MISMATCHES)))
    return tuple(found)


def _require_comparable(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UsageError unless both have the same policies, board, task, unit and samples, all of them run.

    A report of an earlier version does not say which samples; then their number must do.
    """
    if set(before) != set(after):
        only = ", ".join(sorted(set(before) ^ set(after)))
        raise UsageError(
            f"the policies are not the same: only one has {only}",
            where="the two reports",
            next_step="profile both with the same policies",
        )
    for policy, old in before.items():
        new = after[policy]
        for one in (old, new):
            if one.get("planned") is not None:
                raise UsageError(
                    f"the session of {one['model']} at {policy} ended before its last sample",
                    where="the two reports",
                    next_step="go on with it to its end, then compare",
                )
        for name in ("board", "task", "unit", "samples", "cycles_model"):
            if old.get(name) != new.get(name):
                raise UsageError(
                    f"{name} is {old.get(name)!r} in one and {new.get(name)!r} in the other, at policy {policy}",
                    where="the two reports",
                    next_step="only sessions of one board, task and unit over as many samples can be compared",
                )
        shown = [one.get(DATA) for one in (old, new)]
        if None not in shown and shown[0] != shown[1]:
            raise UsageError(
                f"the samples are not the same: SHA-256 {shown[0]!s:.12} in one and {shown[1]!s:.12} in the other, "
                f"at policy {policy}",
                where="the two reports",
                next_step="profile both with the same data, count and seed",
            )
