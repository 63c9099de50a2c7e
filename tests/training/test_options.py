"""Promise: options are checked before any work; the command's defaults are the library's."""

from __future__ import annotations

import pytest

from dqt_edge.cli.output import EVERYWHERE
from dqt_edge.cli.train import train as command
from dqt_edge.cli.train_heads import OWN
from dqt_edge.errors import UsageError
from dqt_edge.training.options import Options, parse_candidates


def test_candidates_are_read() -> None:
    assert parse_candidates("8x8, 4x4,2x4") == ((8, 8), (4, 4), (2, 4))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no width pair"),
        ("8x8,4", "is no width pair"),
        ("8x8,4x9", "is no width pair"),
        ("8x8,1x4", "is no width pair"),
        ("8x8,4x4,4x4", "given twice"),
        ("4x4,2x4", "8x8 is missing"),
        (",".join(["8x8"] + [f"{w}x{a}" for w in (2, 3, 4) for a in range(2, 8)]), "more than 16"),
    ],
)
def test_bad_candidates_are_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_candidates(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("budget", 1.5),
        ("budget", float("nan")),
        ("epochs", 3),
        ("seed", -1),
        ("batch", 0),
        ("learning_rate", 0.0),
        ("beta", -1.0),
        ("consistency", -0.1),
        ("focus", -1.0),
        ("diversity", -1.0),
        ("shift", -1),
        ("image_size", 3),
        ("channels", 2),
        ("channels", 4),
        ("crop_area", 0.0),
    ],
)
def test_values_outside_their_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError) as caught:
        Options(**{name: value})  # type: ignore[arg-type]
    assert caught.value.where == f"parameter `{name}`"


# Those that do not change what is trained, and those whose default depends on others.
NOT_OPTIONS = (
    "out", "resume", "shift", "image_size", "distribute", "save_every", "tensorboard", "recipe", "init", "warmup",
    "heads_only", *OWN, *EVERYWHERE,
)  # fmt: skip


def test_the_commands_defaults_are_the_librarys() -> None:
    given = {p.name: p.default for p in command.params if p.name not in NOT_OPTIONS}
    given["candidates"] = parse_candidates(given["candidates"])
    assert Options(**given) == Options()


@pytest.mark.parametrize("epochs", [4, 5, 7, 20, 150])
def test_every_run_has_all_phases(epochs: int) -> None:
    options = Options(epochs=epochs)
    assert 1 <= options.floating < options.frozen < epochs


def test_only_digits_are_shifted_unless_asked() -> None:
    assert Options().pixels == 1
    assert Options(data="x.npz").pixels == 0
    assert Options(data="x.npz", shift=2).pixels == 2
