"""Compiles an exported project with CMake, and reads what came out: sizes, symbols, image files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import elf
from .errors import ToolchainError

ARM_GCC = "arm-none-eabi-gcc"
BUILD_TIMEOUT = 600
FORBIDDEN = re.compile(
    r"_?(malloc|calloc|realloc|free|sbrk|strto[df]|puts)(_r)?|_?[a-z]*printf(_[a-z]+)?"
    r"|__aeabi_c?[df][a-z0-9]*|__aeabi_[a-z0-9]*2[dfh]|__gnu_[a-z0-9]+_ieee|__[a-z]+[sd]f[23]?|__(float|fix)[a-z]+[sd]f?i?"
)
"""Symbols of heap, printf and soft-float: none may be in a linked image."""


@dataclass(frozen=True)
class Image:
    """Built files, and the sizes that the ELF states, in bytes. Flash counts what is loaded, RAM what is reserved."""

    elf: Path
    flash: int
    ram: int


COMPILE_ERROR = re.compile(r":\d+(:\d+)?: (fatal )?error: |CMake Error|: error: |undefined reference|overflowed by")
"""Lines that say what is wrong; the word alone also stands in -Werror and in echoed commands."""


def find_tool(name: str, apt: str) -> str:
    """Path of a tool: on PATH, or beside this Python (where pip puts cmake and ninja).

    Raises:
        ToolchainError: Absent; names the Debian package.
    """
    beside = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    found = shutil.which(name) or next((p for d in beside if (p := shutil.which(name, path=d))), None)
    if found is None:
        raise ToolchainError(
            f"{name} is not installed",
            where="PATH",
            next_step=f"install it, on Debian with: apt-get install {apt}",
        )
    return found


def compiler_version(name: str = ARM_GCC) -> str:
    """Version text of a GCC, such as ``12.2.1``."""
    return run([find_tool(name, "gcc-arm-none-eabi"), "-dumpfullversion"]).strip()


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Standard output of a command, run in a folder.

    Raises:
        ToolchainError: It cannot be started, fails, or takes too long.
    """
    folder = folder or Path.cwd()
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(
            f"{Path(command[0]).name} did not finish within {BUILD_TIMEOUT} s",
            where=str(folder),
            next_step="run the command by hand: " + " ".join(command),
        ) from error
    except OSError as error:
        raise ToolchainError(
            f"cannot start {Path(command[0]).name}: {error.strerror}",
            where=str(folder),
            next_step="check the tool",
        ) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        first = next((line for line in lines if COMPILE_ERROR.search(line)), lines[-1] if lines else "no output")
        raise ToolchainError(
            f"{Path(command[0]).name} failed with exit code {done.returncode}: {first.strip()}",
            where=str(folder),
            next_step="run the command by hand for its whole output: " + " ".join(command),
        )
    return done.stdout


def build(folder: Path, *, cross: bool, definitions: Sequence[str] = ()) -> Image:
    """Configure and compile the project in ``folder``; everything goes to ``folder/build``.

    Args:
        folder: An exported project.
        cross: Compile for Arm; otherwise for this computer.
        definitions: CMake cache entries, ``NAME=VALUE``.

    Raises:
        ToolchainError: A tool is missing or failed.
    """
    cmake = find_tool("cmake", "cmake")
    ninja = find_tool("ninja", "ninja-build")
    configure = [cmake, "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    if cross:
        find_tool(ARM_GCC, "gcc-arm-none-eabi")
        configure.append("-DCMAKE_TOOLCHAIN_FILE=toolchain.cmake")
    else:
        find_tool("cc", "gcc")
    configure += [f"-D{definition}" for definition in definitions]
    if _configured_elsewhere(folder):
        shutil.rmtree(folder / "build")
    run(configure, folder)
    run([cmake, "--build", "build"], folder)
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
