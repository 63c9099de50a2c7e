"""Promise: the workers of a Dask cluster give the records of one device, each sample once, whoever dies or fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dqt_edge as dqt
from dqt_edge.data.load import load_data
from dqt_edge.errors import BadFileError, DeviceError, PortError, ToolchainError, UsageError
from dqt_edge.graph import Graph
from dqt_edge.graph.interpreter import BATCH
from dqt_edge.measure.session import as_json
from dqt_edge.project.manifest import Project
from tests.api.test_profile_jobs import plain, timeless

distributed = pytest.importorskip("distributed")
fleet = pytest.importorskip("dqt_edge.measure.fleet")
pytestmark = [
    pytest.mark.xdist_group("fleet"),
    pytest.mark.filterwarnings("default::ResourceWarning", "default::pytest.PytestUnraisableExceptionWarning"),
]


def set_port(port: str) -> None:
    os.environ[fleet.PORT] = port


def unset_port() -> None:
    del os.environ[fleet.PORT]


def set_version(version: str) -> None:
    dqt.__version__ = version


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0") as made:
        yield made


@pytest.fixture
def address(cluster: Any) -> str:
    return cluster.scheduler_address.replace("tcp://", "dask://")


@pytest.fixture(scope="module")
def samples() -> Any:
    data = load_data("digits")
    return data.x_test[: 9 * BATCH + 3], data.y_test[: 9 * BATCH + 3]


class Killer:
    """Kills one worker after another, as samples are answered."""

    def __init__(self, cluster: Any, *when: int) -> None:
        self.pids = [worker.pid for worker in cluster.workers.values()]
        self.when = dict(zip(when, self.pids, strict=False))
        self.killed = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        if done in self.when:
            os.kill(self.when[done], signal.SIGKILL)
            self.killed += 1


def test_two_workers_are_killed(project: Project, samples: Any, cluster: Any, address: str, tmp_path: Path) -> None:
    """The others, and those that take their place, do what they were doing."""
    killer = Killer(cluster, 20, 150)
    found = dqt.profile(project, samples, log=tmp_path / "fleet", fleet=address, progress=killer)
    one = dqt.profile(project, samples, log=tmp_path / "one")
    assert killer.killed == 2
    assert plain(tmp_path / "fleet") == plain(tmp_path / "one")
    assert timeless(found.session) == timeless(one.session)


@pytest.mark.slow
@pytest.mark.qemu
def test_a_device_that_fails_is_set_aside(
    graph: Graph, samples: Any, cluster: Any, address: str, tmp_path: Path
) -> None:
    made = dqt.export(graph, "qemu-m4", tmp_path / "p")
    dqt.build(made)
    cluster.wait_for_workers(3)
    with distributed.Client(address.replace("dask", "tcp"), set_as_default=False) as client:
        first, *rest = client.scheduler_info()["workers"]
        client.run(set_port, "/dev/no-such-board", workers=[first])
        result = dqt.profile(made, samples, count=2 * BATCH, fleet=address)
        assert (result.session.samples, result.mismatches) == (2 * BATCH, 0)
        client.run(set_port, "/dev/no-such-board", workers=rest)
        with pytest.raises(PortError, match="does not exist"):
            dqt.profile(made, samples, fleet=address)
        client.run(unset_port)
        assert all(not any(name.startswith("dqt") for name in found) for found in client.run(plugins).values())


def set_code(digest: str) -> None:
    """Runs on a worker, which then says that its sources have that digest."""
    fleet._code = lambda: (dqt.__version__, digest)


def plugins(dask_worker: Any) -> list[str]:
    """What is left on a worker behind a session."""
    return list(dask_worker.plugins)


def test_a_worker_with_another_version_is_refused(project: Project, samples: Any, cluster: Any, address: str) -> None:
    with distributed.Client(address.replace("dask", "tcp"), set_as_default=False) as client:
        worker = next(iter(client.scheduler_info()["workers"]))
        client.run(set_version, "0.0.1", workers=[worker])
        with pytest.raises(ToolchainError, match=r"another dqt-edge: 0\.0\.1"):
            dqt.profile(project, samples, fleet=address)
        client.run(set_version, dqt.__version__, workers=[worker])
        code = client.run(fleet._code, workers=[worker])[worker]
        client.run(set_code, "0", workers=[worker])
        with pytest.raises(ToolchainError, match="with other sources"):
            dqt.profile(project, samples, fleet=address)
        client.run(set_code, code[1], workers=[worker])


@pytest.mark.parametrize("given", ["10.0.0.5:8786", "tcp://10.0.0.5:8786", "dask://:1", "dask://h:x", "dask://h:70000"])
def test_an_address_that_is_none(project: Project, samples: Any, given: str) -> None:
    with pytest.raises(UsageError, match="dask://HOST:PORT"):
        dqt.profile(project, samples, fleet=given)


def test_nobody_there(project: Project, samples: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "SCHEDULER_SECONDS", 0.5)
    with pytest.raises(DeviceError, match="no Dask scheduler answers"):
        dqt.profile(project, samples, fleet="dask://127.0.0.1:1")
    monkeypatch.setattr(fleet, "SCHEDULER_SECONDS", 60.0)
    monkeypatch.setattr(fleet, "WORKERS_SECONDS", 0.5)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        address = empty.scheduler_address.replace("tcp", "dask")
        with pytest.raises(DeviceError, match="no worker"):
            dqt.profile(project, samples, fleet=address)


def test_what_does_not_go_with_a_fleet(project: Project, samples: Any, graph: Graph, tmp_path: Path) -> None:
    made = dqt.export(graph, "qemu-m4", tmp_path / "q")
    for options in ({"jobs": 2}, {"port": "/dev/ttyACM0"}):
        with pytest.raises(UsageError, match="its workers'"):
            dqt.profile(made, samples, fleet="dask://h:1", **options)
    with pytest.raises(BadFileError, match="image does not exist"):
        dqt.profile(made, samples, fleet="dask://h:1")


@pytest.mark.slow
@pytest.mark.qemu
def test_the_bytes_of_one_device(graph: Graph, samples: Any, cluster: Any, address: str, tmp_path: Path) -> None:
    made = dqt.export(graph, "qemu-m4", tmp_path / "p")
    dqt.build(made)
    one = dqt.profile(made, samples, log=tmp_path / "one")
    cluster.wait_for_workers(3)
    killer = Killer(cluster, 20, 150)
    found = dqt.profile(made, samples, log=tmp_path / "fleet", fleet=address, progress=killer)
    assert killer.killed == 2
    assert (tmp_path / "fleet").read_bytes() == (tmp_path / "one").read_bytes()
    assert as_json(found.session) == as_json(one.session)


@pytest.mark.slow
@pytest.mark.emulate
def test_boards_of_silicon(graph: Graph, samples: Any, cluster: Any, address: str, tmp_path: Path) -> None:
    """Each worker's board is named by its environment; emulated here, and without counts therefore."""
    made = dqt.export(graph, "stm32h7", tmp_path / "p")
    dqt.build(made)
    cluster.wait_for_workers(3)
    with distributed.Client(address.replace("dask", "tcp"), set_as_default=False) as client:
        client.run(set_port, "unicorn:")
        session = dqt.profile(made, samples, count=2 * BATCH, fleet=address).session
        client.run(unset_port)
    assert session.samples == 2 * BATCH
    assert session.mismatches == 0
    assert session.count is None
