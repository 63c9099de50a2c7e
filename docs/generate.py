"""Writes what the pages in docs/ take from the code; with --check it only compares.

The pages of the Python functions are written whole, by ``generate_api.py``. In every other page, what stands between
``<!-- generated: NAME -->`` and ``<!-- end -->`` is made by the block NAME of ``generate_blocks.py``. In a table, facts
are the code's, and cells that are HAND are people's words: they stay, found by the key of their row.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generate_api import DOCS, api_pages
from generate_blocks import BLOCKS, HAND, Table

ROOT = DOCS.parent
PAGES = (*sorted(DOCS.glob("*.md")), ROOT / "README.md")
BLOCK = re.compile(r"(?P<begin><!-- generated: (?P<name>[\w-]+) -->)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL)


@dataclass
class Generator:
    """Pages with their new texts, and what people have to write or mend."""

    pages: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def read(self, path: Path) -> None:
        """Take a page, with its blocks made anew."""
        text = path.read_text(encoding="utf-8")
        if text.count("<!-- generated:") != len(BLOCK.findall(text)):
            self.problems.append(f"{path.name}: a block has no <!-- end -->")
        self.pages[path] = BLOCK.sub(lambda match: self._block(path, match), text)

    def _block(self, path: Path, match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            self.problems.append(f"{path.name}: no block is named {name!r}: choose from {', '.join(sorted(BLOCKS))}")
            return match[0]
        self.used.add(name)
        made = BLOCKS[name]()
        if isinstance(made, Table):
            made = f"\n{made.before}{self._table(f'{path.name}, {name}', made, match['body'])}"
        return f"{match['begin']}{made}{match['end']}"

    def _table(self, place: str, table: Table, body: str) -> str:
        """The table's text; people's cells are those of the row with the same key in ``body``."""
        lines = [_cells(line) for line in body.splitlines() if line.startswith("|")]
        columns = lines[0] if lines else []
        known = {row[columns.index(table.key)]: row for row in lines[2:]} if table.key in columns else {}
        made = [table.header, ("---",) * len(table.header)]
        for row in table.rows:
            key = row[table.header.index(table.key)]
            old = known.get(str(key), [])
            cells = []
            for column, cell in zip(table.header, row, strict=True):
                place_in_old = columns.index(column) if column in columns else len(old)
                text = cell if cell is not HAND else old[place_in_old] if place_in_old < len(old) else ""
                if cell is HAND and not text:
                    self.problems.append(f"{place}: write the cell {column!r} of {key}")
                cells.append(str(text))
            made.append(tuple(cells))
        return "".join(map(_line, made))


def _line(cells: Sequence[str]) -> str:
    """A row of Markdown; an empty cell is one blank, a ruler has none."""
    if set(cells) == {"---"}:
        return f"|{'|'.join(cells)}|\n"
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def main() -> int:
    """Write the pages, or say which are not current."""
    generator = Generator(api_pages())
    surplus = sorted(set((DOCS / "api").glob("*.md")) - set(generator.pages))
    for path in PAGES:
        if path not in generator.pages:
            generator.read(path)
    generator.problems += [f"no page has the block {name!r}" for name in sorted(set(BLOCKS) - generator.used)]
    generator.problems += [f"{path.relative_to(ROOT)} belongs to no public function: delete it" for path in surplus]
    for path, text in generator.pages.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in sys.argv[1:]:
            generator.problems.append(f"{path.relative_to(ROOT)} is not current: run 'make docs'")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for problem in generator.problems:
        print(problem, file=sys.stderr)
    return bool(generator.problems)


if __name__ == "__main__":
    sys.exit(main())
