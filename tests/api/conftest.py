"""What tests of the Python functions share."""

from __future__ import annotations

import pytest

import dqt_edge as dqt
from dqt_edge.graph import Graph
from dqt_edge.project.manifest import Project


@pytest.fixture(scope="session")
def project(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The digits model, built for this computer."""
    made = dqt.export(graph, "host", tmp_path_factory.mktemp("host") / "p")
    dqt.build(made)
    return made
