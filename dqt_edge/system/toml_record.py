"""Frozen dataclasses from TOML tables, every key and type checked, and back to TOML."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")

NOT_IN_FILE = {"file": False}
"""Metadata of a field that no file states."""

HEXADECIMAL = {"hexadecimal": True}
"""Metadata of an integer that is written as ``0x...``."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def from_table(cls: type[Record], table: object, where: str) -> Record:
    """The record that a table states.

    Fields may be text, integers, booleans, lists of text or integers, tables of text or of integers, and records.

    Raises:
        ValueError: An unknown key, a missing key or a wrong type; ``where`` and the key are named.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{where} must be a table")
    known = _fields(cls)  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise ValueError(f"unknown key {key!r} in {where}")
    values = {}
    for name, (field, declared) in known.items():
        if name in table:
            values[name] = _typed(declared, table[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"missing key {name!r} in {where}")
    return cls(**values)


def as_table(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    """What a file would state: plain values by key, lists for tuples, without what is None."""
    values = {name: getattr(record, name) for name in _fields(type(record))}  # type: ignore[arg-type]
    return {name: _plain(value) for name, value in values.items() if value is not None}


def to_toml(record: Any) -> str:  # noqa: ANN401 - any dataclass
    """TOML text from which :func:`from_table` makes the same record."""
    return "\n".join(_lines(record, "")) + "\n"


@cache
def _fields(cls: type[Any]) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """Fields of a record that a file states, with their types."""
    hints = get_type_hints(cls)
    return {f.name: (f, hints[f.name]) for f in dataclasses.fields(cls) if f.metadata.get("file", True)}


def _typed(declared: Any, item: object, where: str) -> object:  # noqa: ANN401 - a type
    if get_origin(declared) in (Union, types.UnionType):
        declared = next(part for part in get_args(declared) if part is not type(None))
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        return from_table(declared, item, where)
    if get_origin(declared) is tuple:
        part = get_args(declared)[0]
        plain = {str: "text", int: "integers"}
        if not isinstance(item, list) or (part in plain and not all(type(entry) is part for entry in item)):
            raise ValueError(f"{where} must be a list of {plain.get(part, 'tables')}")
        return tuple(_typed(part, entry, f"{where}[{i}]") for i, entry in enumerate(item))
    if get_origin(declared) is dict:
        kind = get_args(declared)[1]
        if not isinstance(item, Mapping) or not all(type(entry) is kind for entry in item.values()):
            raise ValueError(f"{where} must be a table of {'text' if kind is str else 'integers'}")
        return dict(item)
    if type(item) is not declared:
        raise ValueError(f"{where} must be {declared.__name__}, not {item!r}")
    return item


def _plain(value: Any) -> Any:  # noqa: ANN401 - TOML
    if dataclasses.is_dataclass(value):
        return as_table(value)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _lines(record: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any dataclass
    """Keys with plain values first, as TOML wants; then tables, each under its whole path."""
    known = _fields(type(record))  # type: ignore[arg-type]
    tables = {}
    for name, (field, _) in known.items():
        value = getattr(record, name)
        if dataclasses.is_dataclass(value) or isinstance(value, dict) or _is_records(value):
            tables[name] = value
        elif value is not None:
            yield f"{name} = {_literal(value, hexadecimal=bool(field.metadata.get('hexadecimal')))}"
    for name, value in tables.items():
        for entry in value if isinstance(value, tuple) else (value,):
            yield ""
            yield f"[[{path}{name}]]" if isinstance(value, tuple) else f"[{path}{name}]"
            if isinstance(entry, dict):
                yield from (f"{_key(key)} = {_literal(text)}" for key, text in entry.items())
            else:
                yield from _lines(entry, f"{path}{name}.")


def _is_records(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and dataclasses.is_dataclass(value[0])


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _literal(key)


def _literal(value: Any, *, hexadecimal: bool = False) -> str:  # noqa: ANN401 - TOML
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(entry) for entry in value)}]"
    if isinstance(value, str):
        # What JSON escapes, TOML reads alike; of the characters that TOML forbids, JSON leaves one.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return f"0x{value:08x}" if hexadecimal else str(value)
