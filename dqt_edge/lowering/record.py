"""What a descriptor is made of: a structure of C as a frozen dataclass, field by field.

A template can write any record in one loop, and the size of every table is known without a compiler.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, get_type_hints

NONE = 0xFFFFFFFF
"""DQT_NONE: an offset that is not there."""

RESERVED = "reserved"
"""Name of the bytes that fill a structure; they are zero."""

POINTER = "pointer"
_SIZES = {"uint8_t": 1, "int8_t": 1, "bool": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, POINTER: 4}


@dataclass(frozen=True)
class Member:
    """A field as C has it.

    Attributes:
        c_type: Type of the field, or of an element; ``pointer`` for any address.
        count: Elements of an array; None: no array.
        record: Class of a structure within the structure, instead of ``c_type``.
        constant: Whether a pointer is the name of a constant of the plan.
    """

    c_type: str
    count: int | None = None
    record: type[Record] | None = None
    constant: bool = False

    @property
    def alignment(self) -> int:
        """Its alignment in bytes on a 32-bit core."""
        return self.record.byte_alignment() if self.record else _SIZES[self.c_type]

    @property
    def size(self) -> int:
        """Bytes on a 32-bit core."""
        return self.record.byte_size() if self.record else _SIZES[self.c_type] * (self.count or 1)


@dataclass(frozen=True)
class Record:
    """A structure in flash. A text value is a name; None is a null pointer, or DQT_NONE for an offset."""

    c_type: ClassVar[str]

    @classmethod
    @functools.cache
    def members(cls) -> Mapping[str, Member]:
        """Every field in the order of the structure, the reserved ones too."""
        hints = get_type_hints(cls, include_extras=True)
        return {f.name: _member(hints[f.name]) for f in fields(cls)}

    @classmethod
    def byte_alignment(cls) -> int:
        """Alignment of the structure in bytes on a 32-bit core."""
        return max(member.alignment for member in cls.members().values())

    @classmethod
    def offsets(cls) -> dict[str, int]:
        """Byte offset of each field on a 32-bit core."""
        found, end = {}, 0
        for name, member in cls.members().items():
            found[name] = -(-end // member.alignment) * member.alignment
            end = found[name] + member.size
        return found

    @classmethod
    def byte_size(cls) -> int:
        """Bytes on a 32-bit core."""
        end = max(offset + cls.members()[name].size for name, offset in cls.offsets().items())
        return -(-end // cls.byte_alignment()) * cls.byte_alignment()

    def fields(self) -> Iterator[tuple[str, Any, Member]]:
        """Name, value and C type of each field that is not reserved, in the order of the structure."""
        for name, member in self.members().items():
            if name != RESERVED:
                yield name, getattr(self, name), member

    def arrays(self) -> dict[str, tuple[Record, ...]]:
        """Tables of records that this one points to, by the name of the pointer."""
        return {name: value for name, value, member in self.fields() if member.c_type == POINTER and _is_array(value)}

    def table_size(self) -> int:
        """Bytes of the record and of the tables that it points to."""
        return self.byte_size() + sum(sum(item.byte_size() for item in items) for items in self.arrays().values())


def _member(hint: Any) -> Member:  # noqa: ANN401 - a type
    """The C side of a field: annotated, or a structure within the structure."""
    if isinstance(hint, type) and issubclass(hint, Record):
        return Member(hint.c_type, None, hint)
    found = hint.__metadata__[0]
    assert isinstance(found, Member)
    return found


def _is_array(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, Record) for item in value)


U8 = Annotated[int, Member("uint8_t")]
I8 = Annotated[int, Member("int8_t")]
U16 = Annotated[int, Member("uint16_t")]
U32 = Annotated[int, Member("uint32_t")]
I32 = Annotated[int, Member("int32_t")]
Bool = Annotated[bool, Member("bool")]
Symbol = Annotated[str, Member(POINTER)]
Address = Annotated[str, Member(POINTER, constant=True)]
Loops = Annotated[tuple[int, int, int], Member("uint32_t", 3)]
OptionalAddress = Annotated[str | None, Member(POINTER, constant=True)]
