"""Records once what decision points could decide by: margins and answers of samples that run to the end.

A *base* is what an inference begins with: a width vector, or the controller's choice. Of each base the samples run once
without widening, and once more widened at each point that has narrow layers behind it; these runs are its *paths*. Any
setting of any thresholds is a walk over them, see ``walks``, so that the network itself need not run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..graph import Graph, interpreter
from ..graph.checkpoint import model_hash
from ..graph.dial import Dynamic
from ..graph.points import NEVER, WATCH, Setting, widest_choices
from ..graph.policy import fixed_choices, parse_policy, policy_text

Codes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
AT_ONCE = 128
"""Samples between two reports of progress."""
VERSION = 1
"""Of what is recorded; a file of another one is made anew."""


@dataclass(frozen=True)
class Base:
    """What inferences begin with.

    Attributes:
        name: As a policy.
        widths: Candidate of each adaptive layer; None where the controller chooses.
        bias: Added to the controller's logits; None for none.
    """

    name: str
    widths: tuple[int, ...] | None
    bias: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Path:
    """Samples that ran to the end.

    Attributes:
        margins: At each point, and last of the output's codes, int64 [samples, points + 1].
        early: Class with the largest logit at each point, int64 [samples, points].
        answers: Class at the end, int64 [samples].
        choices: Candidate of each adaptive layer, int64 [samples, adaptive layers].
    """

    margins: Integers
    early: Integers
    answers: Integers
    choices: Integers


@dataclass(frozen=True, eq=False)
class Table:
    """Everything recorded of one set of samples.

    Attributes:
        graph: Without tuned points.
        full: Class that the widest candidates give, int64 [samples].
        labels: Right classes, or None.
        paths: Base -> point where it was widened, -1 for nowhere -> path.
    """

    graph: Graph
    full: Integers
    labels: Integers | None
    paths: Mapping[Base, Mapping[int, Path]]

    def __len__(self) -> int:
        return len(self.full)

    @property
    def bases(self) -> tuple[Base, ...]:
        """What inferences may begin with."""
        return tuple(self.paths)


def untuned(graph: Graph) -> Graph:
    """The graph without what tuning adds."""
    return replace(graph, tuned=(), second_pass=False)


def base_of(graph: Graph, policy: str) -> Base:
    """The base that a policy names: a width vector, ``dynamic``, or a point of the dial; raises UsageError."""
    settled = parse_policy(policy, untuned(graph))
    if isinstance(settled, tuple):
        return Base(policy_text(settled), fixed_choices(graph, settled) if settled else ())
    return Base(policy, None, settled.bias if isinstance(settled, Dynamic) else None)


def widest_base(graph: Graph) -> Base:
    """The full network."""
    chosen = widest_choices(graph)
    pairs = tuple(layer.candidates[k] for layer, k in zip(graph.adaptive, chosen, strict=True))
    return Base(policy_text(pairs), chosen)


def places_of_widening(graph: Graph, base: Base) -> tuple[int, ...]:
    """Points behind which some layer may run narrower than it could, and that no later choice overrules."""
    order = {layer.name: i for i, layer in enumerate(graph.layers)}
    widest = widest_choices(graph)
    narrow = [
        order[layer.name]
        for i, layer in enumerate(graph.adaptive)
        if base.widths is None or base.widths[i] != widest[i]
    ]
    decided = order[graph.controller.after] if base.widths is None and graph.controller is not None else -1
    places = [order[point.after] for point in graph.points]
    return tuple(i for i, place in enumerate(places) if place >= decided and any(at > place for at in narrow))


Known = Mapping[tuple[Base, int], Path]
"""Paths by base and point of widening."""


def record(
    graph: Graph,
    codes: Codes,
    labels: Integers | None,
    bases: Sequence[Base],
    plain: Sequence[Base] = (),
    known: Known | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Table:
    """Run samples over every path of the bases, and over the widest candidates.

    Args:
        graph: A classifier.
        codes: Inputs.
        labels: Right classes, or None.
        bases: What to begin with.
        plain: Bases that only run without widening.
        known: What was recorded of the same samples before.
        progress: Called with the samples run and their number in all.
    """
    graph, known = untuned(graph), known or {}
    wanted: dict[Base, tuple[int, ...]] = dict.fromkeys((widest_base(graph), *plain), (-1,))
    wanted |= {base: (-1, *places_of_widening(graph, base)) for base in bases}
    total = len(codes) * sum((base, at) not in known for base, places in wanted.items() for at in places)
    done = 0

    def run(base: Base, widened: int) -> Path:
        nonlocal done
        if (base, widened) in known:
            return known[base, widened]
        parts = []
        for start in range(0, len(codes), AT_ONCE):
            parts.append(_run(graph, codes[start : start + AT_ONCE], base, widened))
            done += len(parts[-1].answers)
            progress(done, total)
        fields = ("margins", "early", "answers", "choices")
        return Path(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))

    paths = {base: {at: run(base, at) for at in places} for base, places in wanted.items()}
    return Table(graph, paths[widest_base(graph)][-1].answers, labels, paths)


def _run(graph: Graph, codes: Codes, base: Base, widened: int) -> Path:
    count = len(graph.points)
    widen = tuple(NEVER if i == widened else 0 for i in range(count))
    result = interpreter.run(graph, codes, Setting(base.widths, (WATCH,) * count, widen, bias=base.bias))
    return Path(result.margins, result.early, result.outputs.argmax(axis=1).astype(np.int64), result.choices)


def identity(graph: Graph, codes: Codes, labels: Integers | None) -> str:
    """Hash of what a recording depends on: model, samples and their labels."""
    digest = hashlib.sha256(f"{VERSION}".encode())
    digest.update(model_hash(untuned(graph)))
    digest.update(data_hash(codes, labels).encode())
    return digest.hexdigest()


def data_hash(codes: Codes, labels: Integers | None) -> str:
    """SHA-256 of samples and their labels."""
    digest = hashlib.sha256(f"{codes.shape}".encode())
    digest.update(np.ascontiguousarray(codes).tobytes())
    digest.update(b"" if labels is None else labels.astype("<i8").tobytes())
    return digest.hexdigest()
