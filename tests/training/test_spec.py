"""Promise: a structure knows its shapes and which additions a convolution absorbs, before any weight exists."""

from __future__ import annotations

import pytest

from dqt_edge.architectures.models import MODELS, spec_of
from dqt_edge.architectures.spec import INPUT, Conv, Fully, MaxPool, Node, Spec, Sum, shapes
from dqt_edge.errors import UnsupportedError, UsageError


@pytest.mark.parametrize("name", MODELS)
def test_models_end_in_one_output_a_class(name: str) -> None:
    spec = spec_of(name, 7)
    assert shapes(spec, (8, 8, 1))[spec.nodes[-1].name] == (1, 1, 7)


def test_tiny_reaches_every_kind_of_layer() -> None:
    kinds = {type(node).__name__ for node in (*spec_of("tiny", 10).nodes, *spec_of("tiny-plain", 10).nodes)}
    assert kinds == {"Conv", "Depthwise", "Fully", "Sum", "MaxPool", "AveragePool"}


def test_a_misspelt_model_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        spec_of("tinny", 10)
    assert caught.value.next_step == "did you mean 'tiny'?"


FIRST = Conv("a", INPUT, 4)
LINEAR = Conv("b", "a", 4, relu=False)
FUSED: dict[str, tuple[tuple[Node, ...], dict[str, tuple[str, str]]]] = {
    "linear convolution": ((FIRST, LINEAR, Sum("s", ("a", "b"))), {"s": ("b", "a")}),
    "operands the other way round": ((FIRST, LINEAR, Sum("s", ("b", "a"))), {"s": ("b", "a")}),
    "with ReLU": ((FIRST, Conv("b", "a", 4), Sum("s", ("a", "b"))), {}),
    "read twice": ((FIRST, LINEAR, Sum("s", ("a", "b")), Sum("t", ("s", "b"))), {}),
    "doubled": ((FIRST, LINEAR, Sum("s", ("b", "b"))), {}),
    "made by pooling": ((FIRST, MaxPool("b", "a", (1, 1), (1, 1)), Sum("s", ("a", "b"))), {}),
    "two linear": ((FIRST, LINEAR, Conv("c", "a", 4, relu=False), Sum("s", ("b", "c"))), {"s": ("c", "b")}),
}


@pytest.mark.parametrize("name", FUSED)
def test_a_convolution_read_only_by_an_addition_absorbs_it(name: str) -> None:
    nodes, expected = FUSED[name]
    assert Spec("s", nodes).fused() == expected


def test_a_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="larger than its 1x1 input"):
        shapes(Spec("s", (MaxPool("p", INPUT), MaxPool("q", "p"), MaxPool("r", "q"), MaxPool("t", "r"))), (8, 8, 1))


def test_an_addition_of_two_shapes_is_refused() -> None:
    nodes = (Conv("a", INPUT, 4), Conv("b", INPUT, 8), Sum("s", ("a", "b")), Fully("f", "s", 2))
    with pytest.raises(UnsupportedError, match="adds shapes"):
        shapes(Spec("s", nodes), (8, 8, 1))


def test_images_that_the_controller_cannot_pool_are_refused_before_training() -> None:
    with pytest.raises(UnsupportedError, match="the controller would pool a tensor of 300x300"):
        shapes(spec_of("tiny", 4), (300, 300, 1))
