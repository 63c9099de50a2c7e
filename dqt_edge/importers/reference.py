"""The runtime that a model file was made for, with every tensor within reach: what ``compare`` compares with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..graph import Graph, nested
from .layouts import to_file
from .reference_onnx import OnnxReference
from .reference_tflite import TfliteReference

Source = int | str
Array = npt.NDArray[Any]
Quantised = tuple[float, int]
"""Scale of a tensor, and its zero point in codes."""


class Reference(Protocol):
    """A model file, opened in its own runtime.

    Attributes:
        package: The runtime's name.
        outputs: The file's output tensors, in the order of the Graph's.
    """

    package: str
    outputs: tuple[Source, ...]

    def run(self, inputs: Sequence[Array], wanted: Sequence[Source]) -> dict[Source, Array]:
        """Tensors by their names in the file, [samples, size]: codes where they are quantised, else real numbers.

        Args:
            inputs: Of each input in the order of the file, [samples, ...]: codes if it is quantised, else real numbers.
            wanted: Names, or indices.
        """
        ...

    def quantised(self, source: Source) -> Quantised | None:
        """Scale and zero point of a tensor; None if it holds real numbers."""
        ...

    def knows(self, source: Source) -> bool:
        """Whether a tensor is within reach."""
        ...

    @property
    def inputs(self) -> tuple[Source, ...]:
        """The file's input tensors, in the order of the Graph's."""
        ...


def open_reference(path: Path, batch: int, *, stream: bool = False) -> Reference:
    """The runtime of a model file.

    Args:
        path: The file.
        batch: Samples of a run, if the model permits.
        stream: The model has states, so that samples must run one by one.

    Raises:
        UsageError: No runtime is known for this kind of file.
        BadFileError, ToolchainError: The model or the runtime is broken or missing.
    """
    if path.suffix == ".tflite":
        return TfliteReference(path, 1 if stream else batch)
    if path.suffix == ".onnx":
        return OnnxReference(path)
    if path.suffix in (".keras", ".h5"):
        from .reference_keras import KerasReference  # noqa: PLC0415 - starts TensorFlow

        return KerasReference(path, batch)
    raise UsageError(
        f"{path.suffix or 'a file without suffix'!r} has no runtime to compare with",
        where=str(path),
        next_step="give the model file that was imported",
    )


def feeds(
    graph: Graph, reference: Reference, codes: Mapping[str, Array], real: Mapping[str, Array | None]
) -> list[Array]:
    """What each input of the runtime is given for samples of a Graph."""
    made = []
    layouts = graph.provenance.get("layouts", {})
    for name, source in zip(graph.inputs, reference.inputs, strict=True):
        tensor, given = graph.tensor(name), real.get(name)
        if reference.quantised(source) is not None:
            values = codes[name]
        elif given is not None:
            values = np.asarray(given)
        else:
            values = tensor.scale * (codes[name].astype(np.float64) - tensor.zero_point)
        made.append(to_file(values, layouts.get(source)))
    return made


def codes_of(graph: Graph, name: str, values: Array, quantised: Quantised | None) -> npt.NDArray[np.uint8]:
    """A tensor of the runtime as codes of one of the Graph's tensors."""
    tensor = graph.tensor(name)
    if quantised is not None and not _same(quantised, (tensor.scale, tensor.zero_point)):
        values, quantised = quantised[0] * (values.astype(np.float64) - quantised[1]), None
    if quantised is None:
        values = nested.quantize(values, tensor.scale, tensor.zero_point)
    return np.asarray(values.reshape(-1, *tensor.shape), np.uint8)


def _same(first: Quantised, second: Quantised) -> bool:
    return first[1] == second[1] and abs(first[0] - second[0]) <= 1e-6 * second[0]
