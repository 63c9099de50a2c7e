"""Many layers of one kind in one image, each a reader of the input itself: a random case a layer and candidate."""

from __future__ import annotations

import numpy as np

from dqt_edge.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Requantize, Tensor, Window

from .random_graphs import ALL_PAIRS, random_requantize

PATTERNS = ("uniform", "uniform", "low", "high", "alternating", "rows", "mixed")


def weights_of(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """int8 weights, two in seven random and the rest extreme in some regular way."""
    pattern = rng.choice(PATTERNS)
    if pattern == "uniform":
        return rng.integers(-128, 128, shape).astype(np.int8)
    if pattern == "mixed":
        return rng.choice(np.array([-128, 127], np.int8), shape)
    flat = np.full(int(np.prod(shape)), 127 if pattern == "high" else -128, np.int8)
    if pattern == "alternating":
        flat[1::2] = 127
    full = flat.reshape(shape)
    if pattern == "rows":
        full[1::2] = 127
    return full


def window_of(rng: np.random.Generator, shape: tuple[int, int, int]) -> Window:
    """A window: often 1x1 or 3x3 as networks have them, else anything."""
    kind = rng.integers(6)
    if kind == 0:
        return Window((1, 1))
    if kind == 1:
        return Window.same(shape[:2], (3, 3), (1, 1))
    if kind == 2:
        return Window.same(shape[:2], (3, 3), (2, 2))
    kernel = tuple(int(rng.integers(1, min(5, n) + 1)) for n in shape[:2])
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    if kind == 3:
        return Window(kernel, stride)
    top, bottom = (int(p) for p in rng.integers(0, kernel[0], 2))
    left, right = (int(p) for p in rng.integers(0, kernel[1], 2))
    return Window(kernel, stride, (top, left, bottom, right))


def spread(rng: np.random.Generator, weights: np.ndarray, zero: int) -> tuple[np.ndarray, Requantize]:
    """Bias and requantisation that put outputs between 25 and 225 or so, whatever the codes; some are general."""
    bias, requantize, span = full_scale(weights, zero)
    bias += rng.integers(-2000, 2000, len(span)).clip(-span // 16, span // 16).astype(np.int32)
    if rng.random() < 0.3:
        requantize = random_requantize(rng, len(span), float(300.0 / span.max()))
    return bias, requantize


def full_scale(weights: np.ndarray, zero: int = 0) -> tuple[np.ndarray, Requantize, np.ndarray]:
    """Bias and requantisation that map all that a channel's accumulators can be to 25..225; and how much that is."""
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    top = 2 * flat.clip(0).sum(axis=1)
    bottom = -2 * flat.clip(None, 0).sum(axis=1)
    span = 255 * (top + bottom) + 600
    bias = bottom * (255 - zero) + top * zero + span // 8
    multiplier = (200.0 / span * 2.0**32).round().clip(1, 2**31 - 1)
    return bias.astype(np.int32), Requantize(multiplier.astype(np.int32), np.full(len(flat), 32, np.uint8)), span


def cases(kind: str, seed: int, shape: tuple[int, int, int], count: int, *, zero: int = 0) -> Graph:
    """A graph of ``count`` layers: ``conv``, ``depthwise`` or ``dense``; three candidates each (one if zero != 0)."""
    rng = np.random.default_rng((seed, 7))
    source = Tensor("input", shape, 0.02, zero)
    tensors, layers = [source], []
    pairs = [p for p in ALL_PAIRS if zero == 0 or p[1] == 8]
    usual = [p for p in ((8, 8), (4, 4), (2, 4)) if p in pairs]
    for i in range(count):
        fields = {}
        chosen = {usual[i % len(usual)]} | {pairs[int(n)] for n in rng.choice(len(pairs), 2, replace=False)}
        fields["candidates"] = tuple(sorted(chosen, reverse=True))
        name = f"{kind}{i}"
        if kind == "dense":
            channels = int(rng.integers(1, 20))
            weights, target = weights_of(rng, (channels, source.size)), (1, 1, channels)
            make = Dense
        else:
            window = window_of(rng, shape)
            channels = shape[2] if kind == "depthwise" else int(rng.integers(1, 20))
            target = (*window.output_size(*shape[:2]), channels)
            taps = window.kernel if kind == "depthwise" else (*window.kernel, shape[2])
            weights = weights_of(rng, (channels, *taps))
            make = DepthwiseConv2D if kind == "depthwise" else Conv2D
            fields["window"] = window
            if kind == "conv" and target == shape and rng.random() < 0.5:
                fields["residual"] = "input"
                fields["residual_multiplier"] = rng.integers(64, 5000, channels).astype(np.int32)
        bias, requantize = spread(rng, weights, zero)
        layers.append(make(name, "input", f"{name}.out", weights, bias, requantize, **fields))
        tensors.append(Tensor(f"{name}.out", target, 0.02, 0))
    return Graph(f"{kind}{seed}", tuple(tensors), tuple(layers), "input", tensors[-1].name)


def extreme_codes(seed: int, shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Input codes: all 255, only 0 and 255 by chance, then uniform."""
    rng = np.random.default_rng((seed, 8))
    codes = rng.integers(0, 256, (count, *shape)).astype(np.uint8)
    codes[0] = 255
    codes[1] = rng.choice(np.array([0, 255], np.uint8), shape)
    return codes
