"""The exported STM32H7 image, unmodified, boots by itself and classifies as the interpreter does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client
from dqt_edge.device.connect import open_client
from dqt_edge.errors import WrongModelError
from dqt_edge.flashing.base import plan
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.dial import Dynamic
from dqt_edge.measure.session import layer_checksums
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project
from dqt_edge.system.elf import occupied

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")
pytest.importorskip("sklearn", reason="pip install 'dqt-edge[data]'")

pytestmark = [pytest.mark.emulate, pytest.mark.cross]

COUNT = 50


@pytest.fixture(scope="module")
def made(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("h7") / "p"
    exported, _, _ = export(graph, load_board("stm32h7"), folder)
    build(folder, cross=True)
    return exported


@pytest.fixture
def client(made: Project) -> Iterator[Client]:
    with open_client(made.board, made.elf, made.model_hash, "unicorn:") as opened:
        yield opened


@pytest.fixture(scope="module")
def digits(graph: Graph) -> np.ndarray:
    return codes(load_data("digits").x_test, graph)[:COUNT]


@pytest.mark.parametrize("policy", ["dynamic", Dynamic((-(2**15), 0, 2**14)), (8, 8), (4, 4), (2, 4)])
def test_classifies_digits_with_the_interpreters_logits(
    graph: Graph, client: Client, digits: np.ndarray, policy: object
) -> None:
    vector = [policy] * len(graph.adaptive) if isinstance(policy, tuple) else policy
    want = interpreter.run(graph, digits, vector)
    bias = getattr(policy, "bias", None)
    if bias:
        assert (want.choices != interpreter.run(graph, digits, "dynamic").choices).any()
    for i, sample in enumerate(digits):
        chosen = tuple(want.choices[i].tolist())
        got = client.infer(sample.tobytes(), chosen if want.logits is None else None, bias=bias, checksums=i == 0)
        assert got.output == want.outputs[i].tobytes()
        assert got.choices == chosen
        if i == 0:
            assert got.checksums == tuple(layer_checksums(graph, sample, vector))
    stats = client.stats()
    assert (stats.runs, stats.naks, stats.bad_frames) == (COUNT, 0, 0)
    assert stats.stack_used > 0


def test_goes_on_after_a_reset(graph: Graph, client: Client, digits: np.ndarray) -> None:
    before = client.infer(digits[0].tobytes(), None)
    client.reset()
    assert client.stats().runs == 0
    assert client.infer(digits[0].tobytes(), None).output == before.output


def test_says_that_it_does_not_count(client: Client) -> None:
    assert not client.counted


def test_another_model_is_refused(made: Project) -> None:
    with pytest.raises(WrongModelError):
        open_client(made.board, made.elf, bytes(32), "unicorn:")


def test_the_flash_plan_holds_the_whole_image(made: Project) -> None:
    assert plan(made.elf, made.board).image_bytes == occupied(made.elf)[0]
