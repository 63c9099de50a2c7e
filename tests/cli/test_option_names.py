"""Promise: the library names parameters, and the command line puts its options there."""

from __future__ import annotations

import pytest

from dqt_edge.cli import name_options
from dqt_edge.cli.profile import profile
from dqt_edge.cli.search import search
from dqt_edge.errors import UsageError
from tests.cli.outcome import assert_refused

WORDS = {
    "`policy` dynamic:0.4": "--policy dynamic:0.4",
    "parameter `policy`": "option --policy",
    "leave out the `port`": "leave out the --port",
    "choose another `count` or `report`": "choose another --n or --report",
    "check `target` in the board file": "check `target` in the board file",
    "run `dqt-edge profile`: it starts": "run `dqt-edge profile`: it starts",
    "parameter `folder`": "parameter `folder`",
}


@pytest.mark.parametrize("text", WORDS)
def test_parameters_become_options_in_every_part_of_an_error(text: str) -> None:
    error = UsageError(text, where=text, next_step=text)
    name_options(error, profile)
    assert (error.what, error.where, error.next_step) == (WORDS[text],) * 3


def test_a_switch_with_two_forms_is_named_by_the_first_of_them() -> None:
    error = UsageError("x", where="parameter `biases`", next_step="`keep_widths`")
    name_options(error, search)
    assert (error.where, error.next_step) == ("option --biases", "--keep-widths")


def test_a_command_names_the_option_where_the_call_names_the_parameter(dqt, here) -> None:
    assert_refused(dqt("train", "--out", "x.safetensors", "--learning-rate", "9"), 2, "where: option --learning-rate")
    outcome = dqt("import", "no.tflite", "--out", "x.safetensors", "--candidates", "4x4")
    assert_refused(outcome, 2, "8x8 is missing; an imported model was made for 8 bits", "where: option --candidates")
    assert "teaches" not in outcome.err
