"""Words of a board file that reach other programs, each checked by itself. Errors are ValueError and name the key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SECTORS_MAX = 1 << 16
"""Of a region of flash."""

_MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""QEMU takes settings behind a comma."""
_USB = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}")
_FLAG = re.compile(r"-(?:[mOg]|D(?=[A-Za-z_])|f(?!plugin)|W(?![alp],))[A-Za-z0-9=.,+_-]*")
"""Of a compiler: what concerns the code that it makes, and neither files nor programs that it uses."""
_SETTING = re.compile(r"[A-Za-z0-9 ./:,_+-]*")
"""Of a runner, whose scripts obey signs such as [ and ;."""
_FREQUENCY = re.compile(r"[1-9][0-9]{3,9}")
_FOR_PEOPLE = ("by_hand",)
"""Settings that are shown, and given to no program."""


def check_flags(flags: Sequence[str]) -> None:
    """Options of the compiler."""
    for flag in flags:
        if not _FLAG.fullmatch(flag):
            raise ValueError(f"cpu.flags: {flag!r} is no compiler option for code, -m, -f, -O, -D, -g or -W")


def check_machine(machine: str) -> None:
    """QEMU's machine."""
    if not _MACHINE.fullmatch(machine):
        raise ValueError(f"qemu.machine {machine!r} must be the name of a machine")


def check_usb(ids: Sequence[str]) -> None:
    """USB ids."""
    for number, usb in enumerate(ids):
        if not _USB.fullmatch(usb):
            raise ValueError(f"serial.usb[{number}] {usb!r} must be vid:pid, four hexadecimal digits each")


def check_settings(runner: str, settings: Mapping[str, str]) -> None:
    """A runner's settings."""
    for key, value in settings.items():
        where = f"runners: {key} of {runner!r}"
        if key == "frequency" and not _FREQUENCY.fullmatch(value):
            raise ValueError(f"{where} is {value!r}, must be in Hz, 1000 or more")
        if key not in _FOR_PEOPLE and not _SETTING.fullmatch(value):
            raise ValueError(f"{where} is {value!r}, must be letters, digits, spaces and . / : , _ + -")


def check_sectors(region: str, size: int, sector: int, *, uniform: bool) -> None:
    """Sectors of a region of flash: they fill it, if they are all of one size, and can be listed."""
    if sector and uniform and size % sector:
        raise ValueError(f"memory region {region!r}: sectors of {sector} bytes do not fill it exactly")
    if sector and size // sector > SECTORS_MAX:
        raise ValueError(f"memory region {region!r} has more than {SECTORS_MAX} sectors")
