"""TFLite's own interpreter with its reference kernels, and every tensor kept."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, ToolchainError
from ..system.tensorflow import start_tensorflow

RUNTIMES = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter", "tensorflow.lite")
"""Where the interpreter may come from, in the order of trial."""


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


class Reference:
    """A model opened in TFLite's interpreter.

    Args:
        path: The .tflite file.
        batch: Samples of a run. Models that cannot be resized run one by one.
    """

    def __init__(self, path: Path, batch: int) -> None:
        kind, resolvers, self.package = find_runtime()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TensorFlow's own class calls itself deprecated
                self._open: Callable[[], Any] = partial(
                    kind,
                    model_path=str(path),
                    experimental_op_resolver_type=resolvers.BUILTIN_REF,
                    experimental_preserve_all_tensors=True,
                )
                self.interpreter: Any = self._open()
                detail = self.interpreter.get_input_details()[0]
                self.input: int = detail["index"]
                self.dtype = np.dtype(detail["dtype"])
                self.shape = tuple(int(n) for n in detail["shape"])
                self.output: int = self.interpreter.get_output_details()[0]["index"]
                self.batch = self._resize(batch)
        except (ValueError, RuntimeError) as error:
            raise BadFileError(
                f"TFLite cannot run the model: {error}", where=str(path), next_step="convert the model again"
            ) from error

    def _resize(self, batch: int) -> int:
        try:
            self.interpreter.resize_tensor_input(self.input, [batch, *self.shape[1:]])
            self.interpreter.allocate_tensors()
            self.interpreter.set_tensor(self.input, np.zeros((batch, *self.shape[1:]), self.dtype))
            self.interpreter.invoke()
            if len(self.interpreter.get_tensor(self.output)) == batch:
                return batch
        except (ValueError, RuntimeError):
            pass
        self.interpreter = self._open()
        self.interpreter.allocate_tensors()
        return 1

    def run(self, inputs: npt.NDArray[Any], wanted: Sequence[int]) -> dict[int, npt.NDArray[Any]]:
        """Tensors by index for samples in the model's own type; their first axis is the sample."""
        parts: dict[int, list[npt.NDArray[Any]]] = {index: [] for index in wanted}
        for start in range(0, len(inputs), self.batch):
            part = inputs[start : start + self.batch].reshape(-1, *self.shape[1:])
            count = len(part)
            if count < self.batch:
                part = np.concatenate([part, np.zeros((self.batch - count, *self.shape[1:]), self.dtype)])
            self.interpreter.set_tensor(self.input, np.ascontiguousarray(part, self.dtype))
            self.interpreter.invoke()
            for index in wanted:
                tensor = np.array(self.interpreter.get_tensor(index))
                parts[index].append(tensor.reshape(self.batch, -1)[:count])
        return {index: np.concatenate(rows) for index, rows in parts.items()}
