"""What this machine has: tools, packages, serial ports, probes, permissions."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ToolchainError
from . import zig
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
    ("st-flash", "stlink-tools", "flashing with runner st-flash", "--version", False),
    ("dfu-util", "dfu-util", "flashing with runner dfu-util", "--version", False),
    ("nrfutil", "nordicsemi.com", "flashing with runner nrfutil", "--version", False),
    ("JLinkExe", "segger.com", "flashing with runner jlink", "", False),
)

PACKAGES = (
    ("tensorflow", "train", "training"),
    ("keras", "train", "training, .keras and .h5 files"),
    ("sklearn", "data", "the data set digits"),
    ("PIL", "data", "folders of images"),
    ("tflite", "import", ".tflite files"),
    ("flatbuffers", "import", ".tflite files"),
    ("onnx", "onnx", ".onnx files"),
    ("onnxruntime", "onnx", "comparing with ONNX Runtime"),
    ("ai_edge_litert", "compare", "comparing with TFLite"),
    ("pyocd", "flash", "flashing with runner pyocd"),
    ("unicorn", "emulate", "the port unicorn:"),
    ("ziglang", "toolchain", "builds for boards where arm-none-eabi-gcc is absent"),
    ("distributed", "fleet", "profile over a Dask cluster"),
    ("altair", "report", "dial.svg, search.svg, frontier.svg, and drawings of streams"),
    ("vl_convert", "report", "the same, as SVG"),
)
"""Module, extra that brings it, what for. Every extra for users has one."""

PROCESSES = Path("/proc")


def examine() -> list[Finding]:
    """Look for everything; never raises for what is missing."""
    ports = _ports()
    tools = [
        replace(entry, required=False) if zig.installed() and entry.name.startswith("arm-") else entry
        for entry in map(_tool, TOOLS)
    ]
    return [*tools, *map(_package, PACKAGES), _listed(ports), _free(ports), _permissions(), _probes()]


def _tool(entry: tuple[str, str, str, str, bool]) -> Finding:
    name, apt, purpose, option, required = entry
    advice = f"install it from {apt}" if "." in apt else f"apt-get install {apt}"
    try:
        path = find_tool(name, apt)
        if not option:
            return Finding(name, True, path, purpose, advice, required)
        done = subprocess.run([path, option], capture_output=True, text=True, timeout=20, check=False)
    except (ToolchainError, OSError, subprocess.TimeoutExpired):
        return Finding(name, False, "", purpose, advice, required)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Finding(name, done.returncode == 0, lines[0] if lines else path, purpose, advice, required)


def _package(entry: tuple[str, str, str]) -> Finding:
    module, extra, purpose = entry
    found = importlib.util.find_spec(module) is not None
    # In double quotes, which every shell takes: cmd.exe would hand single ones on to pip.
    return Finding(module, found, "installed" if found else "", purpose, f'pip install "dqt-edge[{extra}]"')


def _ports() -> dict[str, str]:
    """Description of each serial port, by the name of its device."""
    from serial.tools import list_ports  # noqa: PLC0415

    return {port.device: port.description for port in list_ports.comports()}


def _listed(ports: Mapping[str, str]) -> Finding:
    found = ", ".join(f"{device} ({description})" for device, description in ports.items())
    return Finding("serial ports", bool(ports), found, "profiling on a board", "connect the board's USB cable")


def _free(ports: Mapping[str, str]) -> Finding:
    """Whether a program holds one of the ports; of those of other users only root is told."""
    held = [f"{device} by {who}" for device in ports for who in holders(Path(device))]
    found = f"held: {', '.join(held)}" if held else "none is held, as far as can be seen" if ports else "none"
    return Finding("ports in use", not held, found, "profiling on a board", "close the program that holds the port")


def holders(device: Path, processes: Path = PROCESSES) -> list[str]:
    """Programs that have a device open, as ``name (process id)``; none where the system does not tell (no Linux).

    Args:
        device: Its path; links are followed.
        processes: Folder of the system's processes.
    """
    found = []
    with contextlib.suppress(OSError, RuntimeError):
        wanted = str(device.resolve())
        for process in sorted(processes.glob("[0-9]*"), key=lambda path: int(path.name)):
            with contextlib.suppress(OSError):
                if any(_target(link) == wanted for link in (process / "fd").iterdir()):
                    found.append(f"{(process / 'comm').read_text(encoding='utf-8').strip()} ({process.name})")
    return found


def _target(link: Path) -> str | None:
    """What an open file of a process is; None if it was closed meanwhile."""
    try:
        return os.readlink(link)  # noqa: PTH115 - as it stands: it may be no path, such as socket:[1]
    except OSError:
        return None


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
