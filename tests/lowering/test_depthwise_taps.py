"""Depthwise kernels of any window in each of their ways = interpreter: by rows and by columns, rings or none, parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dqt_edge.lowering.kernels import dsp_depthwise, mve, mve_depthwise, taps
from tests.support.rig.cases import run_chunk

FIRST, LAYERS = 60_000, 15


@pytest.mark.qemu
@pytest.mark.parametrize(("columns", "along"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(("keeps", "turns"), [(True, 255), (False, 255), (True, 1), (False, 2)])
def test_every_way_of_the_dsp_kernel_agrees(
    columns: bool, along: bool, keeps: bool, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = dsp_depthwise.taps_ways

    def only(layer, output):
        found = replace(ways(layer, output)[0], columns=columns, along=along, keeps=keeps, turns=turns)
        return [found] if found.scratch <= taps.SCRATCH else ways(layer, output)

    monkeypatch.setattr(dsp_depthwise, "taps_ways", only)
    monkeypatch.setattr(dsp_depthwise, "takes_depthwise", lambda layer: False)
    for kind in ("depthwise", "dilated_depthwise"):
        counts, failures = run_chunk((kind, FIRST, LAYERS, ("m4",)))
        assert failures == []
        assert sum(n for (_, kernel, _), n in counts.items() if kernel == "depthwise_conv2d_taps_dsp") > 0


@pytest.mark.qemu
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(("keeps", "turns"), [(True, 255), (False, 255), (True, 1), (False, 2)])
def test_every_way_of_the_mve_kernel_agrees(
    columns: bool, keeps: bool, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = mve_depthwise.ways

    def only(layer, output):
        found = replace(ways(layer, output)[0], columns=columns, keeps=keeps, turns=turns)
        return [found] if found.scratch <= taps.SCRATCH else ways(layer, output)

    monkeypatch.setattr(mve_depthwise, "ways", only)
    monkeypatch.setattr(mve, "takes_depthwise", lambda *_: False)
    for kind in ("depthwise", "dilated_depthwise"):
        counts, failures = run_chunk((kind, FIRST, LAYERS, ("m55",)))
        assert failures == []
        assert sum(n for (_, kernel, _), n in counts.items() if kernel == "depthwise_conv2d_taps_mve") > 0
