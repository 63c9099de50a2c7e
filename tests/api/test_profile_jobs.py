"""Promise: several devices give the records of one, each sample once, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.api import profile_run
from dqt_edge.data.load import load_data
from dqt_edge.errors import DeviceError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.graph.checkpoint import model_hash
from dqt_edge.graph.interpreter import BATCH
from dqt_edge.graph.policy import parse_policy
from dqt_edge.measure.expected import Interpreter
from dqt_edge.measure.pool import Beside, Pool, Worker
from dqt_edge.measure.session import as_json
from dqt_edge.measure.work import Work
from dqt_edge.project.manifest import Project

COUNT = 5 * BATCH + 3


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    data = load_data("digits")
    return data.x_test[:COUNT], data.y_test[:COUNT]


def plain(log: Path) -> list[dict[str, Any]]:
    """Records without times."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("total", "counts", "crc")} for record in found]


def timeless(session: Any) -> dict[str, Any]:
    """Facts of a session but times."""
    facts = as_json(session)
    layers = [{k: v for k, v in layer.items() if k != "count"} for layer in facts.pop("layers")]
    return {k: v for k, v in facts.items() if "count" not in k and "share" not in k} | {"layers": layers}


def test_two_devices_give_the_records_of_one(
    project: Project, samples: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dqt.profile(project, samples, log=tmp_path / "one")
    two = dqt.profile(project, samples, log=tmp_path / "two", jobs=2)
    monkeypatch.setattr(profile_run, "BESIDE_LEAST", 1)
    beside = dqt.profile(project, samples, log=tmp_path / "beside")
    for found, name in ((two, "two"), (beside, "beside")):
        assert plain(tmp_path / name) == plain(tmp_path / "one")
        assert timeless(found.session) == timeless(one.session)
        found.require_agreement()
    content = (tmp_path / "one").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").write_bytes(b"".join(content[: BATCH + 8]))
    dqt.profile(project, samples, log=tmp_path / "cut", resume=True, jobs=2)
    assert plain(tmp_path / "cut") == plain(tmp_path / "one")


def test_the_first_difference_is_that_of_one_device(
    project: Project, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that send wrong answers; the layer is looked for on a device of this process, which is right."""
    records = Pool.records

    def lying(self: Pool, *arguments: Any) -> Iterator[Any]:
        for record in records(self, *arguments):
            wrong = replace(record, found=replace(record.found, output=bytes(10)))
            yield wrong if record.number in (40, 70) else record

    monkeypatch.setattr(Pool, "records", lying)
    session = dqt.profile(project, samples, jobs=2).session
    assert session.mismatches == 2
    assert session.first_difference == (
        "sample 40: all layers agree when it is run again, so the first answer was not repeatable"
    )


def work(project: Project, graph: Graph, image: Path | None) -> Work:
    return Work(graph, parse_policy("4x4", graph), project.board, image, model_hash(graph))


def test_what_a_killed_worker_was_doing_is_done_by_another(project: Project, graph: Graph) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (12 * BATCH, 8, 8, 1)).astype(np.uint8)
    killed = 0
    with Pool(work(project, graph, project.elf), 2) as pool:
        numbers = []
        for record in pool.records(codes, 5, 1000):
            numbers.append(record.number)
            assert not record.differs
            if killed < 2 and len(numbers) % 40 == 0:
                os.kill(pool.workers[killed].pid, signal.SIGKILL)
                killed += 1
    assert killed == 2
    assert numbers == list(range(1005, 1000 + len(codes)))


def test_workers_that_always_fail_end_the_session(project: Project, graph: Graph, tmp_path: Path) -> None:
    codes = np.zeros((BATCH, 8, 8, 1), np.uint8)
    script = tmp_path / "model.elf"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    with Pool(work(project, graph, script), 2) as pool, pytest.raises(DeviceError, match="exit status 3"):
        list(pool.records(codes))
    assert not pool.workers


def test_an_interpreter_that_dies_is_replaced_by_the_one_here(project: Project, graph: Graph) -> None:
    codes = np.random.default_rng(2).integers(0, 256, (3, BATCH, 8, 8, 1)).astype(np.uint8)
    here, beside = Interpreter(graph, parse_policy("4x4", graph)), Beside(work(project, graph, None))
    for batch in codes:
        here.submit(batch)
        beside.submit(batch)
    assert beside.take() == here.take()
    assert isinstance(beside._worker, Worker)
    beside._worker.kill()
    assert [beside.take(), beside.take()] == [here.take(), here.take()]
    beside.close()


def test_several_devices_where_there_can_be_one(project: Project, graph: Graph, samples: Any, tmp_path: Path) -> None:
    board = dqt.export(graph, "stm32h7", tmp_path / "b")
    for given, options, words in (
        (project, {"jobs": 0}, "0 devices"),
        (board, {"jobs": 2}, "only one device of this kind"),
        (project, {"jobs": 2, "port": "loop://"}, "only one device of this kind"),
    ):
        with pytest.raises(UsageError, match=words):
            dqt.profile(given, samples, **options)


@pytest.mark.qemu
def test_counts_repeat_to_the_byte_in_qemu(graph: Graph, samples: Any, tmp_path: Path) -> None:
    """Undisturbed, resumed, and on two devices."""
    made = dqt.export(graph, "qemu-m4", tmp_path / "p")
    dqt.build(made)
    count, whole = BATCH + 4, tmp_path / "whole"
    first = dqt.profile(made, samples, count=count, log=whole)
    content = whole.read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) * 2 // 3])
    for name, options in (("cut", {"resume": True}), ("two", {"jobs": 2})):
        again = dqt.profile(made, samples, count=count, log=tmp_path / name, **options)
        assert (tmp_path / name).read_bytes() == content
        assert as_json(again.session) == as_json(first.session)
