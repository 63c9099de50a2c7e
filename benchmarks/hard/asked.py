"""Requests to a model of the native suite, and the answers that the interpreter says.

A case is bytes in a fixed order, so that a program for any core can be asked; ``suite.c`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.errors import UsageError
from dqt_edge.graph import Dense, Graph, Setting, interpreter
from dqt_edge.graph.dial import Dynamic, bias_at
from dqt_edge.graph.points import stop_words, tuned_agreeing, tuned_within
from dqt_edge.graph.policy import Policy
from dqt_edge.graph.samples import join_inputs
from dqt_edge.lowering.plan import Plan, make_plan
from dqt_edge.measure.answers import layer_checksums
from dqt_edge.project.render import ModelNames
from dqt_edge.tasks import every_output
from tests.support.random_decisions import settings_of
from tests.support.random_graphs import random_bias, random_codes
from tests.support.random_streams import random_samples

from .case import Case, Flag, Kind, rounded, words

OK, STOPPED, BAD_ARGUMENT, BAD_CHOICE, NO_CONTROLLER, NO_DIAL, _, NO_SECOND_PASS, NO_TUNED = range(9)
NUMBERS = (0, 1, -1, 32767, 32768, 65535, 65536, -65536, 1 << 20, -(1 << 20), 2**31 - 1, -(2**31))
"""To quantise, in units of 2^-16."""


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
            steps = rounded(Fraction(number * fixed.to_code, 1 << fixed.to_code_shift))
            answer.append(min(255, max(0, steps + fixed.zero_point)))
            answer.append(rounded(Fraction((i - fixed.zero_point) * fixed.to_number, 1 << fixed.to_number_shift)))
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
        decides = self.plan.decide_at is not None or self.plan.adaptive_count == 0
        found += [BAD_CHOICE] * self.plan.adaptive_count + [NO_CONTROLLER] * (not decides)
        if self.plan.points is not None:
            found += [BAD_ARGUMENT] * 5
            found += [BAD_ARGUMENT] * 2 if self.graph.points else []
            found += [STOPPED, 1] + [BAD_CHOICE] * (self.plan.adaptive_count > 0) + [NO_CONTROLLER] * (not decides)
            found += [NO_SECOND_PASS] * (self.plan.points.second is None) + [BAD_ARGUMENT] * 4
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
