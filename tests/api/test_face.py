"""Promise: ``import dqt_edge`` is instant, its names are typed and documented, and its pages are current."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dqt_edge
from dqt_edge.cli import COMMANDS, cli
from tests.api.pages import DOCS, blocks
from tests.support.digits import DIGITS

ROOT = Path(__file__).parents[2]
LARGE = ("numpy", "tensorflow", "keras", "rich", "jinja2", "safetensors", "serial", "click")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_large() -> None:
    assert python(f"import sys, dqt_edge; print([m for m in {LARGE!r} if m in sys.modules])") == "[]"


def test_only_training_starts_tensorflow() -> None:
    code = (
        "import sys, dqt_edge as dqt\nfor name in dqt.__all__: getattr(dqt, name)\nprint('tensorflow' in sys.modules)"
    )
    assert python(code) == "False"


def test_every_public_name_is_a_documented_typed_function() -> None:
    assert set(dqt_edge.__all__) <= set(dir(dqt_edge))
    for name in dqt_edge.__all__:
        function = getattr(dqt_edge, name)
        assert function.__name__ == name
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty, (name, parameter.name)
            assert re.search(rf"^ +{parameter.name}: ", function.__doc__, re.MULTILINE), (name, parameter.name)


def test_what_a_type_checker_sees_is_what_python_finds() -> None:
    tree = ast.parse(Path(dqt_edge.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert seen == {name: f"api.{module}" for name, module in dqt_edge._MODULES.items()}
    assert list(dqt_edge._MODULES) == dqt_edge.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'deploy'"):
        dqt_edge.deploy  # noqa: B018


NEEDS = {
    "train": ("train",),
    "train_heads": ("train",),
    "import_model": ("train",),
    "build": (),
    "flash": ("cross",),
    "compare": ("train",),
}


def example(name: str) -> Any:
    return pytest.param(name, marks=[getattr(pytest.mark, mark) for mark in NEEDS.get(name, ())])


@pytest.mark.parametrize("name", [example(name) for name in dqt_edge.__all__])
def test_the_example_of_each_page_runs(name: str, here: Path, request: pytest.FixtureRequest) -> None:
    if NEEDS.get(name) == ("train",):
        request.getfixturevalue("tensorflow")
    shutil.copy(DIGITS, "digits.safetensors")
    if name == "compare":
        pytest.importorskip("tflite", reason="the package tflite is not installed")
        from tests.support.tflite_models import small_network  # noqa: PLC0415

        small_network().write(here / "small.tflite")
    code = blocks(DOCS / "api" / f"{name}.md", "python")[1]
    exec(compile(code, f"{name}.md", "exec"), {"__name__": "example"})


def flags() -> set[str]:
    """Every option of every command."""
    found = set()
    for command in COMMANDS:
        known = cli.get_command(cli.make_context("dqt-edge", ["--help"], resilient_parsing=True), command)
        assert known is not None
        found |= {flag for option in known.params for flag in (*option.opts, *option.secondary_opts)}
    return {flag for flag in found if flag.startswith("--")} - {"--help", "--version"}


def test_no_option_is_named_below_the_command_line() -> None:
    options = flags()
    assert {"--board", "--policy", "--no-hello", "--learning-rate"} <= options
    found = []
    for path in sorted((ROOT / "dqt_edge").rglob("*.py")):
        if "cli" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = options & set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", node.value))
                found += [f"{path.name}:{node.lineno}: {flag}" for flag in sorted(named)]
                if "option --" in node.value:
                    found.append(f"{path.name}:{node.lineno}: option --")
    assert not found
