"""Estimated cycles of a kernel on a core: a sum over sizes of the layer, weighed by numbers that were fitted to counts.

The numbers are data, one file a core in ``cycles/``, written by ``make kernel-cycles`` from modelled cycles of many
single layers; each file says how far its estimates are off. A kernel without numbers has no estimate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from ...graph import Conv2D, Dense, DepthwiseConv2D, Layer, Pair, pair_text
from .packing import TILE, padded

Tensors = Mapping[str, Any]


def sizes(layer: Layer, tensors: Tensors) -> tuple[float, ...]:
    """What the cycles of a layer grow with; by its class, always in the same order.

    - Convolution: 1, weights, rows, elements of all windows, outputs, products, outputs with a residual, and outputs
      that a micro-kernel may leave to plain C: of incomplete tiles, of shifts other than 32 or narrower clamps.
    - Depthwise: 1, weights, rows, pixels, outputs, products, inputs, and these outputs.
    - Dense: 1, inputs, outputs, products, and these outputs.
    - Pooling: 1, pixels, outputs, elements of all windows.
    - Others: 1, outputs, inputs.

    Channels and windows are padded to whole tiles, pixels of a convolution to pairs.
    """
    if isinstance(layer, Dense):
        depth, channels = (float(padded(n)) for n in reversed(layer.by_channel.shape))
        return 1, depth, channels, depth * channels, channels * _irregular(layer)
    height, width, channels = (float(n) for n in tensors[layer.output].shape)
    if isinstance(layer, Conv2D):
        pixels, taps, tiles = height * 2 * -(-width // 2), layer.by_channel.shape[1], padded(int(channels))
        depth = padded(taps)
        added = 0 if layer.residual is None else height * width * channels
        left = pixels * tiles * _irregular(layer)
        return 1, tiles * depth, height, pixels * taps, pixels * tiles, pixels * tiles * depth, added, left
    slides = getattr(layer, "window", None)
    if slides is not None:
        pixels, outputs = height * width, height * width * channels
        window = float(slides.kernel[0] * slides.kernel[1])
        if not isinstance(layer, DepthwiseConv2D):
            return 1, pixels, outputs, outputs * window
        source = float(tensors[layer.input].size)
        left = outputs * _irregular(layer)
        return 1, channels * window, height, pixels, outputs, outputs * window, source, left
    return 1, height * width * channels, float(sum(tensors[name].size for name in layer.inputs))


def _irregular(layer: Conv2D | DepthwiseConv2D | Dense) -> bool:
    """Whether a micro-kernel may not make the output codes itself."""
    requantize = layer.requantize
    if requantize is None:
        return False
    plain = bool((requantize.shift == 32).all()) and (requantize.low, requantize.high) == (0, 255)
    return not plain or layer.channels % TILE != 0


def form(layer: Layer, tensors: Tensors) -> str:
    """Layers of a class that a kernel may compute in different ways, and that have numbers of their own.

    Of convolutions: ``flat`` (1x1, stride 1, no padding), ``rows`` (input channels a multiple of 4), else ``windows``.
    """
    if not isinstance(layer, Conv2D):
        return ""
    source, target, window = tensors[layer.input].shape, tensors[layer.output].shape, layer.window
    if (*window.kernel, *window.stride) == (1, 1, 1, 1) and source[:2] == target[:2]:
        return "flat"
    return "windows" if source[2] % TILE else "rows"


@lru_cache(maxsize=16)
def fitted(core: str) -> Mapping[str, Mapping[str, tuple[float, ...]]]:
    """Numbers of a core: kernel -> pair -> one for each of :func:`sizes`; empty for a core that was not measured.

    A kernel is named with the form of the layer behind it where that has one, as in ``conv2d_dsp flat``.
    """
    file = resources.files(__package__) / "cycles" / f"{core}.json"
    if not file.is_file():
        return {}
    kernels = json.loads(file.read_text(encoding="utf-8"))["kernels"]
    return {name: {pair: tuple(numbers) for pair, numbers in facts["pairs"].items()} for name, facts in kernels.items()}


@lru_cache(maxsize=16)
def _errors(core: str) -> Mapping[str, float]:
    file = resources.files(__package__) / "cycles" / f"{core}.json"
    kernels = json.loads(file.read_text(encoding="utf-8"))["kernels"] if file.is_file() else {}
    return {name: float(facts["mean"]) for name, facts in kernels.items()}


def error(kernel: str, layer: Layer, tensors: Tensors, core: str) -> float:
    """Mean relative error of a kernel's estimates for layers like this one; 0 where they are not fitted."""
    return _errors(core).get(f"{kernel} {form(layer, tensors)}".strip(), 0.0)


@lru_cache(maxsize=16)
def basis(core: str) -> str | None:
    """What the estimates of a core are, and how far they are off; None for a core that was not measured."""
    file = resources.files(__package__) / "cycles" / f"{core}.json"
    if not file.is_file():
        return None
    facts = json.loads(file.read_text(encoding="utf-8"))
    kernels = facts["kernels"].values()
    layers = sum(kernel["layers"] for kernel in kernels)
    mean = sum(kernel["layers"] * kernel["mean"] for kernel in kernels) / layers
    return f"estimated {facts['model']}, a layer off by {mean:.0%} on average"


def estimate(kernel: str, layer: Layer, tensors: Tensors, core: str, pair: Pair) -> float | None:
    """Estimated cycles of a layer on a core; None where they are not known.

    A pair that was not measured costs what the next wider one does that was.
    """
    by_pair = fitted(core).get(f"{kernel} {form(layer, tensors)}".strip(), {})
    numbers = by_pair.get(pair_text(pair)) or by_pair.get(_wider(pair, by_pair))
    if numbers is None:
        return None
    found = sizes(layer, tensors)
    return sum(a * b for a, b in zip(numbers, found, strict=True)) if len(numbers) == len(found) else None


def _wider(pair: Pair, known: Mapping[str, object]) -> str:
    """The narrowest known pair in which both widths are at least the given ones; empty if there is none."""
    pairs = [tuple(int(width) for width in text.split("x")) for text in known]
    able = [(w * a, f"{w}x{a}") for w, a in pairs if w >= pair[0] and a >= pair[1]]
    return min(able)[1] if able else ""
