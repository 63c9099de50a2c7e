"""OpenOCD by its command line: one short run an operation, so that each failure has its own output."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..system.files import write_atomically
from .base import Files, FlashPlan, Sector, Segment
from .tool import AGAIN, OTHER_CHIP, OTHERS, POWER, RESET_BUTTON, UDEV, UNLOCK, UNPROTECT, Symptom, Tool
from .writing import parts

INSTALL = "apt-get install openocd"

SYMPTOMS = (
    Symptom(r"LIBUSB_ERROR_ACCESS|Permission denied", "the debug probe may not be opened", UDEV),
    Symptom(
        r"LIBUSB_ERROR_BUSY|unable to claim|already in use", "the debug probe is in use by another program", OTHERS
    ),
    Symptom(
        r"Can't find (board|interface|target)/|couldn't open .*\.cfg",
        "OpenOCD does not know the board's configuration file",
        "install OpenOCD 0.12 or newer with its scripts",
    ),
    Symptom(
        r"(?i)multiple (devices|adapters|probes)|more than one",
        "several debug probes are connected",
        "unplug the others, or name one as `probe`",
    ),
    Symptom(
        r"Error: open failed|No device matches|unable to open|no device found",
        "no debug probe was found",
        "connect the board's probe by USB with a data cable (an ST-LINK's socket is CN1); see `dqt-edge doctor`",
    ),
    Symptom(
        r"UNEXPECTED id|expected 1 of|Cannot identify target|unknown device id|device id.*(mismatch|unknown)",
        "the chip is another one than the board's",
        OTHER_CHIP,
    ),
    Symptom(
        r"(?i)voltage may be too low|target voltage.*too low",
        "the board's supply voltage is too low",
        POWER,
    ),
    Symptom(
        r"(?i)APPROTECT|read-?out protect|RDP level [12]|debug access.*disabled|Device Security Bit Set",
        "the chip is locked against debug probes",
        UNLOCK,
    ),
    Symptom(r"(?i)write[- ]protect|WRPERR|is protected|device protected", "the flash is write protected", UNPROTECT),
    Symptom(
        r"unable to connect to the target|Error connecting DP|examination failed",
        "the probe is there, but the chip does not answer",
        RESET_BUTTON,
    ),
    Symptom(
        r"(?i)failed erasing|erase.*(failed|error)",
        "erasing the flash failed",
        "power the board off and on, then flash again",
    ),
    Symptom(
        r"(?i)error writing|write.*(failed|error)|(timed out|timeout).*flash",
        "writing the flash failed",
        AGAIN,
    ),
    Symptom(r"(?i)(failed|error|fault).*(read|memory)", "reading the flash back failed", AGAIN),
)


class OpenocdRunner:
    """Drives OpenOCD; settings: ``config`` (scripts), optional ``frequency``, ``connect_mode`` and ``serial``.

    Args:
        settings: The runner's table in the board file.
        write_unit: Of the board's flash, bytes.
        executable: Name or path of OpenOCD.
    """

    name = "openocd"
    by_hand = None
    sees_core = True

    def __init__(self, settings: dict[str, str], write_unit: int, executable: str = "openocd") -> None:
        self.write_unit = write_unit
        self._settings = settings
        self._tool = Tool("OpenOCD", executable, INSTALL, SYMPTOMS)

    def available(self) -> str | None:
        """See Runner."""
        return self._tool.available()

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner."""
        scripts = [_erase(s) for s in plan.sectors]
        body, head = parts(plan, self.write_unit)
        for group in (body, (head,)):
            scripts += [_write(s, files(f"0x{s.address:08x}.bin", s.data)) for s in group]
            scripts += [_read(s.address, len(s.data), files(f"readback-0x{s.address:08x}.bin", b"")) for s in group]
        scripts.append("reset run")
        command = [self._tool.executable]
        return tuple(shlex.join(command + self._arguments(script)) for script in scripts)

    def connect(self, plan: FlashPlan) -> None:
        """See Runner. OpenOCD compares the chip with its script's."""
        self._tool.check()
        self._run("flash probe 0")

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner."""
        for sector in sectors:
            self._run(_erase(sector))

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        for segment in segments:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                image = Path(folder) / "segment.bin"
                write_atomically(image, segment.data)
                self._run(_write(segment, image))

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
            image = Path(folder) / "readback.bin"
            self._run(_read(address, size, image))
            return image.read_bytes() if image.is_file() else b""

    def reset(self) -> None:
        """See Runner."""
        self._run("reset run")

    def close(self) -> None:
        """See Runner."""

    def _arguments(self, script: str) -> list[str]:
        arguments = [part for script in self._settings.get("config", "").split() for part in ("-f", script)]
        if self._settings.get("serial"):
            arguments += ["-c", f"adapter serial {self._settings['serial']}"]
        if self._settings.get("frequency"):
            arguments += ["-c", f"adapter speed {int(self._settings['frequency']) // 1000}"]
        if self._settings.get("connect_mode") == "under-reset":
            arguments += ["-c", "reset_config connect_assert_srst"]
        return [*arguments, "-c", f"init; reset halt; {script}; shutdown"]

    def _run(self, script: str) -> None:
        self._tool.run(self._arguments(script), script)


def _erase(sector: Sector) -> str:
    return f"flash erase_address 0x{sector.address:08x} 0x{sector.size:x}"


def _write(segment: Segment, image: Path) -> str:
    return f"flash write_image {{{image}}} 0x{segment.address:08x} bin"


def _read(address: int, size: int, image: Path) -> str:
    return f"dump_image {{{image}}} 0x{address:08x} 0x{size:x}"
