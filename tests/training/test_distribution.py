"""Promise: several replicas end with the same variables, and with those of one process on the same batches."""

# ruff: noqa: PLC0415 - TensorFlow is imported where a test needs it, not where tests are collected

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import UsageError

pytestmark = pytest.mark.train

# Runs four epochs of one step each, the first in floating point, and writes the variables behind each. More steps
# would compare rounding: a last bit that differs flips a code, and a code moves a network that has hardly trained.
SCRIPT = """
import sys
from pathlib import Path

import numpy as np

from dqt_edge.system.tensorflow import start_tensorflow

start_tensorflow()
import tensorflow as tf

kind, data, out = sys.argv[1:]
if kind == "pair":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from dqt_edge.training import loop
from dqt_edge.training.distribution import Devices, find_devices
from dqt_edge.training.options import Options

if kind == "pair":
    devices = Devices(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
else:
    devices = find_devices(kind)
assert devices.replicas == (1 if kind == "none" else 2)
values = {}


class Recorder(loop.Trainer):
    def snapshot(self, row):
        super().snapshot(row)
        values.update({f"{row['epoch']}/{name}": value for name, value in self.state.variables.items()})


loop.Trainer = Recorder
options = Options(data=data, model="tiny", epochs=4, batch=32, shift=1, flip=True)
outcome = loop.train(options, Path(out) / "model.safetensors", devices=devices)
values |= {f"log/{name}": row[name] for row in outcome.log for name in row if name.startswith("val_")}
np.savez(Path(out) / f"values{devices.local.start}.npz", **values)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """47 training images of four classes, so that one batch of 32 makes an epoch; 7 to validate, an odd number."""
    rng = np.random.default_rng(1)
    y = np.arange(68) % 4
    x = (np.eye(8)[y * 2][:, None, :] * 200 + rng.integers(0, 55, (68, 8, 8))).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(path, x=x, y=y)
    return path


def start(kind: str, data: Path, out: Path, stack: ExitStack, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, kind, str(data), str(out)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack.callback(process.kill)
    return process


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What one process on one device ends with."""
    out = tmp_path_factory.mktemp("alone")
    with ExitStack() as stack:
        finish(start("none", data, out, stack))
    return dict(np.load(out / "values0.npz"))


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        # A step of Adam moves a variable by up to 3e-3 whatever its gradient's size, from the first one on.
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


@pytest.mark.slow
def test_two_devices_of_one_machine_train_as_one(data: Path, alone: dict[str, np.ndarray], tmp_path: Path) -> None:
    with ExitStack() as stack:
        finish(start("pair", data, tmp_path, stack))
    assert_close(dict(np.load(tmp_path / "values0.npz")), alone)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback device that nobody uses."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@pytest.mark.slow
def test_two_workers_end_with_the_same_weights_as_one_process(
    data: Path, alone: dict[str, np.ndarray], tmp_path: Path
) -> None:
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    with ExitStack() as stack:
        workers = []
        for index in range(2):
            described = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            workers.append(start("workers", data, tmp_path, stack, TF_CONFIG=json.dumps(described)))
        for worker in workers:
            finish(worker)
    first, second = (dict(np.load(tmp_path / f"values{i}.npz")) for i in range(2))
    assert set(first) == set(second)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    assert_close(first, alone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors.state", "values0.npz", "values1.npz"]


@pytest.mark.parametrize(
    "described", ["", "{", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}']
)
def test_workers_need_a_described_cluster(described: str, tensorflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqt_edge.training.distribution import find_devices

    monkeypatch.setenv("TF_CONFIG", described)
    with pytest.raises(UsageError, match="TF_CONFIG") as caught:
        find_devices("workers")
    assert '"cluster"' in caught.value.next_step


def test_one_device_is_found_without_a_description(tensorflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dqt_edge.training.distribution import find_devices

    monkeypatch.delenv("TF_CONFIG", raising=False)
    devices = find_devices("none")
    assert (devices.replicas, devices.chief, devices.share(64)) == (1, True, slice(0, 64))


def test_a_batch_that_does_not_split_is_refused(tensorflow: Any) -> None:
    from dqt_edge.training.distribution import Devices, check_batch

    devices = Devices()
    devices.replicas = 3
    with pytest.raises(UsageError, match="64 samples does not split evenly onto 3 devices"):
        check_batch(64, devices)
    check_batch(66, devices)
