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

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from .errors import BadFileError, ToolchainError

ARM_GCC = "arm-none-eabi-gcc"
BUILD_TIMEOUT = 600
FORBIDDEN = re.compile(
    r"_?(malloc|calloc|realloc|free|sbrk)(_r)?|_?[a-z]*printf(_[a-z]+)?"
    r"|__aeabi_[df][a-z0-9]*|__aeabi_[a-z0-9]*2[df]|__[a-z]+[sd]f[23]?|__(float|fix)[a-z]+[sd]f?i?"
)
"""Symbols of heap, printf and soft-float: none may be in a linked image."""


@dataclass(frozen=True)
class Image:
    """Built files, and the sizes that the ELF states, in bytes. Flash counts what is loaded, RAM what is reserved."""

    elf: Path
    flash: int
    ram: int


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
    return _run([find_tool(name, "gcc-arm-none-eabi"), "-dumpfullversion"], Path.cwd()).strip()


def _run(command: Sequence[str], folder: Path) -> str:
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
        first = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no output")
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
    _run(configure, folder)
    _run([cmake, "--build", "build"], folder)
    elf = folder / "build" / "model.elf"
    flash, ram = sizes(elf) if cross else (0, 0)
    return Image(elf, flash, ram)


def sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM that an ELF file occupies.

    Flash: all allocated sections with content (initial values of variables included). RAM: all writable ones.
    """
    flash = ram = 0
    with _open(elf) as handle:
        for section in ELFFile(handle).iter_sections():
            header = section.header
            if not header["sh_flags"] & 2 or header["sh_size"] == 0:
                continue
            if header["sh_type"] != "SHT_NOBITS":
                flash += header["sh_size"]
            if header["sh_flags"] & 1:
                ram += header["sh_size"]
    return flash, ram


def section_sizes(elf: Path) -> dict[str, int]:
    """Bytes of each section of an ELF file, by name."""
    with _open(elf) as handle:
        return {section.name: int(section["sh_size"]) for section in ELFFile(handle).iter_sections()}


def _open(elf: Path):  # type: ignore[no-untyped-def] # noqa: ANN202 - a binary file handle
    try:
        handle = elf.open("rb")
        ELFFile(handle)
    except OSError as error:
        raise BadFileError(
            f"cannot read the image: {error.strerror}", where=str(elf), next_step="run 'dqt-edge build' first"
        ) from error
    except ELFError as error:
        handle.close()
        raise BadFileError(
            f"not an ELF file: {error}", where=str(elf), next_step="run 'dqt-edge build' again"
        ) from error
    handle.seek(0)
    return handle


def symbols(elf: Path) -> tuple[str, ...]:
    """Names of all symbols of an ELF file, sorted."""
    with _open(elf) as handle:
        table = ELFFile(handle).get_section_by_name(".symtab")
        names = {symbol.name for symbol in table.iter_symbols()} if table is not None else set()
    return tuple(sorted(names - {""}))


def forbidden_symbols(elf: Path) -> tuple[str, ...]:
    """Symbols of heap, printf or soft-float in the image; a good image has none."""
    return tuple(name for name in symbols(elf) if FORBIDDEN.fullmatch(name))
