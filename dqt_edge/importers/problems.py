"""What a model holds that cannot be imported: collected over the whole model, and told at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import UnsupportedError


@dataclass(frozen=True)
class Problem:
    """One layer that cannot be imported: its name and type in the source, why, and what could be imported."""

    layer: str
    type: str
    reason: str
    nearest: str


class Unfit(Exception):  # noqa: N818 - a signal between two functions, never shown as an error
    """The layer at hand cannot be imported; arguments are the reason and the nearest supported form."""

    def __init__(self, reason: str, nearest: str) -> None:
        super().__init__(reason)
        self.reason, self.nearest = reason, nearest


class Problems:
    """The list that a reader fills."""

    def __init__(self, where: str, verb: str = "imported") -> None:
        self.where, self.verb = where, verb
        self.found: list[Problem] = []

    @contextmanager
    def collect(self, layer: str, kind: str) -> Iterator[None]:
        """Turn an ``Unfit`` or ``UnsupportedError`` of the body into an entry of the list."""
        try:
            yield
        except Unfit as unfit:
            self.found.append(Problem(layer, kind, unfit.reason, unfit.nearest))
        except UnsupportedError as error:
            self.found.append(Problem(layer, kind, error.what, error.next_step))

    def refuse(self) -> None:
        """Raise UnsupportedError with every entry, if there is one."""
        if not self.found:
            return
        count = len(self.found)
        lines = [f"{count} layer{'s' * (count > 1)} of the model cannot be {self.verb}:"]
        lines += [f"  - {p.layer} ({p.type}): {p.reason}; nearest supported form: {p.nearest}" for p in self.found]
        raise UnsupportedError(
            "\n".join(lines),
            where=self.where,
            next_step="change these layers to the supported form and convert the model again; nothing was written",
        )
