"""GNU's tools for Arm, in the words of Zig's: run as a program, with nothing of the package but this file.

zig_tools.py ZIG arm-none-eabi-gcc ARGUMENT...
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ENTRY = re.compile(r"^ENTRY\((\w+)\)", re.MULTILINE)
FEATURES = {"cortex-m33": ("dsp",), "cortex-m55": ("mve",)}
"""What GNU's compiler takes a core to have, and Zig's takes away with floating point."""
LEFT_OUT = ("-fstack-usage", "-Wl,-Map=")
"""Options that have no counterpart; nothing of a build reads what they write."""


def compiler_arguments(arguments: Sequence[str]) -> list[str]:
    """Arguments of ``zig`` for those of ``arm-none-eabi-gcc``."""
    abi = "eabihf" if "-mfloat-abi=hard" in arguments else "eabi"
    made = ["cc", "-target", f"thumb-freestanding-{abi}", "-fno-sanitize=all"]
    for argument in arguments:
        if argument.startswith("-mcpu="):
            core, *without = argument.removeprefix("-mcpu=").split("+")
            less = [name.removeprefix("no") for name in without if name != "nofp"]  # no code has floats
            more = [name for name in FEATURES.get(core, ()) if name not in less]
            # Zig's names have no dash: a dash takes a feature away.
            named = [core.replace("-", "_"), *(f"+{name}" for name in more), *(f"-{name}" for name in less)]
            made.append(f"-mcpu={''.join(named)}")
        elif argument.startswith("-T"):
            script = Path(argument.removeprefix("-T"))
            entry = ENTRY.search(script.read_text(encoding="utf-8"))
            made += [argument, *([f"-Wl,--entry={entry[1]}"] if entry else [])]
        elif not argument.startswith(LEFT_OUT):
            made.append(argument)
    return made


def loaded(content: bytes) -> list[tuple[int, bytes]]:
    """Load address and content of every part of a 32-bit little-endian ELF that is loaded, ascending."""
    table, size, count = _word(content, 28), _half(content, 42), _half(content, 44)
    parts = []
    for at in range(table, table + size * count, size):
        kind, offset, _, address, length = (_word(content, at + 4 * i) for i in range(5))
        if kind == 1 and length:
            parts.append((address, content[offset : offset + length]))
    return sorted(parts)


def section(content: bytes, name: str) -> tuple[int, int]:
    """Offset and size of a section in the file; raises ValueError where there is none."""
    table, size, count = _word(content, 32), _half(content, 46), _half(content, 48)
    names = _word(content, table + size * _half(content, 50) + 16)
    for at in range(table, table + size * count, size):
        start = names + _word(content, at)
        if content[start : content.index(b"\0", start)].decode() == name:
            return _word(content, at + 16), _word(content, at + 20)
    raise ValueError(f"no section {name}")


def objcopy(arguments: Sequence[str]) -> None:
    """``-O binary|ihex IN OUT``, or ``--update-section NAME=FILE ELF``."""
    if arguments[0] == "--update-section":
        name, _, file = arguments[1].partition("=")
        content, new = bytearray(Path(arguments[2]).read_bytes()), Path(file).read_bytes()
        offset, size = section(bytes(content), name)
        if len(new) != size:
            raise ValueError(f"{file} has {len(new)} bytes, the section {name} {size}")
        content[offset : offset + size] = new
        Path(arguments[2]).write_bytes(content)
        return
    form, source, target = arguments[1:]
    parts = loaded(Path(source).read_bytes())
    if form == "ihex":
        Path(target).write_text(intel_hex(parts), encoding="ascii")
        return
    image = bytearray()
    for address, part in parts:
        image += bytes(address - parts[0][0] - len(image)) + part
    Path(target).write_bytes(image)


def intel_hex(parts: Sequence[tuple[int, bytes]]) -> str:
    """Intel HEX with records of 16 bytes."""
    lines, upper = [], -1
    for start, part in parts:
        at = 0
        while at < len(part):
            address = start + at
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(_record(0, 4, upper.to_bytes(2, "big")))
            size = min(16, len(part) - at, 0x10000 - (address & 0xFFFF))
            lines.append(_record(address & 0xFFFF, 0, part[at : at + size]))
            at += size
    return "".join([*lines, _record(0, 1, b"")])


def _record(address: int, kind: int, data: bytes) -> str:
    content = bytes([len(data), address >> 8, address & 0xFF, kind]) + data
    return f":{content.hex().upper()}{-sum(content) & 0xFF:02X}\n"


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "little")


def _half(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "little")


def main(zig: str, name: str, arguments: Sequence[str]) -> int:
    """Exit code of the tool."""
    tool = name.removeprefix("arm-none-eabi-")
    if tool == "objcopy":
        try:
            objcopy(arguments)
        except (OSError, ValueError) as error:
            print(f"objcopy: error: {error}", file=sys.stderr)
            return 1
        return 0
    made = compiler_arguments(arguments) if tool == "gcc" else [tool, *arguments]
    return subprocess.run([zig, *made], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
