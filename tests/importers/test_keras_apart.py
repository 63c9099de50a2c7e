"""Promise: a stranger's Keras file is read by a process that can do little harm, and whose word is checked."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dqt_edge.errors import BadFileError
from dqt_edge.graph import Window
from dqt_edge.importers import network_file
from dqt_edge.importers.functions import Function
from dqt_edge.importers.keras import apart, read_keras
from dqt_edge.importers.network import Edge, Grid, Network, Node, Variable
from dqt_edge.importers.order import Order
from dqt_edge.system.confine import why_it_ended

pytestmark = [  # of Keras and TensorFlow themselves, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
NEEDS_FILTER = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="only Linux on x86-64 and AArch64 takes system calls away",
)


def network() -> Network:
    """One with every kind of field."""
    edges = [
        Edge("x", (4, 4, 1), 0.5, 3, 7),
        Edge("a", (4, 4, 2)),
        Edge("y", (4, 4, 2), source="out"),
        Edge("s", (1, 1, 1)),
    ]
    weights = np.arange(18, dtype=np.float64).reshape(2, 3, 3, 1)
    orders = Node("turn", "rearrange", ("y",), "y", order=Order(0, (4, 4), (1, 4)))
    function = Function("leaky_relu", {"alpha": np.array([0.1, 0.3])})
    grid = Grid(np.zeros((4, 2), np.int32), np.ones((4, 2), np.int32))
    nodes = (
        Node("c", "conv", ("x",), "a", Window((3, 3), padding=(1, 1, 1, 1)), weights, bias=np.array([0.1, np.inf])),
        Node("f", "lookup", ("a",), "y", function=function, factor=1 / 3),
        orders,
        Node("g", "resize", ("y",), "y", grid=grid, affine=True),
    )
    found = {edge.name: edge for edge in edges}
    made = Network("n", found, nodes, ("x",), ("y",), (Variable("s", "y"),), {"tensors": {"a": 1}, "dropped": ["z"]})
    return replace(made, whole=made)


def body(content: bytes) -> tuple[dict[str, Any], int]:
    """The header of encoded bytes, and where it ends."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), end


def test_a_network_comes_back_as_it_was() -> None:
    content = network_file.encode(network())
    found, meant = network_file.decode(content), network()
    assert network_file.encode(found) == content
    assert (found.edges, found.variables, found.provenance) == (
        network().edges,
        network().variables,
        network().provenance,
    )
    assert found.whole is not None
    assert np.array_equal(found.whole.nodes[0].weights, meant.nodes[0].weights)


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "network/nodes/kind is 'shell', must be one of": lambda n: n["nodes"][0].update(kind="shell"),
    "network/nodes/affine is 1, must be true or false": lambda n: n["nodes"][0].update(affine=1),
    "there is no array '99'": lambda n: n["nodes"][0].update(weights={"array": "99"}),
    "network/edges/shape is .*, must be a list": lambda n: n["edges"]["x"].update(shape="4"),
    "network lacks": lambda n: n.pop("inputs"),
    "network has unknown fields": lambda n: n.update(run="rm"),
    "network/edges is .*, must be an object": lambda n: n.update(edges=[]),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_of_the_child_is_refused(words: str) -> None:
    content = network_file.encode(network())
    header, end = body(content)
    found = json.loads(header["__metadata__"]["network"])
    WRONG[words](found)
    header["__metadata__"]["network"] = json.dumps(found)
    text = json.dumps(header).encode()
    with pytest.raises(ValueError, match=words):
        network_file.decode(len(text).to_bytes(8, "little") + text + content[end:])


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\x80\x04K\x01.", network_file.encode(network())[:-1]])
def test_bytes_of_something_else_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no network"):
        network_file.decode(content)


@pytest.mark.train
def test_it_is_the_network_that_is_read_here(keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)]).save(path)
    assert network_file.encode(apart.read_apart(path)) == network_file.encode(read_keras(path))
    monkeypatch.setattr(apart, "read_apart", None)
    apart.require_read(path)  # which is not done twice


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "most", "words"), [("MEMORY", 200 << 20, "MiB|memory"), ("SECONDS", 1, "too much time")]
)
def test_limits(name: str, most: int, words: str, keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.keras"
    keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]).save(path)
    monkeypatch.setattr(apart, name, most)
    with pytest.raises(BadFileError, match=words) as caught:
        apart.read_apart(path)
    assert caught.value.where == str(path)


@pytest.mark.train
def test_an_error_of_the_child_is_told_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadFileError) as here:
        read_keras(path)
    with pytest.raises(BadFileError) as there:
        apart.read_apart(path)
    assert str(there.value) == str(here.value)


CONFINED = """
import socket, subprocess, sys, threading
from dqt_edge.system.confine import cut_off
ready, go, said = threading.Event(), threading.Event(), []
def other():
    ready.set(); go.wait()
    try: socket.socket()
    except PermissionError: said.append("no network for a thread that was there before")
thread = threading.Thread(target=other); thread.start(); ready.wait()
assert cut_off()
go.set(); thread.join()
try: socket.socket()
except PermissionError: said.append("no network")
try: subprocess.run(["true"])
except PermissionError: said.append("no program")
open(sys.argv[1], "w").write("; ".join(said))
"""


@NEEDS_FILTER
def test_a_process_that_is_cut_off(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CONFINED, str(tmp_path / "said")], check=True)
    said = "no network for a thread that was there before; no network; no program"
    assert (tmp_path / "said").read_text() == said


@pytest.mark.parametrize(
    ("code", "words"),
    [(-24, "too much time"), (-6, "SIGABRT"), (-11, "SIGSEGV"), (1, "with code 1"), (-60, "signal 60|SIGRT")],
)
def test_how_a_child_ended_is_said(code: int, words: str) -> None:
    assert re.search(words, why_it_ended(code))
