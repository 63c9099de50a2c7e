"""TFLite's own interpreter with its reference kernels, and every tensor kept."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, ToolchainError
from ..system.tensorflow import start_tensorflow
from .tflite.file import read_file

Array = npt.NDArray[Any]
RUNTIMES = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter", "tensorflow.lite")
"""Where the interpreter may come from, in the order of trial."""

WRONG = {"SUM"}
"""Operators whose reference kernel is wrong: TensorFlow 2.21 sums int8 to the same code, whatever the input."""


def find_runtime() -> tuple[Any, Any, str]:
    """Interpreter class, resolver types and package name of the first runtime that can be imported.

    Raises:
        ToolchainError: There is none.
    """
    reasons = []
    for name in RUNTIMES:
        package = name.partition(".")[0]
        try:
            if package == "tensorflow":
                start_tensorflow()
                lite = importlib.import_module(package).lite
                return lite.Interpreter, lite.experimental.OpResolverType, package
            module = importlib.import_module(name)
            return module.Interpreter, module.OpResolverType, package
        except (ImportError, AttributeError, ToolchainError) as error:  # AttributeError: built for another NumPy
            reasons.append(f"{package}: {str(error).splitlines()[0]}")
    raise ToolchainError(
        "comparing needs a TFLite interpreter, and none can be imported",
        where="; ".join(reasons),
        next_step="run: pip install 'dqt-edge[compare]'",
    )


SUM_BITS = 20
"""TFLite shifts the operands of sums by as much, and aborts where a code of the result is less than a step of these."""


def _fatal_sum(path: Path) -> str | None:
    """An addition or subtraction whose check ends the whole process, if the package that reads the file is there."""
    try:
        graph = read_file(path).graphs[0]
    except ToolchainError:
        return None
    for op in graph.operators:
        if op.type not in ("ADD", "SUB") or graph.tensors[op.outputs[0]].type not in ("INT8", "UINT8"):
            continue
        scales = [graph.tensors[i].scales for i in (*op.inputs[:2], op.outputs[0]) if i >= 0]
        if any(len(scale) != 1 for scale in scales):
            continue
        *operands, result = (float(scale[0]) for scale in scales)
        if result <= 0 or 2 * max(operands) >= result * 2**SUM_BITS:
            return f"{op.type} {op.index}"
    return None


class TfliteReference:
    """A model opened in TFLite's interpreter.

    Args:
        path: The .tflite file.
        batch: Samples of a run. A model whose answers to several at once are others than one by one, or that takes no
            batch, runs them one by one.
    """

    def __init__(self, path: Path, batch: int) -> None:
        self._kind, resolvers, self.package = find_runtime()
        self._path = path
        if fatal := _fatal_sum(path):
            raise self._bad(RuntimeError(f"{fatal} ends the process: its result has too fine a scale"))
        self._resolver = resolvers.BUILTIN_REF
        try:
            if not self._has_reference_kernels():
                self._resolver = resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                self._start(1)
                self.package += " (optimised kernels)"
            details = self._interpreter.get_input_details()
            self._shapes = [tuple(int(n) for n in d["shape"]) for d in details]
            self._types = [np.dtype(d["dtype"]) for d in details]
            self.inputs: tuple[int | str, ...] = tuple(int(d["index"]) for d in details)
            self.outputs: tuple[int | str, ...] = tuple(int(d["index"]) for d in self._interpreter.get_output_details())
            self._details = {int(d["index"]): d for d in self._interpreter.get_tensor_details()}
            self.batch = batch if batch > 1 and self._takes(batch) else 1
            self._start(self.batch)
            self._invoke([np.zeros((self.batch, *shape[1:])) for shape in self._shapes])
            self._start(self.batch)
        except (ValueError, RuntimeError) as error:
            raise self._bad(error) from error

    def _start(self, batch: int) -> None:
        """Open the model anew, states at their first values."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's own class calls itself deprecated
            self._interpreter: Any = self._kind(
                model_path=str(self._path),
                experimental_op_resolver_type=self._resolver,
                experimental_preserve_all_tensors=True,
            )
        if batch > 1:
            for index, shape in zip(self.inputs, self._shapes, strict=True):
                self._interpreter.resize_tensor_input(index, [batch, *shape[1:]])
        self._interpreter.allocate_tensors()

    def _has_reference_kernels(self) -> bool:
        """Whether the reference kernels run the model: they do not know every version of every operator."""
        try:
            self._start(1)
        except (ValueError, RuntimeError):
            return False
        return not WRONG & {op["op_name"] for op in self._interpreter._get_ops_details()}

    def _takes(self, batch: int) -> bool:
        """Whether a batch gives what its samples give one by one."""
        if any(len(shape) < 2 or shape[0] != 1 for shape in self._shapes):
            return False
        rng = np.random.default_rng(1)
        given = [rng.integers(-100, 100, (batch, *shape[1:])) for shape in self._shapes]
        found: list[list[Array]] = []
        try:
            for rows in (batch, 1):
                self._start(rows)
                parts = [part if rows == batch else part[-1:] for part in given]
                self._invoke([part / 50 if t.kind == "f" else part for part, t in zip(parts, self._types, strict=True)])
                found.append([np.array(self._interpreter.get_tensor(index)) for index in self.outputs])
        except (ValueError, RuntimeError):
            return False
        return all(
            many.size == batch * one.size
            and np.allclose(many.reshape(batch, -1)[-1].astype(float), one.ravel().astype(float), 1e-4, 1e-5)
            for many, one in zip(*found, strict=True)
        )

    def _invoke(self, parts: Sequence[Array]) -> None:
        for index, kind, shape, part in zip(self.inputs, self._types, self._shapes, parts, strict=True):
            rows = part if kind.kind == "f" else np.rint(part)
            wanted = shape if len(shape) < 2 or shape[0] != 1 else (-1, *shape[1:])
            self._interpreter.set_tensor(index, np.ascontiguousarray(rows.reshape(wanted)).astype(kind))
        self._interpreter.invoke()

    def _bad(self, error: Exception) -> BadFileError:
        return BadFileError(
            f"TFLite cannot run the model: {str(error).splitlines()[0]}",
            where=str(self._path),
            next_step="convert the model again",
        )

    def knows(self, source: int | str) -> bool:
        """Whether a tensor is within reach."""
        return source in self._details

    def quantised(self, source: int | str) -> tuple[float, int] | None:
        """Scale and zero point of a tensor, the latter in codes 0..255; None if it holds real numbers."""
        detail = self._details[int(source)]
        scale, zero = detail["quantization"]
        kind = np.dtype(detail["dtype"])
        if not scale or kind not in (np.int8, np.uint8):
            return None
        return float(scale), int(zero) + (128 if kind == np.int8 else 0)

    def run(self, inputs: Sequence[Array], wanted: Sequence[int | str]) -> dict[int | str, Array]:
        """Tensors by index, [samples, size]: codes where they are quantised, else real numbers."""
        found: dict[int | str, list[Array]] = {name: [] for name in wanted}
        count = len(inputs[0])
        for start in range(0, count, self.batch):
            parts = []
            for index, kind, rows in zip(self.inputs, self._types, inputs, strict=True):
                part = rows[start : start + self.batch]
                if len(part) < self.batch:
                    part = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), 0)])
                coded = self.quantised(index) is not None and kind == np.int8
                parts.append(part.astype(np.int16) - 128 if coded else part)
            try:
                self._invoke(parts)
            except (ValueError, RuntimeError) as error:  # a division by zero, say
                raise self._bad(error) from error
            for name in wanted:
                values = np.array(self._interpreter.get_tensor(int(name))).reshape(self.batch, -1)
                if self.quantised(name) is not None and values.dtype == np.int8:
                    values = (values.astype(np.int16) + 128).astype(np.uint8)
                found[name].append(values[: count - start])
        return {name: np.concatenate(rows) for name, rows in found.items()}
