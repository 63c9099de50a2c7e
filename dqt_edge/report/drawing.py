"""Altair, where it is installed (extra ``report``), and its charts as SVG."""

from __future__ import annotations

from typing import Any

WIDTH = 640
"""Of a drawing on a page, pixels."""


def find_altair() -> Any:  # noqa: ANN401 - a module
    """Altair, or None where it or its converter is not installed."""
    try:
        import altair  # noqa: PLC0415
        import vl_convert  # noqa: F401, PLC0415
    except ImportError:
        return None
    return altair


def svg(chart: Any) -> str:  # noqa: ANN401 - an Altair chart
    """A chart as SVG text."""
    import vl_convert  # noqa: PLC0415

    # The page's fonts may be wider than the ones that were measured here, so labels get room to grow.
    text = vl_convert.vegalite_to_svg(
        chart.properties(padding={"left": 40, "right": 20, "top": 5, "bottom": 5}).to_json()
    )
    assert isinstance(text, str)
    return text
