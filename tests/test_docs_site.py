"""The site of docs/: every page is in it once, links stay in it, and MkDocs, if it is installed, builds it strictly."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_site", DOCS / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_site"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(site: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    site.prepare(folder)
    return folder


def entries(navigation: list[dict[str, object]]) -> list[str]:
    found: list[str] = []
    for entry in navigation:
        for to in entry.values():
            found += [to] if isinstance(to, str) else entries(to)  # type: ignore[arg-type]
    return found


def test_every_page_is_in_the_navigation_once(site: ModuleType, folder: Path) -> None:
    pages = sorted(folder.rglob("*.md"))
    named = entries(site.navigation(folder, pages))
    assert named[0] == "index.md"
    assert sorted(named) == sorted(page.relative_to(folder).as_posix() for page in pages)
    wanted = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} | set(site.TOP.values())
    assert set(named) == wanted


def test_links_stay_in_the_site(site: ModuleType, folder: Path) -> None:
    """And anchors are those of headings, by GitHub's rules."""
    count = 0
    for page in folder.rglob("*.md"):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for match in site.LINK.finditer(text):
            path, _, anchor = match["to"].partition("#")
            if "://" in path:
                continue
            target = (page.parent / path).resolve() if path else page
            assert target.is_relative_to(folder), (page.name, match[0])
            assert target.is_file(), (page.name, match[0])
            if anchor:
                headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {site.slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h)) for h in headings}, match[0]
            count += 1
    assert count > 500


def test_code_and_other_sites_are_left_alone(site: ModuleType) -> None:
    text = (
        "[a](../../LICENSE) [b](https://x.org/y) [c](#d)\n\n```sh\n[e](../../README.md)\n```\n[R](../../README.md#g)\n"
    )
    pages = {ROOT / "README.md": Path("readme.md")}
    made = site._with_links(text, DOCS / "api" / "x.md", Path("api/x.md"), pages)
    assert made == "a [b](https://x.org/y) [c](#d)\n\n```sh\n[e](../../README.md)\n```\n[R](../readme.md#g)\n"


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="MkDocs is not installed: the extra docs")
def test_mkdocs_builds_it_and_a_broken_link_fails(site: ModuleType, folder: Path, tmp_path: Path) -> None:
    assert site.build(folder, tmp_path / "site") == 0
    assert (tmp_path / "site" / "mlperf.html").is_file()
    page = folder / "dial.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[nowhere](points.md#no-such-heading)\n", encoding="utf-8")
    assert site.build(folder, tmp_path / "site") == 1
