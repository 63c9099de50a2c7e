"""Blocks of the pages on what comes in: operators of each format, refusals, and results."""

from __future__ import annotations

import re
import sys

from generate_results import FORMATS, ZOO_FORMATS, operator_rows, random_network_rows, zoo_rows
from generate_table import Table, code

from dqt_edge.importers.keras.layers import LAYERS
from dqt_edge.importers.keras.operations import OPERATIONS
from dqt_edge.importers.keras.refusals import REFUSED as REFUSED_LAYERS
from dqt_edge.importers.onnx.fold import FOLDED
from dqt_edge.importers.onnx.reader import OPERATORS as ONNX_OPERATORS
from dqt_edge.importers.onnx.refusals import FAMILIES, REASONS
from dqt_edge.importers.tflite.operators import OPERATORS, REFUSED
from dqt_edge.importers.tflite.reader import read_network


def tflite_operators() -> Table:
    """Operators of .tflite files that are read, those of one kind in a row."""
    assert read_network.__module__ in sys.modules  # the reader has registered what it reads
    names: dict[int, list[str]] = {}
    for name, operator in OPERATORS.items():
        names.setdefault(id(operator), []).append(name)
    words = {id(operator): operator.supported for operator in OPERATORS.values()}
    return Table(("operator", "supported"), [(", ".join(map(code, n)), words[i]) for i, n in names.items()], "operator")


def tflite_refusals() -> Table:
    """Operators that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in REFUSED.items():
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("operator", "refused because", "instead"), rows, "operator")


def onnx_operators() -> Table:
    """Operators of .onnx files that are read, those of one kind in a row."""
    names: dict[str, list[str]] = {}
    for name, operator in ONNX_OPERATORS.items():
        if name[0].isupper():  # not what stands for several operators
            names.setdefault(operator.supported, []).append(name)
    rows = [(", ".join(map(code, n)), words) for words, n in names.items()]
    rest = sorted(FOLDED - set(ONNX_OPERATORS) | {"Constant", "Shape", "Size"})
    rows.append((", ".join(map(code, rest)), "where only constants or shapes are read: computed while importing"))
    return Table(("operator", "supported"), rows, "operator")


def onnx_refusals() -> Table:
    """Operators that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in (*REASONS.items(), *((f"{start}...", sentence) for start, sentence in FAMILIES.items())):
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("operator", "refused because", "instead"), rows, "operator")


def keras_layers() -> Table:
    """Layers of Keras that are read, those of which the same is supported in a row."""
    return _by_words("layer", {name: entry.supported for name, entry in LAYERS.items()})


def keras_operations() -> Table:
    """Functions of ``keras.ops`` and operators, as they are called."""
    functions: dict[str, str] = {}
    for name, entry in OPERATIONS.items():
        functions.setdefault(re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower(), entry.supported)
    return _by_words("function", functions)


def keras_refusals() -> Table:
    """Layers of Keras that are refused, with the nearest way that works."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, sentence in REFUSED_LAYERS.items():
        names.setdefault(sentence, []).append(name)
    rows = [(", ".join(map(code, n)), reason, nearest) for (reason, nearest), n in names.items()]
    return Table(("layer", "refused because", "instead"), rows, "layer")


def _by_words(header: str, supported: dict[str, str]) -> Table:
    names: dict[str, list[str]] = {}
    for name, words in supported.items():
        names.setdefault(words, []).append(name)
    return Table((header, "supported"), [(", ".join(map(code, n)), words) for words, n in names.items()], header)


def operator_table() -> Table:
    """What ``benchmarks/operators.py`` found of each operator."""
    return Table(("operator", *(f"`.{kind}`" for kind in FORMATS), "trains"), operator_rows(), "operator")


def random_networks_table() -> Table:
    """What ``benchmarks/fuzz_import.py`` counted."""
    return Table(("what", "networks, layers or runs"), random_network_rows(), "what")


def zoo_table() -> Table:
    """What ``benchmarks/zoo.py`` found of each network."""
    return Table(("network", "million MAC", *(f"`.{kind}`" for kind in ZOO_FORMATS)), zoo_rows(), "network")
