"""ONNX Runtime with its optimisations off, and every tensor within reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, ToolchainError
from .onnx.file import coded_by, read_file
from .onnx.qoperators import expand

Array = npt.NDArray[Any]
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class OnnxReference:
    """A model opened in ONNX Runtime; see :class:`~dqt_edge.importers.reference.Reference`.

    Samples run one by one: a model of an open batch may have other axes in front of it within.

    Args:
        path: The .onnx file.
    """

    package = "onnxruntime"

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime  # noqa: PLC0415 - an optional dependency
        except ImportError as error:
            raise ToolchainError(
                f"comparing needs ONNX Runtime ({error})",
                where=str(path),
                next_step="run: pip install 'dqt-edge[onnx]'",
            ) from error
        self._path, self._runtime = path, onnxruntime
        self._raw = expand(read_file(path))
        names = {i.name for i in self._raw.inputs}
        self._makers = {name: n for n in self._raw.nodes for name in n.outputs}
        self._codes = {n.inputs[0]: n for n in self._raw.nodes if n.type == "DequantizeLinear" and n.inputs[0] in names}
        self.outputs: tuple[int | str, ...] = self._raw.outputs
        self._wanted: tuple[str, ...] = ()
        self._session: Any = self._open(())
        given = self._session.get_inputs()
        self.inputs: tuple[int | str, ...] = tuple(i.name for i in given)
        self._types = [np.dtype(TYPES.get(i.type, np.float32)) for i in given]
        self.shapes = [(1, *i.shape[1:]) if len(i.shape) > 1 else tuple(i.shape) for i in given]

    def _open(self, wanted: tuple[str, ...]) -> Any:  # noqa: ANN401 - a session
        import onnx  # noqa: PLC0415 - an optional dependency

        model = onnx.ModelProto()
        model.CopyFrom(self._raw.proto)
        known = {*self._raw.outputs, *(i.name for i in self._raw.inputs)}
        model.graph.output.extend([onnx.ValueInfoProto(name=name) for name in wanted if name not in known])
        options = self._runtime.SessionOptions()
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        try:
            return self._runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception as error:  # the runtime's own classes, which are no public names
            raise self._bad(error) from error

    def _bad(self, error: Exception) -> BadFileError:
        lines = str(error).splitlines() or [""]
        return BadFileError(
            f"ONNX Runtime cannot run the model: {lines[0][:300]}",
            where=str(self._path),
            next_step="export the model again, with a version of ONNX's operators that this runtime knows",
        )

    def _invoke(self, parts: Sequence[Array], wanted: Sequence[int | str]) -> list[Array]:
        feeds = {}
        for name, kind, shape, part in zip(self.inputs, self._types, self.shapes, parts, strict=True):
            rows = part if kind.kind == "f" else np.rint(part)
            feeds[str(name)] = rows.reshape(shape).astype(kind)
        computed = [str(name) for name in wanted if name not in feeds]
        try:
            found = dict(zip(computed, self._session.run(computed, feeds), strict=True)) if computed else {}
        except Exception as error:  # the runtime's own classes, which are no public names
            raise self._bad(error) from error
        return [np.asarray(feeds[str(name)] if name in feeds else found[str(name)]) for name in wanted]

    def knows(self, source: int | str) -> bool:
        """Whether a tensor is within reach: each one is."""
        return bool(source)

    def quantised(self, source: int | str) -> tuple[float, int] | None:
        """Scale and zero point of a tensor, the latter in codes 0..255; None if it holds real numbers."""
        node = self._codes.get(str(source)) or coded_by(self._makers, str(source))
        if node is None:
            return None
        scale = self._raw.constants.get(node.input(1))
        zero = self._raw.constants.get(node.input(2), np.zeros(1, np.uint8))
        if scale is None or scale.size != 1 or zero.dtype not in (np.int8, np.uint8):
            return None
        return float(scale.ravel()[0]), int(zero.ravel()[0]) + (128 if zero.dtype == np.int8 else 0)

    def run(self, inputs: Sequence[Array], wanted: Sequence[int | str]) -> dict[int | str, Array]:
        """Tensors by name, [samples, size]: codes where they are quantised, else real numbers."""
        names = tuple(str(name) for name in wanted)
        if not set(names) <= {*self._wanted, *map(str, self.outputs), *map(str, self.inputs)}:
            self._wanted, self._session = names, self._open(names)
        found: dict[int | str, list[Array]] = {name: [] for name in wanted}
        for i in range(len(inputs[0])):
            parts = [
                rows[i].astype(np.int16) - 128 if kind == np.int8 else rows[i]
                for rows, kind in zip(inputs, self._types, strict=True)
            ]
            for name, values in zip(wanted, self._invoke(parts, wanted), strict=True):
                signed = values.dtype == np.int8 and self.quantised(name) is not None
                row = (values.astype(np.int16) + 128).astype(np.uint8) if signed else values
                found[name].append(row.reshape(1, -1))
        return {name: np.concatenate(rows) for name, rows in found.items()}
