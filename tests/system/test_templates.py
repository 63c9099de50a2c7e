"""What a template compiles to is kept between runs. Where it cannot be kept, or is damaged, nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqt_edge.system import templates


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of templates with one, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(templates, "data_folder", lambda name: tmp_path / name)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.j2").write_text("{{ x }}<1>")
    return tmp_path


def rendered(*, autoescape: bool = False) -> str:
    """By an environment of its own, as another run has it."""
    return templates.environment(autoescape=autoescape).get_template("a.j2").render(x="<")


def cached(folder: Path) -> list[Path]:
    """Files of the cache."""
    return list((folder / "cache" / "dqt-edge" / "templates").iterdir())


def test_compiled_templates_are_kept_and_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered() == "<<1>"
    assert len(cached(folder)) == 1
    monkeypatch.setattr("jinja2.Environment.compile", None)
    assert rendered() == "<<1>"


def test_a_changed_template_is_compiled_again(folder: Path) -> None:
    assert rendered() == "<<1>"
    (folder / "templates" / "a.j2").write_text("{{ x }}<2>")
    assert rendered() == "<<2>"


def test_html_and_other_text_are_kept_apart(folder: Path) -> None:
    assert [rendered(), rendered(autoescape=True), rendered()] == ["<<1>", "&lt;<1>", "<<1>"]


@pytest.mark.parametrize("content", [b"", b"j2", b"\0" * 64])
def test_a_damaged_file_is_compiled_again(folder: Path, content: bytes) -> None:
    assert rendered() == "<<1>"
    (kept,) = cached(folder)
    kept.write_bytes(content)
    assert rendered() == "<<1>"


def test_a_damaged_end_is_compiled_again(folder: Path) -> None:
    assert rendered() == "<<1>"
    (kept,) = cached(folder)
    kept.write_bytes(kept.read_bytes()[:-20])
    assert rendered() == "<<1>"


def test_no_cache_folder_costs_time_only(folder: Path) -> None:
    (folder / "cache").write_text("a file, so no folder can be made in it")
    assert rendered() == "<<1>"
    assert rendered() == "<<1>"
