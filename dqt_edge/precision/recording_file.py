"""What was recorded and measured for a model, in a file of its own, so that other promises are found at once.

The file is no more than a copy of what can be made anew: one of other samples, of another model or version, or a
damaged one, counts as none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from ..system.files import read_capped, write_atomically
from .layer_costs import LayerCosts
from .recording import Base, Known, Path

FILE_MAX = 1 << 30
FIELDS = ("margins", "early", "answers", "choices")


def read(file: FilePath, identity: str) -> tuple[Known, dict[str, LayerCosts]]:
    """Paths and costs by the key they were written with; empty unless the file is of this identity."""
    try:
        with np.load(io.BytesIO(read_capped(file, FILE_MAX)), allow_pickle=False) as archive:
            facts = json.loads(str(archive["facts"]))
            if facts["identity"] != identity:
                return {}, {}
            paths = {
                (_base(item), int(item["widened"])): Path(*(archive[f"{i}/{name}"].astype(np.int64) for name in FIELDS))
                for i, item in enumerate(facts["paths"])
            }
            return paths, {key: _costs(item) for key, item in facts["costs"].items()}
    except Exception:  # whatever a damaged archive raises
        return {}, {}


def write(file: FilePath, identity: str, known: Known, costs: Mapping[str, LayerCosts]) -> None:
    """Write the file; raises BadFileError."""
    arrays: dict[str, Any] = {}
    listed = []
    for i, ((base, widened), path) in enumerate(known.items()):
        listed.append({"name": base.name, "widths": base.widths, "bias": base.bias, "widened": widened})
        arrays |= {f"{i}/{name}": getattr(path, name) for name in FIELDS}
    facts = {
        "identity": identity,
        "paths": listed,
        "costs": {key: {"unit": c.unit, "layers": dict(c.layers), "rest": c.rest} for key, c in costs.items()},
    }
    content = io.BytesIO()
    np.savez_compressed(content, facts=np.array(json.dumps(facts)), **arrays)
    write_atomically(file, content.getvalue())


def _base(item: Mapping[str, object]) -> Base:
    def integers(value: object) -> tuple[int, ...] | None:
        return None if value is None else tuple(int(n) for n in value)  # type: ignore[attr-defined]

    return Base(str(item["name"]), integers(item["widths"]), integers(item["bias"]))


def _costs(item: Mapping[str, object]) -> LayerCosts:
    layers: Mapping[str, list[float]] = item["layers"]  # type: ignore[assignment]
    return LayerCosts(
        str(item["unit"]),
        {name: tuple(float(cost) for cost in by_candidate) for name, by_candidate in layers.items()},
        float(item["rest"]),  # type: ignore[arg-type]
    )
