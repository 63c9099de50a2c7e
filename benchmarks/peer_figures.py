"""Cycles of the peers, of ``peers.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .measuring import FLASHES

Costs = Mapping[str, float]
"""Network -> million cycles."""


def rivals(core: str, peers: Mapping[str, Any]) -> Iterator[tuple[str, Costs]]:
    """Peers of a core with their cycles: closed and open ones on silicon, then those modelled as ours are."""
    silicon = FLASHES.get(core, (core, None))[0]
    for row in sorted(peers["silicon"], key=lambda row: row["million_cycles"]["resnet8"]):
        if row["core"] == silicon:
            where = f"{row['board']} at {row['clock_mhz']} MHz, MLPerf Tiny {row['round']}"
            yield f"{row['runtime']}, silicon ({where})", row["million_cycles"]
    for row in peers["modelled_cmsis_nn"]:
        if row["core"] == core:
            yield f"{row['runtime']}, modelled", row["million_cycles"]
