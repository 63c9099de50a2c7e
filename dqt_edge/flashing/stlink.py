"""st-flash, of the open source stlink tools (https://github.com/stlink-org/stlink), by its command line."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..system.files import write_atomically
from .base import WHOLE_SECTORS, Files, FlashPlan, Sector, Segment
from .tool import AGAIN, OTHERS, POWER, RESET_BUTTON, UDEV, UNLOCK, UNPROTECT, Symptom, Tool
from .writing import parts

INSTALL = "apt-get install stlink-tools"

SYMPTOMS = (
    Symptom(r"LIBUSB_ERROR_ACCESS|Permission denied|Could not open USB device", "the ST-LINK may not be opened", UDEV),
    Symptom(r"LIBUSB_ERROR_BUSY|Resource busy|unable to claim", "the ST-LINK is in use by another program", OTHERS),
    Symptom(
        r"(?i)multiple.*(stlink|programmer)|more than one",
        "several ST-LINKs are connected",
        "unplug the others, or name one as `probe`",
    ),
    Symptom(
        r"Couldn't find any ST-Link",
        "no ST-LINK was found",
        "connect the socket of the board's ST-LINK (CN1) with a data cable; `st-info` lists what is there",
    ),
    Symptom(
        r"(?i)unknown chip id|chip ?id.*unknown",
        "st-flash does not know the chip",
        "install a newer stlink, or choose another `runner`",
    ),
    Symptom(r"(?i)(target )?voltage.*(too )?low", "the board's supply voltage is too low", POWER),
    Symptom(r"(?i)read-?out protect|RDP level [12]|locked", "the chip is locked against debug probes", UNLOCK),
    Symptom(r"(?i)write[- ]protect|WRPERR", "the flash is write protected", UNPROTECT),
    Symptom(
        r"(?i)failed to (connect|enter)|can ?not connect|target not found|soft reset failed",
        "the ST-LINK is there, but the chip does not answer",
        RESET_BUTTON,
    ),
    Symptom(r"(?i)erase.*(fail|error)|failed to erase", "erasing the flash failed", AGAIN),
    Symptom(r"(?i)(write|program|flash loader).*(fail|error)|failed to write", "writing the flash failed", AGAIN),
    Symptom(r"(?i)(read).*(fail|error)|failed to read", "reading the flash back failed", AGAIN),
)


class StlinkRunner:
    """Drives st-flash; optional settings: ``frequency``, ``connect_mode`` and ``serial`` of the probe.

    Args:
        settings: The runner's table in the board file.
        executable: Name or path of st-flash.
    """

    name = "st-flash"
    write_unit = WHOLE_SECTORS
    by_hand = None
    sees_core = True

    def __init__(self, settings: dict[str, str], executable: str = "st-flash") -> None:
        self._settings = settings
        self._tool = Tool("st-flash", executable, INSTALL, SYMPTOMS)

    def available(self) -> str | None:
        """See Runner."""
        return self._tool.available()

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner."""
        first = plan.sectors[0]
        lines = [["write", str(files("blank.bin", blank(plan.erased))), f"0x{first.address:08x}"]]
        body, head = parts(plan, self.write_unit)
        for group in (body, (head,)):
            for s in group:
                lines.append(["write", str(files(f"0x{s.address:08x}.bin", s.data)), f"0x{s.address:08x}"])
            for s in group:
                back = files(f"readback-0x{s.address:08x}.bin", b"")
                lines.append(["read", str(back), f"0x{s.address:08x}", str(len(s.data))])
        lines.append(["reset"])
        return tuple(shlex.join([self._tool.executable, *self._options(), *line]) for line in lines)

    def connect(self, plan: FlashPlan) -> None:
        """See Runner. A word is read: it shows whether probe and chip answer."""
        self._tool.check()
        self._erased = plan.erased
        self.read(plan.segments[0].address, 4)

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner. A short write erases the whole sector; not every st-flash has a command for it."""
        for sector in sectors:
            self.write((Segment(sector.address, blank(self._erased)),))

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        for segment in segments:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                image = Path(folder) / "segment.bin"
                write_atomically(image, segment.data)
                self._run("write", str(image), f"0x{segment.address:08x}")

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
            image = Path(folder) / "readback.bin"
            self._run("read", str(image), f"0x{address:08x}", str(size))
            return image.read_bytes() if image.is_file() else b""

    def reset(self) -> None:
        """See Runner."""
        self._run("reset")

    def close(self) -> None:
        """See Runner."""

    def _options(self) -> list[str]:
        options = []
        if self._settings.get("serial"):
            options += ["--serial", self._settings["serial"]]
        if self._settings.get("frequency"):
            options.append(f"--freq={int(self._settings['frequency']) // 1000}k")
        if self._settings.get("connect_mode") == "under-reset":
            options.append("--connect-under-reset")
        return options

    def _run(self, *arguments: str) -> None:
        self._tool.run([*self._options(), *arguments], " ".join(arguments))


def blank(erased: int) -> bytes:
    """The least that can be written anywhere: a flash word of 32 bytes, as erased."""
    return bytes([erased]) * 32
