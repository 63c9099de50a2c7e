"""A program that flashes: found, run with a time limit, and its failures told as typed errors."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FlashError, ToolchainError

LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS = 180.0
"""Of one run: 2 MB are written in under a minute at the slowest probe clock."""


@dataclass(frozen=True)
class Symptom:
    """Text in a tool's output, and what it means to a user."""

    pattern: str
    what: str
    next_step: str


UDEV = "install the udev rules for the probe (docs/flashing.md, permissions) and plug it in again"
OTHERS = "close other debuggers (an IDE, another OpenOCD or pyOCD) and try again"
RESET_BUTTON = "hold the reset button while the command starts, or power the board off and on; or `connect` under-reset"
AGAIN = "power the board off and on, then flash again: an interrupted write is repaired by writing again"
UNPROTECT = "remove the protection (option bytes WRPSn and RDP, with STM32CubeProgrammer) and flash again"
UNLOCK = "remove the protection (RDP, with STM32CubeProgrammer; nRF52: `nrfjprog --recover`), which erases the chip"
POWER = "power the board by its own USB socket, check the jumper of the supply (IDD, 3.3 V), and flash again"
OTHER_CHIP = "connect the board of the project, or export for this one; nothing was written"


@dataclass(frozen=True)
class Tool:
    """A program.

    Attributes:
        name: For messages.
        executable: Name or path.
        install: How to get it.
        symptoms: What its output means when it fails, the first that is found.
        failed: Pattern of output that means a failure, whatever the exit code says; empty: none.
    """

    name: str
    executable: str
    install: str
    symptoms: tuple[Symptom, ...]
    failed: str = ""

    def available(self) -> str | None:
        """None if it is installed, else the reason with what to install."""
        return None if shutil.which(self.executable) else f"{self.name} is not installed: {self.install}"

    def check(self) -> None:
        """Raises ToolchainError where it is not installed."""
        if self.available() is not None:
            raise self._toolchain(f"{self.name} is not installed")

    def run(self, arguments: Sequence[str], doing: str) -> str:
        """Output of a run, both streams.

        Raises:
            FlashError: It failed, was killed or did not finish: it and all that it started are ended then.
            ToolchainError: It cannot be started.
        """
        LOG.info("%s: %s", doing, shlex.join([self.executable, *arguments]))
        try:
            process = subprocess.Popen(
                [self.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise self._toolchain(f"{self.name} cannot be started: {error.strerror or error}") from error
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise FlashError(
                f"{self.name} did not finish within {TIMEOUT_SECONDS:.0f} s",
                where=doing,
                next_step="unplug the board, plug it in again, and flash again",
            ) from error
        finally:
            _end(process)
        if process.returncode < 0:
            raise FlashError(
                f"{self.name} was ended by {_signal(-process.returncode)}",
                where=doing,
                next_step="flash again: an interrupted write is repaired by writing again",
            )
        if process.returncode != 0 or (self.failed and re.search(self.failed, output)):
            raise self.explain(output, doing)
        return output

    def explain(self, output: str, doing: str) -> FlashError:
        """The error that the output tells of; its last line of an error where the text is unknown."""
        where = f"{Path(self.executable).name}: {doing}"
        for symptom in self.symptoms:
            if re.search(symptom.pattern, output):
                return FlashError(symptom.what, where=where, next_step=symptom.next_step)
        lines = [line.strip() for line in output.splitlines() if re.match(r"(?i)\W*error", line)]
        said = re.sub(r"(?i)^\W*error:?\s*", "", lines[-1]) if lines else "no message"
        return FlashError(
            f"{self.name} failed: {said}",
            where=where,
            next_step="run the command that a preview (`dry_run`) prints, to see all output",
        )

    def _toolchain(self, what: str) -> ToolchainError:
        return ToolchainError(what, where=self.executable, next_step=f"{self.install}, or choose another `runner`")


def _end(process: subprocess.Popen[str]) -> None:
    """No process is left: not after a time limit, and not after Ctrl-C."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
