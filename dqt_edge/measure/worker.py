"""Program of a worker, ``python -m dqt_edge.measure.worker``: batches in by standard input, records out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from ..errors import DqtError
from .work import Batch, Doing, Work, get, put


def main() -> None:
    """Work until the other side closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    source, target = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed by accident is no record
    with contextlib.suppress(EOFError, BrokenPipeError):
        work = get(source)
        assert isinstance(work, Work)
        with contextlib.closing(Doing(work)) as doing:
            while True:
                batch = get(source)
                assert isinstance(batch, Batch)
                try:
                    answer: object = doing.answers(batch)
                except DqtError as error:
                    answer = error
                put(target, answer)


if __name__ == "__main__":
    main()
