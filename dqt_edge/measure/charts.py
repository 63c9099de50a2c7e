"""Drawings of a session as inline SVG, made by Altair; none when it is not installed (extra ``report``)."""

from __future__ import annotations

from typing import Any

from .session import Session

WIDTH = 640
VECTORS_MAX = 20


def _svg(chart: Any) -> str:  # noqa: ANN401 - an Altair chart
    import vl_convert  # noqa: PLC0415

    text = vl_convert.vegalite_to_svg(chart.to_json())
    assert isinstance(text, str)
    return text


def _altair() -> Any:  # noqa: ANN401 - a module
    try:
        import altair  # noqa: PLC0415
        import vl_convert  # noqa: F401, PLC0415
    except ImportError:
        return None
    return altair


def layer_chart(session: Session) -> str | None:
    """Bars: counts of each layer, or MACs where nothing is counted."""
    altair = _altair()
    if altair is None:
        return None
    counted = session.count is not None
    unit = session.unit if counted else "MAC"
    rows = [{"layer": x.name, unit: x.count if counted else x.macs} for x in session.layers]
    chart = (
        altair.Chart(altair.Data(values=rows))
        .mark_bar(color="#35618f")
        .encode(
            x=altair.X(f"{unit}:Q", title=f"{unit} for an inference"),
            y=altair.Y("layer:N", sort=None, title=None),
        )
        .properties(width=WIDTH)
    )
    return _svg(chart)


def vector_chart(session: Session) -> str | None:
    """Bars: how often each width vector was chosen, the most frequent first."""
    altair = _altair()
    if altair is None:
        return None
    rows = [{"vector": v, "inferences": n} for v, n in list(session.width_vectors.items())[:VECTORS_MAX]]
    chart = (
        altair.Chart(altair.Data(values=rows))
        .mark_bar(color="#b5651d")
        .encode(
            x=altair.X("inferences:Q"),
            y=altair.Y("vector:N", sort=None, title=None, axis=altair.Axis(labelLimit=400)),
        )
        .properties(width=WIDTH)
    )
    return _svg(chart)
