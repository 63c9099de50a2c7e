"""Where data enters and leaves a Graph: its inputs, its outputs, and the states that it keeps between inferences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ..errors import UnsupportedError
from .values import Tensor

if TYPE_CHECKING:
    from .graph import Graph

TERMINALS_MAX = 64
"""Most inputs, most outputs and most states of a graph."""


@dataclass(frozen=True)
class State:
    """A tensor that a network keeps from one inference to the next.

    Before the first inference ``read`` holds the code ``initial`` everywhere. After each inference, the codes of
    ``write`` are copied to it, of all states at once. No layer makes ``read``.

    Attributes:
        read: Name of the tensor that the layers read: what was kept.
        write: Name of the tensor to keep: an input, or made by a layer; shape, scale and zero point as ``read``.
        initial: Code of ``read`` before the first inference, 0..255.
    """

    read: str
    write: str
    initial: int = 0


def check_terminals(graph: Graph, tensors: dict[str, Tensor]) -> set[str]:
    """Names of the tensors that are there before the first layer runs.

    Args:
        graph: The network.
        tensors: Its tensors by name.

    Raises:
        UnsupportedError: Inputs, outputs or states that cannot be lowered.
    """
    where = f"graph {graph.name!r}"
    for kind, name in (("input", graph.input), ("output", graph.output)):
        if name not in tensors:
            _refuse(where, f"the {kind} tensor {name!r} is not defined")
    reads = [state.read for state in graph.states]
    for kind, names in (("input", graph.inputs), ("output", graph.outputs), ("state", reads)):
        _check_names(where, kind, names, tensors)
    kept = next((name for name in (*graph.inputs, *graph.outputs) if name in reads), None)
    if kept is not None:
        _refuse(where, f"tensor {kept!r} is kept as a state and cannot be an input or output too")
    for state in graph.states:
        _check_state(where, state, tensors)
        if state.write in reads:
            _refuse(where, f"state {state.read!r} is written from the state {state.write!r}; a layer has to copy it")
    return {*graph.inputs, *reads}


def check_made(graph: Graph, ready: set[str]) -> None:
    """Raise UnsupportedError unless each output, and what each state keeps, is made in every inference.

    Args:
        graph: The network.
        ready: Names of all tensors that are there or made; those of controller and points are not made at given widths.
    """
    beside = graph.beside
    ready = ready - {layer.output for layer in graph.all_layers if layer.name in beside}
    for name in graph.outputs:
        if name not in ready:
            _refuse(f"graph {graph.name!r}", f"no layer makes the output tensor {name!r}")
    for state in graph.states:
        if state.write not in ready:
            _refuse(f"graph {graph.name!r}", f"no layer makes {state.write!r}, which state {state.read!r} keeps")


def _check_names(where: str, kind: str, names: Sequence[str], tensors: dict[str, Tensor]) -> None:
    if len(names) > TERMINALS_MAX:
        _refuse(where, f"{len(names)} {kind}s are more than {TERMINALS_MAX}")
    missing = next((name for name in names if name not in tensors), None)
    if missing is not None:
        _refuse(where, f"the {kind} tensor {missing!r} is not defined")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        _refuse(where, f"tensor {twice!r} is an {kind} twice" if kind != "state" else f"state {twice!r} is given twice")


def _check_state(where: str, state: State, tensors: dict[str, Tensor]) -> None:
    if isinstance(state.initial, bool) or not isinstance(state.initial, int) or not 0 <= state.initial <= 255:
        _refuse(where, f"initial code of state {state.read!r} is {state.initial!r}, must be 0..255")
    if state.write not in tensors:
        _refuse(where, f"tensor {state.write!r}, which state {state.read!r} keeps, is not defined")
    read, write = tensors[state.read], tensors[state.write]
    if (read.shape, read.scale, read.zero_point) != (write.shape, write.scale, write.zero_point):
        _refuse(
            where, f"state {state.read!r} and {state.write!r}, which it keeps, differ in shape, scale or zero point"
        )


def _refuse(where: str, reason: str) -> NoReturn:
    raise UnsupportedError(reason, where=where, next_step="mend the graph where it is made; run 'dqt-edge check' on it")
