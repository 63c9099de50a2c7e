"""Sessions for people and machines: terminal, report.json, report.html, junit.xml; for a dial also dial.svg."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from .. import __version__
from ..errors import BadFileError
from ..measure.session import Session, as_json
from ..system.files import write_together
from ..system.templates import environment
from ..tasks import headline, score_json
from .canvas import MARKS, SQUARE
from .charts import dial_chart
from .context import Context
from .memory import memory_map
from .parts import Page, section
from .provenance import provenance_sections
from .sessions import lead, session_sections
from .stream import samples_csv, stream_chart
from .texts import facts, number, samples_text, widths

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = Context()
OPTIONAL = ("dial.svg", "stream*.csv", "stream*.svg")
"""Files that not every report has."""


def print_session(session: Session, console: Console) -> None:
    """Tables for the terminal."""
    from rich.table import Table  # noqa: PLC0415

    head = Table(title=f"{session.model} on {session.board}, policy {session.policy}", show_header=False)
    for name, text in facts(session):
        head.add_row(name, text)
    console.print(head)
    layers = Table()
    modelled = session.cycles is not None
    for column in ("layer", "kind", "MAC", session.unit, *(("cycles",) if modelled else ()), "mean widths"):
        layers.add_column(column, overflow="fold")
    for layer in session.layers:
        counted = (number(layer.count), *((number(layer.cycles),) if modelled else ()))
        layers.add_row(layer.name, layer.kernel, number(layer.macs), *counted, widths(layer))
    console.print(layers)
    vectors = Table("width vector (weights x activations)", "inferences")
    for vector, count in session.width_vectors.items():
        vectors.add_row(vector, f"{count:,}")
    console.print(vectors)


def print_dial(sessions: Sequence[Session], console: Console) -> None:
    """What one image does over the points of its dial: cost against how good it is."""
    from rich.table import Table  # noqa: PLC0415

    first = sessions[0]
    table = Table(title=f"{first.model} on {first.board}, {first.samples:,} samples at each point of its dial")
    table.caption = "; ".join(f"{s.policy}: {samples_text(s)}" for s in sessions if s.planned is not None) or None
    table.add_column("policy", no_wrap=True)
    title = first.score.main.title if first.score is not None else headline(first.task)
    modelled = first.cycles is not None
    counted = (first.unit, "modelled cycles") if modelled else (first.unit,)
    for column in ("BitOPs, of 8x8", *counted, title, "width vectors", "differ"):
        table.add_column(column, justify="right")
    for session in sessions:
        table.add_row(
            session.policy,
            f"{session.bitops_ratio:.3f}",
            number(session.count),
            *((number(session.cycles),) if modelled else ()),
            "-" if session.score is None else session.score.main.text,
            f"{len(session.width_vectors):,}",
            f"{session.mismatches:,}",
        )
    console.print(table)
    if first.cycles_model is not None:
        console.print(first.cycles_model, highlight=False)


def make_folder(folder: Path) -> None:
    """Make the report folder; raises BadFileError. Called before the work, so that nothing is measured in vain."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFileError(
            f"cannot make the report folder: {error.strerror}",
            where=str(folder),
            next_step="choose another folder for the `report`",
        ) from error


def write(sessions: Sequence[Session], folder: Path, *, dial: bool = False, context: Context = NOTHING) -> list[Path]:
    """Write report.json, junit.xml and report.html; all of one run, and each whole or not at all.

    Args:
        sessions: One, unless ``dial``.
        folder: Where to.
        dial: The sessions are the points of a dial: report.json has them as ``policies``, and dial.svg is drawn.
        context: What the page says of the image.
    """
    make_folder(folder)
    contents = {
        "report.json": json.dumps(dial_json(sessions) if dial else as_json(sessions[0]), indent=2) + "\n",
        "junit.xml": junit(sessions),
        "report.html": html(sessions, dial=dial, context=context),
    }
    drawing = dial_chart(sessions) if dial else None
    if drawing is not None:
        contents["dial.svg"] = drawing
    contents |= _stream_files(sessions)
    return write_together(folder, {name: text.encode() for name, text in contents.items()}, OPTIONAL)


def _stream_files(sessions: Sequence[Session]) -> dict[str, str]:
    """Every inference as CSV, and a drawing; numbered where there are several sessions."""
    found = {}
    for i, session in enumerate(sessions):
        if session.stream is None:
            continue
        name = "stream" if len(sessions) == 1 else f"stream{i + 1}"
        found[f"{name}.csv"] = samples_csv(session.stream)
        drawing = stream_chart(session)
        if drawing is not None:
            found[f"{name}.svg"] = drawing
    return found


def dial_json(sessions: Sequence[Session]) -> dict[str, Any]:
    """Plain JSON values of the points of a dial: ``policies`` has one session each, ``mismatches`` is their sum."""
    first = sessions[0]
    return {
        "board": first.board,
        "model": first.model,
        "policy": "dial",
        "unit": first.unit,
        "samples": first.samples,
        "task": first.task,
        **score_json(first.task, None),
        "mismatches": sum(session.mismatches for session in sessions),
        "policies": [as_json(session) for session in sessions],
    }


def junit(sessions: Sequence[Session]) -> str:
    """JUnit XML with one test for each session: the device's answers equal the interpreter's."""
    failed = sum(session.mismatches > 0 for session in sessions)
    ended = sum(session.planned is not None for session in sessions)
    cases = []
    for session in sessions:
        name = quoteattr(f"{session.model} on {session.board}, {session.policy}")
        message = quoteattr(f"{session.mismatches} answers differ: {session.first_difference}")
        failure = f"<failure message={message}/>" if session.mismatches else ""
        if session.planned is not None:
            failure += f"<error message={quoteattr(f'the session ended early: {samples_text(session)}')}/>"
        cases.append(f'  <testcase classname="dqt_edge.profile" name={name}>{failure}</testcase>\n')
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="dqt-edge profile" tests="{len(sessions)}" failures="{failed}" errors="{ended}">\n'
        f"{''.join(cases)}</testsuite>\n"
    )


def html(sessions: Sequence[Session], *, dial: bool = False, context: Context = NOTHING) -> str:
    """A self-contained page: tables and drawings of one or more sessions; ``dial``: they are the points of one."""
    memory = section("Memory", [part for plan in context.plans for part in memory_map(plan)])
    sections = (*session_sections(sessions, dial=dial), *memory, *provenance_sections(sessions, context.rows))
    return render(Page(sessions[0].model, lead(sessions), tuple(sections)))


def render(page: Page) -> str:
    """The page as HTML, without script and without a link to anything outside it."""
    env = environment(autoescape=True)
    env.globals["shape"] = lambda mark: MARKS.get(mark, SQUARE)
    return env.get_template("report/page.html.j2").render(page=page, version=__version__)
