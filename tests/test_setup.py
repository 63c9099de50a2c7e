"""``.ci/setup`` installs by the lock file with hashes, and says where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = """#!/usr/bin/env bash
if [ "$1" = -c ]; then echo {version}; exit 0; fi
echo "$@" >> {log}
case "$*" in *--require-hashes*) exit {code};; esac
"""
PIP = "-m pip install --quiet --disable-pip-version-check"
INSTALLER = f"{PIP} --upgrade --target build/installer --require-hashes --requirement .ci/installer.lock"
LOCKED = f"{PIP} --require-hashes --requirement requirements.lock"
UV = "uv pip install --quiet --compile-bytecode --python .venv/bin/python" + LOCKED.removeprefix(PIP)
OWN = f"{PIP} --no-deps --no-build-isolation --editable ."
NEWEST = f"{PIP} --editable .[train,data,import,flash,emulate,report,test]"

pytestmark = [
    pytest.mark.cross,
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in ("arm-none-eabi-gcc", "clang", "qemu-system-arm")),
        reason="'.ci/setup' would install Debian packages first",
    ),
]


def set_up(
    folder: Path, *arguments: str, version: str = "3.11", code: int = 0, ci: str = "", uv: int = 0
) -> tuple[int, str, list[str]]:
    """Exit code, what it says, and what pip and uv are asked, in a folder whose programs only write that down."""
    log, python = folder / "log", folder / ".venv" / "bin" / "python"
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", folder / ".ci" / "setup")
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(version=version, log=log, code=code))
    installer = folder / "build" / "installer" / "bin" / "uv"
    installer.parent.mkdir(parents=True)
    installer.write_text(f'#!/usr/bin/env bash\necho "uv $@" >> {log}\nexit {uv}\n')
    for program in (python, installer):
        program.chmod(0o755)
    environment = {**os.environ, "CI": ci}
    command = [str(folder / ".ci" / "setup"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines()


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_packages_are_those_of_the_lock_file(version: str, tmp_path: Path) -> None:
    assert set_up(tmp_path, version=version) == (
        0,
        "installing the Python packages of requirements.lock into .venv\n",
        [INSTALLER, UV, OWN],
    )


def test_pip_stands_in_where_uv_does_not_install(tmp_path: Path) -> None:
    code, _, asked = set_up(tmp_path, uv=1, ci="true")
    assert (code, asked) == (0, [INSTALLER, UV, LOCKED, OWN])


def test_another_python_is_told_and_gets_the_newest(tmp_path: Path) -> None:
    code, said, asked = set_up(tmp_path, version="3.14", ci="true")
    assert (code, asked) == (0, [NEWEST])
    assert "requirements.lock is for Python 3.10 to 3.13, and .venv has 3.14: installing what pyproject.toml" in said


def test_a_machine_without_its_files_is_told_but_for_ci(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "ci").mkdir()
    code, said, asked = set_up(tmp_path / "own", code=1)
    assert (code, asked) == (0, [INSTALLER, LOCKED, NEWEST])
    assert "requirements.lock does not install on this machine" in said
    code, said, asked = set_up(tmp_path / "ci", code=1, ci="true")
    assert (code, asked) == (1, [INSTALLER, LOCKED])
    assert "run 'make lock'" in said


def test_the_newest_where_asked_for(tmp_path: Path) -> None:
    code, said, asked = set_up(tmp_path, "latest")
    assert (code, asked) == (0, [NEWEST])
    assert "the newest" in said
