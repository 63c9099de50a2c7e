"""Reads .tflite files: ``file.py`` parses the bytes, ``reader.py`` walks the operators, the others translate them."""

from ..reading import graph_name
from .reader import read_network

__all__ = ["graph_name", "read_network"]
