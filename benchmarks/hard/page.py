"""Writes docs/evidence.md from the outcomes of a run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from .line import Line, Outcome

HEAD = """# Evidence

What was tried to break dqt-edge, and what it did. `make hard` runs every line and writes this page; nobody edits it. A
line's outcome is kept as long as nothing changes that it depends on, so a run that is stopped goes on where it ended.
`build/hard/evidence.json` has the same as data; the run ends with exit code 1 while a finding is open. What is promised
of data from strangers stands in [security.md](security.md). What a program is missing for is left out, and named; all
of it wants Debian's packages `gcc-12-multilib`, `gcc-s390x-linux-gnu`, `libc6-dev-s390x-cross`, `qemu-user`,
`libclang-rt-14-dev`, `cppcheck` and `frama-c-base`.
"""

LISTS = {
    "findings": "Open findings",
    "left_out": "Left out",
    "exempt": "What looks wrong and is meant",
    "tools": "Tools",
}
"""Titles of an outcome's lists, in order."""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _bullets(title: str, texts: Sequence[str]) -> list[str]:
    return ["", f"{title}:", "", *(f"- {text}" for text in texts)] if texts else []


def _section(line: Line, outcome: Outcome | None) -> list[str]:
    found = ["", f"## {line.name}", "", line.proves, "", f"    {line.command}"]
    if outcome is None:
        return [*found, "", "Not run yet."]
    found += ["", f"{outcome.figure}. Commit {outcome.commit}, {outcome.date[:10]}, {_duration(outcome.seconds)}."]
    for field, title in LISTS.items():
        found += _bullets(title, getattr(outcome, field))
    return found


def page(lines: Sequence[Line], outcomes: dict[str, Outcome]) -> str:
    """The page's text."""
    known = [outcomes[line.name] for line in lines if line.name in outcomes]
    open_findings = sum(len(outcome.findings) for outcome in known)
    minutes = sum(outcome.seconds for outcome in known) / 60
    dates = sorted(outcome.date[:10] for outcome in known)
    span = f"{dates[0]} to {dates[-1]}" if dates and dates[0] != dates[-1] else (dates[0] if dates else "never")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = [HEAD.rstrip(), ""]
    text.append(
        f"{len(known)} of {len(lines)} lines, {open_findings} open findings, {minutes:.0f} minutes, {span}; {machine}."
    )
    text += ["", "| line | what it proves | figure | findings | time |", "|---|---|---|---|---|"]
    for line in lines:
        outcome = outcomes.get(line.name)
        cells = (
            ("not run yet", "", "")
            if outcome is None
            else (outcome.figure, str(len(outcome.findings)), _duration(outcome.seconds))
        )
        text.append("| " + " | ".join(map(_cell, (f"[{line.name}](#{line.name})", line.proves, *cells))) + " |")
    text += ["", "## What CI tries of it", ""]
    text.append(
        "`make test` holds the same promises on fewer cases, in a few of its minutes (2.5 on a busy computer with two "
        "cores). A line's\nown tests are these:"
    )
    text += ["", "| line | tests |", "|---|---|"]
    text += [
        f"| {line.name} | {', '.join(f'`{test}`' for test in line.tests) or 'none: it runs here only'} |"
        for line in lines
    ]
    for line in lines:
        text += _section(line, outcomes.get(line.name))
    return "\n".join(text) + "\n"
