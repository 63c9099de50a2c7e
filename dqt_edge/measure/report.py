"""A Session for people and machines: terminal, report.json, report.html, junit.xml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from ..errors import BadFileError
from ..files import write_atomically
from .charts import layer_chart, overview_chart, vector_chart
from .session import LayerFact, Session, as_json

if TYPE_CHECKING:
    from rich.console import Console


def percent(value: float | None) -> str:
    """``97.22 %``, or a dash."""
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None) -> str:
    """A count with thousands separators, or a dash."""
    return "-" if value is None else f"{value:,.0f}"


def widths(layer: LayerFact) -> str:
    """Mean widths of a layer, ``4.3 x 4.1``, or a dash."""
    if layer.mean_weight_bits is None or layer.mean_activation_bits is None:
        return "-"
    return f"{layer.mean_weight_bits:.3g} x {layer.mean_activation_bits:.3g}"


def facts(session: Session) -> list[tuple[str, str]]:
    """Headline facts as (name, text)."""
    least_most = "" if session.count is None else f" ({number(session.count_least)} to {number(session.count_most)})"
    rows = [
        ("samples", f"{session.samples:,}"),
        ("accuracy", percent(session.accuracy)),
        ("interpreter's accuracy", percent(session.interpreter_accuracy)),
        ("answers that differ from the interpreter's", f"{session.mismatches:,}"),
        (f"{session.unit} for an inference", f"{number(session.count)}{least_most}"),
        ("BitOPs, of all layers at 8x8", f"{session.bitops_ratio:.3f}"),
    ]
    if session.controller_share is not None and session.policy == "dynamic":
        rows.append(("controller's share of the count", percent(session.controller_share)))
    return rows


def print_session(session: Session, console: Console) -> None:
    """Tables for the terminal."""
    from rich.table import Table  # noqa: PLC0415

    head = Table(title=f"{session.model} on {session.board}, policy {session.policy}", show_header=False)
    for name, text in facts(session):
        head.add_row(name, text)
    console.print(head)
    layers = Table()
    for column in ("layer", "kind", "MAC", session.unit, "mean widths"):
        layers.add_column(column, overflow="fold")
    for layer in session.layers:
        layers.add_row(layer.name, layer.kernel, number(layer.macs), number(layer.count), widths(layer))
    console.print(layers)
    vectors = Table("width vector (weights x activations)", "inferences")
    for vector, count in session.width_vectors.items():
        vectors.add_row(vector, f"{count:,}")
    console.print(vectors)


def write(session: Session, folder: Path) -> list[Path]:
    """Write report.json, junit.xml and report.html; each file whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFileError(
            f"cannot make the report folder: {error.strerror}",
            where=str(folder),
            next_step="choose another --report",
        ) from error
    contents = {
        "report.json": json.dumps(as_json(session), indent=2) + "\n",
        "junit.xml": junit(session),
        "report.html": html([session]),
    }
    for name, text in contents.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in contents]


def junit(session: Session) -> str:
    """JUnit XML with one test: the device's answers equal the interpreter's."""
    failed = session.mismatches > 0
    name = quoteattr(f"{session.model} on {session.board}, {session.policy}")
    failure = f"<failure message={quoteattr(f'{session.mismatches} answers differ: {session.first_difference}')}/>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="dqt-edge profile" tests="1" failures="{int(failed)}">\n'
        f'  <testcase classname="dqt_edge.profile" name={name}>{failure if failed else ""}</testcase>\n'
        "</testsuite>\n"
    )


def html(sessions: list[Session]) -> str:
    """A self-contained page: tables and drawings of one or more sessions."""
    from ..emit.render import environment  # noqa: PLC0415 - the one Jinja environment of the package

    env = environment()
    env.autoescape = True
    env.filters.update(percent=percent, number=number, widths=widths)
    return env.get_template("report.html.j2").render(
        sessions=[
            {"session": s, "facts": facts(s), "layers": layer_chart(s), "vectors": vector_chart(s)} for s in sessions
        ],
        overview=overview_chart(sessions),
    )
