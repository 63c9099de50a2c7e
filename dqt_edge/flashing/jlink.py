"""SEGGER's J-Link Commander (UM08001, "J-Link Commander"): commands in a file, one run an operation."""

from __future__ import annotations

from pathlib import Path

from .base import Files, Sector
from .file_tool import FileTool, Words
from .tool import AGAIN, OTHER_CHIP, OTHERS, POWER, RESET_BUTTON, UDEV, UNLOCK, UNPROTECT, Symptom

DEFAULT_KHZ = "4000"

SYMPTOMS = (
    Symptom(r"(?i)permission denied|no permission", "the J-Link may not be opened", UDEV),
    Symptom(r"(?i)in use by|already (open|in use)", "the J-Link is in use by another program", OTHERS),
    Symptom(
        r"(?i)multiple (emulators|probes|j-links)|more than one",
        "several J-Links are connected",
        "unplug the others, or name one as `probe`",
    ),
    Symptom(
        r"Cannot connect to J-Link|Cannot connect to the probe|No emulators|FAILED: .*USB",
        "no J-Link was found",
        "connect the board's J-Link by USB with a data cable; `JLinkExe` and `ShowEmuList` list what is there",
    ),
    Symptom(
        r"(?i)unknown device|device .* (is )?not supported|not in the list of supported",
        "J-Link Commander does not know the chip",
        "install newer J-Link software, or correct `device` in the board file",
    ),
    Symptom(
        r"(?i)(core|chip|device) ?id mismatch|different core", "the chip is another one than the board's", OTHER_CHIP
    ),
    Symptom(r"(?i)VTref.*(too low|0\.0)|target voltage too low", "the board's supply voltage is too low", POWER),
    Symptom(
        r"(?i)(device|chip|CPU) is (secured|locked)|read-?out protect|APPROTECT|AP protection",
        "the chip is locked against debug probes",
        UNLOCK,
    ),
    Symptom(r"(?i)write[- ]protect", "the flash is write protected", UNPROTECT),
    Symptom(
        r"Cannot connect to target|Could not (find|connect to) (core|target)|Failed to halt",
        "the J-Link is there, but the chip does not answer",
        RESET_BUTTON,
    ),
    Symptom(r"(?i)(failed|error).*eras|erase.*(failed|error)", "erasing the flash failed", AGAIN),
    Symptom(r"(?i)(failed|error|while).*(program|download|writ)", "writing the flash failed", AGAIN),
    Symptom(r"(?i)(could not|failed|error).*read", "reading the flash back failed", AGAIN),
)


class JlinkRunner(FileTool):
    """Drives J-Link Commander; settings: ``device``, SEGGER's name of the chip; optional ``frequency``, ``serial``."""

    name = "jlink"
    program = "JLinkExe"
    install = "the J-Link software from segger.com"
    symptoms = SYMPTOMS
    failed = r"(?m)^(ERROR|Error|Failed|Cannot|Could not)\b|FAILED"

    def _write(self, address: int, image: Path) -> Words:
        return ("loadbin", f'"{image}",', f"0x{address:08x}")

    def _read(self, address: int, size: int, image: Path) -> Words:
        return ("savebin", f'"{image}",', f"0x{address:08x},", f"0x{size:x}")

    def _erase(self, sector: Sector, files: Files) -> Words:
        """The last address belongs to what is erased: were it not so, its sector would be erased all the same."""
        del files
        return ("erase", f"0x{sector.address:08x},", f"0x{sector.address + sector.size - 1:08x}")

    def _reset(self) -> Words:
        return ("g",)  # every run begins with a reset that halts

    def _arguments(self, words: Words, files: Files) -> list[str]:
        script = "".join(f"{line}\n" for line in ("ExitOnError 1", "r", " ".join(words), "exit"))
        where = "".join(c if c.isalnum() else "-" for c in " ".join(w for w in words if not w.startswith('"')))
        path = files(f"{where}.jlink", script.encode())
        khz = str(int(self._settings["frequency"]) // 1000) if self._settings.get("frequency") else DEFAULT_KHZ
        options = ["-NoGui", "1", "-device", self._settings.get("device", ""), "-if", "SWD", "-speed", khz]
        options += ["-USB", self._settings["serial"]] if self._settings.get("serial") else []
        return [*options, "-autoconnect", "1", "-CommandFile", str(path)]
