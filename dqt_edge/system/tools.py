"""Programs beside this one: finding them, and running them with a time limit and a typed error."""

from __future__ import annotations

import logging
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ToolchainError

LOG = logging.getLogger(__name__)
ARM_GCC = "arm-none-eabi-gcc"
BUILD_TIMEOUT = 600

COMPILE_ERROR = re.compile(r":\d+(:\d+)?: (fatal )?error: |CMake Error|: error: |undefined reference|overflowed by")
"""Lines that say what is wrong; the word alone also stands in -Werror and in echoed commands."""


def find_tool(name: str, apt: str, instead: str = "") -> str:
    """Path of a tool: on PATH, or beside this Python (where pip puts cmake and ninja).

    ``apt`` is its Debian package, ``instead`` what else helps.

    Raises:
        ToolchainError: Absent; names the Debian package.
    """
    beside = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    found = shutil.which(name) or next((p for d in beside if (p := shutil.which(name, path=d))), None)
    if found is None:
        raise ToolchainError(
            f"{name} is not installed",
            where="PATH",
            next_step="; ".join(filter(None, (f"install it, on Debian with: apt-get install {apt}", instead))),
        )
    return found


def compiler_version(name: str = ARM_GCC) -> str:
    """Version text of a GCC, such as ``12.2.1``."""
    return run([find_tool(name, "gcc-arm-none-eabi"), "-dumpfullversion"]).strip()


def run(command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a command, run in a folder; in this process's environment where none is given.

    Raises:
        ToolchainError: It cannot be started, fails, or takes too long.
    """
    folder = folder or Path.cwd()
    LOG.info("in %s: %s", folder, shlex.join(command))
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(
            f"{Path(command[0]).name} did not finish within {BUILD_TIMEOUT} s",
            where=str(folder),
            next_step="run the command by hand: " + " ".join(command),
        ) from error
    except OSError as error:
        raise ToolchainError(
            f"cannot start {Path(command[0]).name}: {error.strerror}",
            where=str(folder),
            next_step="check the tool",
        ) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        first = next((line for line in lines if COMPILE_ERROR.search(line)), lines[-1] if lines else "no output")
        raise ToolchainError(
            f"{Path(command[0]).name} failed with exit code {done.returncode}: {first.strip()}",
            where=str(folder),
            next_step="run the command by hand for its whole output: " + " ".join(command),
        )
    return done.stdout
