"""The pyOCD runner on a fake session: whole pages, sectors first, and typed errors. The real package's names too."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dqt_edge.boards import load_board
from dqt_edge.errors import FlashError, ToolchainError
from dqt_edge.flashing.base import Segment, plan
from dqt_edge.flashing.pyocd import PyocdRunner
from dqt_edge.flashing.writing import flash

from .runners import FakeSession
from .simulated.chip import Chip

BOARD = load_board("stm32h7")
SETTINGS = BOARD.runners[0].settings
START, PAGE = 0x08000000, 0x400
IMAGE = random.Random(3).randbytes(0x20000 + 77)
PLAN = plan([Segment(START + 0xE0000, IMAGE), Segment(START + 64, b"first"), Segment(START + 128, b"second")], BOARD)


@pytest.fixture
def memory() -> Chip:
    return Chip(BOARD, once=True)


def test_writes_both_banks(memory: Chip) -> None:
    session = FakeSession(memory, PAGE)
    flash(PLAN, PyocdRunner(SETTINGS, lambda settings: session))
    assert memory.read(START + 0xE0000, len(IMAGE)) == IMAGE
    assert memory.read(START + 64, 5) == b"first"
    assert memory.read(START + 128, 6) == b"second"
    assert session.log == ["halt", "reset", "close"]
    assert [algorithm.active for algorithm in session.algorithms] == [None, None]


def test_no_probe() -> None:
    with pytest.raises(FlashError, match="no debug probe was found"):
        flash(PLAN, PyocdRunner(SETTINGS, lambda settings: None))


def _raising(error: Exception) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise error

    return fail


class FlashEraseFailure(RuntimeError):
    pass


class ProbeDisconnected(RuntimeError):
    pass


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("[Errno 13] Access denied (insufficient permissions)"), "udev"),
        (OSError("[Errno 16] Resource busy"), "close other debuggers"),
        (FlashEraseFailure("flash erase sector failure"), "write protected"),
        (ProbeDisconnected("gone"), "USB cable"),
        (AssertionError(), "reset button"),
    ],
)
def test_failures_are_typed(memory: Chip, error: Exception, hint: str) -> None:
    session = FakeSession(memory, PAGE)
    session.algorithms[0].erase_sector = _raising(error)  # type: ignore[method-assign]
    with pytest.raises(FlashError) as caught:
        flash(PLAN, PyocdRunner(SETTINGS, lambda settings: session))
    assert "erasing the sector at 0x08000000 failed" in caught.value.what
    assert hint in caught.value.next_step
    assert session.log == ["halt", "close"]


def test_a_target_without_that_flash_is_refused(memory: Chip) -> None:
    session = FakeSession(memory, PAGE)
    session.target.memory_map.get_region_for_address = lambda address: None
    with pytest.raises(FlashError, match="has no flash at 0x08000000"):
        flash(PLAN, PyocdRunner(SETTINGS, lambda settings: session))


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    runner = PyocdRunner(SETTINGS)
    assert "pip install 'dqt-edge[flash]'" in (runner.available() or "")
    with pytest.raises(ToolchainError, match="pyOCD is not installed"):
        flash(PLAN, runner)


def test_the_real_package_has_what_is_used() -> None:
    targets = pytest.importorskip("pyocd.target.builtin", reason="pip install 'dqt-edge[flash]'")
    target = targets.BUILTIN_TARGETS[SETTINGS["target"]]
    flash_regions = [region for region in target.MEMORY_MAP if region.is_flash]
    region = BOARD.regions("flash")[0]
    assert (flash_regions[0].start, sum(r.length for r in flash_regions)) == (region.start, region.size)
    assert all(
        r.sector_size == region.sector and r.page_size % region.page == 0 and PyocdRunner.write_unit % r.page_size == 0
        for r in flash_regions
    )
    algorithm = importlib.import_module("pyocd.flash.flash").Flash
    assert {"ERASE", "PROGRAM"} <= set(algorithm.Operation.__members__)
    assert all(hasattr(algorithm, name) for name in ("init", "erase_sector", "program_page", "cleanup"))
    assert hasattr(importlib.import_module("pyocd.core.session").Session, "open")
    options = importlib.import_module("pyocd.core.options").OPTIONS_INFO
    assert {"target_override", "connect_mode", "hide_programming_progress", "no_config", "frequency"} <= set(options)


@pytest.mark.parametrize("count", [0, 2])
def test_the_number_of_connected_probes(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    helpers = pytest.importorskip("pyocd.core.helpers", reason="pip install 'dqt-edge[flash]'")
    probes = [SimpleNamespace(unique_id=f"00{i}") for i in range(count)]
    monkeypatch.setattr(helpers.ConnectHelper, "get_all_connected_probes", lambda **options: probes)
    words = "2 debug probes are connected: 000, 001" if count else "no debug probe was found"
    with pytest.raises(FlashError, match=words):
        flash(PLAN, PyocdRunner(SETTINGS))
