"""Commands that the pages show: each exists with its options; each fenced block is run by a test, or stands here with
the reason why it is not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from dqt_edge.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^(?:    |\$ )(?:\.venv/bin/)?dqt-edge +([a-z].*)$", re.MULTILINE)
"""A command of an indented block, or typed at a prompt."""
FENCED = re.compile(r"^dqt-edge +([a-z].*)$", re.MULTILINE)
WITHIN = re.compile(r"`dqt-edge ([a-z][^`]*)`")

RUN_BY = {
    "tutorial.md": "tests/api/test_tutorial.py",
    "add-a-board.md": "tests/cli/test_add_a_board.py",
}
"""Pages whose fenced blocks are all run, and the test that does."""
NOT_RUN = {
    "mlperf.md": {
        "dqt-edge export resnet8.safetensors --board nucleo-l4r5zi --text-protocol ic01": "needs a board to flash",
        "qemu-system-arm -M mps2-an386": "opens a terminal; tests/device/test_text_protocol.py runs the image in QEMU",
    },
    "profiling.md": {
        "dask scheduler ": "starts programs that stay; tests/api/test_profile_fleet.py starts a cluster",
        "dqt-edge profile build/digits-stm32h7 ": "wants a board; tests/device/test_baud.py has such a line",
    },
    "json.md": {"dqt-edge check digits.safetensors": "tests/cli/test_json.py runs it, without the pipe"},
    "commands.md": {'eval "$(_DQT_EDGE_COMPLETE': "is for a shell; tests/cli/test_completing.py asks what it would"},
}
"""Beginnings of the other blocks, and why they are not run as they stand."""


def joined(text: str) -> str:
    """Commands over several lines as one."""
    return re.sub(r"\\\n\s*", " ", text)


def shown() -> list[tuple[str, str]]:
    """Page and arguments of every command."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        matches = [*SHOWN.finditer(joined(text)), *WITHIN.finditer(" ".join(text.split()))]
        matches += [match for block in BLOCK.findall(text) for match in FENCED.finditer(joined(block))]
        found += [(page.name, match[1]) for match in matches]
    return found


def arguments(text: str) -> list[str]:
    """Words of a command line, without what belongs to the shell: comments, pipes, redirections."""
    words = shlex.split(text, comments=True)
    for i, word in enumerate(words):
        if word in ("|", ">", "2>", "&&", ";") or word.startswith((">", "2>")):
            return words[:i]
    return words


def parse(name: str, words: list[str]) -> None:
    """Raise click's UsageError unless the command has these options."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    command.make_parser(click.Context(command, info_name=name)).parse_args(list(words))


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_every_command_and_option_exists(page: str, line: str) -> None:
    name, *rest = arguments(line)
    name = name.rstrip(",.:;")
    assert name in COMMANDS, f"{page}: {line}"
    if rest and rest[-1].startswith("--"):
        rest.append("...")  # it is named without its value, as in a sentence
    parse(name, rest)


def test_an_unknown_option_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parse("profile", ["--data", "digits", "--polcy", "8x8"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_commands_is_run_or_says_why_not(page: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    if page.name in RUN_BY:
        test = (ROOT / RUN_BY[page.name]).read_text(encoding="utf-8")
        assert blocks
        assert page.name in test or page.stem in test
        return
    reasons = NOT_RUN.get(page.name, {})
    for block in blocks:
        assert any(block.startswith(start) for start in reasons), f"{page.name}: run it in a test, or say why not"
    for start in reasons:
        assert any(block.startswith(start) for block in blocks), f"{page.name}: {start!r} is gone"
