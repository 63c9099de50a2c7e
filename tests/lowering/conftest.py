"""Fixtures of the tests of lowering."""

from __future__ import annotations

import pytest

from dqt_edge.lowering.kernels import estimates


@pytest.fixture
def catalogue_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planner takes the first kernel of the catalogue that serves a layer, whatever its estimated cycles are.

    For tests of a kernel, which must meet it whichever numbers were fitted last.
    """
    monkeypatch.setattr(estimates, "fitted", lambda core: {})
