"""What dqt-edge reads of an ELF image: loadable parts, sizes, symbols. A damaged file is a typed error."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from elftools.elf.elffile import ELFFile

from ..errors import BadFileError
from .files import read_capped

ELF_MAX = 256 << 20
ALLOCATED, WRITABLE = 2, 1

V7, V6_M, V6S_M, V7E_M, V8M_BASE, V8M_MAIN, V8_1M_MAIN = 10, 11, 12, 13, 16, 17, 21
ARCHITECTURES = {
    V7: "Armv7-M",
    V6_M: "Armv6-M",
    V6S_M: "Armv6-M",
    V7E_M: "Armv7E-M",
    V8M_BASE: "Armv8-M Baseline",
    V8M_MAIN: "Armv8-M Mainline",
    V8_1M_MAIN: "Armv8.1-M Mainline",
}
"""Values of Tag_CPU_arch (Addenda to, and Errata in, the ABI for the Arm Architecture, 3.3.5.2)."""

_T = TypeVar("_T")


def _read(path: Path, take: Callable[[Any], _T]) -> _T:
    hint = "run 'dqt-edge build' and try again"
    try:
        content = read_capped(path, ELF_MAX)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise BadFileError(f"cannot read the image: {what}", where=str(path), next_step=hint) from error
    try:
        return take(ELFFile(io.BytesIO(content)))
    except Exception as error:  # pyelftools raises many types on a damaged file
        raise BadFileError(f"damaged ELF file: {error}", where=str(path), next_step=hint) from error


def load_parts(path: Path) -> tuple[tuple[int, bytes], ...]:
    """Address and content of each part that is loaded into memory, of a 32-bit Arm image.

    Raises:
        BadFileError: Missing, damaged, truncated, or for another machine.
    """

    def take(elf: Any) -> tuple[tuple[int, bytes], ...]:  # noqa: ANN401 - pyelftools has no type information
        if elf.get_machine_arch() != "ARM" or elf.elfclass != 32:
            raise ValueError("it is not for a 32-bit Arm core")
        found = []
        for part in elf.iter_segments():
            if part["p_type"] == "PT_LOAD" and part["p_filesz"] > 0:
                content = part.data()
                if len(content) != part["p_filesz"]:
                    raise ValueError(f"it ends {part['p_filesz'] - len(content)} bytes too early")
                found.append((int(part["p_paddr"]), bytes(content)))
        return tuple(found)

    return _read(path, take)


def architecture(path: Path) -> int | None:
    """The Tag_CPU_arch that an image states; None where it states none."""

    def take(elf: Any) -> int | None:  # noqa: ANN401 - pyelftools has no type information
        section = elf.get_section_by_name(".ARM.attributes")
        if section is None:
            return None
        return next(
            (
                int(attribute.value)
                for vendor in section.iter_subsections()
                for part in vendor.iter_subsubsections()
                for attribute in part.iter_attributes("TAG_CPU_ARCH")
            ),
            None,
        )

    return _read(path, take)


def section_sizes(path: Path) -> dict[str, int]:
    """Bytes of each section, by name."""
    return _read(path, lambda elf: {section.name: int(section["sh_size"]) for section in elf.iter_sections()})


def occupied(path: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM that the image occupies.

    Flash: all allocated sections with content (initial values of variables included). RAM: all writable ones.
    """

    def take(elf: Any) -> tuple[int, int]:  # noqa: ANN401 - pyelftools has no type information
        flash = ram = 0
        for section in elf.iter_sections():
            flags, size = section["sh_flags"], int(section["sh_size"])
            if flags & ALLOCATED:
                flash += size if section["sh_type"] != "SHT_NOBITS" else 0
                ram += size if flags & WRITABLE else 0
        return flash, ram

    return _read(path, take)


def symbols(path: Path) -> tuple[tuple[str, int, bool], ...]:
    """Name, value, and whether it is a function, of every named symbol."""

    def take(elf: Any) -> tuple[tuple[str, int, bool], ...]:  # noqa: ANN401 - pyelftools has no type information
        table = elf.get_section_by_name(".symtab")
        return tuple(
            (symbol.name, int(symbol["st_value"]), symbol["st_info"]["type"] == "STT_FUNC")
            for symbol in (table.iter_symbols() if table is not None else ())
            if symbol.name
        )

    return _read(path, take)
