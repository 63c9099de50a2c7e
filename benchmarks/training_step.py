"""What a nested training step costs, in steps of Keras on the same network in floating point.

``python -m benchmarks.training_step``: ResNet-8 on random images of CIFAR-10's shape. The kinds of step take turns
within one run, ``--steps`` rounds, so that what else the computer does touches all of them; medians of processor time
(of all threads) and of wall time. Needs TensorFlow.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from dqt_edge.data.load import load_data
from dqt_edge.system.tensorflow import start_tensorflow

SHAPE, CLASSES = (32, 32, 3), 10


def keras_resnet8() -> Any:  # noqa: ANN401 - a Keras model
    """ResNet-8 of MLPerf Tiny: three stacks of 16, 32 and 64 channels."""
    import keras  # noqa: PLC0415 - TensorFlow is large

    layers = keras.layers

    def conv(x: Any, channels: int, size: int, stride: int, *, relu: bool) -> Any:  # noqa: ANN401
        x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if relu else x

    x = entry = layers.Input(SHAPE)
    x = conv(x, 16, 3, 1, relu=True)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        branch = conv(conv(x, channels, 3, stride, relu=True), channels, 3, 1, relu=False)
        if stride > 1:
            x = conv(x, channels, 1, stride, relu=False)
        x = layers.ReLU()(layers.Add()([x, branch]))
    model = keras.Model(entry, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def kinds(batch: int, shares: list[float]) -> dict[str, Callable[[], object]]:
    """A step of each kind, on one batch."""
    from dqt_edge.training.loop import Trainer  # noqa: PLC0415 - TensorFlow is large
    from dqt_edge.training.options import Options  # noqa: PLC0415

    rng = np.random.default_rng(1)
    x = rng.random((4 * batch, *SHAPE)).astype(np.float32)
    y = rng.integers(0, CLASSES, len(x)).astype(np.int64)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "random.npz", x=x, y=y, x_test=x[:CLASSES], y_test=np.arange(CLASSES))
        dataset = load_data(str(Path(folder) / "random.npz"))
    model = keras_resnet8()
    found: dict[str, Callable[[], object]] = {"Keras": lambda: model.train_on_batch(x[:batch], y[:batch])}

    def step_of(trainer: Trainer, *, nested: bool) -> Callable[[], object]:
        codes, targets = next(iter(trainer._batches(0, 0)))
        given = trainer.devices.place(trainer.model.of_codes(codes)), trainer.devices.place(targets)
        if nested:
            trainer.step.begin_nested()
        number = 0

        def step() -> object:
            nonlocal number
            number += 1
            if not nested:
                return [value.numpy() for value in trainer.step.float_step(*given)]
            import tensorflow as tf  # noqa: PLC0415

            rates = {"tau": tf.constant(1.0), "follow": tf.constant(0.0)}
            values = trainer.step.nested_step(*given, **rates, **trainer._draw(0, number))
            return [value.numpy() for value in values]

        return step

    for share in shares:
        options = Options(model="resnet8", batch=batch, narrow_share=share, epochs=4, validation=0.1)
        if share == shares[0]:
            found["floating-point step of 'train'"] = step_of(Trainer(options, dataset), nested=False)
        found[f"nested step, --narrow-share {share:g}"] = step_of(Trainer(options, dataset), nested=True)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--narrow-share", type=float, nargs="+", default=[1.0, 0.4, 0.25])
    options = parser.parse_args()
    start_tensorflow()
    steps = kinds(options.batch, options.narrow_share)
    for step in steps.values():
        step()  # compiles it
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(options.steps):
        for name, step in steps.items():
            processor, wall = time.process_time(), time.perf_counter()
            step()
            taken[name].append((time.process_time() - processor, time.perf_counter() - wall))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()}
    table = Table("step", "CPU, ms", "of Keras'", "wall, ms", "of Keras'", title=f"ResNet-8, batch {options.batch}")
    for name, (processor, wall) in medians.items():
        first = medians["Keras"]
        row = (f"{1e3 * processor:.0f}", f"{processor / first[0]:.2f}", f"{1e3 * wall:.0f}", f"{wall / first[1]:.2f}")
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
