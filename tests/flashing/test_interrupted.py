"""Interrupted at every operation, by every runner: never healthy by half, and whole after the next run.

Every fault that flash can have is found by reading back, or told by the chip.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dqt_edge.errors import FlashError
from dqt_edge.flashing.base import Segment, plan
from dqt_edge.flashing.writing import flash, parts

from .runners import RUNNERS, SHAPES, chip_of, image_parts, runner_on, shaped
from .simulated.chip import Chip, Faults, starts_healthy

NORDIC = ("nrfutil", "jlink")
CASES = [
    (runner, shape)
    for shape in SHAPES
    for runner in RUNNERS
    if (runner, shape) != ("stm32-uart", "h7") and (runner not in NORDIC or shape == "2k")
]
# The H7's boot loader is left out: 128 KB sectors are those of every other runner, and no board of it uses it.
# The runners for Nordic's boards get the flash of small pages.

OLD, NEW = 1, 2


def holds(chip: Chip, parts_of_image: list[Segment]) -> bool:
    """Whether flash has every byte of an image."""
    return all(chip.read(s.address, len(s.data)) == s.data for s in parts_of_image)


class Bench:
    """A runner, a chip and two images."""

    def __init__(self, runner: str, shape: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.shape, self.folder, self.monkeypatch = runner, shape, folder, monkeypatch
        self.board = shaped(shape)
        self.old, self.new = image_parts(shape, OLD), image_parts(shape, NEW)
        self.plan = plan(self.new, self.board)

    def flash(self, chip: Chip, image: list[Segment]) -> None:
        """Write an image."""
        with runner_on(self.name, self.board, chip, self.folder, self.monkeypatch) as runner:
            flash(plan(image, self.board), runner)

    def with_old(self, seed: int = 1) -> Chip:
        """A chip that runs the old image."""
        chip = chip_of(self.shape, seed=seed)
        self.flash(chip, self.old)
        assert starts_healthy(self.board, chip)
        chip.operations = chip.starts = 0
        return chip


@pytest.fixture(params=CASES, ids="-".join)
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(*request.param, tmp_path, monkeypatch)


def test_an_image_is_written_and_starts(bench: Bench) -> None:
    chip = bench.with_old()
    bench.flash(chip, bench.new)
    assert holds(chip, bench.new)
    assert starts_healthy(bench.board, chip)
    assert chip.starts == (0 if bench.name == "dfu-util" else 1)


@pytest.mark.some(5)
def test_cut_off_at_every_operation(bench: Bench) -> None:
    whole = bench.with_old()
    bench.flash(whole, bench.new)
    kept = bench.with_old()
    kept.save(bench.folder / "old")
    for cut in range(whole.operations):
        chip = Chip.load(bench.folder / "old")
        chip.rng.seed(cut)
        chip.faults.cut = cut
        with pytest.raises(FlashError):
            bench.flash(chip, bench.new)
        chip.faults.cut = None
        assert chip.starts == 0, "nothing is started by half"
        if starts_healthy(bench.board, chip):
            assert holds(chip, bench.old) or holds(chip, bench.new), f"a mixture starts after operation {cut}"
        bench.flash(chip, bench.new)
        assert holds(chip, bench.new), f"operation {cut}"
        assert starts_healthy(bench.board, chip)
    assert whole.operations > 10


def touched(bench: Bench) -> tuple[list[int], list[int]]:
    """Write units of the new image and the sectors under it."""
    region = bench.board.regions("flash")[0]
    units = [a for s in bench.plan.segments for a in range(s.address, s.end, region.page)]
    return units, [sector.address for sector in bench.plan.sectors]


@pytest.mark.some(5)
def test_every_fault_of_flash_is_found(bench: Bench) -> None:
    """Found: an error, and nothing is started; or the fault changed nothing, and flash holds every byte."""
    kept = bench.with_old()
    kept.save(bench.folder / "old")
    units, sectors = touched(bench)
    rng = random.Random(7)
    some = rng.sample(units, min(16, len(units)))
    faults = [Faults(erase={a}) for a in sectors] + [Faults(silent_erase={a}) for a in sectors]
    for each in some:
        faults += [Faults(program={each}), Faults(silent_program={each}), Faults(read={each})]
        byte, bit = each + rng.randrange(4), 1 << rng.randrange(8)
        faults += [Faults(stuck={byte: (bit, 0)}), Faults(stuck={byte: (bit, bit)})]
    found = 0
    for fault in faults:
        chip = Chip.load(bench.folder / "old")
        chip.faults = fault
        try:
            bench.flash(chip, bench.new)
        except FlashError:
            found += 1
            assert chip.starts == 0
        else:
            assert holds(chip, bench.new), fault
            assert fault.erase | fault.program | fault.read == set(), fault
    assert found > len(faults) // 2


def test_the_vectors_are_written_last(bench: Bench) -> None:
    with runner_on(bench.name, bench.board, chip_of(bench.shape), bench.folder, bench.monkeypatch) as runner:
        body, head = parts(bench.plan, runner.write_unit)
    assert head.address == bench.new[0].address
    assert all(segment.address >= head.end for segment in body)
    image = {s.address + i: b for s in bench.new for i, b in enumerate(s.data)}
    written = {s.address + i: b for s in (*body, head) for i, b in enumerate(s.data)}
    assert all(written[address] == byte for address, byte in image.items())
