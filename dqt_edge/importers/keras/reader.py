"""Walks the calls of a Keras model in the order of execution, those of models within it too.

What counts is the *call*: a layer that is used twice is called twice, and layers of a Sequential read from a file were
called more often than the model runs them. So everything is known by the tensors of the model's own graph.
"""

from __future__ import annotations

from typing import Any

from ...errors import UnsupportedError
from ..builder import Builder, Value
from ..network import Network
from ..problems import Problems, Unfit
from .call import Call, Reads, is_layer, values
from .layers import LAYERS
from .operations import OPERATIONS
from .refusals import REFUSED, REFUSED_OPERATIONS

_MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What values of a file that Keras never looked at may end in, in NumPy or here."""
_Known = dict[int, Value | None]
"""Value of each tensor by its identity; None where nothing is known because something before it is refused."""


class Reader:
    """Makes a Network of one model. ``old``: Keras 2 wrote its file."""

    def __init__(self, source: str, name: str, *, old: bool = False) -> None:
        self.source, self.old = source, old
        self.builder = Builder(name)
        self.problems = Problems(source)
        self.batches: set[int | None] = set()
        self.end: int | None = None
        """Identity of the only output."""

    def network(self, model: Any, sha256: str) -> Network:  # noqa: ANN401 - a Keras model
        """The Network of a model.

        Raises:
            UnsupportedError: Lists every layer that cannot be imported; or the model has no graph.
        """
        if not any(cls.__module__.split(".")[0] == "keras" for cls in type(model).__mro__):
            raise UnsupportedError(
                f"the model is of {type(model).__module__.split('.')[0]} and not of Keras 3",
                where=self.source,
                next_step="save it with model.save('model.h5') and import that file",
            )
        graph = _graph(model)
        if graph is None:
            raise UnsupportedError(
                f"the model is {_article(type(model).__name__)} without a graph of layers",
                where=self.source,
                next_step="make it with keras.Sequential and an Input, or with keras.Model(inputs, outputs)",
            )
        self.end = id(graph.outputs[0]) if len(graph.outputs) == 1 else None
        known = self.inputs(graph)
        results = self.walk(graph, known, "")
        self.problems.refuse()
        names = list(getattr(graph, "output_names", ())) if len(results) > 1 else [""]
        for result, name in zip(results, names, strict=True):
            assert result is not None
            self.builder.output(result, name)
        return self.builder.finish({"source": self.source, "sha256": sha256})

    def inputs(self, graph: Any) -> _Known:  # noqa: ANN401 - a functional model
        """Inputs of the Network, and their Values by tensor."""
        known: _Known = {}
        for tensor in graph.inputs:
            name = str(tensor.name)
            self.batches.add(tensor.shape[0] if len(tensor.shape) else None)
            with self.problems.collect(repr(name), "InputLayer"):
                known[id(tensor)] = None
                shape = _sample(tensor.shape)
                if "string" in str(tensor.dtype):
                    raise Unfit("it takes text", "numbers")
                known[id(tensor)] = self.builder.input(name if len(graph.inputs) > 1 else "input", shape, source=name)
        return known

    # --- Walk -----------------------------------------------------------------------------------------------

    def walk(self, graph: Any, known: _Known, prefix: str) -> list[Value | None]:  # noqa: ANN401
        """Values of a model's outputs; ``prefix`` names the models that it stands in."""
        places = {id(operation): i for i, operation in enumerate(graph.operations)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            nodes = graph._nodes_by_depth[depth]
            for node in sorted(nodes, key=lambda n: (places[id(n.operation)], _turn(n))):
                if not node.is_input:
                    self.node(node, known, prefix)
        return [known.get(id(tensor)) for tensor in graph.outputs]

    def node(self, node: Any, known: _Known, prefix: str) -> None:  # noqa: ANN401 - a call
        """Give every result of a call a Value, and the list its problem if it has one."""
        operation = node.operation
        results: list[Value | None] = [None] * len(node.outputs)
        count = len(self.problems.found)
        with self.problems.collect(repr(f"{prefix}{operation.name}"), type(operation).__name__):
            try:
                results = list(self.results(node, known, prefix))
            except (Unfit, UnsupportedError, *_MISFITS) as error:
                results = [self.stand_in(tensor.shape) for tensor in node.outputs]
                if isinstance(error, _MISFITS):
                    reason = f"its values do not fit together ({type(error).__name__}: {str(error)[:120]})"
                    raise Unfit(reason, "the layer as Keras documents it") from error
                raise
        if len(self.problems.found) > count and self.problems.found[-1] in self.problems.found[:-1]:
            del self.problems.found[-1]  # a layer that is used twice is told once
        known.update(zip(map(id, node.outputs), results, strict=True))

    def results(self, node: Any, known: _Known, prefix: str) -> list[Value | None]:  # noqa: ANN401 - a call
        """Values of what a call makes; None for each if it reads something that is not known.

        Raises:
            Unfit: It cannot be imported.
        """
        operation = node.operation
        inner = _graph(operation)
        translation = None if inner is not None else _translation(operation)
        _check_call(operation, node.arguments.kwargs)
        if any(known.get(id(tensor)) is None for tensor in node.input_tensors):
            return [None] * len(node.outputs)  # what makes them is refused already
        args, kwargs = node.arguments.fill_in(known)
        if inner is not None:
            return self.nested(operation, inner, list(values(args)) + list(values(kwargs)), prefix)
        shapes = tuple(_sample(tensor.shape) for tensor in node.outputs)
        assert translation is not None
        source = call_name(node, prefix)
        last = id(node.outputs[0]) == self.end
        call = Call(self.builder, operation, operation.name, args, kwargs, shapes, source, self.old, last)
        made = translation.translate(call)
        found: list[Value | None] = [*made] if isinstance(made, list) else [made]
        if any(tensor.shape[0] not in self.batches for tensor in node.outputs):
            raise Unfit(f"it makes {node.outputs[0].shape} of a batch", "the same work on each sample")
        for value, shape in zip(found, shapes, strict=True):
            if value is not None and value.shape != shape:
                raise Unfit(f"it makes {shape} in Keras and {value.shape} here", "another form of this layer")
        return found

    def nested(self, model: Any, graph: Any, inputs: list[Value], prefix: str) -> list[Value | None]:  # noqa: ANN401
        """A model within the model is walked where it is called."""
        if len(inputs) != len(graph.inputs):
            raise Unfit(f"it reads {len(inputs)} tensors and has {len(graph.inputs)} inputs", "one for each")
        if any(None in tensor.shape[1:] for tensor in graph.inputs):
            graph = _closed(model, graph, inputs)
        known: _Known = dict(zip(map(id, graph.inputs), inputs, strict=True))
        return self.walk(graph, known, f"{prefix}{model.name}/")

    def stand_in(self, shape: tuple[int | None, ...]) -> Value | None:
        """What a refused call would have made, so that later ones can be checked; None if its shape is not known."""
        try:
            return self.builder.refused(_sample(shape))
        except Unfit:
            return None


def _graph(operation: Any) -> Any:  # noqa: ANN401 - a functional model or None
    """The graph of a model, if the operation is one: that of a Sequential is a functional model of its own."""
    graph = getattr(operation, "_functional", None) or operation
    return graph if hasattr(graph, "_nodes_by_depth") and is_layer(graph) else None


graph_of = _graph


def call_name(node: Any, prefix: str) -> str:  # noqa: ANN401 - a call
    """What a call's first result is called: by its layer, and by which of the layer's calls it is.

    Keras' own names of tensors count on through a process, so that they are others when a file is loaded again.
    """
    turn = _turn(node)
    return f"{prefix}{node.operation.name}" + (f":{turn}" if turn else "")


def _turn(node: Any) -> int:  # noqa: ANN401 - a call
    """Which of its layer's calls this is."""
    return next(i for i, other in enumerate(node.operation._inbound_nodes) if other is node)


def _sample(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Shape of one sample."""
    if not shape:
        raise Unfit("it is one number without a batch", "a batch of samples")
    opened = [i for i, n in enumerate(shape) if i and n is None]
    if opened:
        axes = f"dimension{'s' * (len(opened) > 1)} {' and '.join(map(str, opened))}"
        fixed = tuple(96 if n is None else n for n in shape[1:])
        raise Unfit(f"{axes} of its shape {shape} may be any", f"numbers, keras.Input({fixed}) for instance")
    return tuple(int(n) for n in shape[1:] if n is not None)


def _translation(operation: Any) -> Reads:  # noqa: ANN401 - a layer or operation
    """How it is imported.

    Raises:
        Unfit: It is not: the reason, and what comes nearest.
    """
    kind, module = type(operation).__name__, type(operation).__module__
    layer = is_layer(operation)
    if module.split(".")[0] != "keras":
        raise Unfit(f"it is a class of your own, from module {module!r}", "layers of Keras that compute the same")
    if getattr(operation, "data_format", None) == "channels_first":
        raise Unfit("its channels come first", "data_format='channels_last'")
    if getattr(operation, "quantization_mode", None) is not None:
        raise Unfit("Keras has quantised it", "the model before model.quantize()")
    if layer and kind in REFUSED:
        raise Unfit(*REFUSED[kind])
    found = (LAYERS if layer else OPERATIONS).get(kind)
    if found is None and layer:
        raise Unfit("this kind of layer is not supported", "a layer of the table in docs/importing.md")
    if found is None:
        reason = "this operation is not supported", "an operation of the table in docs/importing.md"
        raise Unfit(*REFUSED_OPERATIONS.get(kind, reason))
    return found


def _check_call(operation: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401 - a layer or operation
    mask = kwargs.get("mask")
    masks = mask if isinstance(mask, list | tuple) else [mask]
    if is_layer(operation) and any(part is not None for part in masks):
        raise Unfit("it is called with a mask", "inputs of one length, filled with zeros")


def _closed(model: Any, graph: Any, inputs: list[Value]) -> Any:  # noqa: ANN401 - models
    """The same layers in a graph for the shapes at hand, where the model itself leaves dimensions open."""
    import keras  # noqa: PLC0415 - TensorFlow is large

    fixed = [keras.Input(value.shape, dtype=tensor.dtype) for value, tensor in zip(inputs, graph.inputs, strict=True)]
    outputs = graph.call(fixed if len(fixed) > 1 else fixed[0])
    return keras.Model(fixed, outputs, name=model.name)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
