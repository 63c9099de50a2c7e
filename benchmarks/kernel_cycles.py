"""What each kernel takes on single layers of many shapes, and the numbers by which the planner estimates it.

Run by ``make kernel-cycles`` after a change of kernels. For every core, every kernel that can compute a layer of
:mod:`benchmarks.shape_layers` computes it at each pair, also where the planner would take another one; modelled cycles
are counted as in ``make bench-shapes``. Writes ``dqt_edge/lowering/kernels/cycles/<core>.json``: for each kernel and
pair the numbers that make the relative error of the estimate smallest over all its layers, none of them negative, and
how large the error is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from dqt_edge.errors import DqtError
from dqt_edge.graph import Graph, Layer, MacLayer, Pair, pair_text
from dqt_edge.lowering.kernels.catalogue import kernels_of
from dqt_edge.lowering.kernels.estimates import form, sizes
from dqt_edge.lowering.plan import as_lowered, make_plan
from dqt_edge.measure.counting import CountFile
from dqt_edge.measure.cycles.model import model_of, title
from dqt_edge.system.files import write_atomically
from tests.support.rig.cases import make_rig, place
from tests.support.rig.kernel_rig import Job, Rig

from .shape_layers import NAME, SHAPES, LayerShape, mac, pool

FOLDER = Path("dqt_edge/lowering/kernels/cycles")
CORES = ("m0", "m3", "m4", "m7", "m33", "m55")
SIBLINGS = {"m0": ("cortex-m0plus",)}
"""Cores that run the same code, whose cycles are of the same counts."""
OFFERED: tuple[tuple[Pair, ...], ...] = (((8, 8), (4, 8), (4, 4), (2, 4)), ((8, 8), (4, 4), (2, 4)), ((8, 8),))
"""Candidates of a layer: with which a kernel is measured first that takes it at all."""

LEAST_LAYERS = 2
RANDOM, RESIDUALS = 180, 0.15
"""How many random layers, and how many convolutions of these have a residual."""
MOST, MOST_PLAIN = 2_500_000, 30_000
"""MACs of the largest layers, and of those that are run in plain C where the core has a kernel of its own."""
MARKS = ("begin_region", "end_region")
BATCH = 8
Row = tuple[str, str, tuple[float, ...], dict[str, float]]
"""Kernel, pair, sizes, cycles by core."""


def main() -> None:
    """Measure cores, and write what was fitted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", nargs="+", default=CORES, choices=CORES)
    options = parser.parse_args()
    try:
        for core in options.cores:
            rows = list(measured(core))
            for model, name in titles(core):
                facts: dict[str, Any] = {"model": name, "kernels": fit_all(rows, model)}
                write_atomically(FOLDER / f"{model}.json", text(facts).encode())
                for kernel, found in facts["kernels"].items():
                    print(f"{model} {kernel}: {found['layers']} layers, error {found['mean']:.1%}, {found['most']:.0%}")
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def titles(core: str) -> Iterator[tuple[str, str]]:
    """Cores that are modelled by a core's counts, and what their cycles are."""
    rig = make_rig(core)
    for model in (rig.board.cpu.core, *SIBLINGS.get(core, ())):
        yield model, title(model_of(model, rig.image), None)


def measured(core: str) -> Iterator[Row]:
    """Every kernel of a core on every layer that it takes."""
    rig = make_rig(core)
    models = {model: model_of(model, rig.image) for model, _ in titles(core)}
    shapes = {**SHAPES, **random_shapes()}
    cases = [case for shape in shapes.values() for case in cases_of(rig, shape)]
    for start in range(0, len(cases), BATCH):
        part = cases[start : start + BATCH]
        counts = CountFile(rig.image, MARKS, histogram=True)
        try:
            rig.run([case.job for case in part], counts.options)
            visits = list(counts.read())
        finally:
            counts.close()
        ends = [visit.histogram for visit in visits[1::2]]
        cycles = {name: model.cycles(ends) for name, model in models.items()}
        at = 1  # the first region is empty: what the marks cost
        for case in part:
            for pair in case.job.layer.widths:
                taken = {name: values[at] - values[0] for name, values in cycles.items()}
                yield case.name, pair_text(pair), case.sizes, taken
                at += 1
        assert at == len(ends), "one region for each kernel and pair"
        print(f"{core}: {start + len(part)} of {len(cases)}", file=sys.stderr)


def random_shapes() -> dict[str, LayerShape]:
    """More layers of the classes that several kernels compute, the same ones every time."""
    rng = np.random.default_rng(3)
    names = list[str]()
    while len(names) < RANDOM:
        kind = rng.choice(["conv", "conv", "conv", "dw", "dense", "max", "avg"])
        source, target = (int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 48, 64])) for _ in range(2))
        window = str(rng.choice(["1x1", "1x1", "1x1s2", "3x3", "3x3", "3x3s2", "5x5", "2x2s2", "3x1", "1x5", "7x7"]))
        size = int(rng.integers(7, 25))
        if kind == "dense":
            names.append(f"dense_{int(rng.integers(4, 700))}_{int(rng.integers(1, 130))}")
        elif kind == "dw":
            names.append(f"dw_{window}_{source}_{size}")
        elif kind == "conv":
            names.append(f"conv_{window}_{source}_{target}_{size}" + "_residual" * (rng.random() < RESIDUALS))
        else:
            names.append(f"{kind}_{window}_{source}_{size}")
    shapes = [
        pool(name) if name[:3] in ("max", "avg") else mac(name, residual="residual" in name)
        for name in dict.fromkeys(names)
    ]
    return {shape.name: shape for shape in shapes}


@dataclass(frozen=True)
class Case:
    """A layer in a kernel; its name and sizes are those by which the planner estimates it."""

    name: str
    job: Job
    sizes: tuple[float, ...]


def cases_of(rig: Rig, shape: LayerShape) -> Iterator[Case]:
    """The layer in every kernel that takes it, at all pairs; those that would run too long are left out.

    What they compute is not compared: the tests of kernels do that.
    """
    seen: set[str] = set()
    for pairs in OFFERED if shape.adaptive else (None,):
        graph = as_lowered(shape.graph)
        layer = next(layer for layer in graph.layers if layer.name == NAME)
        if pairs is not None:
            assert isinstance(layer, MacLayer)
            layer = replace(layer, candidates=pairs)
            graph = replace(graph, layers=tuple(layer if x.name == NAME else x for x in graph.layers))
        yield from _in_each_kernel(rig, shape, graph, layer, seen)


def _in_each_kernel(rig: Rig, shape: LayerShape, graph: Graph, layer: Layer, seen: set[str]) -> Iterator[Case]:
    """Cases of a layer in the kernels that are not ``seen`` yet."""
    tensors = {t.name: t for t in graph.tensors}
    kernels = [k for k in kernels_of(rig.planned_for.cpu) if k.takes(layer, tensors)]
    operands = tuple(shape.codes(1)[name].reshape(1, -1) for name in layer.inputs)
    for kernel in kernels:
        large = shape.macs > (MOST_PLAIN if kernel.family == "plain" and kernel is not kernels[0] else MOST)
        if large or kernel.name in seen:
            continue
        seen.add(kernel.name)
        plan = make_plan(graph, rig.planned_for, {NAME: kernel.name})
        planned = next(layer for layer in plan.layers if layer.name == NAME)
        sums = np.zeros((len(planned.widths), 1), np.uint32)
        offsets, arena = place(np.random.default_rng(0), [*(o.shape[1] for o in operands), planned.output_size], 8)
        job = Job(0, planned, plan.constants, operands, sums, offsets, arena, 64)
        yield Case(f"{kernel.name} {form(layer, tensors)}".strip(), job, sizes(layer, tensors))


def fit_all(rows: list[Row], core: str) -> dict[str, Any]:
    """Numbers of each kernel at each pair, and their error over all its layers and pairs."""
    found: dict[str, Any] = {}
    for name in sorted({kernel for kernel, *_ in rows}):
        pairs, errors, layers = {}, list[float](), 0
        for pair in dict.fromkeys(pair for kernel, pair, *_ in rows if kernel == name):
            own = [(x, y[core]) for kernel, p, x, y in rows if (kernel, p) == (name, pair)]
            layers = max(layers, len(own))
            if len(own) >= LEAST_LAYERS:
                numbers, off = fit(np.array([x for x, _ in own]), np.array([y for _, y in own]))
                pairs[pair] = numbers
                errors += off
        if pairs:
            mean, most = float(np.mean(errors)), float(np.max(errors))
            found[name] = {"layers": layers, "mean": round(mean, 4), "most": round(most, 3), "pairs": pairs}
    return found


def fit(features: np.ndarray, cycles: np.ndarray) -> tuple[list[float], list[float]]:
    """Numbers that are not negative, and the relative error of each estimate."""
    relative = features / cycles[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-30)
    numbers = nnls(relative / scale, np.ones(len(cycles)))[0] / scale
    rounded = [float(f"{number:.4g}") for number in numbers]
    return rounded, list(np.abs(relative @ np.array(rounded) - 1))


def text(facts: dict[str, Any]) -> str:
    """JSON, a line for each list of numbers."""
    lines = json.dumps(facts, indent=1)
    parts = lines.split("[")
    joined = [parts[0]] + ["[" + " ".join(p.split("]")[0].split()) + "]" + p.split("]", 1)[1] for p in parts[1:]]
    return "".join(joined) + "\n"


if __name__ == "__main__":
    main()
