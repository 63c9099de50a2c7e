"""What Dockerfile and devcontainer name is there: files, extras, packages, targets. They are not built by any test."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dqt_edge.system.doctor import TOOLS

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BY_PIP = {"cmake", "ninja-build"}
"""Tools that come with the package's own dependencies."""


def instructions() -> list[tuple[str, str]]:
    """Name and arguments of each, lines joined, without comments."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


def test_each_instruction_is_one_and_copies_what_is_there() -> None:
    names = [name for name, _ in instructions()]
    assert set(names) <= {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert names[0] == "FROM"
    copied = [source for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in copied)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    forced = project.split("[tool.hatch.build.targets.wheel.force-include]\n")[1].split("\n\n")[0]
    needed = {"pyproject.toml", "README.md", "dqt_edge", *(line.split(" = ")[0] for line in forced.splitlines())}
    assert needed <= set(copied), "what the wheel is made of"
    for name, rest in instructions():
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list)


def test_extras_and_packages_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = next(rest for name, rest in instructions() if name == "ARG").split("=")[1].split(",")
    assert extras
    assert all(f"\n{extra} = [" in project for extra in extras)
    installed = next(rest for _, rest in instructions() if "apt-get install" in rest)
    required = {apt for _, apt, _, _, needed in TOOLS if needed} - BY_PIP
    drawn_in = {"binutils-arm-none-eabi"}  # by the compiler
    assert required - drawn_in <= set(installed.split())


def test_the_devcontainer_runs_a_target_of_the_makefile() -> None:
    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    command, target = made["postCreateCommand"].split()
    assert command == "make"
    assert f"\n{target}: " in (ROOT / "Makefile").read_text(encoding="utf-8")
