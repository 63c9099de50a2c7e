"""Record: one inference of a session, and its line in a log."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

CRC = ',"crc":"'
"""What stands between a line's content and its CRC-32, eight hexadecimal digits."""


@dataclass(frozen=True)
class Decided:
    """An answer and what was decided for it.

    Attributes:
        output: Output codes, of several outputs one behind another.
        choices: Candidate of each adaptive layer, -1 where it did not run.
        point: Decision point that answered; their number for the network's end.
        passes: 1 or 2.
        margin: Of the point that answered; 0 where no setting decided.
    """

    output: bytes
    choices: tuple[int, ...]
    point: int
    passes: int
    margin: int


@dataclass(frozen=True)
class Record:
    """One inference.

    Attributes:
        number: Its place in the session, from 0; the points of a dial lie one behind another.
        input_crc: CRC-32 of the input's codes.
        found: What the device answered.
        wanted: What the interpreter answered; ``found`` itself where they agree.
        runs: How many times each of ``graph.all_layers`` ran, by the interpreter.
        total: What the inference took, in the board's unit; None where nothing is counted.
        counts: The same of each of ``graph.all_layers``.
        difference: Which layer differs first, of the first inference that differs; else empty.
    """

    number: int
    input_crc: int
    found: Decided
    wanted: Decided
    runs: tuple[int, ...]
    total: int | None
    counts: tuple[int, ...] | None
    difference: str = ""

    @property
    def differs(self) -> bool:
        """Whether the device's answer is not the interpreter's."""
        return self.found != self.wanted


def encode(record: Record) -> bytes:
    """Line of a record, with its newline. The same record gives the same bytes."""
    found: dict[str, Any] = {"n": record.number, "input": f"{record.input_crc:08x}", **_facts(record.found)}
    found["runs"] = list(record.runs)
    if record.total is not None and record.counts is not None:
        found |= {"total": record.total, "counts": list(record.counts)}
    if record.differs:
        found["wanted"] = _facts(record.wanted)
    if record.difference:
        found["difference"] = record.difference
    return sealed(found)


def decode(line: bytes) -> Record:
    """The record of a line; raises ValueError for anything that ``encode`` does not write."""
    found = unsealed(line)
    try:
        given = _decided(found)
        counts = found.get("counts")
        record = Record(
            number=found["n"],
            input_crc=int(found["input"], 16),
            found=given,
            wanted=_decided(found["wanted"]) if "wanted" in found else given,
            runs=tuple(found["runs"]),
            total=found.get("total"),
            counts=None if counts is None else tuple(counts),
            difference=found.get("difference", ""),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no record ({error})") from error
    if encode(record) != line:
        raise ValueError("it is no record as this program writes them")
    return record


def sealed(content: dict[str, Any]) -> bytes:
    """A JSON line that ends with the CRC-32 of what stands before it."""
    text = json.dumps(content, separators=(",", ":"))[:-1]
    return f'{text}{CRC}{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def unsealed(line: bytes) -> dict[str, Any]:
    """Content of a line, without its CRC; raises ValueError if it is not what was written."""
    text, mark, _ = line.decode("utf-8").rpartition(CRC)
    if not mark or line != f'{text}{CRC}{zlib.crc32(text.encode()):08x}"}}\n'.encode():
        raise ValueError("its CRC-32 is not that of its content")
    found = json.loads(text + "}")
    assert isinstance(found, dict)
    return found


def _facts(answer: Decided) -> dict[str, Any]:
    return {
        "output": answer.output.hex(),
        "choices": list(answer.choices),
        "point": answer.point,
        "passes": answer.passes,
        "margin": answer.margin,
    }


def _decided(found: dict[str, Any]) -> Decided:
    return Decided(
        bytes.fromhex(found["output"]), tuple(found["choices"]), found["point"], found["passes"], found["margin"]
    )
