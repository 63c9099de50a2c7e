"""st-flash, of the open source stlink tools (https://github.com/stlink-org/stlink), by its command line."""

from __future__ import annotations

from pathlib import Path

from .base import Files
from .file_tool import FileTool, Words
from .tool import AGAIN, OTHERS, POWER, RESET_BUTTON, UDEV, UNLOCK, UNPROTECT, Symptom

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


class StlinkRunner(FileTool):
    """Drives st-flash; optional settings: ``frequency``, ``connect_mode`` and ``serial`` of the probe.

    A short write erases a sector: not every st-flash has a command for it.
    """

    name = program = "st-flash"
    install = "apt-get install stlink-tools"
    symptoms = SYMPTOMS

    def _write(self, address: int, image: Path) -> Words:
        return ("write", str(image), f"0x{address:08x}")

    def _read(self, address: int, size: int, image: Path) -> Words:
        return ("read", str(image), f"0x{address:08x}", str(size))

    def _reset(self) -> Words:
        return ("reset",)

    def _arguments(self, words: Words, files: Files) -> list[str]:
        del files
        options = []
        if self._settings.get("serial"):
            options += ["--serial", self._settings["serial"]]
        if self._settings.get("frequency"):
            options.append(f"--freq={int(self._settings['frequency']) // 1000}k")
        if self._settings.get("connect_mode") == "under-reset":
            options.append("--connect-under-reset")
        return [*options, *words]
