"""dfu-util (https://dfu-util.sourceforge.net) with the USB boot loader in the ROM of STM32 chips (ST AN3156, DfuSe)."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..system.files import write_atomically
from .base import WHOLE_SECTORS, Files, FlashPlan, Sector, Segment
from .stlink import blank
from .tool import AGAIN, UNLOCK, Symptom, Tool
from .writing import parts

INSTALL = "apt-get install dfu-util"
DEVICE = "0483:df11"
"""USB id of ST's boot loader."""

SYMPTOMS = (
    Symptom(
        r"LIBUSB_ERROR_ACCESS|Permission denied",
        "the boot loader's USB device may not be opened",
        "install udev rules for 0483:df11 (docs/flashing.md, permissions) and plug the board in again",
    ),
    Symptom(
        r"LIBUSB_ERROR_BUSY|Cannot claim interface",
        "the boot loader is in use by another program",
        "end other programs that flash, and try again",
    ),
    Symptom(
        r"More than one DFU capable",
        "several boot loaders are connected",
        "unplug the others, or name one by its serial number as `probe`",
    ),
    Symptom(
        r"No DFU capable USB device",
        "no boot loader was found on USB",
        "start the chip with BOOT0 high (a pyboard: DFU to 3V3, then press RST), with its own USB socket connected",
    ),
    Symptom(
        r"(?i)is not writeable|is not readable|not in (the )?memory",
        "the chip has no flash at these addresses",
        "connect the board of the project, or export for this one",
    ),
    Symptom(r"(?i)errVENDOR|read ?unprotect|read-?out protect", "the chip is locked against boot loaders", UNLOCK),
    Symptom(
        r"(?i)LIBUSB_ERROR_(NO_DEVICE|IO|PIPE)|Lost device|Error sending dfu abort",
        "the boot loader went away",
        "check the USB cable, start the boot loader again, and flash again",
    ),
    Symptom(r"(?i)erase.*(fail|error)|ERASE_PAGE", "erasing the flash failed", AGAIN),
    Symptom(r"(?i)failed to write|errWRITE|errPROG|download.*(fail|error)", "writing the flash failed", AGAIN),
    Symptom(r"(?i)upload.*(fail|error)|errADDRESS", "reading the flash back failed", AGAIN),
)


class DfuRunner:
    """Drives dfu-util; optional setting: ``serial`` of the USB device.

    Args:
        settings: The runner's table in the board file; ``by_hand`` there says how this board is restarted.
        executable: Name or path of dfu-util.
    """

    name = "dfu-util"
    write_unit = WHOLE_SECTORS
    sees_core = False

    def __init__(self, settings: dict[str, str], executable: str = "dfu-util") -> None:
        self.by_hand = settings.get("by_hand", "take BOOT0 low and press the reset button")
        self._settings = settings
        self._tool = Tool("dfu-util", executable, INSTALL, SYMPTOMS)

    def available(self) -> str | None:
        """See Runner."""
        return self._tool.available()

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner."""
        first = plan.sectors[0]
        lines = [_down(first.address, files("blank.bin", blank(plan.erased)))]
        body, head = parts(plan, self.write_unit)
        for group in (body, (head,)):
            lines += [_down(s.address, files(f"0x{s.address:08x}.bin", s.data)) for s in group]
            for s in group:
                lines.append(_up(s.address, len(s.data), files(f"readback-0x{s.address:08x}.bin", b"")))
        return tuple(shlex.join([self._tool.executable, *self._options(), *line]) for line in lines)

    def connect(self, plan: FlashPlan) -> None:
        """See Runner. A word is read: it shows whether the boot loader answers and the flash is where it should be."""
        self._tool.check()
        self._erased = plan.erased
        self.read(plan.sectors[-1].address + plan.sectors[-1].size - 4, 4)

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner. A short download erases the whole sector: dfu-util has no command for it."""
        for sector in sectors:
            self.write((Segment(sector.address, blank(self._erased)),))

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner."""
        for segment in segments:
            with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
                image = Path(folder) / "segment.bin"
                write_atomically(image, segment.data)
                self._run(_down(segment.address, image))

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with tempfile.TemporaryDirectory(prefix="dqt-flash-") as folder:
            image = Path(folder) / "readback.bin"  # dfu-util writes over no file that exists
            self._run(_up(address, size, image))
            return image.read_bytes() if image.is_file() else b""

    def reset(self) -> None:
        """See Runner. By hand: a jump out of the boot loader would leave its clocks behind."""

    def close(self) -> None:
        """See Runner."""

    def _options(self) -> list[str]:
        options = ["-d", DEVICE, "-a", "0"]
        return [*options, "-S", self._settings["serial"]] if self._settings.get("serial") else options

    def _run(self, arguments: Sequence[str]) -> None:
        self._tool.run([*self._options(), *arguments], " ".join(arguments))


def _down(address: int, image: Path) -> list[str]:
    return ["-s", f"0x{address:08x}", "-D", str(image)]


def _up(address: int, size: int, image: Path) -> list[str]:
    return ["-s", f"0x{address:08x}:{size}", "-U", str(image)]
