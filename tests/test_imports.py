"""No module imports itself in a circle, not even by way of a function; pyproject.toml has the layers."""

from __future__ import annotations

import grimp


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches the others."""
    reached: dict[str, set[str]] = {}
    for module in imports:
        found, waiting = set[str](), [module]
        while waiting:
            for other in imports[waiting.pop()]:
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        reached[module] = found
    groups = {frozenset(o for o in reached[m] if m in reached[o]) for m in imports if m in reached[m]}
    return sorted(sorted(group) for group in groups)


def test_there_is_no_import_circle() -> None:
    graph = grimp.build_graph("dqt_edge", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    assert circles(imports) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]
