"""Imports TensorFlow for the first time: quietly, or with a typed error. Itself it imports nothing large."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ToolchainError


def start_tensorflow() -> None:
    """Import TensorFlow and Keras without their start-up messages.

    Raises:
        ToolchainError: They are not installed, or another Keras backend is configured.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with _silent_stderr():
            importlib.import_module("tensorflow")
            keras = importlib.import_module("keras")
    except ImportError as error:
        raise ToolchainError(
            f"training needs TensorFlow, which cannot be imported ({error})",
            where="command train",
            next_step="run: pip install 'dqt-edge[train]'",
        ) from error
    if keras.backend.backend() != "tensorflow":
        raise ToolchainError(
            f"Keras already runs on {keras.backend.backend()}, training needs TensorFlow",
            where="command train",
            next_step="unset KERAS_BACKEND, or set it to tensorflow",
        )


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Hide what C++ libraries write at load time, before TensorFlow's log level counts."""
    try:
        saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # standard error is closed: nothing to hide
        yield
        return
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
