"""Small ONNX models made operator by operator, and what ONNX Runtime makes of their tensors."""

# ruff: noqa: PLC0415 - the extra onnx is imported where a test needs it

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dqt_edge.graph import FULL, Graph, MacLayer, interpreter, nested
from dqt_edge.importers.floating import outputs_of
from dqt_edge.importers.network import Network
from dqt_edge.importers.reference_onnx import OnnxReference

OPSET = 17


class Maker:
    """Writes a graph. Names of tensors are made up; constants are float32 unless they are whole numbers."""

    def __init__(self, opset: int = OPSET, seed: int = 1) -> None:
        import onnx

        self.onnx, self.opset = onnx, opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.constants: list[Any] = []

    def input(self, *shape: int | str, name: str = "image", kind: int = 1) -> str:
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, values: Any, dtype: Any = None) -> str:
        array = np.asarray(values)
        kind = dtype or (np.int64 if array.dtype.kind in "iub" and array.dtype.itemsize == 8 else None)
        array = array.astype(kind or (np.float32 if array.dtype == np.float64 else array.dtype))
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def random(self, *shape: int, scale: float = 1.0) -> str:
        return self.const(self.rng.normal(0, scale, shape))

    def add(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        names = [f"t{len(self.nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        made = self.onnx.helper.make_node(
            kind, list(inputs), names, name=f"{kind}{len(self.nodes)}", domain=domain, **attributes
        )
        self.nodes.append(made)
        return names[0] if outputs == 1 else names

    def conv(self, x: str, inputs: int, outputs: int, kernel: Sequence[int] = (3, 3), **attributes: Any) -> str:
        groups = attributes.get("group", 1)
        fan = math.sqrt(inputs // groups * math.prod(kernel))
        weights = self.random(outputs, inputs // groups, *kernel, scale=1 / fan)
        return self.add("Conv", x, weights, self.random(outputs, scale=0.2), **attributes)

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        weights = self.random(outputs, inputs, scale=1 / math.sqrt(inputs))
        return self.add("Gemm", x, weights, self.random(outputs, scale=0.2), transB=1)

    def model(self, *outputs: str) -> Any:
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, "small", self.inputs, [self.onnx.ValueInfoProto(name=o) for o in outputs], self.constants
        )
        kinds = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=kinds, ir_version=8)

    def save(self, path: Path, *outputs: str) -> Path:
        path.write_bytes(self.model(*outputs).SerializeToString())
        return path


def quantise(
    source: Path,
    path: Path,
    *,
    activations: str = "QUInt8",
    per_channel: bool = True,
    form: str = "QDQ",
    weights: str = "QInt8",
) -> Path:
    """As ``onnxruntime.quantization.quantize_static`` writes it.

    Operators on integers get weights of 7 bits, as ONNX Runtime's guide advises: on x86 without VNNI its own sums of
    uint8 times int8 saturate at 16 bits, and it would be no reference.
    """
    import onnx
    from onnxruntime import quantization

    rng = np.random.default_rng(2)
    shapes = {i.name: [d.dim_value or 1 for d in i.type.tensor_type.shape.dim] for i in onnx.load(source).graph.input}

    class Typical(quantization.CalibrationDataReader):  # type: ignore[misc]
        left = 8

        def get_next(self) -> dict[str, Any] | None:
            self.left -= 1
            given = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
            return given if self.left >= 0 else None

    quantization.quantize_static(
        str(source),
        str(path),
        Typical(),
        quant_format=getattr(quantization.QuantFormat, form),
        per_channel=per_channel,
        reduce_range=form == "QOperator",
        activation_type=getattr(quantization.QuantType, activations),
        weight_type=getattr(quantization.QuantType, weights),
    )
    return path


def in_memory(values: np.ndarray, layout: list[dict[str, list[int]]] | None) -> np.ndarray:
    """A tensor of the file in the order in which the Network has it, [samples, size]."""
    rows = values.reshape(len(values), -1)
    parts, first = [], 0
    for piece in layout or ({"parts": [rows.shape[1]], "order": [0]},):
        size = math.prod(piece["parts"])
        apart = rows[:, first : first + size].reshape(len(rows), *piece["parts"])
        parts.append(apart.transpose(0, *(1 + i for i in piece["order"])).reshape(len(rows), -1))
        first += size
    return np.concatenate(parts, axis=1)


def random_inputs(reference: OnnxReference, count: int, seed: int = 3) -> list[np.ndarray]:
    """Normal numbers, or random codes, for each input of a model, in the file's order of axes."""
    rng = np.random.default_rng(seed)
    made = []
    for i, source in enumerate(reference.inputs):
        shape = (count, *(reference.shapes[i][1:]))
        coded = reference.quantised(source) is not None
        made.append(rng.integers(0, 256, shape) if coded else rng.normal(0, 1, shape).astype(np.float32))
    return made


def beside_runtime(network: Network, path: Path, count: int = 3) -> list[float]:
    """Largest difference of each output of a floating-point network from ONNX Runtime's, by its largest value."""
    reference = OnnxReference(path)
    given = random_inputs(reference, count)
    layouts: Mapping[str, Any] = network.provenance["layouts"]
    feeds = {}
    for name in network.inputs:
        edge = network.edges[name]
        values = given[reference.inputs.index(edge.source)]
        feeds[name] = in_memory(values, layouts.get(str(edge.source))).reshape(count, *edge.shape).astype(np.float32)
    wanted = reference.run(given, reference.outputs)
    found = []
    for values, source in zip(outputs_of(network, feeds), reference.outputs, strict=True):
        theirs = in_memory(wanted[source], layouts.get(str(source)))
        found.append(float(np.abs(values.reshape(count, -1) - theirs).max() / max(np.abs(theirs).max(), 1e-6)))
    return found


def codes_beside_runtime(graph: Graph, path: Path, count: int = 4) -> dict[str, int]:
    """Largest difference in codes of each layer whose tensor the file has, given ONNX Runtime's own tensors."""
    reference = OnnxReference(path)
    sources, layouts = graph.provenance["tensors"], graph.provenance["layouts"]
    found = reference.run(random_inputs(reference, count), list(dict.fromkeys(sources.values())))
    live = {}
    for tensor in graph.tensors:
        source = sources.get(tensor.name)
        if source is None:
            continue
        values = in_memory(found[source], layouts.get(source))
        if reference.quantised(source) is None:
            values = nested.quantize(values, tensor.scale, tensor.zero_point)
        live[tensor.name] = values.reshape(count, *tensor.shape).astype(np.uint8)
    differences = {}
    for layer in graph.layers:
        made = interpreter.run_layer(layer, graph, live, FULL if isinstance(layer, MacLayer) else None)
        if layer.output in live:
            differences[layer.name] = int(np.abs(made.astype(int) - live[layer.output]).max())
        else:
            live[layer.output] = made
    return differences


def moves_of(network: Network) -> list[str]:
    """Layers that move data: a view of the same data in another shape is none."""
    return [
        node.name
        for node in network.nodes
        if node.order is not None and not node.order.keeps(math.prod(network.edges[node.inputs[0]].shape))
    ]
