"""Reads Keras files: ``config.py`` looks first, ``reader.py`` walks the calls, the others translate the layers."""

from .files import from_model, read_keras

__all__ = ["from_model", "read_keras"]
