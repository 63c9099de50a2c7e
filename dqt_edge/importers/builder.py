"""Builder: operators of any model file, made a Network.

Readers translate; geometry is settled here. A value has the logical shape of one sample and any rank, and an edge holds
its data as (height, width, channels), row-major: so a reshape is no layer, and a view in another shape costs nothing
until a layer needs it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from ..graph import WINDOW_MAX, Shape, Window
from .builder_windows import Windows
from .network import Activation, Network
from .passes import simplify
from .problems import Unfit
from .values import Operand, Quant, Value, Weights, layout

__all__ = ["Builder", "Operand", "Quant", "Value", "Weights"]

Sides = tuple[int, int, int, int]
"""Padding (top, left, bottom, right)."""


class Builder(Windows):
    """Makes a Network of a model's operators, one call each.

    Layers with weights are here, the other operators in the classes below. Every method raises :class:`Unfit` where it
    cannot make the operator, with the reason and the nearest form that it can. ``quant`` is the scale of the result in
    an integer model, and None in a floating-point one; ``source`` names the result's tensor in the file.
    """

    def conv(
        self,
        name: str,
        x: Value,
        weights: Weights,
        *,
        stride: tuple[int, int] = (1, 1),
        padding: Sides | Literal["same", "valid"] = "valid",
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """A convolution of a map (H, W, C); weights [out, kernel height, kernel width, in / groups]."""
        values = weights.values
        if len(x.shape) != 3 or values.ndim != 4:
            raise Unfit(f"it convolves shape {x.shape} with weights {values.shape}", "a map and four axes of weights")
        channels, outputs = x.shape[2], len(values)
        if groups < 1 or channels != groups * values.shape[3] or outputs % groups:
            raise Unfit(f"it has {groups} groups of {values.shape[3]} of {channels} channels", "groups that fit both")
        common: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        if groups > 1 and values.shape[3] == 1:
            taps = weights._replace(values=values[..., 0].reshape(channels, outputs // channels, *values.shape[1:3]))
            common |= {"activation": activation, "quant": quant, "source": source}
            return self.depthwise(name, x, taps, **common)
        if groups > 1:
            return self._grouped(name, x, weights, groups, common | {"activation": activation, "quant": quant}, source)
        x, window = self._padded(name, x, (values.shape[1], values.shape[2]), stride, padding, dilation)
        fields = _fields(weights, outputs) | {"window": window, "activation": activation}
        shape = (*_output(window, x), outputs)
        return Value(self.node(name, "conv", (self.view(x),), shape, quant, source, **fields), shape, x.refused)

    def _grouped(
        self, name: str, x: Value, weights: Weights, groups: int, common: dict[str, Any], source: int | str
    ) -> Value:
        """A convolution for each group of channels, side by side."""
        inputs, outputs = x.shape[2] // groups, len(weights.values) // groups
        parts: list[Operand] = []
        for i in range(groups):
            rows = slice(i * outputs, (i + 1) * outputs)
            part = self.cut(f"{name}_in_{i}", x, 2, i * inputs, inputs)
            scales, bias = (None if item is None else item[rows] for item in weights[1:])
            own = Weights(weights.values[rows], scales, bias)
            parts.append(self.conv(f"{name}_group_{i}", part, own, **common))
        return self.concat(name, parts, 2, quant=common["quant"], source=source)

    def depthwise(
        self,
        name: str,
        x: Value,
        weights: Weights,
        *,
        stride: tuple[int, int] = (1, 1),
        padding: Sides | Literal["same", "valid"] = "valid",
        dilation: tuple[int, int] = (1, 1),
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """A depthwise convolution of a map; weights [channels, multiplier, kernel height, kernel width].

        Filter m of channel c makes output channel ``c * multiplier + m``.
        """
        values = weights.values
        if len(x.shape) != 3 or values.ndim != 4 or len(values) != x.shape[2]:
            raise Unfit(f"it has filters {values.shape} for shape {x.shape}", "filters for each channel of a map")
        channels, multiplier = values.shape[:2]
        common: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
        common |= {"activation": activation, "quant": quant, "source": source}
        if channels == 1:  # one input channel: the same as an ordinary convolution
            return self.conv(name, x, weights._replace(values=values[0][..., None]), **common)
        if multiplier > 1:
            x = self.repeat(f"{name}_repeated", x, 2, multiplier)
        taps = values.reshape(channels * multiplier, *values.shape[2:])
        x, window = self._padded(name, x, (taps.shape[1], taps.shape[2]), stride, padding, dilation)
        fields = _fields(weights._replace(values=taps), len(taps)) | {"window": window, "activation": activation}
        shape = (*_output(window, x), len(taps))
        output = self.node(name, "depthwise", (self.view(x),), shape, quant, source, **fields)
        return Value(output, shape, x.refused)

    def dense(
        self,
        name: str,
        x: Value,
        weights: Weights,
        *,
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """A dense layer over the last axis; weights [out, in]. Rows are what a convolution of 1x1 sees as places."""
        values = weights.values
        if values.ndim != 2 or not x.shape or x.shape[-1] != values.shape[1]:
            raise Unfit(f"it has weights {values.shape} for shape {x.shape}", "weights for each element of a row")
        outputs, rows = len(values), math.prod(x.shape[:-1])
        shape = (*x.shape[:-1], outputs)
        fields = _fields(weights, outputs) | {"activation": activation}
        if rows == 1:
            output = self.node(name, "dense", (x.edge,), (1, 1, outputs), quant, source, **fields)
            return Value(output, shape, x.refused)
        fields |= {"weights": fields["weights"][:, None, None, :], "window": Window((1, 1))}
        own = self.edges[x.edge].shape
        places: Shape = own if own[2] == x.shape[-1] else layout(x.shape)
        edge = self.view(x, places)
        output = self.node(name, "conv", (edge,), (*places[:2], outputs), quant, source, **fields)
        return Value(output, shape, x.refused)

    def transposed_conv(
        self,
        name: str,
        x: Value,
        weights: Weights,
        *,
        stride: tuple[int, int],
        padding: tuple[int, int],
        size: tuple[int, int],
        activation: Activation = "none",
        quant: Quant | None = None,
        source: int | str = "",
    ) -> Value:
        """A transposed convolution: input (i, j) reaches output ``(i, j) * stride - padding + tap``.

        Each of the stride's phases is an ordinary convolution with every stride-th tap. All of them are output channels
        of one convolution, whose result is then laid out. Weights are [out, kernel height, kernel width, in];
        ``padding`` is how many rows (top) and columns (left) of the full result are cut off, ``size`` the output's
        height and width.
        """
        values = weights.values
        if len(x.shape) != 3 or values.ndim != 4 or values.shape[3] != x.shape[2]:
            raise Unfit(f"it has weights {values.shape} for shape {x.shape}", "weights for each channel of a map")
        outputs = len(values)
        taps = tuple(-(-k // s) for k, s in zip(values.shape[1:3], stride, strict=True))
        stuffed = np.zeros((outputs, taps[0] * stride[0], taps[1] * stride[1], x.shape[2]), values.dtype)
        stuffed[:, : values.shape[1], : values.shape[2]] = values
        # [out, tap y, phase y, tap x, phase x, in] -> [phase y, phase x, out, tap y, tap x, in], the last tap first
        phases = stuffed.reshape(outputs, taps[0], stride[0], taps[1], stride[1], -1).transpose(2, 4, 0, 1, 3, 5)
        kernels = phases[:, :, :, ::-1, ::-1].reshape(-1, *taps, x.shape[2])
        count = stride[0] * stride[1]
        repeated = [None if item is None else np.tile(item, count) for item in (weights.scales, weights.bias)]
        own = Weights(np.ascontiguousarray(kernels), repeated[0], repeated[1])
        first = [p // s for p, s in zip(padding, stride, strict=True)]
        last = [-(-(p + n) // s) for p, n, s in zip(padding, size, stride, strict=True)]
        sides = []
        for axis in range(2):
            sides.append((taps[axis] - 1 - first[axis], last[axis] - x.shape[axis]))
        x = self.pad(f"{name}_pad", x, [*sides, (0, 0)])
        full = any(k % s for k, s in zip(values.shape[1:3], stride, strict=True))
        made = self.conv(name, x, own, activation=activation, quant=quant, source="" if count > 1 else source)
        self.nodes[-1] = dataclasses.replace(self.nodes[-1], full=full)
        if count > 1:
            rows, columns = made.shape[:2]
            made = self.reshape(made, (rows, columns, *stride, outputs))
            made = self.transpose(f"{name}_phases", made, (0, 2, 1, 3, 4))
            made = self.reshape(made, (rows * stride[0], columns * stride[1], outputs))
        begin = [p - f * s for p, f, s in zip(padding, first, stride, strict=True)]
        end = [b + n for b, n in zip(begin, size, strict=True)]
        if (*begin, *end) != (0, 0, *made.shape[:2]):
            made = self.slice(f"{name}_cut", made, [*begin, 0], [*end, outputs], [1, 1, 1])
        if count > 1:
            self.rename_source(made, source)
        return made

    def _padded(
        self,
        name: str,
        x: Value,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: Sides | Literal["same", "valid"],
        dilation: tuple[int, int],
    ) -> tuple[Value, Window]:
        """The window of a convolution, and its input with what the window itself cannot pad."""
        if max(*kernel, *stride, *dilation) > WINDOW_MAX or min(*kernel, *stride, *dilation) < 1:
            raise Unfit(
                f"its kernel is {kernel}, stride {stride}, dilation {dilation}", f"numbers within 1..{WINDOW_MAX}"
            )
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        dilation = tuple(d if k > 1 else 1 for k, d in zip(kernel, dilation, strict=True))  # type: ignore[assignment]
        if padding == "same":
            pads = []
            for n, r, s in zip(x.shape[:2], reach, stride, strict=True):
                total = max((-(-n // s) - 1) * s + r - n, 0)
                pads.append((total // 2, total - total // 2))
            padding = pads[0][0], pads[1][0], pads[0][1], pads[1][1]
        sides = (0, 0, 0, 0) if padding == "valid" else padding
        if min(sides) < 0 or any(p >= r for p, r in zip(sides, reach * 2, strict=True)):
            top, left, bottom, right = sides
            x = self.pad(f"{name}_pad", x, [(top, bottom), (left, right), (0, 0)])
            sides = (0, 0, 0, 0)
        return x, Window(kernel, stride, sides, dilation)

    def finish(self, provenance: dict[str, Any], *, keep_end: bool = False) -> Network:
        """The Network, simplified.

        Args:
            provenance: Where the model came from; names of tensors are added.
            keep_end: Keep a softmax or sigmoid at the end of a model with one output, whose argmax or sign is the same
                without it.

        Raises:
            Unfit: No output.
        """
        if not self.outputs:
            raise Unfit("the model has no output", "a model with an output")
        network = Network(
            self.name,
            self.named_once(),
            tuple(self.nodes),
            tuple(self.inputs),
            tuple(self.outputs),
            tuple(self.variables),
            dict(provenance),
        )
        found = _sourced(simplify(network, keep_end=keep_end))
        if "dropped" not in found.provenance or "dropped" in provenance:
            return found
        return dataclasses.replace(found, whole=_sourced(simplify(network, keep_end=True)))


def _sourced(network: Network) -> Network:
    """With the tensor of the file that each edge is, for ``compare``."""
    tensors = {edge.name: edge.source for edge in network.edges.values() if edge.source != ""}
    return dataclasses.replace(network, provenance=network.provenance | {"tensors": tensors})


def _output(found: Window, x: Value) -> tuple[int, int]:
    height, width = found.output_size(x.shape[0], x.shape[1])
    if min(height, width) < 1:
        raise Unfit(f"its window {found.kernel} is larger than its {x.shape[0]}x{x.shape[1]} input", "a larger input")
    return height, width


def _fields(weights: Weights, outputs: int) -> dict[str, Any]:
    values, scales, bias = weights
    if not values.size or not np.isfinite(values).all():
        raise Unfit("its weights are not finite", "finite weights")
    if bias is None:
        bias = np.zeros(outputs, np.float64 if scales is None else np.int64)
    if bias.shape != (outputs,) or not np.isfinite(bias).all():
        raise Unfit(f"it has biases of shape {bias.shape} for {outputs} channels", "one finite bias for each channel")
    if scales is not None and (scales.shape != (outputs,) or not (np.isfinite(scales) & (scales >= 0)).all()):
        raise Unfit(f"it has {scales.size} weight scales for {outputs} channels", "one for each channel")
    return {"weights": np.ascontiguousarray(values), "weight_scales": scales, "bias": bias}
