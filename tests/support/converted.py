"""Keras models as .tflite files, by TensorFlow's converter."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FORMS = ("int8", "int8, float borders", "uint8 borders", "float", "float16", "dynamic range", "int16x8")
"""What a file computes in. Borders are inputs and outputs."""


def samples(model: Any, count: int, seed: int = 1) -> list[np.ndarray]:
    """Typical inputs of a model: one array for each input, float32."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (count, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


def convert(model: Any, path: Path, form: str = "int8", *, batch: int | None = None) -> Path:
    """Write a Keras model as a .tflite file.

    Args:
        model: A Keras model.
        path: The file.
        form: One of ``FORMS``.
        batch: Size of the batch dimension; None leaves it open, as the converter does by itself.
    """
    import tensorflow as tf  # noqa: PLC0415

    if batch is not None:
        import keras  # noqa: PLC0415

        fixed = [keras.Input(batch_shape=(batch, *t.shape[1:]), name=t.name) for t in model.inputs]
        model = keras.Model(fixed, model(fixed if len(fixed) > 1 else fixed[0]), name=model.name)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    typical = samples(model, 32)
    names = [tensor.name for tensor in model.inputs] if len(typical) > 1 else None
    return write(converter, path, form, typical, names)


def write(converter: Any, path: Path, form: str, typical: list[np.ndarray], signature: list[str] | None = None) -> Path:
    """Set a converter up for one of ``FORMS`` and write what it makes; ``signature``: names of the inputs."""
    import tensorflow as tf  # noqa: PLC0415

    if form != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif form not in ("float", "dynamic range"):
        rows = len(typical[0])
        if signature is None:
            converter.representative_dataset = lambda: ([part[i : i + 1] for part in typical] for i in range(rows))
        else:  # a model of Keras takes its inputs by name, and the converter sorts them
            converter.representative_dataset = lambda: (
                {name: part[i : i + 1] for name, part in zip(signature, typical, strict=True)} for i in range(rows)
            )
        integers = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        if form == "int16x8":
            integers = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        # Not integers alone: what TFLite has no integers for stays floating between DEQUANTIZE and QUANTIZE.
        converter.target_spec.supported_ops = [integers, tf.lite.OpsSet.TFLITE_BUILTINS]
        if form in ("int8", "uint8 borders"):
            kind = tf.int8 if form == "int8" else tf.uint8
            converter.inference_input_type = converter.inference_output_type = kind
    with quiet():
        path.write_bytes(converter.convert())
    return path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what the converter writes to both outputs of the process."""
    saved = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(null, number)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        for number, old in zip((1, 2), saved, strict=True):
            os.dup2(old, number)
            os.close(old)
        os.close(null)
