"""nRF Util (https://docs.nordicsemi.com/bundle/nrfutil), command ``device``, with the J-Link on Nordic's boards."""

from __future__ import annotations

from pathlib import Path

from ..system.intel_hex import hex_bytes
from ..system.zig_tools import intel_hex
from .base import Files, Sector
from .file_tool import FileTool, Words
from .tool import AGAIN, OTHERS, POWER, RESET_BUTTON, UDEV, UNLOCK, Symptom

OPTIONS = "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE,verify=VERIFY_NONE,reset=RESET_NONE"
"""Only what is written is erased; reading back and restarting are steps of their own."""

SYMPTOMS = (
    Symptom(
        r"(?i)command .?device.? (is )?not (installed|found)|unrecognized (sub)?command",
        "nRF Util has no command `device`",
        "install it: nrfutil install device",
    ),
    Symptom(r"(?i)permission denied|access denied", "the J-Link may not be opened", UDEV),
    Symptom(r"(?i)in use by|already (open|in use)|device busy", "the J-Link is in use by another program", OTHERS),
    Symptom(
        r"(?i)more than one device|multiple devices",
        "several J-Links are connected",
        "unplug the others, or name one as `probe`",
    ),
    Symptom(
        r"(?i)no (supported )?devices? (was |were )?found|no matching device|J-?Link.*not (found|installed)",
        "no J-Link was found",
        "connect the board's debug socket (J2) by a data cable, switch the board on, install SEGGER's J-Link software",
    ),
    Symptom(
        r"(?i)APPROTECT|readback protect|access protection|protection.*(enabled|prevents)",
        "the chip is locked against debug probes",
        UNLOCK,
    ),
    Symptom(r"(?i)low voltage|voltage.*(too )?low", "the board's supply voltage is too low", POWER),
    Symptom(
        r"(?i)(cannot|can't|could not|unable to|failed to) connect",
        "the J-Link is there, but the chip does not answer",
        RESET_BUTTON,
    ),
    Symptom(r"(?i)erase.*(fail|error)|failed to erase", "erasing the flash failed", AGAIN),
    Symptom(r"(?i)(program|write).*(fail|error)|failed to (program|write)", "writing the flash failed", AGAIN),
    Symptom(r"(?i)read.*(fail|error)|failed to read", "reading the flash back failed", AGAIN),
)


class NrfutilRunner(FileTool):
    """Drives nRF Util; optional settings: ``family``, such as ``nrf52``, and ``serial`` of the probe.

    The core's registers are not read by it: another family of chips than ``family`` is refused by nRF Util.
    """

    name = program = "nrfutil"
    install = "nrfutil from nordicsemi.com, then `nrfutil install device`"
    symptoms = SYMPTOMS
    suffix = ".hex"
    sees_core = False

    def _write(self, address: int, image: Path) -> Words:
        del address  # in the file
        return ("program", "--firmware", str(image), "--options", OPTIONS)

    def _read(self, address: int, size: int, image: Path) -> Words:
        return ("read", "--address", f"0x{address:08x}", "--bytes", str(size), "--to-file", str(image))

    def _erase(self, sector: Sector, files: Files) -> Words:
        del files
        return ("erase", "--pages", f"0x{sector.address:08x}-0x{sector.address + sector.size:08x}")

    def _reset(self) -> Words:
        return ("reset",)

    def _arguments(self, words: Words, files: Files) -> list[str]:
        del files
        options = []
        for key, option in (("family", "--family"), ("serial", "--serial-number")):
            options += [option, self._settings[key]] if self._settings.get(key) else []
        return ["device", *words, *options]

    def _encode(self, address: int, data: bytes) -> bytes:
        return intel_hex([(address, data)]).encode()

    def _decode(self, address: int, content: bytes) -> bytes:
        return hex_bytes(content, address)
