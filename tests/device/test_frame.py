"""Frames survive any stream: what was encoded is decoded, whatever stands before it and however it is cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dqt_edge.device.frame import PAYLOAD_MAX, BadFrame, Decoder, Frame, encode

frames = st.builds(
    Frame,
    type=st.integers(0, 255),
    sequence=st.integers(0, 0xFFFF),
    payload=st.one_of(
        st.binary(max_size=600),
        st.integers(240, 260).map(lambda n: b"\7" * n),
        st.integers(0, 600).map(bytes),
    ),
)


def decode(decoder: Decoder, stream: bytes, cuts: list[int]) -> list[Frame | BadFrame]:
    found: list[Frame | BadFrame] = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        found += decoder.feed(stream[start:end])
    return found


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 3000), max_size=6))
def test_frames_come_back_however_the_stream_is_cut(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode(frame.type, frame.sequence, frame.payload) for frame in sent)
    assert decode(Decoder(), stream, cuts) == sent


@given(frames)
def test_a_frame_on_the_wire_has_one_zero_and_it_is_last(frame: Frame) -> None:
    wire = encode(frame.type, frame.sequence, frame.payload)
    assert wire.index(0) == len(wire) - 1
    assert len(wire) <= len(frame.payload) + 10 + (len(frame.payload) + 10) // 254 + 2


@given(st.binary(max_size=400), frames)
def test_garbage_before_a_delimiter_never_costs_the_frame_behind(garbage: bytes, frame: Frame) -> None:
    stream = garbage + b"\0" + encode(frame.type, frame.sequence, frame.payload)
    assert decode(Decoder(), stream, [])[-1] == frame


@given(frames, st.data())
def test_a_flipped_bit_is_never_taken_for_a_frame(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(frame.type, frame.sequence, frame.payload))
    at = data.draw(st.integers(0, len(wire) - 2))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    assert all(isinstance(found, BadFrame) for found in decode(Decoder(), bytes(wire), []))


@given(frames, st.data())
def test_a_cut_frame_is_bad(frame: Frame, data: st.DataObject) -> None:
    wire = encode(frame.type, frame.sequence, frame.payload)
    size = data.draw(st.integers(1, len(wire) - 2))
    assert [type(found) for found in decode(Decoder(), wire[:size] + b"\0", [])] == [BadFrame]


@given(st.integers(0, 40), st.integers(0, 3000), st.integers(1, 500))
def test_a_frame_over_the_limit_is_dropped_without_being_kept(limit: int, excess: int, step: int) -> None:
    decoder = Decoder(limit)
    assert list(decoder.feed(encode(1, 2, b"\7" * limit))) == [Frame(1, 2, b"\7" * limit)]
    wire = encode(1, 2, b"\7" * (limit + 1000 + excess))
    for start in range(0, len(wire) - 1, step):
        assert list(decoder.feed(wire[:-1][start : start + step])) == []
        assert len(decoder._pending) <= limit + 20
    found = list(decoder.feed(b"\0" + encode(3, 4, b"")))
    assert [type(found[0]), found[1]] == [BadFrame, Frame(3, 4, b"")]


def test_the_longest_frame_passes() -> None:
    payload = bytes(range(1, 256)) * 257
    assert len(payload) == PAYLOAD_MAX
    assert list(Decoder().feed(encode(1, 2, payload))) == [Frame(1, 2, payload)]
