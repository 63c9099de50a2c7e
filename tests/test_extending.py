"""The lists of files in docs/extending.md are those that name the example, and as short as its first table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
GENERATED = "dqt_edge/lowering/kernels/cycles/"
"""What ``make kernel-cycles`` writes."""
CODE = (".py", ".j2", ".c", ".h", ".S", ".toml", ".json")


def listed(title: str) -> set[str]:
    """Files in the first table of a section."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    table = re.search(r"^\| file \|.*\n\|---.*\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert table is not None
    return set(re.findall(r"^\| `([^`]+)`", table[1], re.MULTILINE))


def naming(word: str, *places: str) -> set[str]:
    """Files below places, or places themselves, that have a word in their name or text."""
    found = set()
    for place in places:
        root = ROOT / place
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if (path.suffix in CODE or root.is_file()) and not name.startswith(GENERATED):
                text = f"{path.name}\n{path.read_text(encoding='utf-8')}"
                if re.search(rf"(?<!\w){word}(?!\w)", text):
                    found.add(name)
    return found


def test_a_kernel_is_its_template_and_its_place_in_the_family() -> None:
    found = naming("average_pool2d_mve", "dqt_edge", "templates", "firmware")
    assert found == listed("A kernel")
    assert len(found) == 2


def test_an_operator_without_a_new_descriptor_is_eight_files_and_its_fast_kernel() -> None:
    places = ("dqt_edge/graph", "dqt_edge/lowering", "dqt_edge/project", "dqt_edge/device", "dqt_edge/measure")
    beside = (
        "dqt_edge/training/integer_layers.py",
        "docs/checkpoint.md",
        "tests/support/random_graphs.py",
        "templates",
    )
    found = naming("MaxPool2D", *places, *beside, "firmware")
    assert found == listed("An operator")
    assert len(found) <= 9


EXAMPLES = {
    "A core": ("cortex-m0plus", ("dqt_edge",)),
    "A family of kernels": ("mve", ("dqt_edge",)),
    "A board": ("qemu-m0", ("dqt_edge", "boards")),
    "A port": ("(dqt_port_)?nrf51", ("dqt_edge", "boards", "firmware")),
    "A policy": ("Dynamic", ("dqt_edge",)),
    "An importer's operator": (r"(?<!np\.)(concat|Concatenate|CONCATENATION)", ("dqt_edge/importers",)),
    "An importer": ("read_(keras|apart)", ("dqt_edge",)),
    "A runner": ("openocd", ("dqt_edge", "boards/stm32h7.toml", "templates")),
    "An outlet": ("stm32cube", ("dqt_edge",)),
    "A command": ("costing|cost", ("dqt_edge/__init__.py", "dqt_edge/api/costing.py", "dqt_edge/cli/cost.py",
                                   "dqt_edge/cli/__init__.py")),
    "A task": ("regression|Regression", ("dqt_edge",)),
    "A message": ("(DQT_TYPE_)?SELECT", ("dqt_edge/device", "firmware")),
}  # fmt: skip
"""Section -> how its example is named, and where that is looked for."""


@pytest.mark.parametrize("title", EXAMPLES)
def test_every_file_that_names_the_example_is_listed(title: str) -> None:
    word, places = EXAMPLES[title]
    assert naming(f"(?:{word})", *places) == listed(title)


def test_a_command_is_a_function_and_the_lines_that_name_it() -> None:
    function, (_, places) = "cost", EXAMPLES["A command"]
    for name in places:
        assert re.search(rf"(?<![\w.]){function}(?!\w)", (ROOT / name).read_text(encoding="utf-8")), name
    others = naming(r"(?:api\.|\.)costing", "dqt_edge") | naming(r"cli\.cost", "dqt_edge")
    assert others <= set(places)


def test_the_overview_counts_the_files_of_each_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| (?:up to )?(\d+)[^|]*\| \[([^\]]+)\]\(#", text, re.MULTILINE)
    counts = {title: int(count) for count, title in rows}
    own = {"A board", "A port", "A model"}
    assert set(counts) == {"A kernel", "An operator", *EXAMPLES, "A model"}
    assert {title: len(listed(title)) for title in counts if title not in own} == {
        title: count for title, count in counts.items() if title not in own
    }


@pytest.mark.parametrize("title", ["A kernel", "An operator", *EXAMPLES])
def test_every_listed_file_exists(title: str) -> None:
    assert all((ROOT / name).is_file() for name in listed(title))


def test_the_example_is_the_code_of_the_family() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    code = (ROOT / "dqt_edge" / "lowering" / "kernels" / "mve_unweighted.py").read_text(encoding="utf-8")
    assert re.sub(r"\s+", " ", example[1]).strip() in re.sub(r"\s+", " ", code)
