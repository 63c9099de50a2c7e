"""Several inputs and outputs, and states, through every border: the library's face, the server, every core."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client, Retries, Timeouts
from dqt_edge.device.connect import open_client
from dqt_edge.device.messages import LOAD, RESULT, RUN, RUN_START, SELECT, Nak, RunPolicy, Type, input_crc
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.replies import parse_hello, parse_result
from dqt_edge.errors import LostStreamError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.graph.checkpoint import model_hash
from dqt_edge.graph.samples import join_inputs
from dqt_edge.lowering.memory import plan_memory
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.session import run_session
from dqt_edge.project.build import build
from dqt_edge.project.export import export, export_together
from dqt_edge.tasks import every_output
from tests.device.fakes import Faults, Faulty
from tests.device.test_client import PATIENT, STUBBORN
from tests.support.random_graphs import random_graph
from tests.support.random_networks import try_stream
from tests.support.random_streams import random_samples, random_stream

from .raw import Raw
from .test_face import BAD_ARGUMENT, HOOK, OK, STOPPED, Loaded, Options, Result, load

QEMU = [
    pytest.param(b, marks=pytest.mark.qemu)
    for b in ("qemu-m0", "qemu-m3", "qemu-m4", "qemu-m7", "qemu-m33", "qemu-m55")
]
SEED = 5


def without_controller(first: int) -> Graph:
    """A stream whose widths are given, so that runs need choices."""
    return next(g for g in map(random_stream, range(first, first + 50)) if g.controller is None and g.adaptive)


@pytest.mark.some(4)
@pytest.mark.parametrize("board_id", [*QEMU, "host"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_random_streams_agree_layer_by_layer(seed: int, board_id: str, tmp_path: Path) -> None:
    """One to three inputs, one to four outputs, with and without states and controller; each policy a new stream."""
    count, difference = try_stream(seed, board_id, tmp_path / "p")
    assert difference is None
    assert count >= 15


@pytest.mark.cross
@pytest.mark.parametrize(("seed", "board_id"), [(0, "qemu-m0"), (1, "qemu-m4"), (2, "qemu-m4"), (4, "qemu-m55")])
def test_sizes_are_predicted_to_the_byte(seed: int, board_id: str, tmp_path: Path) -> None:
    """With states, and beside a model without them; the code of states is linked only where there are some."""
    graph = random_stream(seed)
    for name, graphs in (("one", [graph]), ("two", [random_graph(seed), graph]), ("none", [random_graph(seed)])):
        made, _, footprint = export_together(graphs, load_board(board_id), tmp_path / name)
        image = build(made.folder, cross=True)
        assert footprint is not None
        assert footprint.exact
        assert (image.flash, image.ram) == (footprint.flash, footprint.ram), name
        linked = "dqt_set_states" in (made.folder / "build" / "model.map").read_text().partition("Memory Config")[2]
        assert linked == (name != "none")


def test_states_lie_apart_from_all_else() -> None:
    """Inputs, outputs, states and every tensor of a step: what is kept is overwritten by nothing but its copy."""
    for seed in range(20):
        graph = random_stream(seed)
        plan = make_plan(graph, load_board("qemu-m4"))
        size = {tensor.name: tensor.size for tensor in graph.tensors}
        for state in graph.states:
            start, end = plan.offsets[state.read], plan.offsets[state.read] + size[state.read]
            others = [n for n in plan.offsets if n not in (state.read, "ctl.accumulators")]
            assert all(plan.offsets[n] >= end or plan.offsets[n] + size[n] <= start for n in others)
            assert start >= max(layer.scratch for layer in plan.layers)
        views = plan_memory(graph, plan.board).views  # these share their memory with what they are the first codes of
        wanted = {views.get(name, name) for name in (*graph.outputs, *(state.write for state in graph.states))}
        ends = [(plan.offsets[name], size[name]) for name in wanted]
        assert all(a + n <= b or b + m <= a for i, (a, n) in enumerate(ends) for b, m in ends[:i])
        given = [(plan.offsets[name], size[name]) for name in graph.inputs]
        assert all(a + n <= b or b + m <= a for i, (a, n) in enumerate(given) for b, m in given[:i])


# --- The library's face ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    graph = without_controller(SEED)
    loaded = load(graph, tmp_path_factory.mktemp("stream"))
    for name in ("dqt_input_at", "dqt_output_at"):
        getattr(loaded.library, name).restype = ctypes.c_void_p
    return loaded


def infer(loaded: Loaded, sample: dict[str, np.ndarray], options: Options | None = None) -> tuple[int, list[bytes]]:
    """One inference in the arena as it is, each input and output by its index."""
    arena, graph = ctypes.c_void_p(loaded.arena), loaded.graph
    for i, name in enumerate(graph.inputs):
        place = loaded.library.dqt_input_at(loaded.model, arena, i)
        ctypes.memmove(place, sample[name].tobytes(), sample[name].size)
    result = Result()
    options = options or Options(choices=bytes(len(graph.adaptive)))
    status = loaded.library.dqt_run(loaded.model, arena, ctypes.byref(options), ctypes.byref(result))
    sizes = [graph.tensor(name).size for name in graph.outputs]
    places = [loaded.library.dqt_output_at(loaded.model, arena, i) for i in range(len(sizes))]
    if status == OK:
        assert bytes(result.output[: result.output_size]) == ctypes.string_at(places[0], sizes[0])
    return status, [ctypes.string_at(place, size) for place, size in zip(places, sizes, strict=True)]


def of(samples: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: codes[i] for name, codes in samples.items()}


def wanted(graph: Graph, samples: dict[str, np.ndarray]) -> list[list[bytes]]:
    found = interpreter.run(graph, samples, [layer.candidates[0] for layer in graph.adaptive]).output_codes
    return [[codes[i].tobytes() for codes in found.values()] for i in range(len(samples[graph.input]))]


def clear(loaded: Loaded, value: int) -> None:
    ctypes.memset(loaded.arena, value, loaded.plan.arena_size)


def test_a_zeroed_arena_begins_with_the_initial_states(stream: Loaded) -> None:
    samples = random_samples(1, stream.graph, 5)
    clear(stream, 0)
    want = wanted(stream.graph, samples)
    for i in range(5):
        assert infer(stream, of(samples, i)) == (OK, want[i])
    assert infer(stream, of(samples, 0)) != (OK, want[0]), "the stream goes on"


def test_a_reset_begins_a_stream_in_any_memory(stream: Loaded) -> None:
    samples = random_samples(2, stream.graph, 3)
    arena = ctypes.c_void_p(stream.arena)
    want = wanted(stream.graph, samples)
    for value in (0, 0xA7, None, None):
        if value is not None:
            clear(stream, value)
        assert stream.library.dqt_reset(stream.model, arena) == OK
        for i in range(3):
            assert infer(stream, of(samples, i)) == (OK, want[i])


def test_reset_refuses_what_run_refuses(stream: Loaded) -> None:
    arena, before = ctypes.c_void_p(stream.arena), bytes(stream.room)
    assert stream.library.dqt_reset(None, arena) == BAD_ARGUMENT
    assert stream.library.dqt_reset(stream.model, None) == BAD_ARGUMENT
    for offset in range(1, 8):
        assert stream.library.dqt_reset(stream.model, ctypes.c_void_p(stream.arena + offset)) == BAD_ARGUMENT
    assert bytes(stream.room) == before


def test_an_inference_that_stops_leaves_the_states(stream: Loaded) -> None:
    """Stopped behind any layer, or refused, it may be run again, and the stream goes on as if nothing had been."""
    samples = random_samples(3, stream.graph, len(stream.plan.layers))
    want = wanted(stream.graph, samples)
    choices = bytes(len(stream.graph.adaptive))
    clear(stream, 0)
    for i in range(len(stream.plan.layers)):
        hook = HOOK(lambda _context, event, i=i: event.contents.layer != i)
        assert infer(stream, of(samples, i), Options(choices=choices, hook=hook))[0] == STOPPED
        assert infer(stream, of(samples, i), Options(choices=b"\xff" * len(choices)))[0] != OK
        assert infer(stream, of(samples, i)) == (OK, want[i])


def test_inputs_and_outputs_have_an_index(stream: Loaded) -> None:
    library, model, graph = stream.library, stream.model, stream.graph
    arena = ctypes.c_void_p(stream.arena)
    assert (library.dqt_input_count(model), library.dqt_output_count(model)) == (len(graph.inputs), len(graph.outputs))
    for kind, names in (("input", graph.inputs), ("output", graph.outputs)):
        size, place = getattr(library, f"dqt_{kind}_size_at"), getattr(library, f"dqt_{kind}_at")
        assert [size(model, i) for i in range(len(names))] == [graph.tensor(name).size for name in names]
        assert [place(model, arena, i) - stream.arena for i in range(len(names))] == [
            stream.plan.offsets[name] for name in names
        ]
        for beyond in (len(names), 255, 256, 2**32 - 1):
            assert (size(model, ctypes.c_uint32(beyond)), place(model, arena, ctypes.c_uint32(beyond))) == (0, None)
        assert getattr(library, f"dqt_{kind}_size")(model) == size(model, 0)
    assert library.dqt_input(model, arena) == library.dqt_input_at(model, arena, 0)


def test_a_model_without_states_is_not_reset(graph: Graph, tmp_path: Path) -> None:
    loaded = load(graph, tmp_path)
    clear(loaded, 0x5A)
    before = bytes(loaded.room)
    assert loaded.library.dqt_reset(loaded.model, ctypes.c_void_p(loaded.arena)) == OK
    assert loaded.library.dqt_reset(loaded.model, None) == BAD_ARGUMENT
    assert bytes(loaded.room) == before


# --- The server -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Path, bytes]:
    """A model with three inputs and states, served beside another one; sanitised."""
    graph = random_stream(11, inputs=3)
    made, _, _ = export_together([graph, random_graph(4)], load_board("host"), tmp_path_factory.mktemp("served") / "p")
    build(made.folder, cross=False, definitions=["DQT_SANITIZE=ON"])
    return graph, made.elf, made.model_hash


def run_request(graph: Graph, flags: int, inputs: bytes) -> bytes:
    vector = bytes(len(graph.adaptive))
    crc = input_crc(model_hash(graph), inputs)
    return RUN.pack(policy=RunPolicy.VECTOR, flags=flags, count=len(vector), input_crc=crc) + vector


def vector_of(graph: Graph) -> list:
    return [layer.candidates[0] for layer in graph.adaptive]


def test_chunks_of_any_size_reach_every_input(served: tuple[Graph, Path, bytes]) -> None:
    graph, image, _ = served
    samples = join_inputs(graph, random_samples(3, graph, 12))
    want = every_output(interpreter.run(graph, samples, vector_of(graph)))
    generator = random.Random(SEED)
    with NativeTransport(image) as transport:
        device = Raw(transport)
        info = parse_hello(device.ask(Type.HELLO, 1).payload)
        assert info.has_states
        assert (info.input_size, info.output_size) == (samples.shape[1], want.shape[1])
        sequence = 10
        for i, sample in enumerate(samples):
            content, at = sample.tobytes(), 0
            while at < len(content):
                back = generator.randrange(at + 1) if at and generator.random() < 0.2 else at
                start = back or at  # a chunk may repeat bytes; one at 0 would start anew
                size = generator.choice((1, 2, 5, info.max_payload - LOAD.layout.size))
                device.ask(Type.LOAD, sequence, LOAD.pack(offset=start) + content[start : start + size])
                at, sequence = max(at, min(start + size, len(content))), sequence + 1
            flags = RUN_START if i in (0, 6) else 0
            if i == 6:
                want[6:] = every_output(interpreter.run(graph, samples[6:], vector_of(graph)))
            payload = device.ask(Type.RUN, sequence, run_request(graph, flags, content)).payload
            assert parse_result(payload, info, RunPolicy.VECTOR, flags).output == want[i].tobytes(), i
            sequence += 1


def test_no_stream_goes_on_that_was_not_begun(served: tuple[Graph, Path, bytes]) -> None:
    graph, image, _ = served
    sample = join_inputs(graph, random_samples(4, graph, 1))[0].tobytes()
    sequence = iter(range(1, 10_000))
    with NativeTransport(image) as transport:
        device = Raw(transport)
        room = parse_hello(device.ask(Type.HELLO, next(sequence)).payload).max_payload - LOAD.layout.size

        def load_it() -> None:
            for at in range(0, len(sample), room):
                device.ask(Type.LOAD, next(sequence), LOAD.pack(offset=at) + sample[at : at + room])

        def refused() -> bool:
            return device.nak(Type.RUN, next(sequence), run_request(graph, 0, sample)) == (Nak.NO_STREAM, 0)

        load_it()
        assert refused()
        first = device.ask(Type.RUN, next(sequence), run_request(graph, RUN_START, sample))
        assert first.type == Type.RESULT, "the refusal left the inputs alone"
        load_it()
        assert device.ask(Type.RUN, next(sequence), run_request(graph, 0, sample)).type == Type.RESULT
        assert not parse_hello(device.ask(Type.SELECT, next(sequence), SELECT.pack(model=1)).payload).has_states
        assert parse_hello(device.ask(Type.SELECT, next(sequence), SELECT.pack(model=0)).payload).has_states
        load_it()
        assert refused()
        again = device.ask(Type.RUN, next(sequence), run_request(graph, RUN_START, sample))
        size = RESULT.layout.size + len(graph.adaptive)  # the counter's total lies before
        assert again.payload[size:] == first.payload[size:]
        assert device.ask(Type.RESET, next(sequence)).type == Type.RESET_REPLY
        load_it()
        assert refused()


def test_a_stream_through_faults_is_right_or_lost(served: tuple[Graph, Path, bytes]) -> None:
    """Damaged and lost bytes cost nothing. A restart is told, and a stream that is begun again is right."""
    graph, image, digest = served
    samples = join_inputs(graph, random_samples(5, graph, 8))
    want = every_output(interpreter.run(graph, samples, vector_of(graph)))
    choices = (0,) * len(graph.adaptive)
    generator, lost, whole = random.Random(9), 0, 0
    line = Faulty(lambda: NativeTransport(image), Faults(1 / 900, 1 / 1500, 1 / 1500, 1 / 2500), generator)
    with Client(line, PATIENT, STUBBORN) as client:
        client.expect(digest, "host")
        for _ in range(14):
            try:
                for i, sample in enumerate(samples):
                    assert client.infer(sample.tobytes(), choices, start=i == 0).output == want[i].tobytes()
                whole += 1
            except LostStreamError:
                lost += 1
    assert lost
    assert whole


def test_a_lost_answer_is_never_an_inference_twice(served: tuple[Graph, Path, bytes]) -> None:
    """The line goes dead behind a RUN: a stream ends there, and a first inference is begun again."""
    graph, image, digest = served
    samples = join_inputs(graph, random_samples(6, graph, 2))
    want = every_output(interpreter.run(graph, samples, vector_of(graph)))
    choices = (0,) * len(graph.adaptive)

    class Deaf(NativeTransport):
        deaf = False

        def read(self, limit: int, timeout: float) -> bytes:
            content = super().read(limit, timeout)
            return b"" if self.deaf and self.sent_run else content

        def write(self, content: bytes) -> None:
            self.sent_run = content[2:3] == bytes([Type.RUN]) or content[1:2] == bytes([Type.RUN])
            super().write(content)

    transport = Deaf(image)
    with Client(transport, Timeouts(silence=0.5), Retries(damaged=2, sample=2)) as client:
        client.expect(digest, "host")
        assert client.infer(samples[0].tobytes(), choices, start=True).output == want[0].tobytes()
        transport.deaf = True
        with pytest.raises(LostStreamError, match="holds no stream"):
            client.infer(samples[1].tobytes(), choices)
        transport.deaf = False
        assert client.infer(samples[0].tobytes(), choices, start=True).output == want[0].tobytes()
        assert client.infer(samples[1].tobytes(), choices).output == want[1].tobytes()


def test_a_session_runs_a_stream_and_compares_all_outputs(served: tuple[Graph, Path, bytes], tmp_path: Path) -> None:
    graph, _, _ = served
    made, _, _ = export(graph, load_board("host"), tmp_path / "p")
    build(made.folder, cross=False)
    samples = join_inputs(graph, random_samples(7, graph, 9))
    with open_client(made.board, made.elf, made.model_hash) as client:
        for _ in range(2):
            session = run_session(client, graph, made.board, samples, None, vector_of(graph), counted=False)
            assert (session.samples, session.mismatches) == (9, 0)

        class Lying:
            """Spoils the last byte of the last output of one answer."""

            asked = 0

            def infer(self, *arguments: object, **options: object) -> object:
                answer = client.infer(*arguments, **options)  # type: ignore[arg-type]
                self.asked += 1
                if self.asked == 6:
                    object.__setattr__(answer, "output", answer.output[:-1] + bytes([answer.output[-1] ^ 1]))
                return answer

        session = run_session(Lying(), graph, made.board, samples, None, vector_of(graph), counted=False)
        assert session.mismatches == 1
        assert session.first_difference == (
            "sample 5: all layers agree when it is run again, so the first answer was not repeatable"
        )
