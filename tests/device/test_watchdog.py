"""The watchdog: it restarts a device whose program hangs and no other one, and the host is told."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dqt_edge.boards import Watchdog, board_ids, load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client, Retries, Timeouts
from dqt_edge.device.connect import open_client
from dqt_edge.device.messages import Restart
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.errors import DqtError, FaultError, UsageError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from dqt_edge.project.footprint import predict
from dqt_edge.project.optimize import plans_for
from dqt_edge.project.watchdog import require_time, watchdog_facts, with_watchdog
from dqt_edge.system.elf import symbols
from tests.device.test_faults import flash_of
from tests.firmware import stand_in
from tests.support.digits import digits_graph
from tests.support.waiting import LIMIT

WATCHED = ("DQT_BOARD_WATCHDOG_MS=500u", "STAND_IN_LOOPS_TWICE")
LONG_LAYER = 1_500_000
"""Of loops: 3,000,000 instructions of 128 ns, 0.38 s. Two layers take so long."""
HANGS = 0x70000000
EMULATED = [b for b in board_ids() if load_board(b).qemu is not None and load_board(b).watchdog is not None]
SILICON = [b for b in board_ids() if load_board(b).qemu is None and load_board(b).watchdog is not None]


CASES = ["qemu-m4", *(pytest.param(b, marks=pytest.mark.slow) for b in EMULATED if b != "qemu-m4")]


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", CASES)
def test_a_hang_ends_in_a_restart_that_hello_tells(built: Callable[..., Path], board_id: str) -> None:
    """Neither does anything else restart it: waiting, nor inferences that take longer than the time-out as a whole."""
    board, image = load_board(board_id), built(board_id, defines=WATCHED)
    good, long = (stand_in.make_input(random.Random(n), loops) for n, loops in ((1, 1), (2, LONG_LAYER)))
    device = QemuTransport(board, flash_of(image) if board.port == "mps2" else image)
    with Client(device, Timeouts(run=1.0, silence=LIMIT), Retries(sample=2)) as client:
        client.name_layers(["logits", "scale", "loop", "mix"])
        assert client.hello().restart == Restart.UNKNOWN
        for _ in range(2):
            assert client.infer(long, (0, 0)).output == stand_in.expected(long, (0, 0)).output
        idle_from = device.clock()
        while device.clock() < idle_from + 1:
            time.sleep(0.1)
        assert client.stats().runs == 2
        with pytest.raises(FaultError, match=r"program hangs.*NMI at pc 0x.*behind layer 1 \('scale'\)"):
            client.infer(stand_in.make_input(random.Random(3), HANGS), (0, 0))
        assert client.hello().restart == Restart.WATCHDOG
        fault = client.fault()
        assert fault is not None
        assert (fault.exception, fault.restarted, fault.hung) == (2, False, True)
        assert client.stats().runs == 0
        assert client.infer(good, (0, 0)).output == stand_in.expected(good, (0, 0)).output
        assert client.reset().restart == Restart.REQUEST


@pytest.mark.qemu
@pytest.mark.parametrize("board_id", CASES)
def test_digits_are_what_they_were(board_id: str, graph: Graph, tmp_path: Path) -> None:
    project, _, footprint = export_together([graph], load_board(board_id), tmp_path / "p", watchdog=2)
    image = build(project.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    assert project.manifest["watchdog"]["seconds"] == 2
    samples = codes(load_data("digits").x_test, graph)[:10]
    want = interpreter.run(graph, samples, "dynamic").outputs
    with open_client(project.board, project.elf, project.model_hash) as client:
        for sample, output in zip(samples, want, strict=True):
            assert client.infer(sample.tobytes(), None).output == output.tobytes()
        assert client.stats().runs == len(samples)


HOOKS = ("dqt_run", "dqt_measure_layer")


@pytest.mark.slow
@pytest.mark.emulate
@pytest.mark.cross
@pytest.mark.parametrize("board_id", SILICON)
def test_it_is_fed_before_the_first_layer_and_behind_each(board_id: str, graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
    project, plans, footprint = export_together([graph], load_board(board_id), tmp_path / "p", watchdog=2)
    image = build(project.folder, cross=True)
    assert footprint is not None
    assert footprint.exact
    assert (image.flash, image.ram) == (footprint.flash, footprint.ram)
    sample = codes(load_data("digits").x_test, graph)[:1]
    want = interpreter.run(graph, sample, "dynamic").outputs[0].tobytes()
    with open_client(project.board, project.elf, project.model_hash, "unicorn:") as client:
        device: Any = client._transport
        watchdog = device.model.watchdog
        assert 2 <= watchdog.seconds < 2.01
        before = watchdog.feeds
        seen = watch(device, project.elf)
        assert client.infer(sample[0].tobytes(), None).output == want
        assert [name for name, _ in seen] == ["dqt_run"] + ["dqt_measure_layer"] * len(plans[0].layers)
        feeds = [count for _, count in seen]
        assert feeds[0] > before
        assert feeds[1] == feeds[0], "nothing but the end of a layer feeds it within an inference"
        assert [b - a for a, b in itertools.pairwise(feeds[1:])] == [1] * (len(plans[0].layers) - 1)


def watch(device: Any, elf: Path) -> list[tuple[str, int]]:
    """Each start of a function of HOOKS, with how often the watchdog had been fed."""
    import unicorn  # noqa: PLC0415

    seen: list[tuple[str, int]] = []
    for name, address, _ in symbols(elf):
        if name in HOOKS:

            def enter(machine: object, at: int, size: int, user: object, name: str = name) -> None:
                seen.append((name, device.model.watchdog.feeds))

            at = address & ~1
            device._machine.hook_add(unicorn.UC_HOOK_CODE, enter, begin=at, end=at)
    return seen


GONE = ("DQT_WATCHDOG_H", "dqt_watchdog_feed()=", "DQT_CMSDK_WATCHDOG_H", "dqt_watchdog_start()=",
        "dqt_watchdog_fault(info)=")  # fmt: skip
"""With them the compiler sees neither the headers nor what they define."""


@pytest.mark.cross
def test_without_it_an_image_is_the_same_to_the_byte(built: Callable[..., Path]) -> None:
    plain, gone, watched = (flash_of(built("qemu-m4", **o)) for o in ({}, {"defines": GONE}, {"defines": WATCHED}))
    assert plain.read_bytes() == gone.read_bytes()
    assert watched.read_bytes() != plain.read_bytes()


@pytest.mark.parametrize(
    ("board_id", "seconds", "words", "next_step"),
    [
        ("host", 1, "a process of this computer has no watchdog", "choose a board of silicon"),
        ("qemu-m0", 1, "board 'qemu-m0' has no watchdog that QEMU models", "such as qemu-m4"),
        ("stm32h7", 33, "IWDG1 cannot wait for 33 s", "give 0.01 to 32.768 seconds"),
        ("stm32h7", 0, "IWDG1 cannot wait for 0 s", "give 0.01 to 32.768 seconds"),
        ("stm32h7", -1, "IWDG1 cannot wait for -1 s", "give 0.01 to 32.768 seconds"),
        ("stm32h7", float("nan"), "IWDG1 cannot wait for nan s", "give 0.01 to 32.768 seconds"),
        ("stm32h7", float("inf"), "IWDG1 cannot wait for inf s", "give 0.01 to 32.768 seconds"),
    ],
)
def test_a_time_out_that_the_board_cannot_have_is_refused(
    board_id: str, seconds: float, words: str, next_step: str
) -> None:
    with pytest.raises(UsageError) as caught:
        with_watchdog(load_board(board_id), seconds)
    assert words in caught.value.what
    assert next_step in caught.value.next_step
    assert "`watchdog`" in caught.value.where


def test_a_board_of_ones_own_without_one_says_where_to_name_it() -> None:
    board = replace(load_board("stm32h7"), watchdog=None)
    with pytest.raises(UsageError, match=r"names no watchdog, under \[watchdog\]"):
        with_watchdog(board, 1)


def test_a_time_out_that_a_healthy_device_might_miss_is_refused(tmp_path: Path) -> None:
    board = load_board("qemu-m4")
    with pytest.raises(UsageError, match=r"flash is estimated to take .* the watchdog needs 10 times") as caught:
        export_together([digits_graph()], board, tmp_path / "p", watchdog=0.1)
    assert not (tmp_path / "p").exists()
    least = float(caught.value.next_step.split()[1])
    watched = with_watchdog(board, least)
    plans = plans_for([digits_graph()], watched, "speed")
    require_time(watched, plans, predict(plans).flash)
    with pytest.raises(UsageError, match=r"layer '\w+' of model 'tiny' is estimated to take"):
        require_time(with_watchdog(board, 0.01), plans, 0)
    short = replace(watched, watchdog=Watchdog("a short one", 20))
    with pytest.raises(UsageError, match="more than a short one can wait"):
        require_time(replace(short, constants={"watchdog_ms": 20}), plans, predict(plans).flash)


def test_the_spread_of_its_clock_counts() -> None:
    board = with_watchdog(load_board("pyboard"), 2)
    assert watchdog_facts(board) == {"name": "IWDG", "seconds": 2.0, "soonest": 1.36, "latest": 3.78}


@pytest.mark.parametrize("board_id", [b for b in board_ids() if load_board(b).watchdog is not None])
def test_every_watchdog_has_a_source_and_serves_its_range(board_id: str) -> None:
    board = load_board(board_id)
    assert "watchdog" in board.provenance
    assert board.watchdog is not None
    for ms in (10, board.watchdog.longest_ms):
        assert with_watchdog(board, ms / 1000).constants["watchdog_ms"] == ms
    with pytest.raises(DqtError):
        with_watchdog(board, (board.watchdog.longest_ms + 1) / 1000)
