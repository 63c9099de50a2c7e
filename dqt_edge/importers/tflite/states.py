"""State variables: what a streaming model remembers from one inference to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..builder import Value
from ..problems import Unfit
from .file import RawGraph, RawOperator
from .folding import fold, real_values
from .operands import Known, Operands
from .operators import reads

NEAREST = "a variable that is created with one constant everywhere, and read and assigned once in each inference"


@dataclass
class State:
    """A variable.

    Attributes:
        initial: Real numbers that it holds before the first inference.
        value: What it holds when an inference starts, once it has been read.
        now: What it holds at this point of the inference.
        assigned: What it holds afterwards.
    """

    initial: npt.NDArray[np.float64]
    value: Value | None = None
    now: Known | None = None
    assigned: Known | None = None


@reads("CALL_ONCE", supported="where it gives state variables their first values")
def call_once(r: Operands, op: RawOperator) -> None:
    """Run a subgraph of constants."""
    number = op.number("InitSubgraphIndex")
    if not 0 < number < len(r.graphs):
        raise Unfit(f"it calls subgraph {number}", "a subgraph that exists")
    graph = r.graphs[number]
    data: dict[int, Any] = {t.index: t.data for t in graph.tensors if t.data is not None}
    names: dict[int, str] = {}
    for one in graph.operators:
        _initial(r, graph, one, data, names)


def _initial(r: Operands, graph: RawGraph, op: RawOperator, data: dict[int, Any], names: dict[int, str]) -> None:
    if op.type == "VAR_HANDLE" and op.outputs:
        names[op.outputs[0]] = str(op.options["SharedName"])
    elif op.type == "ASSIGN_VARIABLE" and len(op.inputs) == 2 and op.inputs[0] in names and op.inputs[1] in data:
        found = real_values(data[op.inputs[1]], graph.tensors[op.inputs[1]])
        r.states[names[op.inputs[0]]] = State(found)
    elif op.outputs and all(i in data for i in op.inputs):
        tensors = [graph.tensors[i] for i in op.inputs]
        made = fold(op, [data[i] for i in op.inputs], tensors, graph.tensors[op.outputs[0]])
        if made is None:
            raise Unfit(f"its variables are made by {op.type}", NEAREST)
        data.update(zip(op.outputs, made, strict=False))
    else:
        raise Unfit(f"its variables are made by {op.type}", NEAREST)


@reads("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", supported="state variables of streaming models")
def variable(r: Operands, op: RawOperator) -> None:
    """A state is read before it is assigned, or not at all."""
    if op.type == "VAR_HANDLE":
        r.handles[op.outputs[0]] = str(op.options["SharedName"])
        return
    name = r.handles.get(op.inputs[0])
    if name is None or name not in r.states:
        raise Unfit(
            "its variable has no value in the file", "variables that the converter has frozen, or that it creates"
        )
    state = r.states[name]
    if op.type == "ASSIGN_VARIABLE":
        state.now = state.assigned = r.source(op, 1)
        return
    if state.now is None:
        state.now = _first(r, op, name, state)
    r.known[op.outputs[0]] = state.now


def _first(r: Operands, op: RawOperator, name: str, state: State) -> Known:
    """What the variable holds when an inference starts."""
    if not state.initial.size or (state.initial != state.initial.flat[0]).any():
        raise Unfit("its variable starts with different numbers", NEAREST)
    shape = state.initial.shape
    quant = r.quant(op.outputs[0])
    inner = shape[1:] if shape and shape[0] == 1 else shape
    state.value = r.builder.state(name or f"state_{op.index}", inner, quant, initial=float(state.initial.flat[0]))
    r.builder.rename_source(state.value, op.outputs[0])
    return Known(shape, state.value, quant)


def assign_all(r: Operands) -> None:
    """At the end of an inference, each state takes what was assigned."""
    for name, state in r.states.items():
        if state.assigned is None or state.value is None:
            continue
        start, end = state.value, state.assigned
        if end.shape != state.initial.shape:
            raise Unfit(f"variable {name!r} changes from shape {state.initial.shape} to {end.shape}", NEAREST)
        assert end.value is not None
        r.builder.assign(start, r.shaped(end.value, start.shape))
