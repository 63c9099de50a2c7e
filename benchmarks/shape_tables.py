"""What ``make bench-shapes`` found, for people and as a file: figures, means, and where CMSIS-NN is faster."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from .shape_layers import SHAPES

ALONE = "alone"
"""8x8 as the only candidate."""
OURS = ("8x8", "4x4", "2x4", ALONE)
CMSIS_NN, BAKENN = "cmsis-nn", "bakenn"
AT_8_BITS = ("8x8", ALONE)
"""What is compared: as one of the candidates, and alone. A layer without narrow candidates has 8x8 only."""
SHOWN = 60


class Figure(NamedTuple):
    """What one run of a kernel takes; ``cycles``: by the core's model, None where it is not installed."""

    kernel: str
    instructions: int
    cycles: int | None


QUANTITIES = ("instructions", "cycles")
Row = dict[str, Figure]
"""Of a layer on a core: by width pair, ``alone``, ``cmsis-nn``, ``bakenn``."""
Found = dict[str, dict[str, Row]]
"""Layer -> core -> row."""


def ratios(found: Found, core: str, quantity: str, key: str) -> dict[str, float]:
    """Ours by CMSIS-NN's, by layer, where both are known; 8x8 for a layer that has no figure of the key."""
    answer = {}
    for name, rows in found.items():
        row = rows.get(core, {})
        theirs, ours = row.get(CMSIS_NN), row.get(key) or row.get("8x8")
        if theirs and ours and getattr(theirs, quantity) and getattr(ours, quantity):
            answer[name] = getattr(ours, quantity) / getattr(theirs, quantity)
    return answer


def mean(values: Mapping[str, float]) -> float:
    """Geometric mean; of at least one."""
    return math.exp(sum(map(math.log, values.values())) / len(values))


def means(found: Found) -> Iterator[tuple[str, str, float, float, int]]:
    """Core, quantity, geometric means of 8x8 and of 8x8 alone, and of how many layers."""
    for core in dict.fromkeys(core for rows in found.values() for core in rows):
        for quantity in QUANTITIES:
            both = [ratios(found, core, quantity, key) for key in AT_8_BITS]
            if both[0]:
                yield core, quantity, mean(both[0]), mean(both[1]), len(both[0])


def slower(found: Found) -> list[tuple[float, str]]:
    """Figures above CMSIS-NN's, worst first: ratio, and ``core/layer/key/quantity``."""
    lines = []
    for core, quantity, *_ in means(found):
        for key in AT_8_BITS:
            known = ratios(found, core, quantity, key).items()
            lines += [(r, f"{core}/{n}/{key}/{quantity}") for n, r in known if r > 1 and key in found[n][core]]
    return sorted(lines, reverse=True)


def text(found: Found) -> str:
    """The file of results: JSON, one line for a layer on a core."""
    layers = []
    for name, rows in found.items():
        shape = SHAPES[name]
        facts = [f'"macs": {shape.macs}, "outputs": {shape.outputs}']
        facts += [f"{json.dumps(core)}: {json.dumps(row)}" for core, row in rows.items()]
        layers.append(f"{json.dumps(name)}: {{{(',' + chr(10)).join(facts)}}}")
    summary = {
        "means": [(*head, round(a, 3), round(b, 3), n) for *head, a, b, n in means(found)],
        "slower": [(round(ratio, 2), where) for ratio, where in slower(found)],
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in summary.items()]
    parts.append('"layers": {\n' + ",\n".join(layers) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def show(console: Console, found: Found) -> None:
    """Means by core, and the worst figures."""
    table = Table("core", "beside CMSIS-NN", *AT_8_BITS, "layers", title="Geometric means of ours by CMSIS-NN's")
    for core, quantity, whole, alone, count in means(found):
        table.add_row(core, quantity, f"{whole:.3f}", f"{alone:.3f}", str(count))
    if table.row_count:
        console.print(table)
    for ratio, where in slower(found)[:SHOWN]:
        console.print(f"{ratio:.2f} {where}", highlight=False)
