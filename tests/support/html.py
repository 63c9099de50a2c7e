"""What stands in a page: a parser that keeps what the tests of pages ask for."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "path", "rect", "line", "polyline", "circle"}
"""Elements without an end tag; those of SVG end themselves where they hold no title."""


class Page(HTMLParser):
    """Elements of a page with their attributes, in order, each checked to be closed by its own end tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID or tag in ("rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """What is read, in one line."""
        return " ".join(" ".join(self.texts).split())

    def all(self, *tags: str) -> list[dict[str, str]]:
        """Attributes of the elements with these tags."""
        return [attributes for tag, attributes in self.elements if tag in tags]

    def check(self) -> None:
        """What every page of ours keeps to: structure, names for those who do not see, nothing from elsewhere."""
        tags = [tag for tag, _ in self.elements]
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), sorted(i for i in ids if ids.count(i) > 1)
        for landmark in ("header", "nav", "main", "footer", "h1", "title"):
            assert tags.count(landmark) == 1 or (landmark == "title" and "title" in tags), landmark
        levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels
        assert self.all("html")[0].get("lang")
        assert all(attributes["href"][1:] in ids for attributes in self.all("a") if attributes["href"][0] == "#")
        for attributes in self.all("svg"):
            named = attributes.get("role") == "img" and attributes.get("aria-label")
            assert named or attributes.get("aria-hidden") == "true", attributes
        assert all("alt" in attributes for attributes in self.all("img"))
        assert all(attributes.get("scope") in ("row", "col") for attributes in self.all("th"))
        assert tags.count("table") == tags.count("caption")
        assert "script" not in tags
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in ("src", "href", "xlink:href"):
                    assert value.startswith(("#", "data:")), (tag, value)
