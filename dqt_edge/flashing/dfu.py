"""dfu-util (https://dfu-util.sourceforge.net) with the USB boot loader in the ROM of STM32 chips (ST AN3156, DfuSe)."""

from __future__ import annotations

from pathlib import Path

from .base import Files
from .file_tool import FileTool, Words
from .tool import AGAIN, UNLOCK, Symptom

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


class DfuRunner(FileTool):
    """Drives dfu-util; optional setting: ``serial`` of the USB device; ``by_hand``: how this board is restarted.

    The chip is restarted by hand: a jump out of the boot loader would leave its clocks behind.
    """

    name = program = "dfu-util"
    install = "apt-get install dfu-util"
    symptoms = SYMPTOMS
    sees_core = False

    def __init__(self, settings: dict[str, str], executable: str | None = None) -> None:
        super().__init__(settings, executable)
        self.by_hand = settings.get("by_hand", "take BOOT0 low and press the reset button")

    def _write(self, address: int, image: Path) -> Words:
        return ("-s", f"0x{address:08x}", "-D", str(image))

    def _read(self, address: int, size: int, image: Path) -> Words:
        return ("-s", f"0x{address:08x}:{size}", "-U", str(image))

    def _arguments(self, words: Words, files: Files) -> list[str]:
        del files
        options = ["-d", DEVICE, "-a", "0"]
        options += ["-S", self._settings["serial"]] if self._settings.get("serial") else []
        return [*options, *words]
