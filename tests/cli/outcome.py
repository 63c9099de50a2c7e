"""What a command line did, and what a refusal must look like."""

from __future__ import annotations


class Outcome:
    """What a command did: exit code, standard output and error."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def assert_refused(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    for part in ("error: ", "where: ", "next:  "):
        assert part in outcome.err
    for word in words:
        assert word in outcome.err
