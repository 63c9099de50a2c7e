"""README's table: ours beside every peer, and the best peer is the best of all."""

from __future__ import annotations

import json

from benchmarks.comparison import TITLES, table
from benchmarks.networks import PAIRS, PEERS, REAL
from benchmarks.peer_figures import rivals

PEER_FIGURES = json.loads(PEERS.read_text(encoding="utf-8"))


def facts(cycles: int | None) -> dict[str, dict[str, int | None]]:
    return {pair: {"instructions": 2_000_000, "cycles": cycles} for pair in PAIRS}


def test_rows_of_a_core() -> None:
    found = {"m4": {"resnet8": facts(3_456_789), "resnet8" + REAL: facts(None)}}
    rows = list(table(found, PEER_FIGURES))
    assert rows[3] == "| dqt-edge 8x8, random weights, modelled | 3.46 (2.00) |  |  |  |"
    assert "| dqt-edge 2x4, the reference models' weights, modelled | (2.00) |  |  |  |" in rows
    assert rows[-1] == "| best peer | 19.9 | 5.21 | 10.7 | 0.486 |"
    assert any("X-CUBE-AI 10.2, silicon (NUCLEO-L4R5ZI-P at 120 MHz, MLPerf Tiny v1.3)" in row for row in rows)
    assert any("CMSIS-NN" in row and "modelled" in row for row in rows)


def test_every_peer_has_a_source_and_every_network() -> None:
    for row in [*PEER_FIGURES["silicon"], *PEER_FIGURES["modelled_cmsis_nn"]]:
        assert set(row["million_cycles"]) == set(TITLES)
    assert all(row["source"].startswith("mlcommons/tiny_results_v") for row in PEER_FIGURES["silicon"])
    assert "2026-11" in PEER_FIGURES["silicon_source"]
    assert "2026-11" in PEER_FIGURES["modelled_cmsis_nn_source"]


def test_the_flash_of_a_chip_is_beside_that_cores_silicon() -> None:
    on_silicon = [title for title, _ in rivals("m4", PEER_FIGURES) if "silicon" in title]
    assert [title for title, _ in rivals("m4-l4r5", PEER_FIGURES)] == on_silicon
    assert next(title for title, _ in rivals("m33", PEER_FIGURES)).startswith("X-CUBE-AI 10.2")
