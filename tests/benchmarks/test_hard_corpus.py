"""A sample of the line ``corpus`` of ``make hard``: a core answers as the host, and a difference is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import fuzz_device
from benchmarks.hard import corpus
from dqt_edge.boards import load_board
from dqt_edge.device.frame import Frame, encode
from dqt_edge.device.messages import RESULT, Type

CASES = 12
GARBAGE = 4096


@pytest.mark.qemu
def test_a_core_answers_as_the_host(tmp_path: Path) -> None:
    cases = [*fuzz_device.first_cases(), *fuzz_device.read_corpus()[:CASES]]
    host, core = load_board("host"), load_board("qemu-m4")
    wanted = corpus.answers(host, corpus.make(host, tmp_path / "host"), cases, GARBAGE)
    said = {kind for answers in wanted for kind, *_ in answers}
    assert said >= {"text", Type.NAK, Type.HELLO_REPLY, Type.LOAD_REPLY, Type.RESULT, Type.SELECT_REPLY}
    findings, count = corpus.compare(core, tmp_path / "core", cases, wanted, GARBAGE)
    assert findings == []
    assert count == sum(map(len, wanted))
    wanted[3] = wanted[3][1:]
    findings, _ = corpus.compare_answers(core, wanted[3:4], [wanted[4]])
    assert len(findings) == 1
    assert "case 0" in findings[0]


def test_times_are_not_compared_and_answers_are() -> None:
    def result(total: int, code: int) -> Frame:
        head = {"policy": 0, "flags": 1, "adaptive": 1, "layers": 2, "point": 0, "passes": 1, "margin": 0}
        count = total.to_bytes(8, "little")
        return Frame(Type.RESULT, 1, RESULT.pack(**head, output_size=1, total=total) + bytes([0, code]) + 2 * count)

    assert corpus.compared(result(5, 7)) == corpus.compared(result(6, 7))
    assert corpus.compared(result(5, 7)) != corpus.compared(result(5, 8))
    frame = encode(Type.RESULT, 1, b"")[:-1]
    assert corpus.split(b"m-timestamp-17\r\n" + frame) == (b"m-timestamp-\r\n", frame)
    assert corpus.split(b"m-ready\r\n") == (b"m-ready\r\n", b"")
