"""Builds the pages of docs/ as a site: ``make docs-site`` writes build/site, which loads nothing from elsewhere.

The pages are copied first, with README and CHANGELOG beside them. Links to files that are no pages become plain text,
because they lie outside the site. MkDocs is then strict: a link or an anchor that leads nowhere ends the build.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOP = {"README.md": "readme.md", "CHANGELOG.md": "changelog.md"}
"""Pages outside docs/, and what they are called in the site."""
ASSETS = (".svg", ".png")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<to>[^)\s]+)\)")
FENCE = re.compile(r"^(```\w+) .*$", re.MULTILINE)
"""An opening fence with more than a language, which Python-Markdown takes for text."""
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def slug(text: str, separator: str = "-") -> str:
    """Anchor of a heading, as GitHub makes it: the links in the pages are such ones."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", separator)


def prepare(folder: Path) -> list[Path]:
    """Copy pages and drawings to a folder, with links that stay in it; the pages' new paths, sorted."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = {path: path.relative_to(DOCS) for path in DOCS.rglob("*.md")}
    sources |= {ROOT / name: Path(new) for name, new in TOP.items()}
    for source, new in sources.items():
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        text = _with_links(source.read_text(encoding="utf-8"), source, new, sources)
        (folder / new).write_text(FENCE.sub(r"\1", text), encoding="utf-8")
    for path in DOCS.rglob("*"):
        if path.suffix in ASSETS:
            shutil.copyfile(path, folder / path.relative_to(DOCS))
    return sorted(folder / new for new in sources.values())


def _with_links(text: str, source: Path, new: Path, pages: dict[Path, Path]) -> str:
    """The text with links from where the page will be; what is code stays."""

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match["to"].partition("#")
        if "://" in path or not path:
            return match[0]
        target = (source.parent / path).resolve()
        if target in pages:
            here = pages[target]
        elif target.suffix in ASSETS and target.is_relative_to(DOCS):
            here = target.relative_to(DOCS)
        else:
            return match["text"]
        up = "../" * (len(new.parts) - 1)
        return f"{match['image']}[{match['text']}]({up}{here.as_posix()}{mark}{anchor})"

    parts, at = [], 0
    fences = [match for match in CODE.finditer(text) if match[0].startswith("```")]
    for fence in fences:
        parts += [LINK.sub(link, text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, LINK.sub(link, text[at:])])


def navigation(folder: Path, pages: list[Path]) -> list[dict[str, Any]]:
    """The first page, then the others in the order in which it names them, then the functions; each by its heading."""
    first = (folder / "index.md").read_text(encoding="utf-8")
    named = [folder / match["to"].partition("#")[0] for match in LINK.finditer(first)]
    ordered = list(dict.fromkeys([folder / "index.md", *(page for page in named if page in pages)]))
    functions = [page for page in pages if page.parent != folder]
    ordered += [page for page in pages if page not in ordered and page not in functions]
    entry = [{_heading(page): page.relative_to(folder).as_posix()} for page in ordered]
    return [*entry, {"Functions": [{_heading(page): page.relative_to(folder).as_posix()} for page in functions]}]


def _heading(page: Path) -> str:
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("`", "") if found else page.stem


def build(source: Path, target: Path) -> int:
    """Build the site from prepared pages; how many links or anchors lead nowhere, as MkDocs reports them."""
    from mkdocs.commands.build import build as make  # noqa: PLC0415 - of the extra docs
    from mkdocs.config import load_config  # noqa: PLC0415
    from mkdocs.exceptions import Abort  # noqa: PLC0415

    (source.parent / "mkdocs.yml").write_text("site_name: dqt-edge\n", encoding="utf-8")
    config = load_config(
        str(source.parent / "mkdocs.yml"),
        docs_dir=str(source),
        site_dir=str(target),
        nav=navigation(source, sorted(source.rglob("*.md"))),
        strict=True,
        use_directory_urls=False,
        theme={"name": "mkdocs", "highlightjs": False},  # that of Read the Docs has a search.html too
        markdown_extensions=["tables", "fenced_code", "sane_lists", "toc"],
        validation={"links": {"anchors": "warn", "unrecognized_links": "warn"}},
    )
    config["mdx_configs"]["toc"] = {"slugify": slug, **config["mdx_configs"].get("toc", {})}
    try:
        make(config)
    except Abort as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    prepare(ROOT / "build" / "site-src" / "docs")
    sys.exit(build(ROOT / "build" / "site-src" / "docs", ROOT / "build" / "site"))
