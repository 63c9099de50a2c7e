"""What tuned settings are judged beside, on the tuning samples: fixed widths, a plain cascade, small networks.

All are chosen by these figures alone, so that the samples that judge have no part in the choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph.points import AGAIN_MAX, NEVER, Setting
from .figures import quality_of
from .layer_costs import LayerCosts
from .recording import Base, Table, widest_base
from .walks import Walker

LEVELS_MAX = 40
"""Thresholds of a cascade that are kept."""


def static_rows(table: Table, bases: Iterable[Base], costs: Mapping[str, LayerCosts]) -> list[dict[str, Any]]:
    """Each width vector with its cost, of the widest, in each unit, and its figures."""
    rows = []
    for base in bases:
        assert base.widths is not None
        rows.append(
            {
                "widths": base.name,
                "costs": {
                    key: each.vector(table.graph, base.widths) / each.full(table.graph) for key, each in costs.items()
                },
                **quality_of(table.paths[base][-1].answers, table.full, table.labels).as_json(),
            }
        )
    return rows


def cascade_rows(table: Table, bases: Iterable[Base], costs: Mapping[str, LayerCosts]) -> list[dict[str, Any]]:
    """Each narrow width vector with several thresholds below which everything runs once more at the widest."""
    rows = []
    for base in bases:
        path = table.paths[base][-1]
        walkers = {key: Walker(table, base, each) for key, each in costs.items()}
        for again in _levels(path.margins[:, -1]):
            setting = cascade(table, base, again)
            walks = {key: walker.walk(setting) for key, walker in walkers.items()}
            walk = next(iter(walks.values()))
            rows.append(
                {
                    "widths": base.name,
                    "again": again,
                    "share": float((walk.passes == 2).mean()),
                    "costs": {key: float(walks[key].costs.mean()) / walker.whole for key, walker in walkers.items()},
                    **quality_of(walk.answers, table.full, table.labels).as_json(),
                }
            )
    return rows


def exit_rows(table: Table, costs: Mapping[str, LayerCosts]) -> list[dict[str, Any]]:
    """Each point as a small network of its own, with its cost, of the widest, in each unit, and its figures."""
    rows, base = [], widest_base(table.graph)
    walkers = {key: Walker(table, base, each) for key, each in costs.items()}
    for index, point in enumerate(table.graph.points):
        setting = exit_alone(table, index)
        walks = {key: walker.walk(setting) for key, walker in walkers.items()}
        answers = next(iter(walks.values())).answers
        rows.append(
            {
                "point": point.name,
                "costs": {key: float(walks[key].costs[0]) / walkers[key].whole for key in walks},
                **quality_of(answers, table.full, table.labels).as_json(),
            }
        )
    return rows


def exit_alone(table: Table, point: int) -> Setting:
    """Everything up to a point at the widest candidates, which answers always; no other head is run."""
    count = len(table.graph.points)
    exits = tuple(0 if i == point else NEVER for i in range(count))
    return Setting(widest_base(table.graph).widths, exits, (0,) * count)


def cascade(table: Table, base: Base, again: int) -> Setting:
    """Narrow everywhere, and once more at the widest below a margin of the output's codes."""
    count = len(table.graph.points)
    return Setting(base.widths, (NEVER,) * count, (0,) * count, again, None, base.bias)


def _levels(margins: Sequence[int] | np.ndarray[Any, Any]) -> list[int]:
    values = np.unique(margins)
    if len(values) > LEVELS_MAX:
        values = np.unique(np.quantile(margins, np.linspace(0, 1, LEVELS_MAX)).astype(np.int64))
    return [0, *(min(int(value) + 1, AGAIN_MAX) for value in values)]
