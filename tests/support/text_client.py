"""A runner's side of MLPerf Tiny's text protocol, from docs/mlperf.md: a command, and its lines until m-ready."""

from __future__ import annotations

from dataclasses import dataclass

from dqt_edge.device.transport import Transport

from .waiting import wait_until

READY = "m-ready"
CHUNK = 31
"""Bytes of a db command, as the consortium's runner sends them."""


@dataclass(frozen=True)
class Timed:
    """What an infer said: results, and microseconds between its two stamps."""

    results: tuple[float, ...]
    microseconds: int

    @property
    def top(self) -> int:
        return self.results.index(max(self.results))


class TextClient:
    """Turns with a device; the first one is its greeting."""

    def __init__(self, transport: Transport, *, greeted: bool = True) -> None:
        self.transport = transport
        self._came = ""
        self.greeting = self.lines() if greeted else []

    def lines(self) -> list[str]:
        """Lines until m-ready, without it."""

        def whole() -> bool:
            self._came += self.transport.read(65536, 1.0).decode("latin-1")
            return f"{READY}\r\n" in self._came

        wait_until(lambda: f"{READY}\r\n" in self._came or whole(), f"no {READY} came", pause=0)
        turn, _, self._came = self._came.partition(f"{READY}\r\n")
        assert turn == "" or turn.endswith("\r\n"), turn
        return turn.split("\r\n")[:-1]

    def ask(self, command: str) -> list[str]:
        self.transport.write(f"{command}%".encode("latin-1"))
        return self.lines()

    def load(self, content: bytes) -> None:
        assert self.ask(f"db load {len(content)}") == [f"m-[Expecting {len(content)} bytes]"]
        for at in range(0, len(content), CHUNK):
            said = self.ask(f"db {content[at : at + CHUNK].hex()}")
            assert said == (["m-load-done"] if at + CHUNK >= len(content) else [])

    def infer(self, count: int = 1, warm_ups: int = 0) -> Timed:
        said = self.ask(f"infer {count} {warm_ups}")
        begin, warm, start, first, second, done, results = said
        assert (begin, warm) == (f"m-warmup-start-{warm_ups}", "m-warmup-done")
        assert (start, done) == (f"m-infer-start-{count}", "m-infer-done")
        laps = [int(lap.removeprefix("m-lap-us-")) for lap in (first, second)]
        return Timed(numbers(results), laps[1] - laps[0])


def numbers(line: str) -> tuple[float, ...]:
    """The numbers of m-results-[...]."""
    assert line.startswith("m-results-[")
    assert line.endswith("]")
    return tuple(map(float, line[len("m-results-[") : -1].split(",")))
