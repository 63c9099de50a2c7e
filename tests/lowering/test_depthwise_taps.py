"""Depthwise kernels of any window in each of their ways = interpreter: by rows and by columns, rings or none, parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dqt_edge.lowering.kernels import dsp_depthwise, mve, mve_depthwise, scalar, scalar_depthwise, taps
from tests.support.rig.cases import run_chunk

FIRST, LAYERS = 60_000, 15


@pytest.mark.some(3)
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


@pytest.mark.some(5)
@pytest.mark.qemu
@pytest.mark.parametrize("core", ["m0", "m3", "m55"])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(("keeps", "turns"), [(True, 255), (False, 255), (True, 1), (False, 2)])
def test_every_way_of_the_other_kernels_agrees(
    core: str, columns: bool, keeps: bool, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, file = (mve, mve_depthwise) if core == "m55" else (scalar, scalar_depthwise)
    ways = file.ways

    def only(layer, output):
        found = replace(ways(layer, output)[0], columns=columns, keeps=keeps, turns=turns)
        return [found] if found.scratch <= taps.SCRATCH // (8 if core == "m0" else 1) else ways(layer, output)

    monkeypatch.setattr(file, "ways", only)
    monkeypatch.setattr(family, "takes_depthwise", lambda *_: False)
    for kind in ("depthwise", "dilated_depthwise"):
        counts, failures = run_chunk((kind, FIRST, LAYERS, (core,)))
        assert failures == []
        name = f"depthwise_conv2d_taps_{'mve' if core == 'm55' else 'scalar'}"
        assert sum(n for (_, kernel, _), n in counts.items() if kernel == name) > 0
