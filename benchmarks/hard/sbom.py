"""Bills of materials in CycloneDX 1.5, JSON: of the package with what it is installed with, and of exported firmware.

``python -m benchmarks.hard.sbom OUT.json`` writes the package's, from ``requirements.lock``; with ``--project FOLDER``
that of an exported project: the firmware, its models, and the SHA-256 of every file. No time and no random number is in
them, so that the same things give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import dqt_edge
from dqt_edge.project.manifest import find_project
from dqt_edge.system.files import write_atomically

from .tree import ROOT

LOCK = ROOT / "requirements.lock"
UNKNOWN = "unknown"
Json = dict[str, Any]
_ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^ \\;]+)(?: ; (?P<marker>[^\\]+?))? ?(?:\\)?$", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_WORDS = (
    ("MIT", "MIT"),
    ("Apache", "Apache-2.0"),
    ("BSD", "BSD-3-Clause"),
    ("Python Software Foundation", "PSF-2.0"),
    ("PSF", "PSF-2.0"),
    ("ISC", "ISC"),
    ("MPL", "MPL-2.0"),
    ("Mozilla Public License 2.0", "MPL-2.0"),
    ("LGPL", "LGPL"),
    ("GPL", "GPL"),
    ("Unlicense", "Unlicense"),
    ("HPND", "HPND"),
)
"""Words of licences as packages write them, and the name for all who write so."""


@dataclass(frozen=True)
class Locked:
    """A package of the lock file: ``marker`` says where it is installed, empty for everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def locked(text: str) -> list[Locked]:
    """The entries of a lock file."""
    entries = list(_ENTRY.finditer(text))
    ends = [entry.start() for entry in entries[1:]] + [len(text)]
    return [
        Locked(e["name"], e["version"], e["marker"] or "", tuple(_HASH.findall(text[e.end() : end])))
        for e, end in zip(entries, ends, strict=True)
    ]


def licence(name: str) -> str | None:
    """The licence that an installed package states; None if the package is not installed."""
    try:
        found = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return None
    stated = [str(found.get("license_expression", ""))]
    stated += [value.rpartition("::")[2].strip() for value in found.get("classifier", ()) if "License ::" in value]
    stated += [str(found.get("license", "")).strip().partition("\n")[0]]
    texts = [text for text in stated if text and text not in ("OSI Approved", "UNKNOWN")] or _licence_files(name)
    for text in texts:
        if " AND " in text or " OR " in text:
            return text
        for word, short in _WORDS:
            if word.lower() in text.lower():
                return short
    return texts[0][:60] if texts else UNKNOWN


def _licence_files(name: str) -> list[str]:
    """The beginning of each licence that a package brings as a file."""
    files = [
        file for file in metadata.files(name) or () if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    return [" ".join(file.read_text(encoding="utf-8").split())[:200] for file in files]


def _bill(main: Json, components: list[Json]) -> Json:
    tool = {"type": "application", "name": "dqt-edge", "version": dqt_edge.__version__}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"tools": {"components": [tool]}, "component": main},
        "components": components,
        "dependencies": [{"ref": main["bom-ref"], "dependsOn": sorted(c["bom-ref"] for c in components)}],
    }


def _licences(name: str | None) -> Json:
    return {} if name in (None, UNKNOWN) else {"licenses": [{"license": {"name": name}}]}


def package_bill(lock: str) -> Json:
    """Of the package and everything that its extras install."""
    components = []
    for entry in locked(lock):
        reference = f"pkg:pypi/{entry.name.lower()}@{entry.version}"
        component: Json = {
            "type": "library",
            "bom-ref": f"{reference}#{entry.marker}" if entry.marker else reference,
            "name": entry.name,
            "version": entry.version,
            "purl": reference,
            "hashes": [{"alg": "SHA-256", "content": value} for value in entry.hashes],
            **_licences(licence(entry.name)),
        }
        if entry.marker:
            component["properties"] = [{"name": "dqt-edge:marker", "value": entry.marker}]
        components.append(component)
    main = {
        "type": "library",
        "bom-ref": "dqt-edge",
        "name": "dqt-edge",
        "version": dqt_edge.__version__,
        "purl": f"pkg:pypi/dqt-edge@{dqt_edge.__version__}",
        **_licences("Apache-2.0"),
    }
    return _bill(main, components)


def firmware_bill(folder: Path) -> Json:
    """Of an exported project: its firmware, which needs nothing else, its models, and the digest of every file.

    Raises:
        DqtError: The folder is no project.
    """
    project = find_project(folder)
    files: dict[str, str] = project.manifest["files"]
    digest = hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()
    parts = [
        {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": value}],
        }
        for name, value in sorted(files.items())
    ]
    models = [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{model.symbol}",
            "name": model.name,
            "hashes": [{"alg": "SHA-256", "content": model.digest.hex()}],
        }
        for model in project.models
    ]
    main = {
        "type": "firmware",
        "bom-ref": "firmware",
        "name": " and ".join(model.name for model in project.models),
        "version": digest[:16],
        "description": f"dqt-edge {dqt_edge.__version__} for board {project.board.id}",
        **_licences("Apache-2.0"),
    }
    return _bill(main, [*models, *parts])


def main() -> None:
    """Write a bill."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, help="an exported project; without it, the package itself")
    options = parser.parse_args()
    bill = firmware_bill(options.project) if options.project else package_bill(LOCK.read_text(encoding="utf-8"))
    write_atomically(options.out, (json.dumps(bill, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
