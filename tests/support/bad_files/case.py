"""What a bad file is: its name, how its bytes are made, and what the error must say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Make = Callable[[], bytes]
"""The bytes of a file; made anew each time, from a good file with one thing wrong."""


@dataclass(frozen=True)
class Case:
    """A bad file.

    Attributes:
        make: Its bytes.
        told: What the error's text must hold: the field, the layer, the tensor, the entry ... that is wrong.
        file: Its name, where another one than the format's matters.
    """

    make: Make
    told: str
    file: str = ""


@dataclass(frozen=True)
class Format:
    """A format, its good file, and its bad ones.

    Attributes:
        name: For counts.
        file: Path of a file below a folder of its own.
        good: Bytes that are read without an error.
        read: As the product reads it, up to what it is made for.
        cases: By what is wrong with them.
        least: How many there are at least.
        around: Other files of the folder, by path.
    """

    name: str
    file: str
    good: Make
    read: Callable[[Path], object]
    cases: Mapping[str, Case]
    least: int
    around: Callable[[], Mapping[str, bytes]] = dict

    def place(self, folder: Path, case: Case | None = None) -> Path:
        """Write a bad file, or the good one, and what lies around it, into an empty folder; the file's path."""
        path = folder / ((case and case.file) or self.file)
        files = {folder / name: content for name, content in self.around().items()}
        for place, content in (files | {path: case.make() if case else self.good()}).items():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return path
