"""The native suite: models, requests to them, and the answers that the interpreter says; ``suite.c`` asks.

The sources are those that a product takes over (``dqt/``, ``kernels/``, ``model/``); a case is bytes in a fixed order,
so that a program for any core can be compiled and asked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from fractions import Fraction
from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.errors import UsageError
from dqt_edge.graph import Dense, Graph, Setting, TunedPoint, interpreter
from dqt_edge.graph.dial import Dynamic, bias_at
from dqt_edge.graph.points import stop_words, tuned_agreeing, tuned_within, widest_choices
from dqt_edge.graph.policy import Policy
from dqt_edge.graph.samples import join_inputs
from dqt_edge.lowering.plan import Plan, make_plan
from dqt_edge.measure.answers import layer_checksums
from dqt_edge.project.render import ModelNames, library_files
from dqt_edge.tasks import every_output
from tests.support.digits import dial_graph
from tests.support.random_decisions import any_pointed_graph, settings_of
from tests.support.random_graphs import random_bias, random_codes, random_graph
from tests.support.random_points import least_choices, pointed_graph
from tests.support.random_streams import random_samples, random_stream
from tests.support.random_unweighted import random_unweighted_graph
from tests.support.skips import skipping_graph

DRIVER = Path(__file__).parent / "suite.c"
OK, STOPPED, BAD_ARGUMENT, BAD_CHOICE, NO_CONTROLLER, NO_DIAL, _, NO_SECOND_PASS, NO_TUNED = range(9)
NUMBERS = (0, 1, -1, 32767, 32768, 65535, 65536, -65536, 1 << 20, -(1 << 20), 2**31 - 1, -(2**31))
"""To quantise, in units of 2^-16."""
NEVER = 0xFFFFFFFF


class Kind(IntEnum):
    """Of a request; as in ``suite.c``."""

    RUN, DECIDE, DIAL, TUNED, QUANTIZE, SIZES, BAD, WEIGHTS = range(8)


class Flag(IntFlag):
    """What a request holds; as in ``suite.c``."""

    FRESH = 1
    WIDTHS = 2
    BIAS = 4
    STOPS = 8


@dataclass(frozen=True)
class Case:
    """A request and the answer to it."""

    request: bytes
    answer: bytes

    @property
    def content(self) -> bytes:
        """As ``suite.c`` reads it."""
        return struct.pack("<II", len(self.request), len(self.answer)) + self.request + self.answer

    def without_fresh(self) -> Case:
        """The same in memory that the cases before it have used."""
        kept = self.request[2] & ~Flag.FRESH
        return Case(self.request[:2] + bytes([kept]) + self.request[3:], self.answer)


def words(values: Iterable[int]) -> bytes:
    """Numbers of 32 bits, signed or not."""
    return b"".join(struct.pack("<I", value & 0xFFFFFFFF) for value in values)


def graphs(networks: int) -> list[Graph]:
    """What is asked: the trained digits with a dial, and about as many random networks of every sort."""
    found = [dial_graph()]
    found += [random_graph(seed, every=seed % 2 == 1) for seed in range(networks)]
    found += [random_unweighted_graph(seed) for seed in range(networks // 3)]
    found += [random_stream(seed, inputs=1 + seed % 3, outputs=1 + (seed + 1) % 4) for seed in range(networks // 3)]
    found += [tuned(pointed_graph(seed, controller=seed % 2 == 1)) for seed in range(2)]
    found += [any_pointed_graph(seed, skips=seed % 2 == 1) for seed in range(networks // 6)]
    found += [skipping_graph(seed) for seed in range(2)]
    return [replace(graph, name=f"m{i}") for i, graph in enumerate(found)]


def tuned(graph: Graph) -> Graph:
    """With settings whose costs and agreements lie apart."""
    count, least = len(graph.points), least_choices(graph)
    points = (
        TunedPoint(0.2004, 0.5, Setting(least, (0,) * count, (0,) * count)),
        TunedPoint(0.3, 0.9, Setting(least, (70_000,) * count, (9,) * count, stops=(0, 2))),
        TunedPoint(1.0, 1.0, Setting(widest_choices(graph), (NEVER,) * count, (0,) * count)),
    )
    return replace(graph, tuned=points)


class Asked:
    """Requests to one model."""

    def __init__(self, index: int, graph: Graph, seed: int, samples: int) -> None:
        self.index, self.graph, self.seed = index, graph, seed
        self.plan: Plan = make_plan(graph, load_board("host"))
        if graph.more_inputs or graph.states:
            self.codes = join_inputs(graph, random_samples(seed, graph, samples))
        else:
            self.codes = random_codes(seed, graph, samples)

    def _head(self, kind: Kind, flags: Flag | int = 0) -> bytes:
        return bytes([kind, self.index, flags])

    def cases(self, vectors: int, settings: int) -> Iterator[Case]:
        """Everything that ``dqt.h`` can be asked of it."""
        yield self._sizes()
        yield Case(self._head(Kind.WEIGHTS), words([OK]))
        yield Case(self._head(Kind.BAD), self._refusals())
        yield from self._quantised()
        yield from self._dial()
        for policy in self.policies(vectors):
            yield from self.runs(policy)
        if self.graph.points:
            yield from self._decisions(settings)
        yield from self._tuned()

    def policies(self, vectors: int) -> list[Policy]:
        """Random width vectors, the ends, and the controller with and without biases."""
        rng = np.random.default_rng((self.seed, 8))
        layers = self.graph.adaptive
        found: list[Policy] = [[layer.options[k] for layer in layers] for k in (0, -1)]
        for _ in range(vectors):
            found.append([layer.options[int(rng.integers(len(layer.options)))] for layer in layers])
        if self.graph.controller is not None:
            count = len(layers[0].options)
            biases = [random_bias(rng, count, 2**31 - 1) for _ in range(vectors)]
            found += ["dynamic", *(Dynamic(bias) for bias in biases)]
        return found

    def runs(self, policy: Policy) -> Iterator[Case]:
        """Each sample under a policy; with states, as one stream."""
        graph = self.graph
        want = interpreter.run(graph, self.codes, policy)
        outputs = every_output(want)
        for i, sample in enumerate(self.codes):
            flags = Flag.FRESH if i == 0 or not graph.states else Flag(0)
            tail = b""
            if want.logits is None:
                flags |= Flag.WIDTHS
                tail = bytes(want.choices[i].tolist())
            elif isinstance(policy, Dynamic):
                flags |= Flag.BIAS
                tail = words(policy.bias)
            skipped = self._skipped(want.choices[i])
            sums = self._sums(layer_checksums(graph, sample, policy, self.codes[:i]))
            request = self._head(Kind.RUN, flags) + sample.tobytes() + tail + self._ignored(skipped)
            top = int(want.outputs[i].argmax())
            choices = bytes(want.choices[i].tolist())
            yield Case(request, words([OK]) + outputs[i].tobytes() + words([top]) + choices + words(sums))

    def _skipped(self, choices: Sequence[int] | np.ndarray) -> list[int]:
        """Device numbers of the layers of branches that these choices skip."""
        graph = self.graph
        options = [len(layer.candidates) for layer in graph.adaptive]
        names = {name for name, i in graph.skipped_with.items() if choices[i] == options[i]}
        pairs = zip(graph.all_layers, graph.device_numbers, strict=True)
        return [number for layer, number in pairs if layer.name in names]

    @staticmethod
    def _ignored(numbers: Sequence[int]) -> bytes:
        return bytes([len(numbers)]) + words(numbers)

    def _sums(self, by_layer: Sequence[int]) -> list[int]:
        """Checksums by a device's numbers."""
        found = [0] * len(by_layer)
        for number, crc in zip(self.graph.device_numbers, by_layer, strict=True):
            found[number] = crc
        return found

    def _decisions(self, count: int) -> Iterator[Case]:
        for setting in settings_of(self.graph, self.codes, self.seed, count):
            yield from self.decisions(setting)

    def decisions(self, setting: Setting) -> Iterator[Case]:
        """Each sample at a setting."""
        graph = self.graph
        want = interpreter.run(graph, self.codes, setting)
        for i, sample in enumerate(self.codes):
            point, passes = int(want.points[i]), int(want.passes[i])
            choices = [choice & 0xFF for choice in want.choices[i].tolist()]
            skipped = self._skipped(choices) if passes == 1 else []
            request = self._setting(setting, sample.tobytes()) + self._ignored(skipped)
            answer = words([OK]) + want.outputs[i].tobytes() + words([int(want.outputs[i].argmax())]) + bytes(choices)
            answer += words(self._sums(layer_checksums(graph, sample, setting)))
            yield Case(request, answer + words([point, passes, int(want.margins[i, point])]))

    def _setting(self, setting: Setting, sample: bytes) -> bytes:
        flags, tail = Flag.FRESH, b""
        if setting.widths is not None:
            flags |= Flag.WIDTHS
            tail += bytes(setting.widths)
        if setting.bias is not None:
            flags |= Flag.BIAS
            tail += words(setting.bias)
        tail += words(setting.exits) + words(setting.widen)
        stops = stop_words(setting.stops, self.plan.output_size)
        if stops is not None:
            flags |= Flag.STOPS
            tail += words(stops)
        return self._head(Kind.DECIDE, flags) + sample + tail + words([setting.again])

    def _dial(self) -> Iterator[Case]:
        controller = self.graph.controller
        dial = controller.dial if controller is not None else ()
        count = self.plan.candidate_max
        targets = {0, 1, 999, 1000, 2000}
        for point in dial:
            targets |= {point.thousandths + step for step in (-1, 0, 1)}
        if dial:
            targets |= set(range(dial[0].thousandths, dial[-1].thousandths + 1, 7))
        for target in sorted(t for t in targets if t >= 0):
            try:
                answer = [OK, *bias_at(dial, target, "")] if dial else [NO_DIAL] + [0] * count
            except UsageError:
                answer = [NO_DIAL] + [0] * count
            yield Case(self._head(Kind.DIAL) + words([target]), words(answer))

    def _tuned(self) -> Iterator[Case]:
        if self.plan.points is None:
            return
        for by_cost, find in ((1, tuned_within), (0, tuned_agreeing)):
            for thousandths in (0, 199, 200, 201, 299, 300, 301, 500, 501, 899, 900, 901, 1000, 1001):
                request = self._head(Kind.TUNED) + words([by_cost, thousandths])
                try:
                    setting = find(self.graph.tuned, thousandths, "").setting
                except UsageError:
                    yield Case(request, words([NO_TUNED]))
                    continue
                assert setting.widths is not None
                thresholds = [value for pair in zip(setting.exits, setting.widen, strict=True) for value in pair]
                yield Case(request, words([OK]) + bytes(setting.widths) + words([*thresholds, setting.again]))

    def _quantised(self) -> Iterator[Case]:
        """By fractions, from the model's own factors."""
        terminal = self.plan.inputs[0]
        request = self._head(Kind.QUANTIZE) + words([len(NUMBERS), *NUMBERS])
        fixed = terminal.fixed
        if fixed is None:
            yield Case(request, b"")
            return
        answer: list[int] = []
        for i, number in enumerate(NUMBERS):
            steps = _rounded(Fraction(number * fixed.to_code, 1 << fixed.to_code_shift))
            answer.append(min(255, max(0, steps + fixed.zero_point)))
            answer.append(_rounded(Fraction((i - fixed.zero_point) * fixed.to_number, 1 << fixed.to_number_shift)))
        yield Case(request, words(answer))

    def _sizes(self) -> Case:
        plan, graph = self.plan, self.graph
        found = [plan.arena_size, plan.inputs[0].size, plan.outputs[0].size, len(plan.network), plan.adaptive_count]
        found += [int(plan.decide_at is not None), plan.candidate_max, len(plan.inputs), len(plan.outputs)]
        for terminals in (plan.inputs, plan.outputs):
            found += [value for terminal in terminals for value in (terminal.size, 1)] + [0, 0]
        found += [1, *(len(layer.options) for layer in graph.adaptive), 0]
        return Case(self._head(Kind.SIZES), words(found))

    def _refusals(self) -> bytes:
        found = [BAD_ARGUMENT] * 9 + [STOPPED, 1]
        found += [BAD_CHOICE] * self.plan.adaptive_count
        if self.plan.points is not None:
            found += [BAD_ARGUMENT] * 5
            found += [BAD_ARGUMENT] * 2 if self.graph.points else []
            found += [STOPPED, 1] + [BAD_ARGUMENT] * 4
        return words(found)

    def entry(self) -> tuple[str, str]:
        """The model in ``suite_models``, and the definition of what it needs there."""
        names, plan = ModelNames.of(self.plan), self.plan
        pairs = zip(self.graph.all_layers, self.graph.device_numbers, strict=True)
        wide = {number: isinstance(layer, Dense) and layer.requantize is None for layer, number in pairs}
        flags = ", ".join(str(int(wide[i])) for i in range(len(wide)))
        points = f"&{names.symbol}_points" if plan.points is not None else "NULL"
        scale = f"&{names.symbol}_input_scale" if plan.inputs[0].fixed is not None else "NULL"
        count = len(self.graph.points)
        item = f"{{&{names.symbol}, {points}, {scale}, wide{self.index}, {len(wide)}u, {count}u}}"
        return item, f"static const uint8_t wide{self.index}[] = {{{flags}}};"


def _rounded(value: Fraction) -> int:
    """Half up, saturated to int32."""
    whole = (2 * value + 1).__floor__() // 2
    return max(-(2**31), min(2**31 - 1, whole))


@dataclass(frozen=True)
class Suite:
    """Sources of the program, by path below a folder, and its cases."""

    files: dict[str, str]
    cases: tuple[Case, ...]
    models: int

    def write(self, folder: Path) -> Path:
        """Write it out; returns the file of cases."""
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "cases.bin").write_bytes(b"".join(case.content for case in self.cases))
        return folder / "cases.bin"

    def sources(self, folder: Path) -> list[Path]:
        """Its C files, written to ``folder``."""
        return [folder / name for name in sorted(self.files) if name.endswith(".c")]


def make_suite(networks: int, samples: int = 3, vectors: int = 3, settings: int = 6) -> Suite:
    """Models of every sort, and requests to them.

    Args:
        networks: Random networks of layers with weights; of each other sort there are fewer.
        samples: Inputs of each model.
        vectors: Random width vectors of each model, and biases.
        settings: Of each model with decision points.
    """
    asked = [Asked(i, graph, i, samples) for i, graph in enumerate(graphs(networks))]
    files = _sources(asked)
    cases = tuple(case for each in asked for case in each.cases(vectors, settings))
    return Suite(files, cases, len(asked))


def _sources(asked: Sequence[Asked]) -> dict[str, str]:
    plans = [each.plan for each in asked]
    files = dict(library_files(plans, [ModelNames.of(plan) for plan in plans]))
    entries = [each.entry() for each in asked]
    table = ['#include "suite.h"']
    table += [f'#include "{Path(name).name}"' for name in files if name.startswith("model/") and name.endswith(".h")]
    table += [definition for _, definition in entries]
    table += ["const suite_model suite_models[] = {", *(f"    {item}," for item, _ in entries), "};"]
    table += [f"const uint32_t suite_count = {len(entries)}u;", ""]
    files["suite/models.c"] = "\n".join(table)
    for name in ("suite.c", "suite.h"):
        files[f"suite/{name}"] = (DRIVER.parent / name).read_text(encoding="utf-8")
    return files


INCLUDES = ("dqt", "kernels", "model", "suite")
"""Folders of headers, below the suite's."""
