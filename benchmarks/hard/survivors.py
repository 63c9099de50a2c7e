"""Mutants that no test can kill, each looked at, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .mutator import Mutant


@dataclass(frozen=True)
class Survivor:
    """Mutants in files of a name, on lines with a text, of one token into another; empty: of any."""

    file: str
    line: str
    before: str
    after: str
    reason: str


_PADDING = "what lies in the padding of a column is multiplied by weights of 0; that it is written at all, MSan notices"
_LIMIT = "a value that is the limit itself is clamped to itself"
_EQUAL = "of two equal codes either is the answer"
SURVIVORS = (
    Survivor("dqt/dqt_arith.h", "if (code < (int64_t)low) {", "<", "<=", _LIMIT),
    Survivor("dqt/dqt_arith.h", "code > (int64_t)high ? high", ">", ">=", _LIMIT),
    Survivor("dqt/dqt_arith.h", "rounded < top ? rounded : top", "<", "<=", _LIMIT),
    Survivor("kernels/*", "code > high ? high : code", ">", ">=", _LIMIT),
    Survivor("kernels/*", "code < low ? low : code", "<", "<=", _LIMIT),
    Survivor("kernels/dqt_*conv2d*.c", "*column++ = 0;", "0", "1", _PADDING),
    Survivor("kernels/dqt_*conv2d*.c", "end = column + depth;", "+", "-", _PADDING),
    Survivor("kernels/dqt_maximum.c", "*a > *b ? *a : *b", ">", ">=", _EQUAL),
    Survivor("kernels/dqt_minimum.c", "*a < *b ? *a : *b", "<", "<=", _EQUAL),
    Survivor("kernels/dqt_max_pool2d.c", "code > most ? code : most", ">", ">=", _EQUAL),
    Survivor(
        "dqt/dqt_run.c",
        "i = 1; i < size",
        "1",
        "0",
        "one comparison more, of the first code with itself, which is not larger",
    ),
    Survivor(
        "kernels/dqt_dense_accumulate.c",
        "sum += column[k];",
        "+=",
        "=",
        "logits of a Graph run at 8x8, where the sum of the activations has the factor 0; emulated kernels run at "
        "every width pair and kill it (line kernels)",
    ),
)


def reason_for(mutant: Mutant) -> str | None:
    """Why a mutant cannot be killed, or None."""
    for known in SURVIVORS:
        if (
            Path(mutant.file).match(known.file)
            and known.line in mutant.line
            and known.before in ("", mutant.before)
            and known.after in ("", mutant.after)
        ):
            return known.reason
    return None
