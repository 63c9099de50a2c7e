"""Where each tensor lives in the one activation buffer: liveness, reuse in place, offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 8


@dataclass(frozen=True)
class Step:
    """One executed layer, as the arena sees it.

    Attributes:
        reads: Tensor names.
        writes: The tensor it makes.
        in_place: Read tensors whose buffer the output may take over, element by element.
    """

    reads: tuple[str, ...]
    writes: str
    in_place: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arena:
    """Offsets by tensor name, the total size, and the least size any placement could reach, in bytes."""

    offsets: Mapping[str, int]
    size: int
    lower_bound: int


@dataclass
class _Buffer:
    size: int
    first: int
    last: int
    tensors: list[str]


def aligned(size: int, alignment: int = ALIGNMENT) -> int:
    """``size`` rounded up."""
    return -(-size // alignment) * alignment


def place(sizes: Mapping[str, int], steps: Sequence[Step], model_input: str, model_output: str) -> Arena:
    """Offsets such that no two tensors that are needed at the same time overlap.

    A buffer lives from the step that first writes it (the input: from the start) to the last that reads it
    (the output: to the end). Buffers are placed one
    by one, each at the lowest free offset; of a few orders the best wins.
    """
    buffers = _buffers(sizes, steps, model_input, model_output)
    orders = (
        lambda b: (-b.size, b.first),
        lambda b: (-b.size * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.size),
        lambda b: (-b.last, -b.size),
    )
    best = min((_first_fit(sorted(buffers, key=order)) for order in orders), key=lambda found: found[1])
    offsets = {name: offset for buffer, offset in best[0] for name in buffer.tensors}
    busiest = max(sum(b.size for b in buffers if b.first <= i <= b.last) for i in range(-1, len(steps) + 1))
    return Arena(offsets, best[1], busiest)


def _buffers(sizes: Mapping[str, int], steps: Sequence[Step], model_input: str, model_output: str) -> list[_Buffer]:
    last_read = {name: i for i, step in enumerate(steps) for name in step.reads}
    last_read[model_output] = len(steps)
    owner = {model_input: _Buffer(aligned(sizes[model_input]), -1, last_read.get(model_input, -1), [model_input])}
    buffers = [owner[model_input]]
    for i, step in enumerate(steps):
        name, size = step.writes, aligned(sizes[step.writes])
        end = last_read.get(name, i)
        host = next(
            (owner[n] for n in step.in_place if last_read[n] == i and owner[n].last == i and owner[n].size >= size),
            None,
        )
        if host is None:
            host = _Buffer(size, i, end, [])
            buffers.append(host)
        host.last = max(host.last, end)
        host.tensors.append(name)
        owner[name] = host
    return buffers


def _first_fit(order: Sequence[_Buffer]) -> tuple[list[tuple[_Buffer, int]], int]:
    placed: list[tuple[_Buffer, int]] = []
    for buffer in order:
        offset = 0
        for other, start in sorted(placed, key=lambda item: item[1]):
            overlap_in_time = buffer.first <= other.last and other.first <= buffer.last
            if overlap_in_time and offset + buffer.size > start and offset < start + other.size:
                offset = start + other.size
        placed.append((buffer, offset))
    return placed, max(start + buffer.size for buffer, start in placed)
