"""Programs that flash, played on a simulated chip: the arguments, files, words and exit codes of the real ones."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dqt_edge.system.intel_hex import hex_bytes
from dqt_edge.system.zig_tools import intel_hex

from .chip import Chip, FlashFaultError, PowerLostError

CHIP, TROUBLE, LOG = "chip", "trouble.json", "log"
NAMES = ("openocd", "st-flash", "dfu-util", "nrfutil", "JLinkExe", "pyocd")


class Refused(Exception):
    """The tool's words, with exit code 1."""


def main(name: str, folder: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """Exit code and output of a run. The chip lies in a file of the folder, and what is to go wrong in another."""
    chip = Chip.load(folder / CHIP)
    with (folder / LOG).open("a") as log:
        log.write(shlex.join((name, *arguments)) + "\n")
    trouble = json.loads((folder / TROUBLE).read_text()) if (folder / TROUBLE).exists() else None
    if trouble and trouble["when"] in " ".join(arguments):
        if trouble["how"] == "hang":
            subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)", str(folder)]
            )  # must not be left behind
            time.sleep(600)
        if trouble["how"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return 1, trouble["how"]
    try:
        output = PLAYED[name](chip, list(arguments))
    except (Refused, FlashFaultError) as error:
        return 1, str(error)
    except PowerLostError:
        return 1, LOST[name]
    finally:
        chip.save(folder / CHIP)
    return 0, output


LOST = {
    "openocd": "Error: jtag status contains invalid mode value - communication failure\nError: Target not examined yet",
    "st-flash": "ERROR usb.c: send_recv read reply failed: LIBUSB_ERROR_TIMEOUT",
    "dfu-util": 'dfu-util: Error during special command "SET_ADDRESS" download: LIBUSB_ERROR_NO_DEVICE',
    "nrfutil": "Error: One or more program tasks failed: Failed to program the device, [JLinkARM] USB communication",
    "JLinkExe": "****** Error: Failed to download RAMCode! Error while programming flash: Programming failed.",
    "pyocd": "probe lost",
}
"""What they say when the chip goes away in the middle."""


def openocd(chip: Chip, arguments: list[str]) -> str:
    """``-f CONFIG [-c SETTING ...] -c 'init; reset halt; COMMAND; shutdown'``."""
    while arguments[0] == "-f":
        assert arguments[1].endswith(".cfg")
        del arguments[:2]
    settings = arguments[:-1]
    assert all(re.fullmatch(r"-c|adapter (serial \w+|speed \d+)|reset_config connect_assert_srst", s) for s in settings)
    commands = arguments[-1].split("; ")
    assert commands[:2] == ["init", "reset halt"]
    assert commands[-1] == "shutdown"
    (command,) = commands[2:-1]
    if match := re.fullmatch(r"flash erase_address 0x(\w+) 0x(\w+)", command):
        start, size = int(match[1], 16), int(match[2], 16)
        assert dict(chip.sectors)[start] == size
        _say(lambda: chip.erase(start), "Error: failed erasing sectors 0 to 0")
    elif match := re.fullmatch(r"flash write_image \{(.+)\} 0x(\w+) bin", command):
        data, start = Path(match[1]).read_bytes(), int(match[2], 16)
        _say(lambda: chip.program(start, data), f"Error: error writing to flash at address 0x{start:08x}")
    elif match := re.fullmatch(r"dump_image \{(.+)\} 0x(\w+) 0x(\w+)", command):
        start, size = int(match[2], 16), int(match[3], 16)
        found = _say(lambda: chip.read(start, size), "Error: Failed to read memory at 0x08000000")
        Path(match[1]).write_bytes(found)
    elif command == "reset run":
        chip.restart()
    else:
        assert command == "flash probe 0", command
    return "Info : Listening on port 4444 for telnet connections"


def st_flash(chip: Chip, arguments: list[str]) -> str:
    """``[OPTIONS] write FILE ADDRESS | read FILE ADDRESS SIZE | reset``; a write erases the sectors it touches."""
    while arguments[0].startswith("--"):
        assert re.fullmatch(r"--serial|--freq=\d+k|--connect-under-reset", arguments[0])
        del arguments[: 2 if arguments[0] == "--serial" else 1]
    if arguments[0] == "write":
        _download(chip, int(arguments[2], 16), Path(arguments[1]).read_bytes(), "ERROR common_flash.c: ")
    elif arguments[0] == "read":
        start, size = int(arguments[2], 16), int(arguments[3])
        Path(arguments[1]).write_bytes(_say(lambda: chip.read(start, size), "ERROR usb.c: read failed"))
    else:
        assert arguments == ["reset"]
        chip.restart()
    return "st-flash 1.8.0"


def dfu_util(chip: Chip, arguments: list[str]) -> str:
    """``-d ID -a 0 [-S SERIAL] -s ADDRESS[:SIZE] -D FILE | -U FILE``; a download erases the sectors it touches."""
    assert arguments[:4] == ["-d", "0483:df11", "-a", "0"]
    rest = arguments[6:] if arguments[4] == "-S" else arguments[4:]
    assert rest[0] == "-s"
    start, _, size = rest[1].partition(":")
    if rest[2] == "-D":
        _download(chip, int(start, 16), Path(rest[3]).read_bytes(), "dfu-util: ")
    else:
        assert rest[2] == "-U"
        if Path(rest[3]).exists():
            raise Refused(f"dfu-util: Cannot open file {rest[3]} for writing: File exists")
        found = _say(lambda: chip.read(int(start, 16), int(size)), "dfu-util: Error during upload (LIBUSB_ERROR_OTHER)")
        Path(rest[3]).write_bytes(found)
    return "dfu-util 0.11"


def nrfutil(chip: Chip, arguments: list[str]) -> str:
    """``device program|read|erase|reset ... [--family F] [--serial-number S]``; files are Intel HEX."""
    assert arguments.pop(0) == "device"
    command, rest = arguments[0], dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert rest.pop("--family", "nrf52") == "nrf52"
    rest.pop("--serial-number", None)
    if command == "program":
        assert rest["--options"].split(",")[0] == "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE"
        content = Path(rest["--firmware"]).read_bytes()
        address = _first_address(content)
        _download(chip, address, hex_bytes(content, address), "Error: One or more program tasks failed: ")
    elif command == "read":
        start, size = int(rest["--address"], 16), int(rest["--bytes"])
        found = _say(lambda: chip.read(start, size), "Error: Failed to read memory")
        Path(rest["--to-file"]).write_text(intel_hex([(start, found)]))
    elif command == "erase":
        start, end = (int(text, 16) for text in rest["--pages"].split("-"))
        assert dict(chip.sectors)[start] == end - start
        _say(lambda: chip.erase(start), "Error: Failed to erase the device")
    else:
        assert (command, rest) == ("reset", {})
        chip.restart()
    return "1 task succeeded"


def _first_address(content: bytes) -> int:
    """Of a file in Intel HEX."""
    upper, first = content.decode().split()[:2]
    assert upper[7:9] == "04", "the upper half comes first"
    return int(upper[9:13], 16) << 16 | int(first[3:7], 16)


def jlink(chip: Chip, arguments: list[str]) -> str:
    """``-NoGui 1 -device D -if SWD -speed KHZ [-USB SERIAL] -autoconnect 1 -CommandFile FILE``."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert options["-device"]
    assert options["-if"] == "SWD"
    first, reset, command, last = Path(options["-CommandFile"]).read_text().splitlines()
    assert (first, reset, last) == ("ExitOnError 1", "r", "exit")
    if match := re.fullmatch(r'loadbin "(.+)", 0x(\w+)', command):
        _download(chip, int(match[2], 16), Path(match[1]).read_bytes(), "****** Error: ")
    elif match := re.fullmatch(r'savebin "(.+)", 0x(\w+), 0x(\w+)', command):
        start, size = int(match[2], 16), int(match[3], 16)
        Path(match[1]).write_bytes(_say(lambda: chip.read(start, size), "Could not read memory."))
    elif match := re.fullmatch(r"erase 0x(\w+), 0x(\w+)", command):
        start, end = int(match[1], 16), int(match[2], 16)
        assert dict(chip.sectors)[start] == end - start + 1
        _say(lambda: chip.erase(start), "****** Error: Failed to erase sectors.")
    else:
        assert command == "g", command
        chip.restart()
    return "Script processing completed."


def pyocd(chip: Chip, arguments: list[str]) -> str:
    """``pyocd erase|load|commander|reset`` as a preview prints them; the runner itself uses pyOCD's interface."""
    command, *rest = arguments
    if command == "erase":
        start, size = rest[rest.index("--sector") + 1].split("+")
        assert dict(chip.sectors)[int(start, 16)] == int(size, 16)
        chip.erase(int(start, 16))
    elif command == "load":
        _download(chip, int(rest[rest.index("-a") + 1], 16), Path(rest[-1]).read_bytes(), "")
    elif command == "commander":
        _, start, size, back = rest[-1].split(" ")
        Path(back).write_bytes(chip.read(int(start, 16), int(size)))
    else:
        assert command == "reset"
        chip.restart()
    return ""


def _download(chip: Chip, start: int, data: bytes, whose: str) -> None:
    """Erase what is touched, then write in ascending order."""
    for address, size in chip.sectors:
        if address < start + len(data) and start < address + size:
            _say(lambda at=address: chip.erase(at), f"{whose}Failed to erase page at 0x{address:08x}")
    filled = data + bytes([chip.erased]) * (-len(data) % chip.unit)
    _say(lambda: chip.program(start, filled), f"{whose}Failed to write at 0x{start:08x}")


def _say(action: Callable[[], Any], words: str) -> Any:
    try:
        return action()
    except FlashFaultError as error:
        raise Refused(words) from error


PLAYED: dict[str, Callable[[Chip, list[str]], str]] = {
    "openocd": openocd,
    "st-flash": st_flash,
    "dfu-util": dfu_util,
    "nrfutil": nrfutil,
    "JLinkExe": jlink,
    "pyocd": pyocd,
}


def install(name: str, folder: Path, chip: Chip) -> Path:
    """A program of that name in a folder, which plays the tool on the chip."""
    chip.save(folder / CHIP)
    root = Path(__file__).parents[3]
    program = folder / name
    code = "import sys; from pathlib import Path; from tests.flashing.simulated.tools import main; "
    code += "code, out = main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]); print(out); sys.exit(code)"
    line = " ".join(shlex.quote(str(part)) for part in (sys.executable, "-S", "-c", code, name, folder))
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {line} "$@"\n')
    program.chmod(0o755)
    return program


def trouble(folder: Path, when: str, how: str) -> None:
    """From now on, a run whose arguments hold ``when`` fails: ``hang``, ``killed``, or with these words."""
    (folder / TROUBLE).write_text(json.dumps({"when": when, "how": how}))
