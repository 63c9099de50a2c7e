"""Checkpoints."""

from __future__ import annotations

from pathlib import Path

from ..graph import Graph, checkpoint
from .given import FilePath, checkpoint_path


def load(path: FilePath) -> Graph:
    """Read a checkpoint.

    Args:
        path: A ``.safetensors`` file that ``train``, ``import_model`` or ``save`` made. It may come from anywhere: it
            is checked like hostile input.

    Returns:
        The network as integers: one frozen value that every other function takes.

    Raises:
        BadFileError: Missing, too large, truncated, tampered with, or of another format version.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        print(graph)
        print(graph.layer("conv1").candidates)
        ```
    """
    return checkpoint.load(Path(path))


def save(graph: Graph, path: FilePath) -> None:
    """Write a checkpoint, whole or not at all. The same graph gives the same bytes.

    Args:
        graph: What to write.
        path: A name that ends in ``.safetensors``.

    Raises:
        UsageError: Another suffix.
        BadFileError: The folder does not exist or cannot be written.

    Example:
        ```python
        import dqt_edge as dqt

        graph = dqt.load("digits.safetensors")
        dqt.save(graph, "copy.safetensors")
        assert dqt.load("copy.safetensors") == graph
        ```
    """
    checkpoint.save(graph, checkpoint_path(path))
