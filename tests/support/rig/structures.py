"""C structures of a compiled image, packed from Python by the names of their members.

Offsets and types come from the image's debug information, so a changed descriptor needs no change here, and a member
that nobody fills is an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

_CODES = {1: "B", 2: "H", 4: "I"}
RESERVED = "reserved"

Address = Callable[[str], int]


@dataclass(frozen=True)
class Scalar:
    """An integer or a pointer."""

    size: int
    pointer: bool
    count: int | None  # elements of an array; None: no array


@dataclass(frozen=True)
class Member:
    """One member of a structure."""

    name: str
    offset: int
    kind: Scalar | Structure


@dataclass(frozen=True)
class Structure:
    """A structure's size and members."""

    name: str
    size: int
    members: tuple[Member, ...]

    def pack(self, values: Mapping[str, Any], address: Address) -> bytes:
        """The structure in memory, little-endian; members named ``reserved`` are zero.

        Args:
            values: Member -> integer, sequence, mapping for a structure; None is a null pointer, text a name.
            address: From a name to its address.

        Raises:
            ValueError: A member without value, or a value without member.
        """
        names = {member.name for member in self.members} - {RESERVED}
        if names != set(values):
            raise ValueError(
                f"struct {self.name}: {sorted(names ^ set(values))} is in the structure or the values only"
            )
        out = bytearray(self.size)
        for member in self.members:
            if member.name == RESERVED:
                continue
            value = values[member.name]
            if isinstance(member.kind, Structure):
                content = member.kind.pack(value, address)
            else:
                items = [value] if member.kind.count is None else list(value)
                numbers = [address(v) if isinstance(v, str) else int(v or 0) for v in items]
                mask = (1 << 8 * member.kind.size) - 1
                code = _CODES[member.kind.size]
                content = struct.pack(f"<{len(numbers)}{code}", *(number & mask for number in numbers))
            out[member.offset : member.offset + len(content)] = content
        return bytes(out)


def read_structures(image: Path, names: tuple[str, ...]) -> dict[str, Structure]:
    """Structures by the names of their typedefs.

    Raises:
        KeyError: The image has no debug information of one of them.
    """
    found: dict[str, Structure] = {}
    with image.open("rb") as handle:
        for unit in ELFFile(handle).get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                if entry.tag == "DW_TAG_typedef":
                    name = entry.attributes["DW_AT_name"].value.decode()
                    if name in names and name not in found:
                        kind = _resolve(entry)
                        assert isinstance(kind, Structure)
                        found[name] = Structure(name, kind.size, kind.members)
            if len(found) == len(names):
                break
    return {name: found[name] for name in names}


def _resolve(entry: Any) -> Scalar | Structure:
    """What a debug entry of a type comes to."""
    if entry.tag in {"DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"}:
        return _resolve(entry.get_DIE_from_attribute("DW_AT_type"))
    if entry.tag == "DW_TAG_pointer_type":
        return Scalar(4, True, None)
    if entry.tag == "DW_TAG_base_type":
        return Scalar(entry.attributes["DW_AT_byte_size"].value, False, None)
    if entry.tag == "DW_TAG_array_type":
        element = _resolve(entry.get_DIE_from_attribute("DW_AT_type"))
        bounds = [child.attributes["DW_AT_upper_bound"].value for child in entry.iter_children()]
        assert isinstance(element, Scalar)
        assert len(bounds) == 1, "arrays of one dimension"
        return Scalar(element.size, element.pointer, bounds[0] + 1)
    assert entry.tag == "DW_TAG_structure_type", entry.tag
    members = tuple(_member(child) for child in entry.iter_children() if child.tag == "DW_TAG_member")
    return Structure("", entry.attributes["DW_AT_byte_size"].value, members)


def _member(entry: Any) -> Member:
    values = {name: attribute.value for name, attribute in entry.attributes.items()}
    assert "DW_AT_bit_size" not in values, "no bit fields, whose layout is the compiler's"
    kind = _resolve(entry.get_DIE_from_attribute("DW_AT_type"))
    return Member(values["DW_AT_name"].decode(), values["DW_AT_data_member_location"], kind)
