"""What this machine has: tools, packages, serial ports, probes, permissions."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import ToolchainError
from .tools import ARM_GCC, find_tool

STLINK_VENDOR = 0x0483
PROBES = {0x3744, 0x3748, 0x374B, 0x374D, 0x374E, 0x374F, 0x3752, 0x3753, 0x3754, 0x3755, 0x3757}
"""USB product ids of ST-Link probes; vendor 0483."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. ``required``: 'export' and 'build' for a board do not work without it."""

    name: str
    ok: bool
    found: str
    purpose: str
    advice: str
    required: bool = False


TOOLS = (
    ("cc", "gcc", "native builds", "--version", False),
    (ARM_GCC, "gcc-arm-none-eabi", "builds for boards", "--version", True),
    ("arm-none-eabi-objcopy", "binutils-arm-none-eabi", "HEX and BIN files", "--version", True),
    ("cmake", "cmake", "all builds", "--version", True),
    ("ninja", "ninja-build", "all builds", "--version", True),
    ("qemu-system-arm", "qemu-system-arm", "boards qemu-*", "--version", False),
    ("openocd", "openocd", "flashing with runner openocd", "--version", False),
)

PACKAGES = (
    ("tensorflow", "train", "training"),
    ("sklearn", "data", "the data set digits"),
    ("PIL", "data", "folders of images"),
    ("pyocd", "flash", "flashing with runner pyocd"),
    ("unicorn", "emulate", "the port unicorn:"),
    ("altair", "report", "dial.svg, search.svg, frontier.svg, and drawings of streams"),
)


def examine() -> list[Finding]:
    """Look for everything; never raises for what is missing."""
    return [*map(_tool, TOOLS), *map(_package, PACKAGES), _ports(), _permissions(), _probes()]


def _tool(entry: tuple[str, str, str, str, bool]) -> Finding:
    name, apt, purpose, option, required = entry
    advice = f"apt-get install {apt}"
    try:
        path = find_tool(name, apt)
        done = subprocess.run([path, option], capture_output=True, text=True, timeout=20, check=False)
    except (ToolchainError, OSError, subprocess.TimeoutExpired):
        return Finding(name, False, "", purpose, advice, required)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Finding(name, done.returncode == 0, lines[0] if lines else path, purpose, advice, required)


def _package(entry: tuple[str, str, str]) -> Finding:
    module, extra, purpose = entry
    found = importlib.util.find_spec(module) is not None
    return Finding(module, found, "installed" if found else "", purpose, f"pip install 'dqt-edge[{extra}]'")


def _ports() -> Finding:
    from serial.tools import list_ports  # noqa: PLC0415

    ports = [f"{p.device} ({p.description})" for p in list_ports.comports()]
    return Finding(
        "serial ports", bool(ports), ", ".join(ports), "profiling on a board", "connect the board's USB cable"
    )


def _permissions() -> Finding:
    purpose = "opening serial ports without root"
    if os.name != "posix":
        return Finding("serial permissions", True, "not needed here", purpose, "")
    if os.geteuid() == 0:
        return Finding("serial permissions", True, "root", purpose, "")
    import grp  # noqa: PLC0415 - POSIX only

    groups = {grp.getgrgid(g).gr_name for g in os.getgroups()}
    member = bool(groups & {"dialout", "uucp"})
    return Finding(
        "serial permissions",
        member,
        "member of dialout" if member else "",
        purpose,
        "sudo usermod -aG dialout $USER, then log in again",
    )


def _probes() -> Finding:
    found = []
    for device in Path("/sys/bus/usb/devices").glob("*"):
        try:
            vendor, product = (int((device / f).read_text(), 16) for f in ("idVendor", "idProduct"))
        except (OSError, ValueError):
            continue
        if vendor == STLINK_VENDOR and product in PROBES:
            found.append(f"ST-Link {vendor:04x}:{product:04x}")
    return Finding("debug probes", bool(found), ", ".join(found), "flashing a board", "connect the board's ST-Link USB")
