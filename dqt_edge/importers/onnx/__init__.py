"""Reads .onnx files: ``file.py`` parses the bytes, ``reader.py`` walks the operators, the others translate them."""

from .reader import read_onnx

__all__ = ["read_onnx"]
