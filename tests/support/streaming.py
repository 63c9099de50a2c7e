"""A streaming network with state variables, as TensorFlow writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.converted import write

FRAMES, FEATURES = 4, 6
"""Frames that the network remembers, and the size of one."""


def streaming_model(path: Path, form: str, seed: int = 1) -> Path:
    """Keeps the last frames in a variable: reads them, joins the new one, convolves, and keeps what is newest.

    Each inference takes one frame [1, 1, FEATURES].
    """
    import tensorflow as tf  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    kernel = rng.normal(0, 0.4, (FRAMES + 1, FEATURES, 5)).astype(np.float32)
    matrix = rng.normal(0, 0.6, (5, 3)).astype(np.float32)

    class Stream(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.past = tf.Variable(tf.zeros((1, FRAMES, FEATURES)), name="past", trainable=False)

        @tf.function(input_signature=[tf.TensorSpec((1, 1, FEATURES), tf.float32, name="frame")])
        def run(self, frame: Any) -> Any:
            joined = tf.concat([self.past, frame], axis=1)
            self.past.assign(joined[:, 1:])
            found = tf.nn.relu(tf.nn.conv1d(joined, kernel, 1, "VALID"))
            return tf.matmul(tf.reshape(found, (1, 5)), matrix)

    module = Stream()
    traced = [module.run.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(traced, module)
    converter.experimental_enable_resource_variables = True
    if form == "int8":
        converter._experimental_variable_quantization = True  # the converter's only way to it
    frames = rng.normal(0, 1, (40, 1, FEATURES)).astype(np.float32)
    return write(converter, path, form, [frames])
