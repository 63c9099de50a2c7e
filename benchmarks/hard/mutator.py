"""Mutants of C: one operator, comparison or constant changed, by tokens; what is no code is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TOKEN = re.compile(
    r"""(?P<skip>\s+|/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\#(?:\\\n|[^\n])*|_Static_assert[^;]*;)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>0[xX][0-9A-Fa-f]+[uUlL]*|\d+[uUlL]*)
    |(?P<operator><<=|>>=|->|\+\+|--|&&|\|\||<<|>>|[-+*/%&|^<>=!]=|[-+*/%&|^<>=!~?:;,.(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)
SWAPS = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "/": ("*",),
    "%": ("/",),
    "<<": (">>",),
    ">>": ("<<",),
    "&": ("|",),
    "|": ("&",),
    "^": ("|",),
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "++": ("--",),
    "--": ("++",),
    "+=": ("-=", "="),
    "-=": ("+=",),
    "|=": ("&=", "="),
    "^=": ("|=",),
    "<<=": (">>=",),
    ">>=": ("<<=",),
    "!": ("",),
    "~": ("",),
    "true": ("false",),
    "false": ("true",),
    "break": ("continue",),
    "continue": ("break",),
}
ONLY_BINARY = {"+", "-", "*", "&"}
"""Operators that are left alone where they have one operand."""


@dataclass(frozen=True)
class Mutant:
    """A change of one token.

    Attributes:
        file: Path of the source, in the suite.
        start: Offset of the token in its text.
        before, after: The token and what takes its place.
        line: Text of its line, without the space round it.
        number: Which of the equal tokens on its line it is, from 0.
    """

    file: str
    start: int
    before: str
    after: str
    line: str
    number: int

    def of(self, text: str) -> str:
        """The source with the change."""
        assert text.startswith(self.before, self.start)
        return text[: self.start] + self.after + text[self.start + len(self.before) :]

    def __str__(self) -> str:
        which = f" ({self.number + 1}.)" if self.number else ""
        return f"{self.file}: `{self.before}`{which} to `{self.after}` in `{self.line}`"


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a source."""
    before = ""
    place = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        assert match is not None, text[place : place + 40]
        place = match.end()
        if match["skip"] is not None:
            continue
        token = match[0]
        binary = bool(re.fullmatch(r"\w+|\)|\]", before)) and before not in ("return", "case")
        changes = SWAPS.get(token, ())
        if token in ONLY_BINARY and not binary:
            changes = ()
        if match["number"] is not None:
            changes = tuple(_numbers(token))
        begin = text.rfind("\n", 0, match.start()) + 1
        number = text.count(token, begin, match.start())
        end = text.find("\n", place)
        line = text[begin : end if end >= 0 else len(text)].strip()
        for after in changes:
            yield Mutant(file, match.start(), token, after, line, number)
        before = token


def _numbers(token: str) -> Iterator[str]:
    """A constant and one more, and one less if it is not 0."""
    digits = token.rstrip("uUlL")
    suffix = token[len(digits) :]
    value = int(digits, 0)
    for other in (value + 1, value - 1):
        if other >= 0:
            yield f"{other}{suffix}"


def some(file: str, text: str, share: float) -> list[Mutant]:
    """A share of a source's mutants, at random; the same text gives the same ones, in any order of files."""
    every = list(mutants(file, text))
    rng = np.random.default_rng([*file.encode(), 3])
    chosen = rng.permutation(len(every))[: max(1, round(share * len(every)))]
    return [every[int(i)] for i in sorted(chosen)]
