"""Compiles an exported project with CMake, and reads what came out: sizes, symbols, image files."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..system import elf, zig
from ..system.files import alone, cannot_write
from ..system.show import Facts, Shown
from ..system.tools import ARM_GCC, find_tool, run

FORBIDDEN = re.compile(
    r"_?(malloc|calloc|realloc|free|sbrk|strto[df]|puts)(_r)?|_?[a-z]*printf(_[a-z]+)?"
    r"|__aeabi_c?[df][a-z0-9]*|__aeabi_[a-z0-9]*2[dfh]|__gnu_[a-z0-9]+_ieee|__[a-z]+[sd]f[23]?|__(float|fix)[a-z]+[sd]f?i?"
)
"""Symbols of heap, printf and soft-float: none may be in a linked image."""


@dataclass(frozen=True, repr=False)
class Image(Shown):
    """Built files, and the sizes that the ELF states, in bytes. Flash counts what is loaded, RAM what is reserved."""

    elf: Path
    flash: int
    ram: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"elf": str(self.elf), "flash": self.flash, "ram": self.ram}

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        sizes = f"{self.flash:,} bytes of flash, {self.ram:,} of RAM" if self.flash else "a program of this computer"
        return self.elf.name, (("file", str(self.elf)), ("size", sizes))


def build(folder: Path, *, cross: bool, definitions: Sequence[str] = ()) -> Image:
    """Configure and compile the project in ``folder``; everything goes to ``folder/build``.

    Builds of one folder wait for each other.

    Args:
        folder: An exported project.
        cross: Compile for Arm; otherwise for this computer.
        definitions: CMake cache entries, ``NAME=VALUE``.

    Raises:
        ToolchainError: A tool is missing or failed.
        BadFileError: An older build cannot be removed.
    """
    cmake = find_tool("cmake", "cmake")
    ninja = find_tool("ninja", "ninja-build")
    configure = [cmake, "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    environment = None
    if cross:
        if zig.stands_in():
            environment = zig.environment()
        else:
            find_tool(ARM_GCC, "gcc-arm-none-eabi", "or without root: pip install 'dqt-edge[toolchain]'")
        configure.append(f"-DDQT_PYTHON={sys.executable}")
    else:
        find_tool("cc", "gcc")
    configure += [f"-D{definition}" for definition in definitions]
    try:
        with alone(folder):
            if _configured_elsewhere(folder):
                shutil.rmtree(folder / "build")
            run(configure, folder, environment)
            run([cmake, "--build", "build"], folder, environment)
    except OSError as error:
        raise cannot_write(folder / "build", error) from error
    image = folder / "build" / "model.elf"
    flash, ram = elf.occupied(image) if cross else (0, 0)
    return Image(image, flash, ram)


def _configured_elsewhere(folder: Path) -> bool:
    """Whether the project was moved or copied since CMake configured it: then CMake refuses its own cache."""
    try:
        cache = (folder / "build" / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    home = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache, re.MULTILINE)
    return home is None or Path(home[1]) != folder.resolve()


def forbidden_symbols(image: Path) -> tuple[str, ...]:
    """Symbols of heap, printf or soft-float in the image; a good image has none."""
    return tuple(sorted({name for name, _, _ in elf.symbols(image) if FORBIDDEN.fullmatch(name)}))
