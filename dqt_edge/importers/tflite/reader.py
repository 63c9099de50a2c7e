"""From the operators of a .tflite file to layers of the Builder."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..builder import Builder, Quant
from ..network import Network
from ..problems import Problems, Unfit
from ..reading import graph_name
from . import conditions, elementwise, layers, movement, states  # noqa: F401 - they register what they read
from .file import RawModel, RawOperator, read_file
from .folding import fold, shape_constant
from .operands import INTEGERS, Consequence, Known, Operands, sample_shape
from .operators import Reading, operator_of

MISFITS = (IndexError, KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError, MemoryError)
"""What reading a damaged operator may end in."""


def read_network(path: Path) -> Network:
    """Read a .tflite file.

    Returns:
        An integer network of an int8 or uint8 model, a floating-point network of a float model.

    Raises:
        BadFileError: The file is no model.
        UnsupportedError: Lists every layer that cannot be imported.
    """
    return _Reader(read_file(path), path).network()


class _Reader(Operands):
    """Walks the operators once."""

    def __init__(self, raw: RawModel, path: Path) -> None:
        super().__init__(raw.graphs, Builder(graph_name(path)))
        self.raw, self.path = raw, path
        self.problems = Problems(str(path))

    def network(self) -> Network:
        self.refuse_wide()
        self.inputs()
        for op in self.graph.operators:
            with self.problems.collect(f"{op.index} {self.label(op)!r}", op.custom or op.type):
                self.operator(op)
        with self.problems.collect("the states", "ASSIGN_VARIABLE"):
            states.assign_all(self)
        for number, index in enumerate(self.graph.outputs):
            with self.problems.collect(f"output {self.graph.tensors[index].name!r}", "OUTPUT"):
                self.output(index, number)
        self.problems.refuse()
        try:
            network = self.builder.finish({"source": self.path.name, "sha256": self.raw.sha256})
        except Unfit as unfit:
            raise UnsupportedError(unfit.reason, where=str(self.path), next_step=f"give {unfit.nearest}") from unfit
        more: dict[str, Any] = {}
        if self.notes:
            more["notes"] = self.notes
        if self.dropped:
            more["dropped"] = [*self.dropped, *network.provenance.get("dropped", [])]
        return dataclasses.replace(network, provenance=network.provenance | more)

    def refuse_wide(self) -> None:
        """One sentence for a model of 16-bit activations, instead of one for each layer."""
        made = {i for op in self.graph.operators for i in op.outputs} | set(self.graph.inputs)
        if any(self.graph.tensors[i].type == "INT16" and self.graph.tensors[i].data is None for i in made):
            raise UnsupportedError(
                "its activations have 16 bits",
                where=str(self.path),
                next_step="convert it with 8-bit activations: OpsSet.TFLITE_BUILTINS_INT8",
            )

    # --- Borders ----------------------------------------------------------------------------------------------

    def inputs(self) -> None:
        for number, index in enumerate(self.graph.inputs):
            tensor = self.graph.tensors[index]
            with self.problems.collect(f"input {tensor.name!r}", "INPUT"):
                self.known[index] = Known(tensor.shape, self.builder.refused(sample_shape(tensor.shape), None))
                opened = [axis for axis in tensor.open if axis]
                if opened:
                    sizes = ", ".join("?" if i in tensor.open else str(n) for i, n in enumerate(tensor.shape))
                    raise Unfit(
                        f"its dimension {opened[0]} is open: ({sizes})",
                        "a size for every dimension but the first, the batch",
                    )
                quant = self.input_quant(index)
                name = "input" if len(self.graph.inputs) == 1 else safe_name(tensor.name, f"input_{number}")
                value = self.builder.input(name, sample_shape(tensor.shape), quant, index)
                self.known[index] = Known(tensor.shape, value, quant)

    def input_quant(self, index: int) -> Quant | None:
        """Scale of an input; numbers of 8 bits that have none are cast to real ones."""
        tensor = self.graph.tensors[index]
        if tensor.type in INTEGERS and not len(tensor.scales):
            if not self.integer and all(op.type == "CAST" for op in self.readers[index]):
                return None
            raise Unfit("it is not quantised", "an input of FLOAT32, or of INT8 with a scale")
        if tensor.type not in (*INTEGERS, "FLOAT32"):
            raise Unfit(f"it is {tensor.type}", "an input of FLOAT32 or INT8")
        return self.quant(index)

    def output(self, index: int, number: int) -> None:
        known = self.known.get(index)
        if known is None or known.value is None:
            raise Unfit("it is a constant, or nothing makes it", "an output that depends on an input")
        name = "" if len(self.graph.outputs) == 1 else safe_name(self.graph.tensors[index].name, f"output_{number}")
        self.builder.output(self.sample(known), name)

    # --- Operators --------------------------------------------------------------------------------------------

    def label(self, op: RawOperator) -> str:
        """The shortest of the names that the converter gave to the output."""
        name = self.graph.tensors[op.outputs[0]].name if op.outputs else ""
        return min(name.split(";"), key=len)[-80:]

    def operator(self, op: RawOperator) -> None:
        """Read one; what a guessed shape leads to is not told."""
        doubts = self.doubts(op)
        try:
            read = operator_of(op).read if not self.folded(op) else None
        except (Unfit, UnsupportedError):
            self.refuse(op)
            raise
        try:
            if read is not None:
                self.apply(read, op)
        except (Unfit, UnsupportedError) as error:
            self.refuse(op)
            if not doubts and not isinstance(error, Consequence):
                raise
        if doubts:
            self.mark(op)

    def apply(self, read: Reading, op: RawOperator) -> None:
        """Read one operator; what a damaged file leaves out of it is no reason to stop."""
        try:
            read(self, op)
        except MISFITS as error:
            reason = f"its parts do not fit together ({type(error).__name__}: {str(error)[:120]})"
            raise Unfit(reason, "the model converted again") from error

    def folded(self, op: RawOperator) -> bool:
        """Compute an operator whose inputs are all known."""
        if op.type in ("SHAPE", "RANK") and op.inputs and op.inputs[0] in self.known and op.outputs:
            shape = shape_constant(self.known[op.inputs[0]].shape)
            self.put_constant(op.outputs[0], shape if op.type == "SHAPE" else np.array(len(shape), np.int32))
            return True
        inputs = [self.known[i].data if i in self.known else None for i in op.inputs if i >= 0]
        if not inputs or not op.outputs or any(data is None for data in inputs):
            return False
        tensors = [self.graph.tensors[i] for i in op.inputs if i >= 0]
        made = fold(op, [d for d in inputs if d is not None], tensors, self.graph.tensors[op.outputs[0]])
        if made is None or len(made) != len(op.outputs):
            return False
        for index, data in zip(op.outputs, made, strict=True):
            self.put_constant(index, data)
        return True

    def put_constant(self, index: int, data: object) -> None:
        array = np.asarray(data)
        self.known[index] = Known(array.shape, data=array)


def safe_name(name: str, otherwise: str) -> str:
    """A name for a tensor out of the file's."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", name.partition(":")[0].removeprefix("serving_default_"))[:48]
    return name if re.match(r"[A-Za-z_]", name) else otherwise
