"""The lock file holds what the package asks for, and the bills of materials say what is there."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import sys
from pathlib import Path

import pytest

from benchmarks.hard import audit
from benchmarks.hard.sbom import LOCK, Locked, firmware_bill, licence, locked, main, package_bill
from dqt_edge.boards import load_board
from dqt_edge.project.export import export
from dqt_edge.system.files import read_toml
from tests.support.digits import digits_graph

ROOT = Path(__file__).parents[2]
LOCKED = LOCK.read_text(encoding="utf-8")


def test_entries_are_read() -> None:
    text = (
        "a==1.0 \\\n    --hash=sha256:"
        + "1" * 64
        + "\nb-c==2 ; python_version < '3.11' \\\n    --hash=sha256:"
        + "2" * 64
    )
    text += " \\\n    --hash=sha256:" + "3" * 64 + "\n"
    assert locked(text) == [
        Locked("a", "1.0", "", ("1" * 64,)),
        Locked("b-c", "2", "python_version < '3.11'", ("2" * 64, "3" * 64)),
    ]


NOT_SET_UP = ("compare", "docs", "toolchain")
"""Extras that ``make setup`` leaves out: what they serve is tested where somebody installs them."""


def test_the_lock_file_has_what_the_package_asks_for() -> None:
    """Every requirement that ``make setup`` installs, with a SHA-256; after a change there: ``make lock``."""
    project = read_toml(ROOT / "pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(name for extra in extras if extra not in NOT_SET_UP for name in extras[extra])]
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower() for requirement in asked}
    entries = locked(LOCKED)
    assert names <= {entry.name.lower() for entry in entries}
    assert all(entry.hashes for entry in entries)
    assert len(entries) == len(re.findall(r"^[\w.-]+==", LOCKED, re.MULTILINE))


def test_licences_are_those_that_packages_state() -> None:
    assert (licence("numpy") or "").startswith("BSD-3-Clause")
    assert licence("rich") == "MIT"
    assert licence("no-such-package-as-this") is None


def test_the_packages_bill_is_the_lock_file() -> None:
    bill = package_bill(LOCKED)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(references) == len(set(references)) == len(locked(LOCKED))
    assert bill["dependencies"][0]["dependsOn"] == sorted(references)
    rich = next(component for component in bill["components"] if component["name"] == "rich")
    assert rich["purl"] == f"pkg:pypi/rich@{rich['version']}"
    assert rich["licenses"] == [{"license": {"name": "MIT"}}]


def test_a_firmwares_bill_is_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = export(digits_graph(), load_board("qemu-m4"), tmp_path / "p").project
    bill = firmware_bill(project.folder)
    files = {c["name"]: c["hashes"][0]["content"] for c in bill["components"] if c["type"] == "file"}
    made = {str(p.relative_to(project.folder)): p for p in project.folder.rglob("*") if p.is_file()}
    assert set(files) == set(made) - {"manifest.json"}
    assert all(hashlib.sha256(made[name].read_bytes()).hexdigest() == digest for name, digest in files.items())
    (model,) = (c for c in bill["components"] if c["type"] == "machine-learning-model")
    assert model["hashes"][0]["content"] == project.model_hash.hex()
    monkeypatch.setattr(sys, "argv", ["sbom", str(tmp_path / "bill.json"), "--project", str(project.folder)])
    main()
    assert json.loads((tmp_path / "bill.json").read_text(encoding="utf-8")) == bill


REPORT = {
    "dependencies": [
        {"name": "a", "version": "1.0", "vulns": []},
        {
            "name": "b",
            "version": "2.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}, {"id": "X", "fix_versions": []}],
        },
        {"name": "c", "skip_reason": "no such package"},
    ],
    "fixes": [],
}


def test_known_weaknesses_are_findings() -> None:
    assert audit.read(json.dumps(REPORT)) == (2, ["b 2.0: PYSEC-1, mended by ['2.1', '3.0']", "b 2.0: X, mended by []"])
    with pytest.raises(ValueError, match="Expecting value"):
        audit.read("")


def test_a_database_that_is_not_reachable_is_left_out_and_nothing_is_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setattr(audit, "DATABASE", f"http://127.0.0.1:{port}/")
    assert audit.audit(LOCK) == ("no database of weaknesses reachable", [])
    assert capsys.readouterr().out.startswith("left out: known weaknesses of the locked packages: pip-audit's database")
