"""OpenOCD by its command line: one short run an operation, so that each failure has its own output."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FlashError, ToolchainError
from .base import FlashPlan, Sector, Segment

TIMEOUT_SECONDS = 180.0
"""Of one run: 2 MB are written in under a minute at the slowest probe clock."""


@dataclass(frozen=True)
class Symptom:
    """Text in OpenOCD's output, and what it means to a user."""

    pattern: str
    what: str
    next_step: str


_SYMPTOMS = (
    Symptom(
        r"LIBUSB_ERROR_ACCESS|Permission denied",
        "the debug probe may not be opened",
        "install the udev rules for the probe (docs/flashing.md, permissions) and plug it in again",
    ),
    Symptom(
        r"LIBUSB_ERROR_BUSY|unable to claim|already in use",
        "the debug probe is in use by another program",
        "close other debuggers (an IDE, another OpenOCD or pyOCD) and try again",
    ),
    Symptom(
        r"Can't find (board|interface|target)/|couldn't open .*\.cfg",
        "OpenOCD does not know the board's configuration file",
        "install OpenOCD 0.12 or newer with its scripts",
    ),
    Symptom(
        r"Error: open failed|No device matches|unable to open|no device found",
        "no debug probe was found",
        "connect the board's ST-LINK USB socket (CN1) with a data cable; see `dqt-edge doctor`",
    ),
    Symptom(
        r"(?i)write[- ]protect|WRPERR|is protected|device protected",
        "the flash is write protected",
        "remove the protection (option bytes WRPSn and RDP, with STM32CubeProgrammer) and flash again",
    ),
    Symptom(
        r"unable to connect to the target|Error connecting DP|voltage may be too low|examination failed",
        "the probe is there, but the chip does not answer",
        "hold the black reset button while the command starts, or power the board off and on",
    ),
    Symptom(
        r"(?i)failed erasing|erase.*(failed|error)",
        "erasing the flash failed",
        "power the board off and on, then flash again",
    ),
    Symptom(
        r"(?i)error writing|write.*(failed|error)|(timed out|timeout).*flash",
        "writing the flash failed",
        "power the board off and on, then flash again: an interrupted write is repaired by writing again",
    ),
)


class OpenocdRunner:
    """Drives OpenOCD; board file settings: ``config`` (a script), optional ``serial`` of the probe.

    Args:
        settings: The runner's table in the board file.
        executable: Name or path of OpenOCD.
    """

    name = "openocd"

    def __init__(self, settings: dict[str, str], executable: str = "openocd") -> None:
        self._settings = settings
        self._executable = executable

    def available(self) -> str | None:
        """See Runner."""
        if shutil.which(self._executable):
            return None
        return "OpenOCD is not installed: apt-get install openocd"

    def commands(self, plan: FlashPlan) -> tuple[str, ...]:
        """See Runner."""
        scripts = [f"flash erase_address 0x{s.address:08x} 0x{s.size:x}" for s in plan.sectors]
        for i, s in enumerate(plan.segments):
            scripts.append(f"flash write_image segment{i}.bin 0x{s.address:08x} bin")
        for i, s in enumerate(plan.segments):
            scripts.append(f"dump_image readback{i}.bin 0x{s.address:08x} 0x{len(s.data):x}")
        scripts.append("reset run")
        return tuple(shlex.join(self._arguments(script)) for script in scripts)

    def connect(self) -> None:
        """See Runner."""
        reason = self.available()
        if reason:
            raise ToolchainError(
                reason.split(":")[0],
                where=self._executable,
                next_step="apt-get install openocd, or choose another `runner`",
            )
        self._run("flash probe 0")

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner."""
        for sector in sectors:
            self._run(f"flash erase_address 0x{sector.address:08x} 0x{sector.size:x}")

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        for segment in segments:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                image = Path(folder) / "segment.bin"
                image.write_bytes(segment.data)
                self._run(f"flash write_image {{{image}}} 0x{segment.address:08x} bin")

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
            image = Path(folder) / "readback.bin"
            self._run(f"dump_image {{{image}}} 0x{address:08x} 0x{size:x}")
            return image.read_bytes() if image.is_file() else b""

    def reset(self) -> None:
        """See Runner."""
        self._run("reset run")

    def close(self) -> None:
        """See Runner."""

    def _arguments(self, script: str) -> list[str]:
        arguments = [self._executable, "-f", self._settings.get("config", "")]
        if self._settings.get("serial"):
            arguments += ["-c", f"adapter serial {self._settings['serial']}"]
        return [*arguments, "-c", f"init; reset halt; {script}; shutdown"]

    def _run(self, script: str) -> None:
        try:
            done = subprocess.run(
                self._arguments(script),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FlashError(
                f"OpenOCD did not finish within {TIMEOUT_SECONDS:.0f} s",
                where=script,
                next_step="unplug the board, plug it in again, and flash again",
            ) from error
        except OSError as error:
            raise ToolchainError(
                f"OpenOCD cannot be started: {error.strerror or error}",
                where=self._executable,
                next_step="apt-get install openocd, or choose another `runner`",
            ) from error
        if done.returncode != 0:
            raise explain(done.stdout, script)


def explain(output: str, script: str) -> FlashError:
    """The error that OpenOCD's output tells of; its last error line where the text is unknown."""
    for symptom in _SYMPTOMS:
        if re.search(symptom.pattern, output):
            return FlashError(symptom.what, where=f"openocd: {script}", next_step=symptom.next_step)
    lines = [line.strip() for line in output.splitlines() if line.startswith("Error")]
    said = lines[-1].removeprefix("Error:").strip() if lines else "no message"
    return FlashError(
        f"OpenOCD failed: {said}",
        where=f"openocd: {script}",
        next_step="run the command that a preview (`dry_run`) prints, to see all output",
    )
