"""Mutants are changes of one token of code, and no others; what became of one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hard.mutants import KILLED, NO_CODE, SAME_CODE, SURVIVED, Workshop
from benchmarks.hard.mutator import Mutant, mutants, some
from benchmarks.hard.suite import make_suite
from benchmarks.hard.survivors import SURVIVORS, reason_for

TEXT = """/* a + b */
#include "x.h" // 1 < 2
static const char *text = "a + 1";
int f(const int *p, int n) {
    if (n <= 0x1Fu && !p) {
        return -1;
    }
    return p[n - 1] + *p;
}
"""


def test_each_token_of_code_is_changed_and_nothing_else() -> None:
    found = {(m.line, m.before, m.after) for m in mutants("x.c", TEXT)}
    first, second, third = "if (n <= 0x1Fu && !p) {", "return -1;", "return p[n - 1] + *p;"
    pointers = ('static const char *text = "a + 1";', "int f(const int *p, int n) {")
    assert found == {
        *((line, "*", "+") for line in pointers),  # which no compiler takes
        *((first, "<=", after) for after in ("<", ">")),
        *((first, "0x1Fu", after) for after in ("32u", "30u")),
        (first, "&&", "||"),
        (first, "!", ""),
        *((second, "1", after) for after in ("2", "0")),
        (third, "-", "+"),
        *((third, "1", after) for after in ("2", "0")),
        (third, "+", "-"),
    }


def test_a_mutant_changes_one_place() -> None:
    for mutant in mutants("x.c", TEXT):
        changed = mutant.of(TEXT)
        assert changed != TEXT
        assert len(changed) - len(TEXT) == len(mutant.after) - len(mutant.before)
        assert changed.splitlines()[:2] == TEXT.splitlines()[:2]
    equal = [m for m in mutants("x.c", "a = 1 + 1;") if m.before == "1"]
    assert {(m.number, m.of("a = 1 + 1;")) for m in equal} == {
        (0, "a = 2 + 1;"),
        (0, "a = 0 + 1;"),
        (1, "a = 1 + 2;"),
        (1, "a = 1 + 0;"),
    }


def test_a_share_is_the_same_each_time() -> None:
    chosen = some("x.c", TEXT, 0.5)
    assert chosen == some("x.c", TEXT, 0.5)
    assert len(chosen) == round(0.5 * len(list(mutants("x.c", TEXT))))
    assert some("y.c", TEXT, 0.5) != [*chosen]


def test_a_reason_is_given_for_the_mutants_that_it_is_for() -> None:
    assert SURVIVORS, "some cannot be killed"
    for known in SURVIVORS:
        assert known.reason
        file = known.file.replace("*", "x.c")
        mutant = Mutant(file, 0, known.before or "1", known.after or "2", f"a {known.line} b", 0)
        assert reason_for(mutant) is not None
    assert reason_for(Mutant("dqt/none.c", 0, "+", "-", "a + b", 0)) is None


@pytest.mark.slow
def test_what_became_of_mutants(tmp_path: Path) -> None:
    workshop = Workshop(make_suite(2, samples=2, vectors=2, settings=3), tmp_path)
    file = "dqt/dqt_run.c"
    text = workshop.suite.files[file]

    def outcome(before: str, after: str, within: str) -> str:
        start = text.index(before, text.index(within))
        return workshop.outcome(Mutant(file, start, before, after, within, 0))

    assert outcome(">", "<", "value > most") == KILLED
    assert outcome("0", "0u", "best = 0") == SAME_CODE
    assert outcome("(", "", "if (value > most") == NO_CODE
    assert outcome("1", "0", "i = 1; i < size") == SURVIVED, "one comparison more, of a code with itself"
