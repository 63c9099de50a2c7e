"""Random networks with decision points on a device, beside the interpreter: any network that can have points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.device.connect import open_client
from dqt_edge.graph import NEVER, DecisionPoint, Graph, Setting, interpreter
from dqt_edge.graph.points import WATCH, full_setting, widest_choices
from dqt_edge.measure.asking import checksums_by_layer
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_points import Head, least_choices
from tests.support.skips import with_skips

SAMPLES = 3
SETTINGS = 8


def any_pointed_graph(seed: int, *, signal: bool = False, skips: bool = False) -> Graph:
    """The first random graph from a seed on that has classes and adapts, with points, whatever its answers are.

    Every other one keeps its controller, if it has one; every third has no second pass. ``skips``: layers may be
    skipped, wherever the points let them.
    """
    first = (random_graph(1000 * seed + i, largest=14, signal=signal, every=seed % 2 == 1) for i in range(1000))
    graph = next(g for g in first if g.adaptive and g.tensor(g.output).size > 1 and len(g.layers) > 2)
    if seed % 2 and graph.controller is not None:
        own = {layer.output for layer in graph.controller.layers}
        graph = replace(graph, controller=None, tensors=tuple(t for t in graph.tensors if t.name not in own))
    rng = np.random.default_rng((seed, 6))
    pairs = [layer.candidates[0] for layer in graph.adaptive]
    tensors = interpreter.run(graph, random_codes(seed, graph, SAMPLES), pairs, keep_tensors=True).tensors
    places = [layer.name for layer in graph.layers[:-1]]
    made, points = list(graph.tensors), []
    for number, at in enumerate(sorted(rng.choice(len(places), min(3, len(places)), replace=False).tolist())):
        head = Head(rng, f"head{number}", graph, graph.layer(places[at]).output, tensors)
        made += head.tensors
        points.append(DecisionPoint(f"point{number}", places[at], head.layers))
    graph = replace(graph, tensors=tuple(made), points=tuple(points), second_pass=seed % 3 != 2)
    return with_skips(graph, seed) if skips else graph


def settings_of(graph: Graph, codes: np.ndarray, seed: int, count: int) -> Iterator[Setting]:
    """Settings with thresholds at, just below and just above the margins of these samples, and at their ends."""
    rng = np.random.default_rng((seed, 7))
    classes = graph.tensor(graph.output).size
    for trial in range(count):
        widths: tuple[int, ...] | None = [least_choices(graph), widest_choices(graph), _random(rng, graph)][trial % 3]
        bias = None
        if graph.controller is not None and trial % 2:
            widths = None
            if trial % 4 == 1:
                bias = tuple(int(b) for b in rng.integers(-(2**31), 2**31, len(graph.adaptive[0].options)))
        watched = replace(full_setting(graph), widths=widths, bias=bias)
        margins = interpreter.run(graph, codes, watched).margins
        yield Setting(
            widths,
            tuple(_threshold(rng, margins[:, i], NEVER) for i in range(len(graph.points))),
            tuple(_threshold(rng, margins[:, i], 0) for i in range(len(graph.points))),
            min(256, _threshold(rng, margins[:, -1], 0)) if graph.second_pass else 0,
            None if trial % 2 else tuple(sorted(set(rng.integers(0, classes, classes // 2 + 1).tolist()))),
            bias,
        )


def _random(rng: np.random.Generator, graph: Graph) -> tuple[int, ...]:
    return tuple(int(rng.integers(len(layer.options))) for layer in graph.adaptive)


def _threshold(rng: np.random.Generator, margins: np.ndarray, off: int) -> int:
    found = int(rng.choice(margins)) + int(rng.integers(-1, 2))
    return max(0, [found, found, found, off, 0, WATCH, NEVER][rng.integers(7)])


def try_decisions(
    graph: Graph, seed: int, board_id: str, folder: Path, settings: int = SETTINGS
) -> tuple[int, str | None]:
    """Number of inferences, and the first difference if there is one."""
    made, _, _ = export(graph, load_board(board_id), folder)
    build(folder, cross=board_id != "host", definitions=["DQT_SANITIZE=ON"] if board_id == "host" else [])
    codes, count = random_codes(seed, graph, SAMPLES), 0
    with open_client(made.board, made.elf, made.model_hash) as client:
        for setting in settings_of(graph, codes, seed, settings):
            want = interpreter.run(graph, codes, setting)
            for i, sample in enumerate(codes):
                got = client.infer(sample.tobytes(), setting=setting, checksums=True)
                count += 1
                where = f"sample {i}, setting {setting}"
                point = int(want.points[i])
                told = (point, int(want.passes[i]), int(want.margins[i, point]))
                if (got.point, got.passes, got.margin) != told:
                    return count, f"{where}: point, passes, margin {(got.point, got.passes, got.margin)}, not {told}"
                sums = layer_checksums(graph, sample, setting)
                for layer, a, b in zip(graph.all_layers, checksums_by_layer(graph, got), sums, strict=True):
                    if a != b:
                        return count, f"{where}: layer {layer.name!r} differs"
                if got.output != want.outputs[i].tobytes():
                    return count, f"{where}: the output differs although every layer agrees"
                if got.choices != tuple(want.choices[i].tolist()):
                    return count, f"{where}: the choices differ"
        stats = client.stats()
        if (stats.runs, stats.naks, stats.bad_frames) != (count, 0, 0):
            return count, f"the device counts otherwise: {stats}"
        if made.manifest["predicted"] and stats.stack_used > made.manifest["predicted"]["stack"] - 104:
            return count, f"it used {stats.stack_used} bytes of stack"
    return count, None
