"""A training process that is killed outright goes on with --resume and ends with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

pytestmark = [pytest.mark.train, pytest.mark.slow]

OPTIONS = ["--data", "digits", "--model", "tiny", "--epochs", "6", "--seed", "4", "--batch", "256"]


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "dqt_edge", "train", *OPTIONS, "--out", str(out), *more]


def test_sigkill_and_resume(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    subprocess.run(command(whole), check=True, capture_output=True)
    # Saved after every step, it dies within its first epoch.
    process = subprocess.Popen(
        command(killed, "--save-every", "0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    states = tmp_path / "killed.safetensors.state"

    def saved() -> bool:
        return states.is_dir() and any(p.stat().st_size for p in states.iterdir())

    wait_until(lambda: saved() or process.poll() is not None, "no state was written")
    assert process.poll() is None, "it finished before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    subprocess.run(command(killed, "--resume"), check=True, capture_output=True)
    assert killed.read_bytes() == whole.read_bytes()
