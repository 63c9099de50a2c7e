"""RUNs with settings: what fits the model is run as the interpreter says, all else is refused without effect."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.device.client import Client
from dqt_edge.device.messages import (
    LOAD,
    RUN,
    SETTING,
    SETTING_BIAS,
    SETTING_STOPS,
    SETTING_WIDTHS,
    STATS_REPLY,
    Nak,
    RunPolicy,
    Type,
    input_crc,
)
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.replies import DeviceInfo, Inference, parse_hello, parse_result
from dqt_edge.device.requests import Request, Tuned
from dqt_edge.errors import RefusedError, UsageError
from dqt_edge.graph import NEVER, Graph, Setting, TunedPoint, interpreter
from dqt_edge.graph.points import tuned_agreeing, tuned_within, widest_choices
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from tests.device.fakes import Faults, Faulty
from tests.device.test_client import PATIENT, STUBBORN
from tests.support.random_decisions import settings_of
from tests.support.random_graphs import random_codes, random_graph
from tests.support.random_points import least_choices, pointed_graph

from .raw import Raw

SEED = 3


@pytest.fixture(scope="module")
def graph() -> Graph:
    """With a controller, so that every part of a setting means something, and with tuned settings."""
    made = pointed_graph(SEED, controller=True)
    count, least = len(made.points), least_choices(made)
    points = (
        TunedPoint(0.25, 0.8, Setting(least, (0,) * count, (0,) * count, stops=(0, 1))),
        TunedPoint(0.6, 0.97, Setting(None, (40_000,) * count, (0,) * count, 9)),
        TunedPoint(1.1, 1.0, Setting(widest_choices(made), (NEVER,) * count, (0,) * count)),
    )
    return replace(made, tuned=points)


@pytest.fixture(scope="module")
def codes(graph: Graph) -> np.ndarray:
    return random_codes(SEED, graph, 4)


@pytest.fixture(scope="module")
def image(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, and behind it one that runs no settings; sanitised."""
    folder = tmp_path_factory.mktemp("settings") / "p"
    made, _, _ = export_together([graph, random_graph(1)], load_board("host"), folder)
    build(made.folder, cross=False, definitions=["DQT_SANITIZE=ON"])
    return made.elf


@pytest.fixture
def device(image: Path) -> Iterator[Raw]:
    with NativeTransport(image) as transport:
        yield Raw(transport)


class Served:
    """A raw device that numbers its requests."""

    def __init__(self, device: Raw) -> None:
        self.device, self.numbers = device, itertools.count(1)
        self.info: DeviceInfo = parse_hello(device.ask(Type.HELLO, next(self.numbers)).payload)

    def load(self, sample: np.ndarray) -> None:
        content, room = sample.tobytes(), self.info.max_payload - LOAD.layout.size
        for at in range(0, len(content), room):
            self.device.ask(Type.LOAD, next(self.numbers), LOAD.pack(offset=at) + content[at : at + room])

    def run(self, payload: bytes) -> Inference | tuple[Nak, int]:
        number = next(self.numbers)
        answer = self.device.ask(Type.RUN, number, payload)
        if answer.type == Type.NAK:
            code, _, _, detail = struct.unpack("<BBHI", answer.payload)
            return Nak(code), detail
        return parse_result(answer.payload, self.info, RunPolicy(payload[0]), payload[1])


def packed(info: DeviceInfo, setting: Setting, sample: np.ndarray) -> bytes:
    return Request(None, None, setting, 0).payload(info, input_crc(info.model_hash, sample.tobytes()))


def agrees(graph: Graph, sample: np.ndarray, setting: Setting, found: Inference) -> bool:
    want = interpreter.run(graph, sample[None], setting)
    point = int(want.points[0])
    told = (want.outputs[0].tobytes(), tuple(want.choices[0].tolist()), point, want.passes[0], want.margins[0, point])
    return told == (found.output, found.choices, found.point, found.passes, found.margin)


def test_hello_says_what_there_is_to_decide_by(graph: Graph, device: Raw) -> None:
    info = Served(device).info
    assert (info.points, info.tuned) == (len(graph.points), 3)
    assert info.runs_settings
    assert info.has_second_pass
    assert info.layers == len(graph.all_layers)


def test_the_longest_setting_fits_a_message(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    info = Served(device).info
    count, candidates = len(graph.points), info.candidates
    longest = Setting(None, (NEVER,) * count, (NEVER,) * count, 256, (0,), (2**31 - 1,) * candidates)
    given = replace(longest, widths=least_choices(graph), bias=None)
    assert max(len(packed(info, each, codes[0])) for each in (longest, given)) <= info.max_payload


def test_any_setting_runs_as_the_interpreter_says(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    served = Served(device)
    for setting in settings_of(graph, codes, SEED, 40):
        for sample in codes[:2]:
            served.load(sample)
            found = served.run(packed(served.info, setting, sample))
            assert isinstance(found, Inference), (setting, found)
            assert agrees(graph, sample, setting, found), setting


def test_tuned_settings_are_asked_for_by_their_promise(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    served, sample = Served(device), codes[0]
    crc = input_crc(served.info.model_hash, sample.tobytes())
    for thousandths in (0, 249, 250, 600, 999, 1000, 1100, 0xFFFF):
        for policy, find, most in ((RunPolicy.COST, tuned_within, None), (RunPolicy.AGREEMENT, tuned_agreeing, 1000)):
            served.load(sample)
            found = served.run(RUN.pack(policy=policy, flags=0, count=thousandths, input_crc=crc))
            if (most is None and thousandths < 250) or (most is not None and thousandths > most):
                assert found == (Nak.NO_TUNED, thousandths)
            else:
                assert isinstance(found, Inference)
                assert agrees(graph, sample, find(graph.tuned, thousandths, "test").setting, found)
            served.load(sample)
            longer = RUN.pack(policy=policy, flags=0, count=thousandths, input_crc=crc) + b"\0"
            assert served.run(longer) == (Nak.BAD_LENGTH, RUN.layout.size)


def refusals(graph: Graph, info: DeviceInfo, crc: int) -> list[tuple[bytes, tuple[Nak, int]]]:
    """RUNs that do not fit the model, and how they are refused."""
    points, classes = info.points, info.output_size
    width = least_choices(graph)

    def setting(
        count: int = points,
        again: int = 0,
        parts: int = 0,
        reserved: int = 0,
        tail: bytes = b"",
        words: int = 2 * points,
    ) -> bytes:
        head = RUN.pack(policy=RunPolicy.SETTING, flags=0, count=count, input_crc=crc)
        return head + SETTING.pack(again=again, parts=parts, reserved=reserved) + bytes(4 * words) + tail

    def header(again: int, parts: int, reserved: int = 0) -> int:
        return int.from_bytes(SETTING.pack(again=again, parts=parts, reserved=reserved), "little")

    size = len(setting())
    wide = bytes(len(graph.adaptive[i].candidates) if i == 0 else k for i, k in enumerate(width))
    beyond = struct.pack(f"<{-(-classes // 32)}I", *[0] * (-(-classes // 32) - 1), 1 << classes % 32)
    empty = RUN.pack(policy=RunPolicy.SETTING, flags=0, count=points, input_crc=crc)
    return [
        *((empty + bytes(n), (Nak.BAD_LENGTH, RUN.layout.size + 4)) for n in range(4)),
        (setting(tail=b"\0"), (Nak.BAD_LENGTH, size)),
        (setting(words=2 * points - 1), (Nak.BAD_LENGTH, size)),
        (setting(parts=SETTING_WIDTHS), (Nak.BAD_LENGTH, size + info.adaptive)),
        (setting(parts=SETTING_WIDTHS, tail=bytes(width) + b"\0"), (Nak.BAD_LENGTH, size + info.adaptive)),
        (setting(parts=SETTING_BIAS), (Nak.BAD_LENGTH, size + 4 * info.candidates)),
        (setting(parts=SETTING_STOPS), (Nak.BAD_LENGTH, size + len(beyond))),
        (setting(count=points + 1), (Nak.BAD_SETTING, 0)),
        (setting(count=0), (Nak.BAD_SETTING, 0)),
        (setting(again=257), (Nak.BAD_SETTING, header(257, 0))),
        (setting(again=0xFFFF), (Nak.BAD_SETTING, header(0xFFFF, 0))),
        (setting(parts=8), (Nak.BAD_SETTING, header(0, 8))),
        (setting(parts=SETTING_WIDTHS | SETTING_BIAS), (Nak.BAD_SETTING, header(0, SETTING_WIDTHS | SETTING_BIAS))),
        (setting(reserved=1), (Nak.BAD_SETTING, header(0, 0, 1))),
        (setting(parts=SETTING_STOPS, tail=beyond), (Nak.BAD_SETTING, header(0, SETTING_STOPS))),
        (setting(parts=SETTING_WIDTHS, tail=wide), (Nak.BAD_CHOICE, 0)),
        (setting(parts=SETTING_WIDTHS, tail=b"\xff" * info.adaptive), (Nak.BAD_CHOICE, 0)),
    ]


def test_a_refused_setting_changes_nothing(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    served, sample = Served(device), codes[1]
    good = Setting(None, (20_000,) * len(graph.points), (9_000,) * len(graph.points), 5)
    crc = input_crc(served.info.model_hash, sample.tobytes())
    for payload, refusal in refusals(graph, served.info, crc):
        served.load(sample)
        assert served.run(payload) == refusal
        found = served.run(packed(served.info, good, sample))
        assert isinstance(found, Inference), "the input is still there"
        assert agrees(graph, sample, good, found)


def test_a_setting_means_the_input_that_was_loaded(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    served, setting = Served(device), graph.tuned[1].setting
    served.load(codes[0])
    assert served.run(packed(served.info, setting, codes[1])) == (
        Nak.OTHER_INPUT,
        input_crc(served.info.model_hash, codes[0].tobytes()),
    )
    served.load(codes[1])
    found = served.run(packed(served.info, setting, codes[1]))
    assert isinstance(found, Inference)
    assert agrees(graph, codes[1], setting, found)


def test_hostile_settings_are_refused_or_answered_and_never_harm(graph: Graph, device: Raw, codes: np.ndarray) -> None:
    """Settings with bytes changed, cut and added: what is answered is the setting that the bytes say."""
    served, generator, sample = Served(device), random.Random(SEED), codes[2]
    settings = list(settings_of(graph, codes, SEED, 12))
    answered = refused = 0
    served.load(sample)
    for _ in range(1500):
        content = bytearray(packed(served.info, generator.choice(settings), sample))
        for _ in range(generator.choice((0, 1, 1, 2, 5))):
            content[generator.choice((0, 2, *range(8, len(content))))] = generator.randrange(256)
        if generator.random() < 0.3:
            content = content[: generator.randrange(len(content) + 1)] + generator.randbytes(
                generator.choice((0, 0, 1, 4))
            )
        payload = bytes(content[: served.info.max_payload])
        found = served.run(payload)
        if isinstance(found, tuple):
            refused += 1
            continue
        answered += 1
        if payload[0] == RunPolicy.SETTING:
            assert agrees(graph, sample, unpacked(graph, served.info, payload), found)
        served.load(sample)
    assert answered > 100
    assert refused > 100
    stats = STATS_REPLY.unpack(device.ask(Type.STATS, next(served.numbers)).payload)
    assert (stats["runs"], stats["bad_frames"]) == (answered, 0)


def unpacked(graph: Graph, info: DeviceInfo, payload: bytes) -> Setting:
    """The setting that a RUN carries, read by other code than the device's."""
    at = RUN.layout.size
    again, parts, _ = SETTING.layout.unpack_from(payload, at)
    at += SETTING.layout.size

    def words(count: int, kind: str) -> tuple[int, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{count}{kind}", payload, at)
        at += 4 * count
        return found

    exits, widen = words(info.points, "I"), words(info.points, "I")
    stops = bias = widths = None
    if parts & SETTING_STOPS:
        bits = words(-(-info.output_size // 32), "I")
        stops = tuple(c for c in range(info.output_size) if bits[c // 32] >> c % 32 & 1)
    if parts & SETTING_BIAS:
        bias = words(info.candidates, "i")
    if parts & SETTING_WIDTHS:
        widths = tuple(payload[at : at + info.adaptive])
    return Setting(widths, exits, widen, again, stops, bias)


def test_a_model_that_runs_no_settings_says_so(graph: Graph, image: Path, codes: np.ndarray) -> None:
    plain = random_graph(1)
    setting = graph.tuned[0].setting
    with NativeTransport(image) as transport:
        served = Served(Raw(transport))
        second = served.device.ask(Type.SELECT, 900, b"\1\0")
        served.info = parse_hello(second.payload)
        assert not served.info.runs_settings
        assert (served.info.points, served.info.tuned, served.info.has_second_pass) == (0, 0, False)
        assert served.info.layers == len(plain.all_layers)
        for policy in (RunPolicy.SETTING, RunPolicy.COST, RunPolicy.AGREEMENT):
            assert served.run(RUN.pack(policy=policy, flags=0, count=0, input_crc=0)) == (Nak.NO_SETTINGS, 0)
        with pytest.raises(UsageError, match="no decision points"):
            packed(served.info, setting, codes[0])


def test_the_client_takes_settings_and_promises(graph: Graph, image: Path, codes: np.ndarray) -> None:
    sample, count = codes[0], len(graph.points)
    good = graph.tuned[1].setting
    with Client(NativeTransport(image)) as client:
        assert agrees(graph, sample, good, client.infer(sample.tobytes(), setting=good))
        found = client.infer(sample.tobytes(), setting=Tuned("agreement", 970))
        assert agrees(graph, sample, good, found)
        with pytest.raises(RefusedError, match="NO_TUNED"):
            client.infer(sample.tobytes(), setting=Tuned("cost", 100))
        for wrong in (
            replace(good, exits=(1,) * (count + 1)),
            replace(good, widen=(-1,) * count),
            replace(good, exits=(NEVER + 1,) * count),
            replace(good, again=257),
            replace(good, widths=(0,)),
            replace(good, bias=(1,)),
            Tuned("cost", 1001),
        ):
            with pytest.raises(UsageError):
                client.infer(sample.tobytes(), setting=wrong)
        with pytest.raises(UsageError, match="beside a setting"):
            client.infer(sample.tobytes(), least_choices(graph), setting=good)
        assert client.stats().runs == 2


def test_settings_through_faults_are_right(graph: Graph, image: Path, codes: np.ndarray) -> None:
    """Damaged, lost and repeated bytes and restarts, in requests that are longer than others."""
    generator = random.Random(SEED)
    settings = list(settings_of(graph, codes, SEED, 10))
    line = Faulty(lambda: NativeTransport(image), Faults(1 / 900, 1 / 1500, 1 / 1500, 1 / 2500), generator)
    with Client(line, PATIENT, STUBBORN) as client:
        for _ in range(40):
            setting, sample = generator.choice(settings), generator.choice(codes)
            assert agrees(graph, sample, setting, client.infer(sample.tobytes(), setting=setting))
    assert all(line.happened.values()), line.happened
