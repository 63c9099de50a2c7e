"""Promise: additions equal the interpreter on every core, at any size, address and scale, in place or not."""

from __future__ import annotations

import pytest

from tests.support.rig import cases
from tests.support.rig.kernel_layers import INPUTS

KERNELS = {"plain": "add", "m55": "add_mve"}
LAYERS = 60


@pytest.mark.qemu
@pytest.mark.usefixtures("catalogue_order")
@pytest.mark.parametrize("core", KERNELS)
def test_random_additions_agree(core: str) -> None:
    counts, failures = cases.run_chunk(("add", 50_000, LAYERS, (core,)))
    assert not failures
    assert {kernel: n for (_, kernel, _), n in counts.items()} == {KERNELS[core]: LAYERS * INPUTS}
