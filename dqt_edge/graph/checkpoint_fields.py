"""Values of a manifest in JSON, each checked against the type that its field is declared with.

The declared types are all there is to know: a field of integers takes integers and nothing else, one of an array takes
the name of an array of that element type. So no value of another kind reaches a Graph, and through it C.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

INTEGER_MAX = 1 << 63
LENGTH_MAX = 1 << 20
"""Most items of a list in a field."""


def build(cls: type[Any], body: object, arrays: Arrays, where: str = "") -> Any:  # noqa: ANN401 - of the class
    """An object of a dataclass from its JSON.

    Args:
        cls: A dataclass whose fields are numbers, text, arrays, tuples and dictionaries of these, or such dataclasses.
            A field of any type takes what JSON has, and arrays.
        body: From a file.
        arrays: What ``{"array": name}`` refers to.
        where: Path of ``body`` for messages.

    Raises:
        ValueError: Names the field, what it holds and what it must.
        DqtError: As the class refuses its values.
    """
    if not isinstance(body, dict):
        raise _wrong(where or cls.__name__, body, "an object")
    hints, needed = _declared(cls)  # type: ignore[arg-type]
    has_fields(body, set(needed), where or cls.__name__, hints)
    return cls(**{name: _value(hints[name], item, arrays, _under(where, name)) for name, item in body.items()})


def build_each(cls: type[Any], bodies: list[Any], arrays: Arrays, where: str) -> tuple[Any, ...]:
    """:func:`build` of each item of a list, which messages name by its place in the list."""
    return tuple(build(cls, body, arrays, f"{where}[{i}]") for i, body in enumerate(bodies))


def has_fields(body: dict[str, Any], needed: set[str], where: str, more: Collection[str] | None = ()) -> None:
    """Raise ValueError, with their names, if fields are missing, or there are others than these; ``more`` None: any."""
    unknown = [] if more is None else sorted(set(body) - needed - set(more))
    missing = sorted(needed - set(body))
    if unknown or missing:
        raise ValueError(f"{where} " + (f"has unknown fields {unknown}"[:200] if unknown else f"lacks {missing}"))


def text(body: object, where: str) -> str:
    """Text; raises ValueError for anything else."""
    return str(_value(str, body, {}, where))


def record(body: object, where: str) -> dict[str, Any]:
    """An object of JSON; raises ValueError for anything else."""
    if not isinstance(body, dict):
        raise _wrong(where, body, "an object")
    return body


def items(body: object, most: int, where: str) -> list[Any]:
    """A list of at most ``most`` items; raises ValueError for anything else."""
    if not isinstance(body, list) or len(body) > most:
        raise _wrong(where, f"a list of {len(body)}" if isinstance(body, list) else body, f"a list of up to {most}")
    return body


@cache
def _declared(cls: type[Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Types of a dataclass's fields, and the names of those without a default."""
    hints = get_type_hints(cls)
    needed = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
    return {f.name: hints[f.name] for f in fields(cls)}, frozenset(needed)


def _value(kind: Any, item: object, arrays: Arrays, where: str) -> Any:  # noqa: ANN401 - types and their values
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if item is None and type(None) in arguments:
            return None
        kinds = [each for each in arguments if each is not type(None)]
        return _value(next((each for each in kinds if type(item) is each), kinds[0]), item, arrays, where)
    if origin in _GENERIC:
        return _GENERIC[origin](arguments, item, arrays, where)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return build(kind, item, arrays, where)
    return _anything(item, arrays, where) if kind is Any else _plain(kind, item, where)


def _numbers(arguments: tuple[Any, ...], item: object, arrays: Arrays, where: str) -> npt.NDArray[Any]:
    """An array: of NumPy 2.5 on NDArray stays an alias, of the elements' type; before, it is ndarray with a dtype."""
    element = arguments[0] if len(arguments) == 1 else get_args(arguments[1])[0]
    return _array(None if element is Any else np.dtype(element), item, arrays, where)


def _choice(arguments: tuple[Any, ...], item: object, _arrays: Arrays, where: str) -> str:
    if not isinstance(item, str) or item not in arguments:
        raise _wrong(where, item, f"one of {', '.join(arguments)}")
    return item


def _by_name(arguments: tuple[Any, ...], item: object, arrays: Arrays, where: str) -> dict[str, Any]:
    return {name: _value(arguments[1], part, arrays, where) for name, part in record(item, where).items()}


def _anything(item: object, arrays: Arrays, where: str) -> Any:  # noqa: ANN401 - as it says
    if isinstance(item, dict):
        if set(item) == {"array"}:
            return _array(None, item, arrays, where)
        return {name: _anything(part, arrays, where) for name, part in item.items()}
    if isinstance(item, list):
        return [_anything(part, arrays, where) for part in items(item, LENGTH_MAX, where)]
    return item


def _array(dtype: np.dtype[Any] | None, item: object, arrays: Arrays, where: str) -> npt.NDArray[Any]:
    """``dtype`` None: of any numbers."""
    if not isinstance(item, dict) or set(item) != {"array"} or not isinstance(item["array"], str):
        raise _wrong(where, item, "the name of an array")
    array = arrays.get(item["array"])
    if array is None:
        raise ValueError(f"{where}: there is no array {item['array'][:80]!r}")
    if dtype is not None and array.dtype != dtype:
        raise ValueError(f"{where} is an array of {array.dtype}, must be of {dtype}")
    return array


def _tuple(kinds: tuple[Any, ...], item: object, arrays: Arrays, where: str) -> tuple[Any, ...]:
    if not isinstance(item, list) or len(item) > LENGTH_MAX:
        raise _wrong(where, item, "a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(item)
    if len(item) != len(kinds):
        raise _wrong(where, item, f"a list of {len(kinds)}")
    return tuple(_value(kind, part, arrays, where) for kind, part in zip(kinds, item, strict=True))


_GENERIC: dict[Any, Callable[[tuple[Any, ...], object, Arrays, str], Any]] = {
    np.ndarray: _numbers,
    npt.NDArray: _numbers,
    tuple: _tuple,
    dict: _by_name,
    Literal: _choice,
}
"""What reads a generic type, by its origin."""


def _plain(kind: Any, item: object, where: str) -> int | float | str | bool:  # noqa: ANN401 - a type
    if kind is float and (type(item) is float or (type(item) is int and -INTEGER_MAX <= item < INTEGER_MAX)):
        return item
    if kind is int and type(item) is int:
        if not -INTEGER_MAX <= item < INTEGER_MAX:
            raise _wrong(where, item, "an integer of 64 bits")
        return item
    if isinstance(item, str | bool) and kind is type(item):
        return item
    raise _wrong(where, item, {int: "an integer", float: "a number", str: "text", bool: "true or false"}[kind])


def _under(where: str, name: str) -> str:
    return f"{where}/{name}" if where else f"field {name}"


def _wrong(where: str, item: object, wanted: str) -> ValueError:
    shown = repr(item)
    return ValueError(f"{where} is {shown if len(shown) <= 80 else shown[:77] + '...'}, must be {wanted}")
