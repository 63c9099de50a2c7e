"""The native suite: models of every sort as a product takes them over, and what they are asked; ``suite.c`` asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dqt_edge.graph import NEVER, Graph, Setting, TunedPoint
from dqt_edge.graph.points import widest_choices
from dqt_edge.project.render import ModelNames, library_files
from dqt_edge.system.resources import data_folder
from tests.support.corner_graphs import general_skips_graph, padded_graph, six_loops_graph
from tests.support.digits import dial_graph
from tests.support.random_decisions import any_pointed_graph
from tests.support.random_graphs import random_graph
from tests.support.random_points import least_choices, pointed_graph
from tests.support.random_streams import random_stream
from tests.support.random_unweighted import random_unweighted_graph
from tests.support.rig.kernel_layers import make_case
from tests.support.skips import skipping_graph, with_skips

from .asked import Asked
from .case import Case
from .parts import parts

_SINGLE = "dilated dilated_residual dilated_depthwise max_pool average_pool minimum maximum multiply pad resize"
SINGLE = tuple(_SINGLE.split())
"""Kinds of layers of which random networks have few."""
DRIVER = Path(__file__).parent / "suite.c"
INCLUDES = ("dqt", "kernels", "model", "suite")
"""Folders of headers, below the suite's."""


def graphs(networks: int) -> list[Graph]:
    """What is asked: the trained digits with a dial, and about as many random networks of every sort."""
    found = [dial_graph()]
    found += [random_graph(seed, every=seed % 2 == 1) for seed in range(networks)]
    found += [random_unweighted_graph(seed) for seed in range(networks)]
    found += [random_stream(seed, inputs=1 + seed % 3, outputs=1 + (seed + 1) % 4) for seed in range(networks // 3)]
    found += [tuned(pointed_graph(seed, controller=seed % 2 == 1)) for seed in range(2)]
    found += [any_pointed_graph(seed, skips=seed % 2 == 1) for seed in range(networks // 6)]
    found += [skipping_graph(seed) for seed in range(max(2, networks // 4))]
    found += [with_skips(random_graph(seed), seed) for seed in range(networks // 4)]
    found += [padded_graph(seed) for seed in range(max(1, networks // 6))]
    found += [six_loops_graph(), *(general_skips_graph(seed) for seed in range(max(1, networks // 8)))]
    found += [make_case(kind, number).graphs[0] for kind in SINGLE for number in range(networks // 4)]
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
    cases = (parts(), *(case for each in asked for case in each.cases(vectors, settings)))
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
    copy = data_folder("templates") / "kernels" / "plain" / "dqt_copy.h"
    files["kernels/dqt_copy.h"] = copy.read_text(encoding="utf-8")
    for name in ("suite.c", "suite.h"):
        files[f"suite/{name}"] = (DRIVER.parent / name).read_text(encoding="utf-8")
    return files
