"""The client: right results through every fault; typed errors for silent, broken and wrong devices."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from dqt_edge.boards import Counter
from dqt_edge.device.client import Client, Retries, Timeouts
from dqt_edge.device.frame import Frame, encode
from dqt_edge.device.messages import LOAD_REPLY, NAK, NO_SEQUENCE, RESULT, STATS_REPLY, Nak, Type, input_crc
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.replies import in_units
from dqt_edge.errors import DeviceError, ProtocolError, RefusedError, SilentDeviceError, UsageError, WrongModelError
from tests.firmware import stand_in

from .fakes import MODEL_HASH, Faults, Faulty, Noise, Scripted, hello_reply

FAST = Timeouts(0.05, 0.05, 0.05, 0.05, 0.05, least=0.05, silence=0.3, quiet=0.002, restart=0.002)
PATIENT = Timeouts(0.5, 0.3, 0.5, 0.5, 0.5, silence=60, quiet=0.005, restart=0.02)
STUBBORN = Retries(damaged=60, sample=60)
CODES = bytes(range(100))
CHUNK = 64


def load_reply(frame: Frame) -> bytes:
    (offset,) = struct.unpack_from("<I", frame.payload)
    received = offset + len(frame.payload) - 4
    return encode(Type.LOAD_REPLY, frame.sequence, LOAD_REPLY.pack(received=received))


def result(frame: Frame, **changes: int | bytes) -> bytes:
    flags = frame.payload[1]
    values: dict[str, int | bytes] = {
        "policy": frame.payload[0],
        "flags": flags,
        "adaptive": 2,
        "layers": 3,
        "point": 0,
        "passes": 1,
        "output_size": 4,
        "margin": 0,
        "total": 77,
    }
    tail = changes.pop("tail", b"\1\2" + b"OUTP" + bytes(24 if flags & 1 else 0) + bytes(12 if flags & 2 else 0))
    assert isinstance(tail, bytes)
    return encode(Type.RESULT, frame.sequence, RESULT.pack(**{**values, **changes}) + tail)


def healthy(frame: Frame) -> bytes:
    if frame.type == Type.LOAD:
        return load_reply(frame)
    if frame.type == Type.RUN:
        return result(frame)
    stats = STATS_REPLY.pack(runs=1, bad_frames=2, naks=3, stack_used=4)
    return encode(frame.type | 0x80, frame.sequence, stats if frame.type == Type.STATS else b"")


def nak(frame: Frame, code: int, sequence: int | None = None) -> bytes:
    content = NAK.pack(code=code, request=frame.type, reserved=0, detail=5)
    return encode(Type.NAK, frame.sequence if sequence is None else sequence, content)


def client(device: Scripted, retries: Retries | None = None) -> Client:
    return Client(device, FAST, retries or Retries(damaged=2, sample=2))


def test_a_healthy_device() -> None:
    device = Scripted(healthy)
    with client(device) as c:
        assert c.expect(MODEL_HASH, "fake").input_size == 100
        answer = c.infer(CODES, (1, 2), counts=True, checksums=True)
        assert (answer.output, answer.choices, answer.total) == (b"OUTP", (1, 2), 77)
        assert (answer.counts, answer.checksums) == ((0, 0, 0), (0, 0, 0))
        assert c.stats().stack_used == 4
        assert c.reset().board == "fake"
        assert c.counted
        assert c.samples_repeated == 0
    assert device.closed


def test_loads_go_out_without_waiting_for_each_answer() -> None:
    device = Scripted(healthy, hello_reply(max_payload=14, window=4))
    with client(device) as c:
        c.info  # noqa: B018 - says HELLO
        before = len(device.requests)
        c._link.receive = lambda deadline: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            c.load(CODES)
        assert [f.type for f in device.requests[before:]] == [Type.LOAD] * 4


@pytest.mark.parametrize("operation", ["hello", "load", "run", "stats", "reset"])
def test_a_silent_device_is_named_with_tries_and_time(operation: str) -> None:
    device = Scripted(hello=b"" if operation == "hello" else None)
    calls: dict[str, Callable[[Client], object]] = {
        "hello": lambda c: c.hello(),
        "load": lambda c: c.load(CODES),
        "run": lambda c: c.run((0, 0)),
        "stats": lambda c: c.stats(),
        "reset": lambda c: c.reset(),
    }
    with client(device) as c, pytest.raises(SilentDeviceError) as caught:
        calls[operation](c)
    assert re.fullmatch(
        rf"no answer to {operation.upper()}: nothing came in \d+ (try|tries), [\d.]+ s", caught.value.what
    )
    assert caught.value.where == "scripted"
    assert caught.value.exit_code == 6


def test_a_device_that_falls_silent_in_a_sample_is_asked_again_and_for_its_fault() -> None:
    device = Scripted(lambda frame: load_reply(frame) if frame.type == Type.LOAD else b"")
    with client(device) as c:
        with pytest.raises(SilentDeviceError, match="RUN"):
            c.infer(CODES)
        assert c.samples_repeated == 0
    runs = [frame for frame in device.requests if frame.type == Type.RUN]
    assert len(runs) > 1
    assert len({frame.sequence for frame in runs}) == 1, "the device executes it once"
    assert Type.FAULT in [frame.type for frame in device.requests]


@pytest.mark.parametrize("zeros", [0, 1, 30, 3000])
def test_a_device_that_sends_garbage_for_ever(zeros: int) -> None:
    with client(Noise(7, zeros)) as c, pytest.raises(DeviceError) as caught:
        c.hello()
    if zeros:
        assert isinstance(caught.value, ProtocolError)
        assert "no valid reply to HELLO in 2 tries" in caught.value.what
        assert "the last thing that came was" in caught.value.what


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": 3}, "it speaks protocol 3, this program speaks 2"),
        ({"window": 0}, "its HELLO states limits that no device can have"),
        ({"max_payload": 4}, "its HELLO states limits that no device can have"),
        ({"input_size": 0}, "its HELLO states limits that no device can have"),
        ({"board": b"\xff\xfe"}, "its board id is not readable text"),
        ({"board": b"a\nb"}, "its board id is not readable text"),
    ],
)
def test_a_hello_that_makes_no_sense(changes: dict[str, int | bytes], reason: str) -> None:
    with client(Scripted(hello=hello_reply(**changes))) as c, pytest.raises(ProtocolError) as caught:
        c.hello()
    assert caught.value.what == f"the device answered with an invalid message: {reason}"


def test_firmware_of_protocol_1_is_told_by_its_number() -> None:
    """Its HELLO_REPLY is shorter."""
    payload = hello_reply(protocol=1)[:68]
    device = Scripted(lambda frame: encode(Type.HELLO_REPLY, frame.sequence, payload), hello=b"")
    with client(device) as c, pytest.raises(ProtocolError, match="it speaks protocol 1, this program speaks 2"):
        c.hello()


@pytest.mark.parametrize("size", [0, 1, 68, 71, 73])
def test_a_hello_of_a_wrong_size(size: int) -> None:
    payload = (hello_reply() + b"x")[:size]
    device = Scripted(lambda frame: encode(Type.HELLO_REPLY, frame.sequence, payload), hello=b"")
    with client(device) as c, pytest.raises(ProtocolError, match=f"its HELLO_REPLY has {size} bytes, not 72"):
        c.hello()


WRONG_RESULTS: list[dict[str, int | bytes]] = [
    {"policy": 0},
    {"flags": 1},
    {"adaptive": 3},
    {"layers": 2},
    {"output_size": 5},
    {"tail": b""},
    {"tail": b"\1\2OUTPU"},
    {"tail": b"\1\3OUTP"},
    {"tail": b"\1\xffOUTP"},
    {"point": 1},
    {"passes": 0},
    {"passes": 2},
]


@pytest.mark.parametrize("changes", WRONG_RESULTS)
def test_a_result_that_contradicts_the_hello(changes: dict[str, int | bytes]) -> None:
    device = Scripted(lambda frame: result(frame, **changes) if frame.type == Type.RUN else healthy(frame))
    with client(device) as c, pytest.raises(ProtocolError, match="an invalid message"):
        c.infer(CODES, (1, 2))
    assert len(device.requests) < 20, "bounded"


def corrupt(reply: bytes) -> bytes:
    return reply[:3] + bytes([reply[3] ^ 0x10 or 1]) + reply[4:]


ONCE: dict[str, Callable[[Frame], bytes]] = {
    "nothing": lambda frame: b"",
    "garbage": lambda frame: b"\x55\x66\0\x77\0",
    "a damaged reply": lambda frame: corrupt(healthy(frame)),
    "half a reply": lambda frame: healthy(frame)[:7],
    "another sequence": lambda frame: healthy(Frame(frame.type, frame.sequence ^ 1, frame.payload)),
    "another type": lambda frame: encode(0x9F, frame.sequence, b""),
    "a bad frame NAK": lambda frame: nak(frame, Nak.BAD_FRAME, NO_SEQUENCE),
    "an old reply first": lambda frame: encode(Type.RESULT, frame.sequence ^ 2, b"old") + healthy(frame),
}


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("kind", [Type.LOAD, Type.RUN, Type.STATS, Type.RESET])
def test_one_fault_is_repaired_by_asking_again(fault: str, kind: Type) -> None:
    struck: list[Frame] = []

    def answer(frame: Frame) -> bytes:
        if frame.type == kind and not struck:
            struck.append(frame)
            return ONCE[fault](frame)
        return healthy(frame)

    with client(Scripted(answer)) as c:
        assert c.infer(CODES, (1, 2)).output == b"OUTP"
        c.stats()
        c.reset()
    assert struck


def test_a_repeated_run_is_the_same_frame() -> None:
    runs: list[Frame] = []

    def answer(frame: Frame) -> bytes:
        if frame.type == Type.RUN:
            runs.append(frame)
            return b"" if len(runs) == 1 else healthy(frame)
        return healthy(frame)

    with client(Scripted(answer)) as c:
        c.infer(CODES)
        assert c.samples_repeated == 0
    assert len(runs) == 2
    assert runs[0] == runs[1]


@pytest.mark.parametrize("code", [*Nak, 99])
def test_a_refusal_is_named(code: int) -> None:
    device = Scripted(lambda frame: nak(frame, code) if frame.type == Type.RUN else healthy(frame))
    name = Nak(code).name if code in list(Nak) else "code 99"
    with client(device) as c, pytest.raises(RefusedError) as caught:
        c.infer(CODES)
    assert caught.value.what == f"the device refused RUN: {name} (detail 5)"


def test_another_input_than_was_loaded_is_loaded_again() -> None:
    """A LOAD of somebody else, or one that came late, between ours and the RUN."""
    refused: list[Frame] = []

    def answer(frame: Frame) -> bytes:
        if frame.type == Type.RUN and not refused:
            refused.append(frame)
            return nak(frame, Nak.OTHER_INPUT)
        return healthy(frame)

    device = Scripted(answer)
    with client(device) as c:
        assert c.infer(CODES, (1, 2)).output == b"OUTP"
        assert c.samples_repeated == 1
    loads = [frame for frame in device.requests if frame.type == Type.LOAD]
    assert b"".join(frame.payload[4:] for frame in loads) == 2 * CODES


def test_a_refused_load_is_named() -> None:
    device = Scripted(lambda frame: nak(frame, Nak.BAD_LENGTH))
    with client(device) as c, pytest.raises(RefusedError, match=r"refused LOAD: BAD_LENGTH"):
        c.infer(CODES)


@pytest.mark.parametrize(("model", "board"), [(bytes(32), "fake"), (MODEL_HASH, "stm32h7")])
def test_another_model_or_board(model: bytes, board: str) -> None:
    with client(Scripted(healthy)) as c, pytest.raises(WrongModelError) as caught:
        c.expect(model, board)
    assert f"not {board!r} with model {model.hex()[:12]}" in caught.value.what
    assert caught.value.next_step.startswith("flash this project with 'dqt-edge flash'")


def two_models(frame: Frame) -> bytes:
    """A device with models MODEL_HASH and 32 zeros, which serves what was selected."""
    if frame.type != Type.SELECT:
        return healthy(frame)
    (index,) = struct.unpack("<H", frame.payload)
    changes = {"models": 2, "model": (MODEL_HASH, bytes(32))[index]}
    return encode(Type.SELECT_REPLY, frame.sequence, hello_reply(**changes))


def test_the_expected_model_is_selected_by_its_hash() -> None:
    device = Scripted(two_models, hello=hello_reply(models=2))
    with client(device) as c:
        assert c.expect(bytes(32), "fake").model_hash == bytes(32)
        assert c.info.model_hash == bytes(32)
        assert c.infer(CODES).output == b"OUTP"
    assert [frame.payload for frame in device.requests if frame.type == Type.SELECT] == [b"\0\0", b"\1\0"]


def test_after_a_restart_the_model_is_selected_again() -> None:
    device = Scripted(two_models, hello=hello_reply(models=2))
    with client(device) as c:
        c.expect(bytes(32), "fake")
        assert c.reset().model_hash == bytes(32)
    assert len([frame for frame in device.requests if frame.type == Type.SELECT]) == 4


@pytest.mark.parametrize(("model", "board"), [(bytes([1]) * 32, "fake"), (bytes(32), "stm32h7")])
def test_a_model_that_is_not_among_several(model: bytes, board: str) -> None:
    with client(Scripted(two_models, hello=hello_reply(models=2))) as c, pytest.raises(WrongModelError):
        c.expect(model, board)


def test_a_device_that_changes_its_model_in_the_middle() -> None:
    device = Scripted(lambda frame: nak(frame, Nak.INPUT_INCOMPLETE) if frame.type == Type.RUN else healthy(frame))
    with client(device) as c:
        c.hello()
        device._hello = hello_reply(model=bytes(32))
        with pytest.raises(WrongModelError):
            c.infer(CODES)


@pytest.mark.parametrize("choices", [(), (0,), (0, 0, 0), (-1, 0), (0, 256)])
def test_widths_that_do_not_fit_never_reach_the_device(choices: tuple[int, ...]) -> None:
    device = Scripted(healthy)
    with client(device) as c, pytest.raises(UsageError):
        c.infer(CODES, choices)
    assert Type.RUN not in [frame.type for frame in device.requests]


def test_biases_go_out_as_int32() -> None:
    device = Scripted(healthy)
    with client(device) as c:
        c.infer(CODES, bias=(-(2**31), 2**31 - 1, -2))
        c.infer(CODES, bias=None)
        crc = input_crc(c.info.model_hash, CODES).to_bytes(4, "little")
    runs = [frame.payload for frame in device.requests if frame.type == Type.RUN]
    assert runs == [
        bytes.fromhex("00000300") + crc + bytes.fromhex("00000080 ffffff7f feffffff"),
        bytes(4) + crc,
    ]


@pytest.mark.parametrize(
    ("choices", "bias"),
    [*((None, bias) for bias in ((), (0, 0), (0,) * 4, (0, 0, 2**31), (-(2**31) - 1, 0, 0))), ((1, 2), (0,) * 3)],
)
def test_biases_that_do_not_fit_never_reach_the_device(choices: tuple[int, ...] | None, bias: tuple[int, ...]) -> None:
    device = Scripted(healthy)
    with client(device) as c, pytest.raises(UsageError, match="do not fit the model") as caught:
        c.infer(CODES, choices, bias=bias)
    assert caught.value.where == "bias"
    assert Type.RUN not in [frame.type for frame in device.requests]


def test_an_input_of_a_wrong_size_never_reaches_the_device() -> None:
    device = Scripted(healthy)
    with client(device) as c, pytest.raises(UsageError, match="the input has 99 codes, the model takes 100"):
        c.infer(CODES[:99])
    assert [frame.type for frame in device.requests] == [Type.HELLO]


@pytest.mark.parametrize(
    ("ticks", "counter", "units"),
    [
        (0, Counter("icount", "instructions", 16, 5), 0),
        (3, Counter("icount", "instructions", 16, 5), 1),
        (4, Counter("icount", "instructions", 16, 5), 1),
        (6, Counter("icount", "instructions", 16, 5), 2),
        (7, Counter("icount", "instructions", 16, 5), 2),
        (1 << 60, Counter("icount", "instructions", 512, 125), (1 << 51) * 125),
        (123, Counter("dwt", "cycles"), 123),
    ],
)
def test_ticks_become_whole_units(ticks: int, counter: Counter, units: int) -> None:
    assert in_units(ticks, counter) == units


FAULTS = {
    "flipped bits": (Faults(flip=1 / 1200), 60),
    "lost bytes": (Faults(drop=1 / 1500), 40),
    "doubled bytes": (Faults(repeat=1 / 1500), 40),
    "restarts": (Faults(restart=1 / 900), 70),
    "everything": (Faults(1 / 4000, 1 / 4000, 1 / 4000, 1 / 3000), 60),
}


@pytest.mark.some(2)
@pytest.mark.parametrize("name", FAULTS)
def test_results_are_right_through_faults(built: Callable[..., Path], name: str) -> None:
    """Each fault costs at most the sample in flight, and no result is ever wrong."""
    faults, samples = FAULTS[name]
    generator = random.Random(f"faults {name}")
    image = built("host", sanitize=not faults.restart)  # a sanitized process takes long to start
    line = Faulty(lambda: NativeTransport(image), faults, generator)
    with Client(line, PATIENT, STUBBORN) as c:
        c.expect(stand_in.MODEL_HASH, "host")
        for _ in range(samples):
            codes = stand_in.make_input(generator)
            choices = generator.choice([None, (generator.randrange(3), generator.randrange(2))])
            bias = None if choices else tuple(generator.randrange(-200, 200) for _ in range(3))
            answer = c.infer(codes, choices, bias=bias, counts=True, checksums=True)
            want = stand_in.expected(codes, choices, bias or (0, 0, 0))
            assert (answer.choices, answer.output, answer.checksums) == (
                want.choices,
                want.output,
                want.checksums,
            )
        assert sum(line.happened.values()) > samples / 4, "the faults did happen"
        assert c.samples_repeated <= sum(line.happened.values())


def test_a_restart_at_every_byte_of_a_sample(built: Callable[..., Path]) -> None:
    """The device loses power once, at each position of what is sent and received for one sample."""
    image = built("host")
    generator = random.Random(5)
    codes = stand_in.make_input(generator)
    want = stand_in.expected(codes, (2, 1))

    class Once(random.Random):
        left = 0

        def random(self) -> float:
            self.left -= 1
            return 0.0 if self.left == 0 else 1.0

    positions = [*range(1, 30), *range(30, 900, 23)]
    once = Once()
    line = Faulty(lambda: NativeTransport(image), Faults(restart=0.5), once)  # the other faults never happen
    line._happens = lambda fault: fault == "restart" and Faulty._happens(line, fault)  # type: ignore[method-assign]
    with Client(line, PATIENT, STUBBORN) as c:
        c.expect(stand_in.MODEL_HASH, "host")
        for position in positions:
            once.left = position
            assert c.infer(codes, (2, 1)).output == want.output, f"restart at byte {position}"
            once.left = 0
        assert line.happened["restart"] > len(positions) / 2
