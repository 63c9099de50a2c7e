"""The figures of a run's epochs as TensorBoard reads them. Needs TensorFlow, and no TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import summary_pb2

from ..errors import BadFileError
from ..system.files import cannot_write
from .validation import Row

SUFFIX = ".dqt-edge"
"""How our event files end, by which those of a stopped run are found again."""


class Board:
    """Writes a scalar for each number of an epoch's row; the step is the epoch, counted from 1.

    Args:
        folder: Of this run alone. Event files that an earlier run of ours left in it are replaced, so that no step
            stands there twice after ``resume``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = summary_pb2.SummaryMetadata(data_class=summary_pb2.DATA_CLASS_SCALAR)
        self.metadata.plugin_data.plugin_name = "scalars"
        self.writer: tf.summary.SummaryWriter | None = None

    def begin(self, log: Sequence[Row]) -> None:
        """Begin with the epochs that are done already.

        Raises:
            BadFileError: The folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in self.folder.glob(f"events.out.tfevents.*{SUFFIX}"):
                old.unlink()
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        self.writer = tf.summary.create_file_writer(str(self.folder), filename_suffix=SUFFIX)
        for row in log:
            self.epoch(row)

    def epoch(self, row: Row) -> None:
        """Write an epoch; it is on the disk when this returns."""
        assert self.writer is not None
        try:
            with self.writer.as_default(step=row["epoch"]):
                for name, value in row.items():
                    if name != "epoch" and isinstance(value, int | float) and not isinstance(value, bool):
                        tf.summary.write(name, tf.constant(float(value), tf.float32), metadata=self.metadata)
            self.writer.flush()
        except tf.errors.OpError as error:
            raise BadFileError(
                f"cannot write the events: {error.message}",
                where=str(self.folder),
                next_step="free some space, or leave `tensorboard` out, and go on with `resume`",
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
