"""Promise: a view says where each element lies, whatever reshapes and transposes a file goes through."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from dqt_edge.importers.onnx.view import View, reordered, view_of
from dqt_edge.importers.values import Value

SEEDS = range(300)


class Memory:
    """Data by the names of edges, and how often it was moved."""

    def __init__(self) -> None:
        self.data: dict[str, np.ndarray] = {}
        self.moves = 0

    def move(self, value: Value, order: tuple[int, ...]) -> Value:
        self.moves += 1
        turned = self.data[value.edge].reshape(value.shape).transpose(order)
        name = f"moved_{self.moves}"
        self.data[name] = turned.ravel()
        return Value(name, turned.shape)

    def in_file(self, view: View) -> np.ndarray:
        """The elements as the file sees them, found without the view's own methods."""
        apart = self.data[view.value.edge].reshape([view.parts[part] for part in view.order])
        return apart.transpose(np.argsort(view.order).tolist()).reshape(view.shape)


def random_shape(rng: np.random.Generator, size: int) -> tuple[int, ...]:
    shape = []
    while size > 1 and len(shape) < 5:
        factor = int(rng.choice([n for n in range(1, size + 1) if size % n == 0]))
        shape.append(factor)
        size //= factor
    return (*shape, size)


@pytest.mark.parametrize("seed", SEEDS)
def test_reshapes_and_transposes_lose_no_element(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.choice([1, 2, 3, 4, 6, 8], rng.integers(1, 6)))
    axes = rng.permutation(len(shape)).tolist()
    wanted = np.arange(prod(shape)).reshape(shape)
    memory = Memory()
    memory.data["x"] = wanted.transpose(axes).ravel()
    view = view_of(Value("x", tuple(shape[a] for a in axes)), shape, axes)
    for _ in range(6):
        if rng.random() < 0.5:
            order = rng.permutation(len(view.shape)).tolist()
            view, wanted = view.transposed(order), wanted.transpose(order)
        else:
            target = random_shape(rng, prod(shape))
            found = view.reshaped(target)
            if found is not None:
                view, wanted = found, wanted.reshape(target)
        assert np.array_equal(memory.in_file(view), wanted)
    assert memory.moves == 0
    order = rng.permutation(len(view.shape)).tolist()
    value = view.as_axes(order, memory.move)
    assert np.array_equal(memory.data[value.edge].reshape(value.shape), wanted.transpose(order))
    # Weights for a flattened tensor, put in the order in which it lies, meet the same elements.
    flat = view.reshaped((prod(shape),))
    if flat is not None:
        weights = rng.integers(-9, 9, (2, prod(shape)))
        own = reordered(weights, flat, range(len(flat.parts)))
        assert np.array_equal(own @ memory.data[view.value.edge], weights @ wanted.ravel())


def test_channels_first_and_last_agree_again_without_a_move() -> None:
    memory = Memory()
    memory.data["x"] = np.arange(24)
    view = view_of(Value("x", (2, 3, 4)), (1, 4, 2, 3), (0, 2, 3, 1))
    turned = view.transposed((0, 2, 3, 1))
    assert turned.plain
    assert turned.as_axes((1, 2, 3), memory.move).shape == (2, 3, 4)
    assert view.as_axes((2, 3, 1), memory.move).shape == (2, 3, 4)
    assert memory.moves == 0
    view.as_axes((1, 2, 3), memory.move)
    assert memory.moves == 1
