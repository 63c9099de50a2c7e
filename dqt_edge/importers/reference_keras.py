"""Keras itself, and the result of every call within reach."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .keras.apart import require_read
from .keras.config import bad
from .keras.files import load
from .keras.reader import call_name, graph_of

Array = npt.NDArray[Any]


class KerasReference:
    """A model opened in Keras; see :class:`~dqt_edge.importers.reference.Reference`.

    Calls within a nested model are out of reach, its results are not.

    Args:
        path: The .keras or .h5 file.
        batch: Samples of a run.
    """

    package = "keras"

    def __init__(self, path: Path, batch: int) -> None:
        import keras  # noqa: PLC0415 - ``load`` has started it

        harmless = require_read(path)
        model, _, content = load(path)
        if hashlib.sha256(content).hexdigest() != harmless:
            raise bad("it changed while it was read", path)
        graph = graph_of(model)
        self.batch = batch
        self.inputs: tuple[int | str, ...] = tuple(str(tensor.name) for tensor in graph.inputs)
        self._shapes = [tuple(tensor.shape[1:]) for tensor in graph.inputs]
        self._made = {str(tensor.name): tensor for tensor in graph.inputs}
        for nodes in graph._nodes_by_depth.values():
            self._made.update({call_name(node, ""): node.outputs[0] for node in nodes if not node.is_input})
        names = {id(tensor): name for name, tensor in self._made.items()}
        self.outputs: tuple[int | str, ...] = tuple(names.get(id(tensor), "") for tensor in graph.outputs)
        self._model = keras.Model(graph.inputs, list(self._made.values()))

    def knows(self, source: int | str) -> bool:
        """Whether a tensor is within reach."""
        return source in self._made

    def quantised(self, source: int | str) -> tuple[float, int] | None:
        """None: everything is real numbers."""
        del source
        return None

    def run(self, inputs: Sequence[Array], wanted: Sequence[int | str]) -> dict[int | str, Array]:
        """Results of calls by name, [samples, size]."""
        given = [
            np.asarray(rows, np.float32).reshape(len(rows), *shape)
            for rows, shape in zip(inputs, self._shapes, strict=True)
        ]
        found: dict[int | str, list[Array]] = {name: [] for name in wanted}
        for start in range(0, len(given[0]), self.batch):
            parts = [rows[start : start + self.batch] for rows in given]
            made = dict(zip(self._made, self._model(parts, training=False), strict=True))
            for name in wanted:
                found[name].append(np.asarray(made[str(name)]).reshape(len(parts[0]), -1))
        return {name: np.concatenate(rows) for name, rows in found.items()}
