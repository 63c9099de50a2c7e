"""The firmware's server keeps the protocol: every request is answered, or refused without effect."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cobs import cobs

from dqt_edge.device.frame import encode
from dqt_edge.device.messages import (
    HEADER,
    LOAD,
    NO_SEQUENCE,
    RESULT,
    RUN,
    SELECT,
    STATS_REPLY,
    Nak,
    RunPolicy,
    Type,
    input_crc,
)
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.replies import parse_hello, parse_result

from . import stand_in
from .raw import Raw, nak

SEED = 41
CODES = stand_in.make_input(random.Random(SEED))
RECEIVE_MAX = 260
CHUNK = RECEIVE_MAX - LOAD.layout.size


def asked(policy: int, flags: int, count: int, codes: bytes = CODES, model: bytes = stand_in.MODEL_HASH) -> bytes:
    """A RUN that means these codes and this model."""
    return RUN.pack(policy=policy, flags=flags, count=count, input_crc=input_crc(model, codes))


VECTOR = asked(policy=RunPolicy.VECTOR, flags=0, count=2)
BIASED = asked(policy=RunPolicy.CONTROLLER, flags=0, count=3)
EXTREMES = (-(2**31), 2**31 - 1, -1, 0, 1, 255, -255)


@pytest.fixture
def device(built: Callable[..., Path]) -> Iterator[Raw]:
    with NativeTransport(built("host", sanitize=True)) as transport:
        yield Raw(transport)


def load(device: Raw, codes: bytes = CODES, sequence: int = 100) -> None:
    for at in range(0, len(codes), CHUNK):
        answer = device.ask(Type.LOAD, sequence, LOAD.pack(offset=at) + codes[at : at + CHUNK])
        assert answer.type == Type.LOAD_REPLY
        assert answer.payload == struct.pack("<I", min(at + CHUNK, len(codes)))
        sequence += 1


def run(device: Raw, sequence: int, payload: bytes = VECTOR + bytes([1, 1])) -> bytes:
    answer = device.ask(Type.RUN, sequence, payload)
    assert (answer.type, answer.sequence) == (Type.RESULT, sequence)
    return answer.payload


def stats(device: Raw, sequence: int = 900) -> dict[str, int | bytes]:
    return STATS_REPLY.unpack(device.ask(Type.STATS, sequence).payload)


def test_nothing_is_sent_before_a_request(device: Raw) -> None:
    assert device.transport.read(10, 0.2) == b""


def test_hello_states_the_generated_constants(device: Raw) -> None:
    answer = device.ask(Type.HELLO, 7)
    assert (answer.type, answer.sequence) == (Type.HELLO_REPLY, 7)
    info = parse_hello(answer.payload)
    assert (info.board, info.model_hash) == ("host", stand_in.MODEL_HASH)
    assert (info.input_size, info.output_size) == (stand_in.INPUT_SIZE, stand_in.OUTPUT_SIZE)
    assert (info.adaptive, info.layers, info.candidates) == (2, 4, 3)
    assert (info.window, info.max_payload, info.has_controller) == (2, RECEIVE_MAX, True)


def test_select_serves_another_model_and_forgets_the_input(built: Callable[..., Path]) -> None:
    """The stand-in's second model differs in its hash; a selected one is served until the device restarts."""
    with NativeTransport(built("host", sanitize=True, defines=("STAND_IN_TWO",))) as transport:
        device = Raw(transport)
        first = parse_hello(device.ask(Type.HELLO, 1).payload)
        assert (first.models, first.model_hash) == (2, stand_in.MODEL_HASH)
        load(device)
        answer = device.ask(Type.SELECT, 2, SELECT.pack(model=1))
        assert answer.type == Type.SELECT_REPLY
        second = parse_hello(answer.payload)
        assert second.model_hash == b"\xee" + stand_in.MODEL_HASH[1:]
        assert parse_hello(device.ask(Type.HELLO, 3).payload) == second
        assert device.nak(Type.RUN, 4, VECTOR + bytes([1, 1])) == (Nak.INPUT_INCOMPLETE, 0)
        load(device)
        refusal = device.nak(Type.RUN, 10, VECTOR + bytes([1, 1]))
        assert refusal == (Nak.OTHER_INPUT, input_crc(second.model_hash, CODES)), "it means the other model"
        means = asked(RunPolicy.VECTOR, 0, 2, model=second.model_hash) + bytes([1, 1])
        result = parse_result(run(device, 5, means), second, RunPolicy.VECTOR, 0)
        assert result.output == stand_in.expected(CODES, (1, 1)).output
        assert device.nak(Type.SELECT, 6, SELECT.pack(model=2)) == (Nak.NO_MODEL, 2)
        assert parse_hello(device.ask(Type.HELLO, 7).payload) == second
        assert device.ask(Type.RESET, 8).type == Type.RESET_REPLY
        assert parse_hello(device.ask(Type.HELLO, 9).payload) == first


@pytest.mark.parametrize("choices", [None, *[(a, b) for a in range(3) for b in range(2)]])
@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_run_equals_the_model(device: Raw, choices: tuple[int, ...] | None, flags: int) -> None:
    load(device)
    policy = RunPolicy.CONTROLLER if choices is None else RunPolicy.VECTOR
    vector = bytes(choices or ())
    payload = run(device, 1, asked(policy=policy, flags=flags, count=len(vector)) + vector)
    info = parse_hello(device.ask(Type.HELLO, 2).payload)
    result = parse_result(payload, info, policy, flags)
    want = stand_in.expected(CODES, choices)
    assert (result.choices, result.output) == (want.choices, want.output)
    assert result.checksums == (want.checksums if flags & 2 else None)
    assert (result.counts is not None) == bool(flags & 1)
    if result.counts is not None:
        assert (result.counts[0] == 0) == (choices is not None), "the controller runs only when it decides"
        assert result.total >= sum(result.counts)


def test_biases_are_added_to_the_logits(device: Raw) -> None:
    """Whatever the integers are, the choice is that of exact sums; the first of equals."""
    generator = random.Random(SEED + 1)
    info = parse_hello(device.ask(Type.HELLO, 2).payload)
    seen = set()
    for sequence in range(120):
        bias = tuple(generator.choice((*EXTREMES, generator.randrange(-300, 300))) for _ in range(3))
        codes = stand_in.make_input(generator)
        load(device, codes, 200 + 10 * sequence)
        payload = asked(RunPolicy.CONTROLLER, 0, 3, codes) + struct.pack("<3i", *bias)
        result = parse_result(run(device, 5000 + sequence, payload), info, 0, 0)
        want = stand_in.expected(codes, None, bias)
        assert (result.choices, result.output) == (want.choices, want.output), bias
        seen.add(result.choices)
    assert len(seen) == 7, "every choice that one bias for both layers allows"


def test_a_bias_lasts_for_one_run(device: Raw) -> None:
    info = parse_hello(device.ask(Type.HELLO, 1).payload)
    for sequence, bias in enumerate([(9999, 0, 0), None, (0, 9999, 0), (0, 0, 0)]):
        load(device, CODES, 10 + 10 * sequence)
        payload = BIASED + struct.pack("<3i", *bias) if bias else asked(policy=0, flags=0, count=0)
        result = parse_result(run(device, 100 + sequence, payload), info, 0, 0)
        assert result.choices == stand_in.expected(CODES, None, bias or (0, 0, 0)).choices


def test_hostile_runs_are_refused_or_answered_and_never_harm(device: Raw) -> None:
    """RUN payloads of random policies, flags, counts and lengths: what is not refused is a right RUN."""
    generator = random.Random(SEED + 2)
    info = parse_hello(device.ask(Type.HELLO, 1).payload)
    answered = 0
    load(device)
    for sequence in range(2, 1500):
        policy, flags = generator.choice((0, 0, 1, 2, 255)), generator.choice((0, 1, 2, 3, 4, 7, 8, 128))
        count = generator.choice((0, 1, 2, 3, 3, 4, 0x8003, 0xFFFF))
        tail = generator.randbytes(generator.choice((0, 1, 2, 3, 4, 11, 12, 12, 13, 24, RECEIVE_MAX - RUN.layout.size)))
        answer = device.ask(Type.RUN, sequence, asked(policy=policy, flags=flags, count=count) + tail)
        right = flags < 8 and (policy, count, len(tail)) in ((0, 0, 0), (0, 3, 12), (1, 2, 2))
        if answer.type == Type.NAK:
            assert not right or (policy == 1 and (tail[0] > 2 or tail[1] > 1))
            continue
        assert right
        result = parse_result(answer.payload, info, RunPolicy(policy), flags)
        bias = struct.unpack("<3i", tail) if count == 3 else (0, 0, 0)
        want = stand_in.expected(CODES, tuple(tail) if policy == 1 else None, bias)
        assert (result.choices, result.output) == (want.choices, want.output)
        answered += 1
        load(device, CODES, 2000 + 10 * answered)
    assert answered > 20
    assert stats(device, 60000)["runs"] == answered


REFUSED = [
    (Type.HELLO, b"x", Nak.BAD_LENGTH, 0),
    (Type.STATS, b"x", Nak.BAD_LENGTH, 0),
    (Type.RESET, b"x", Nak.BAD_LENGTH, 0),
    (Type.FAULT, b"x", Nak.BAD_LENGTH, 0),
    (0x00, b"", Nak.UNKNOWN_TYPE, 0x00),
    (0x09, b"abc", Nak.UNKNOWN_TYPE, 0x09),
    (Type.SELECT, b"", Nak.BAD_LENGTH, 2),
    (Type.SELECT, b"abc", Nak.BAD_LENGTH, 2),
    (Type.SELECT, SELECT.pack(model=1), Nak.NO_MODEL, 1),
    (Type.SELECT, SELECT.pack(model=0xFFFF), Nak.NO_MODEL, 1),
    (Type.RESULT, b"", Nak.UNKNOWN_TYPE, Type.RESULT),
    (Type.NAK, b"", Nak.UNKNOWN_TYPE, Type.NAK),
    (Type.LOAD, b"", Nak.BAD_LENGTH, 5),
    (Type.LOAD, LOAD.pack(offset=0), Nak.BAD_LENGTH, 5),
    (Type.LOAD, LOAD.pack(offset=CHUNK + 1) + b"x", Nak.BAD_OFFSET, CHUNK),
    (Type.LOAD, LOAD.pack(offset=0xFFFFFFFF) + b"x", Nak.BAD_OFFSET, CHUNK),
    (Type.RUN, b"", Nak.BAD_LENGTH, 8),
    (Type.RUN, b"\1\0\2", Nak.BAD_LENGTH, 8),
    (Type.RUN, VECTOR[:7], Nak.BAD_LENGTH, 8),
    (Type.RUN, VECTOR, Nak.BAD_LENGTH, 10),
    (Type.RUN, VECTOR + b"\0", Nak.BAD_LENGTH, 10),
    (Type.RUN, VECTOR + b"\0\0\0", Nak.BAD_LENGTH, 10),
    (Type.RUN, asked(policy=1, flags=0, count=3) + b"\0\0\0", Nak.BAD_LENGTH, 10),
    (Type.RUN, asked(policy=0, flags=0, count=2) + b"\0\0", Nak.BAD_LENGTH, 20),
    (Type.RUN, asked(policy=0, flags=0, count=0) + bytes(1), Nak.BAD_LENGTH, 8),
    (Type.RUN, asked(policy=0, flags=0, count=0) + bytes(12), Nak.BAD_LENGTH, 8),
    *[
        (Type.RUN, asked(policy=0, flags=0, count=count) + bytes(4 * count), Nak.BAD_LENGTH, 20)
        for count in (1, 2, 4, 63)
    ],
    (Type.RUN, asked(policy=0, flags=0, count=0xFFFF) + bytes(12), Nak.BAD_LENGTH, 20),
    *[(Type.RUN, BIASED + bytes(size), Nak.BAD_LENGTH, 20) for size in (0, 1, 3, 11, 13, 16, 252)],
    (Type.RUN, asked(policy=1, flags=0, count=3) + bytes(12), Nak.BAD_LENGTH, 10),
    *[(Type.RUN, asked(policy=p, flags=0, count=3) + bytes(12), Nak.BAD_POLICY, p) for p in (5, 255)],
    *[(Type.RUN, asked(policy=p, flags=0, count=0), Nak.NO_SETTINGS, 0) for p in (2, 3, 4)],
    *[(Type.RUN, asked(policy=p, flags=0, count=3) + bytes(12), Nak.NO_SETTINGS, 0) for p in (2, 3, 4)],
    (Type.RUN, BIASED + bytes(12), Nak.INPUT_INCOMPLETE, CHUNK),
    (Type.RUN, asked(policy=5, flags=0, count=0), Nak.BAD_POLICY, 5),
    (Type.RUN, asked(policy=0, flags=8, count=0), Nak.BAD_POLICY, 0x800),
    (Type.RUN, VECTOR + bytes([3, 0]), Nak.BAD_CHOICE, 0),
    (Type.RUN, VECTOR + bytes([0, 2]), Nak.BAD_CHOICE, 1),
    (Type.RUN, VECTOR + bytes([255, 255]), Nak.BAD_CHOICE, 0),
    (Type.RUN, VECTOR + bytes([0, 0]), Nak.INPUT_INCOMPLETE, CHUNK),
    (Type.RUN, asked(policy=0, flags=0, count=0), Nak.INPUT_INCOMPLETE, CHUNK),
]


@pytest.mark.parametrize(("kind", "payload", "code", "detail"), REFUSED)
def test_a_refused_request_changes_nothing(device: Raw, kind: int, payload: bytes, code: Nak, detail: int) -> None:
    first = LOAD.pack(offset=0) + CODES[:CHUNK]
    answer = device.ask(Type.LOAD, 1, first)
    assert device.nak(kind, 2, payload) == (code, detail)
    assert device.ask(Type.LOAD, 1, first) == answer, "the answer before it is still kept"
    for sequence, at in enumerate(range(CHUNK, len(CODES), CHUNK), 3):
        assert device.ask(Type.LOAD, sequence, LOAD.pack(offset=at) + CODES[at : at + CHUNK]).type == Type.LOAD_REPLY
    output = run(device, 20)[RESULT.layout.size + 2 :]
    assert output == stand_in.expected(CODES, (1, 1)).output
    assert stats(device) == {"runs": 1, "bad_frames": 0, "naks": 1, "stack_used": 0}


def test_a_load_past_the_end_is_refused(device: Raw) -> None:
    load(device)
    over = LOAD.pack(offset=stand_in.INPUT_SIZE) + b"x"
    assert device.nak(Type.LOAD, 1, over) == (Nak.BAD_LENGTH, LOAD.layout.size)
    over = LOAD.pack(offset=stand_in.INPUT_SIZE - 1) + b"xy"
    assert device.nak(Type.LOAD, 2, over) == (Nak.BAD_LENGTH, LOAD.layout.size + 1)
    assert run(device, 3)[RESULT.layout.size + 2 :] == stand_in.expected(CODES, (1, 1)).output


def test_a_chunk_may_be_sent_again_and_offset_0_starts_over(device: Raw) -> None:
    load(device)
    middle = LOAD.pack(offset=CHUNK) + CODES[CHUNK : 2 * CHUNK]
    assert device.ask(Type.LOAD, 1, middle).payload == struct.pack("<I", stand_in.INPUT_SIZE)
    assert device.ask(Type.LOAD, 2, LOAD.pack(offset=0) + CODES[:9]).payload == struct.pack("<I", 9)
    assert device.nak(Type.RUN, 3, VECTOR + bytes(2)) == (Nak.INPUT_INCOMPLETE, 9)


def test_a_run_consumes_the_input(device: Raw) -> None:
    load(device)
    run(device, 1)
    assert device.nak(Type.RUN, 2, VECTOR + bytes(2)) == (Nak.INPUT_INCOMPLETE, 0)


def test_a_run_means_the_input_that_was_loaded(device: Raw) -> None:
    """A LOAD that came late, or from somebody else, after all of the input: refused, and nothing is lost."""
    load(device)
    foreign = bytes([CODES[CHUNK] ^ 1]) + CODES[CHUNK + 1 : CHUNK + 9]
    assert device.ask(Type.LOAD, 1, LOAD.pack(offset=CHUNK) + foreign).payload == struct.pack("<I", len(CODES))
    there = CODES[:CHUNK] + foreign + CODES[CHUNK + 9 :]
    assert device.nak(Type.RUN, 2, VECTOR + bytes([1, 1])) == (Nak.OTHER_INPUT, input_crc(stand_in.MODEL_HASH, there))
    assert stats(device)["runs"] == 0
    payload = asked(RunPolicy.VECTOR, 0, 2, there) + bytes([1, 1])
    assert run(device, 3, payload)[RESULT.layout.size + 2 :] == stand_in.expected(there, (1, 1)).output
    assert device.nak(Type.RUN, 4, payload) == (Nak.INPUT_INCOMPLETE, 0)
    load(device, CODES, 200)
    refusal = device.nak(Type.RUN, 5, payload)
    assert refusal == (Nak.OTHER_INPUT, input_crc(stand_in.MODEL_HASH, CODES)), "one input later"
    assert run(device, 6)[RESULT.layout.size + 2 :] == stand_in.expected(CODES, (1, 1)).output


def test_a_repeated_request_is_executed_once(device: Raw) -> None:
    load(device)
    first = run(device, 5, asked(policy=1, flags=3, count=2) + bytes([2, 0]))
    again = run(device, 5, asked(policy=1, flags=3, count=2) + bytes([2, 0]))
    assert again == first
    assert stats(device)["runs"] == 1


def test_the_same_sequence_with_other_content_is_another_request(device: Raw) -> None:
    load(device)
    run(device, 5)
    assert device.nak(Type.RUN, 5, VECTOR + bytes([0, 0])) == (Nak.INPUT_INCOMPLETE, 0)
    assert device.ask(Type.HELLO, 5).type == Type.HELLO_REPLY


def body(kind: int, flags: int, sequence: int, length: int, payload: bytes) -> bytes:
    content = HEADER.pack(kind, flags, sequence, length) + payload
    return content + zlib.crc32(content).to_bytes(4, "little")


HELLO = body(Type.HELLO, 0, 1, 0, b"")
UNREADABLE = [
    *[HELLO[:size] for size in range(1, len(HELLO))],
    HELLO + b"\0",
    HELLO[:-1] + bytes([HELLO[-1] ^ 1]),
    *[bytes(b ^ (1 << bit if i == at else 0) for i, b in enumerate(HELLO)) for at in range(10) for bit in (0, 7)],
    body(Type.HELLO, 1, 1, 0, b""),
    body(Type.HELLO, 0, 1, 1, b""),
    body(Type.LOAD, 0, 1, 4, LOAD.pack(offset=0) + b"x"),
    body(Type.HELLO, 0, NO_SEQUENCE, 0, b""),
    b"",
]


@pytest.mark.parametrize("content", UNREADABLE, ids=lambda content: content.hex() or "empty")
def test_a_frame_that_cannot_be_read_is_refused_without_its_sequence(device: Raw, content: bytes) -> None:
    device.transport.write(cobs.encode(content) + b"\0")
    assert nak(device.next(), 0, NO_SEQUENCE) == (Nak.BAD_FRAME, 0)
    assert device.ask(Type.HELLO, 1).type == Type.HELLO_REPLY
    assert stats(device)["bad_frames"] == 1


@pytest.mark.parametrize("excess", [1, 2, 254, 65536])
def test_an_overlong_frame_costs_only_itself(device: Raw, excess: int) -> None:
    longest = LOAD.pack(offset=0) + bytes([5]) * CHUNK
    assert device.ask(Type.LOAD, 1, longest).type == Type.LOAD_REPLY
    device.transport.write(cobs.encode(bytes([5]) * (RECEIVE_MAX + 10 + excess)) + b"\0" + encode(Type.HELLO, 2, b""))
    assert nak(device.next(), 0, NO_SEQUENCE) == (Nak.BAD_FRAME, 0)
    assert device.next().type == Type.HELLO_REPLY


def test_every_truncation_of_a_request_is_refused_and_the_next_one_served(device: Raw) -> None:
    whole = encode(Type.LOAD, 1, LOAD.pack(offset=0) + CODES[:40])
    for size in range(1, len(whole) - 1):
        device.transport.write(whole[:size] + b"\0" + encode(Type.HELLO, size + 1, b""))
        assert nak(device.next(), 0, NO_SEQUENCE) == (Nak.BAD_FRAME, 0)
        answer = device.next()
        assert (answer.type, answer.sequence) == (Type.HELLO_REPLY, size + 1)
    assert device.nak(Type.RUN, 1, VECTOR + bytes(2)) == (Nak.INPUT_INCOMPLETE, 0)


def test_hello_is_answered_in_the_middle_of_a_load(device: Raw) -> None:
    device.ask(Type.LOAD, 1, LOAD.pack(offset=0) + CODES[:CHUNK])
    assert device.ask(Type.HELLO, 2).type == Type.HELLO_REPLY
    device.ask(Type.LOAD, 3, LOAD.pack(offset=CHUNK) + CODES[CHUNK : 2 * CHUNK])
    device.ask(Type.LOAD, 4, LOAD.pack(offset=2 * CHUNK) + CODES[2 * CHUNK :])
    run(device, 5)


def test_requests_that_come_while_an_answer_is_sent_are_kept(device: Raw) -> None:
    sequences = range(3000)
    device.transport.write(b"".join(encode(Type.HELLO, sequence, b"") for sequence in sequences))
    assert [device.next().sequence for _ in sequences] == list(sequences)


def test_lone_delimiters_are_no_frames(device: Raw) -> None:
    device.transport.write(bytes(1000) + encode(Type.HELLO, 3, b""))
    assert device.next().sequence == 3
    assert stats(device) == {"runs": 0, "bad_frames": 0, "naks": 0, "stack_used": 0}


def test_reset_answers_then_restarts(device: Raw) -> None:
    load(device)
    run(device, 1)
    answer = device.ask(Type.RESET, 2)
    assert (answer.type, answer.sequence, answer.payload) == (Type.RESET_REPLY, 2, b"")
    assert stats(device) == {"runs": 0, "bad_frames": 0, "naks": 0, "stack_used": 0}


def test_random_bytes_never_harm(device: Raw) -> None:
    generator = random.Random(SEED)
    for _ in range(300):
        device.transport.write(bytes(generator.choices(range(256), (20,) + (1,) * 255, k=generator.randrange(400))))
    device.transport.write(b"\0" + encode(Type.HELLO, 12345, b""))
    while device.next().sequence != 12345:
        pass
    load(device)
    assert run(device, 5)[RESULT.layout.size + 2 :] == stand_in.expected(CODES, (1, 1)).output


def test_a_model_without_controller_says_so(built: Callable[..., Path]) -> None:
    image = built("host", sanitize=True, defines=("STAND_IN_DECIDE_AT=DQT_NONE",))
    with NativeTransport(image) as transport:
        device = Raw(transport)
        assert not parse_hello(device.ask(Type.HELLO, 1).payload).has_controller
        load(device)
        assert device.nak(Type.RUN, 2, asked(policy=0, flags=0, count=0)) == (Nak.NO_CONTROLLER, 0)
        assert device.nak(Type.RUN, 2, BIASED + bytes(12)) == (Nak.NO_CONTROLLER, 0)
        run(device, 3)
