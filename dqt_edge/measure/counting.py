"""Exact instruction counts of an emulated device, by address too, by a QEMU plugin of our own.

The plugin notes how many instructions have executed whenever an instruction at a marked address is about to. In our own
images that is the start of ``dqt_port_counter``, which the runtime calls before the first and behind every layer. So
the plugin and the device's own counter see the same intervals, and each checks the other.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from ..boards import Board, Flash, Memory
from ..device.client import Client
from ..device.qemu import QemuTransport
from ..device.replies import Inference, in_units
from ..errors import MismatchError, ToolchainError
from ..graph import Graph
from ..graph.points import Setting
from ..project.manifest import Project
from ..system import elf
from ..system.tools import find_tool, run
from .asking import execution
from .cycles.histogram import Histogram

SOURCE = Path(__file__).parent / "native" / "count_plugin.c"
PLUGIN = "count_plugin.so"
FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
MARK = "dqt_port_counter"
_HEAD = struct.Struct("<QQQ")
_GROUP = struct.Struct("<QQQQQ")


@dataclass(frozen=True)
class Visit:
    """A marked address was about to execute.

    Attributes:
        address: Which one.
        executed: Instructions executed since the machine's start.
        histogram: What each address did since the visit before; empty unless it was asked for.
    """

    address: int
    executed: int
    histogram: Histogram

    @property
    def by_address(self) -> dict[int, int]:
        """How often each address executed since the visit before."""
        return self.histogram.executed


@dataclass(frozen=True)
class Counts:
    """Instructions of one inference, and of each of its layers, as the plugin saw them; 0: the layer did not run.

    Layers are in the order of their numbers on the device, see ``Graph.device_numbers``.
    """

    total: int
    layers: tuple[int, ...]
    histograms: tuple[Histogram, ...]

    @property
    def by_address(self) -> tuple[dict[int, int], ...]:
        """How often each address executed, by layer."""
        return tuple(histogram.executed for histogram in self.histograms)


def build_plugin(folder: Path) -> Path:
    """Compile the plugin into a folder unless it is there and newer than its source; returns its absolute path.

    Raises:
        ToolchainError: No C compiler, or it failed.
    """
    target = (folder / PLUGIN).resolve()
    if target.exists() and target.stat().st_mtime > SOURCE.stat().st_mtime:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        made = Path(temporary) / target.name
        compiler = find_tool("cc", "gcc")
        run([compiler, *FLAGS, "-fPIC", "-shared", "-fvisibility=hidden", str(SOURCE), "-o", str(made)])
        made.replace(target)
    return target


def address_of(image: Path, name: str) -> int:
    """Address of a function's first instruction.

    Raises:
        ToolchainError: The image has no such function.
    """
    for symbol, value, is_function in elf.symbols(image):
        if symbol == name and is_function:
            return value & ~1
    raise ToolchainError(f"the image has no function {name!r}", where=str(image), next_step="build it again")


class CountFile:
    """The file that the plugin writes; each reading returns what is new.

    Args:
        image: The ELF file that will run; the plugin is compiled into its folder.
        marks: Functions whose calls are visits.
        histogram: Count every address too.
        flash: Also count the cycles that flash keeps the core waiting, with ``histogram``.
        regions: Where flash lies.

    Raises:
        ToolchainError: No C compiler, or no such function in the image.
    """

    def __init__(
        self,
        image: Path,
        marks: Sequence[str],
        *,
        histogram: bool = False,
        flash: Flash | None = None,
        regions: Sequence[Memory] = (),
    ) -> None:
        self.addresses = {mark: address_of(image, mark) for mark in marks}
        plugin = [str(build_plugin(image.parent))]
        descriptor, name = tempfile.mkstemp(prefix="dqt-count-")
        self._file = os.fdopen(descriptor, "rb")
        self._path = Path(name)
        plugin += [f"out={name}", *(f"mark={a:#x}" for a in self.addresses.values())]
        if histogram:
            parts = elf.load_parts(image)
            low, high = min(a for a, _ in parts), max(a + len(c) for a, c in parts if a < 0x2000_0000)
            plugin += [f"low={low:#x}", f"high={high:#x}"]
            if flash is not None and flash.wait_states:
                plugin += [f"wait={flash.wait_states}", f"line={flash.line}", f"prefetch={int(flash.prefetch)}"]
                plugin += [f"code={flash.code_cache}", f"data={flash.data_cache}"]
                plugin += [f"flash={min(r.start for r in regions):#x}", f"flash_end={max(r.end for r in regions):#x}"]
        self.options = ["-plugin", ",".join(text.replace(",", ",,") for text in plugin)]
        """Arguments of QEMU."""

    def read(self) -> Iterator[Visit]:
        """Visits since the last reading, oldest first."""
        while head := self._file.read(_HEAD.size):
            address, executed, size = _HEAD.unpack(head)
            groups = list(_GROUP.iter_unpack(self._file.read(_GROUP.size * size)))
            yield Visit(address, executed, Histogram.of(groups))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class CountedDevice:
    """A project in QEMU under the plugin: a device of :func:`dqt_edge.measure.session.run_session`.

    After each inference with counts, ``counts`` holds what the plugin saw, and that has been compared with what the
    device's own counter said.

    Args:
        made: A built project for a QEMU board.
        histogram: Count every address too.
        options: Further arguments of QEMU.
        model_hash: Of the model to run; None is the project's first.
        graph: The same model, needed to run settings: it says in which order layers run.

    Raises:
        WrongModelError: The image runs another model; or any error of QEMU and compiler.
    """

    def __init__(
        self,
        made: Project,
        *,
        histogram: bool = False,
        options: Sequence[str] = (),
        model_hash: bytes | None = None,
        graph: Graph | None = None,
    ) -> None:
        self._graph = graph
        self._board: Board = made.board
        self._file = CountFile(
            made.elf, [MARK], histogram=histogram, flash=made.board.flash, regions=made.board.regions("flash")
        )
        self.counts: Counts | None = None
        self.history: list[Counts] = []
        """Counts of every inference; whoever reads it clears it."""
        try:
            self.client = Client(QemuTransport(made.board, made.elf, [*self._file.options, *options]))
            self.client.expect(made.model_hash if model_hash is None else model_hash, made.board.id)
        except BaseException:
            self.close()
            raise

    def infer(
        self,
        codes: bytes,
        choices: tuple[int, ...] | None = None,
        *,
        bias: tuple[int, ...] | None = None,
        setting: Setting | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Inference:
        """As :meth:`Client.infer`.

        Raises:
            MismatchError: Plugin and device count differently.
        """
        list(self._file.read())
        answer = self.client.infer(
            codes, choices, bias=bias, setting=setting, counts=counts, checksums=checksums, start=start
        )
        visits = list(self._file.read())
        self.counts = None
        if answer.counts is not None and not checksums:
            order = None
            if setting is not None:
                assert self._graph is not None, "a counted device needs the graph to run settings"
                order = execution(self._graph, setting, answer.point, answer.passes)
            self.counts = self._compare(answer, visits, order)
            self.history.append(self.counts)
        return answer

    def _compare(self, answer: Inference, visits: list[Visit], order: Sequence[int] | None) -> Counts:
        """Intervals between visits are layers; a layer that did not run has no ticks and no visit.

        Args:
            answer: The device's.
            visits: The plugin's.
            order: Numbers of the layers that ran, in order; None: those that have ticks, each once.
        """
        ticks = answer.counts or ()
        timed = [in_units(t, self._board.counter) for t in ticks]
        ran = [number for number, t in enumerate(timed) if t] if order is None else order
        seen, histograms = [0] * len(timed), [list[Histogram]() for _ in timed]
        for number, (a, b) in zip(ran, pairwise(visits), strict=False):
            seen[number] += b.executed - a.executed
            histograms[number].append(b.histogram)
        total = in_units(answer.total, self._board.counter)
        # A difference of two readings is less than a tick off, which rounding takes away; the sum of two is less than
        # two off, and a tick may be 0.3 of an instruction.
        loose = [max(0, ran.count(number) - 1) for number in range(len(timed))]
        apart = any(abs(a - b) > most for a, b, most in zip(seen, timed, loose, strict=True))
        if len(visits) != len(ran) + 1 or apart or sum(seen) != total:
            raise MismatchError(
                f"the plugin counted {seen} instructions by layer, the device {timed}",
                where=f"board {self._board.id!r}",
                next_step="check counter and icount_shift in the board's file",
            )
        return Counts(sum(seen), tuple(seen), tuple(map(Histogram.total, histograms)))

    def close(self) -> None:
        """End QEMU; safe to repeat."""
        if hasattr(self, "client"):
            self.client.close()
        self._file.close()

    def __enter__(self) -> CountedDevice:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()
