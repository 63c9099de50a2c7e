"""Models of each task as int8 .tflite files without TensorFlow, with data that they answer well."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.tflite_models import ModelFile

SAMPLES = 80


@dataclass(frozen=True, eq=False)
class Case:
    """A model file, its data, and what the model computes in real numbers.

    Attributes:
        outputs: Of the model in floating point, before a sigmoid, float64 [samples, size].
    """

    model: Path
    x: np.ndarray
    y: np.ndarray | None
    outputs: np.ndarray

    def save(self, path: Path) -> Path:
        arrays = {"x_test": self.x} | ({} if self.y is None else {"y_test": self.y})
        np.savez(path, **arrays)
        return path


def stack(path: Path, x: np.ndarray, layers: list[np.ndarray], end: str | None = None) -> np.ndarray:
    """Write dense layers, or 1x1 convolutions on maps, with a ReLU behind all but the last; their real outputs.

    Args:
        path: The file.
        x: Inputs that set the scales, [samples, features] or [samples, height, width, channels].
        layers: Weights [out, in] of each.
        end: An operator behind the last layer whose outputs are 0..1.
    """
    m = ModelFile()
    flat = x.ndim == 2

    def edge(values: np.ndarray) -> int:
        low, high = min(values.min(), 0.0), max(values.max(), 0.0)
        scale = (high - low) / 255
        return m.tensor((1, *values.shape[1:]), "INT8", scale, round(-low / scale) - 128)

    at = edge(x)
    values = x.astype(np.float64)
    for i, weights in enumerate(layers):
        last = i == len(layers) - 1
        values = values @ weights.T
        values = values if last else np.maximum(values, 0)
        scales = np.abs(weights).max(axis=1) / 127
        shape = weights.shape if flat else (len(weights), 1, 1, weights.shape[1])
        codes = np.round(weights / scales[:, None]).reshape(shape)
        source_scale = m.tensors[at]["scales"][0]
        kernel = m.tensor(shape, "INT8", scales, np.zeros(len(scales), int), codes)
        bias = m.tensor(
            (len(weights),), "INT32", scales * source_scale, np.zeros(len(scales), int), np.zeros(len(scales))
        )
        common = {"FusedActivationFunction": 0 if last else 1}
        if flat:
            at = m.op("FULLY_CONNECTED", [at, kernel, bias], edge(values), **common)
        else:
            window = {"StrideH": 1, "StrideW": 1, "Padding": 1, "DilationHFactor": 1, "DilationWFactor": 1}
            at = m.op("CONV_2D", [at, kernel, bias], edge(values), **common, **window)
    if end is not None:
        m.op(end, [at], m.tensor((1, *values.shape[1:]), "INT8", 1 / 256, -128))
    m.write(path)
    return values.reshape(len(x), -1)


def cases(folder: Path) -> dict[str, Case]:
    """A model of each task."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(SAMPLES, 12)).astype(np.float32)
    hidden = rng.normal(size=(16, 12))
    found: dict[str, Case] = {}

    def add(name: str, x: np.ndarray, y: np.ndarray | None, layers: list[np.ndarray], end: str | None = None) -> None:
        outputs = stack(folder / f"{name}.tflite", x, layers, end)
        found[name] = Case(folder / f"{name}.tflite", x, y, outputs)

    yes = rng.normal(size=(1, 16)) / 4
    margin = (np.maximum(x @ hidden.T, 0) @ yes.T)[:, 0]
    add("binary", x, (margin + rng.normal(0, 1.5, SAMPLES) > 0).astype(int), [hidden, yes], "LOGISTIC")
    two = rng.normal(size=(2, 16))
    add("regression", x, np.maximum(x @ hidden.T, 0) @ two.T + rng.normal(0, 0.5, (SAMPLES, 2)), [hidden, two])
    add("classifier", x, rng.integers(0, 3, SAMPLES), [hidden, rng.normal(size=(3, 16))])
    basis = np.linalg.qr(rng.normal(size=(12, 4)))[0]
    kept = np.concatenate([basis.T, -basis.T])
    strange = np.arange(SAMPLES) % 4 == 0
    inside = (x @ basis @ basis.T + np.where(strange[:, None], 0.1, 0.05) * rng.normal(size=x.shape)).astype(np.float32)
    add("reconstruction", inside, strange.astype(int), [kept, kept.T])
    pictures = rng.normal(size=(SAMPLES, 4, 5, 3)).astype(np.float32)
    mixing, scores = rng.normal(size=(8, 3)), rng.normal(size=(4, 8))
    wanted = (np.maximum(pictures @ mixing.T, 0) @ scores.T).argmax(axis=-1)
    add("map", pictures, np.where(rng.random(wanted.shape) < 0.1, 0, wanted), [mixing, scores])
    return found
