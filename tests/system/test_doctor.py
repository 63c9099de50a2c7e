"""``doctor``: a row for every extra, who holds a port, and a bundle that tells nothing of its user."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from dqt_edge.errors import BadFileError
from dqt_edge.system import bundle, doctor
from dqt_edge.system.doctor import Finding

ROOT = Path(__file__).parents[2]
EXTRAS_OF_DEVELOPERS = {"test", "docs"}


def test_every_extra_has_a_row() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = text.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    extras = {line.split(" = ")[0] for line in table.splitlines() if " = [" in line} - EXTRAS_OF_DEVELOPERS
    assert {"train", "report", "onnx"} <= extras
    assert {extra for _, extra, _ in doctor.PACKAGES} == extras


def test_advice_is_quoted_for_any_shell() -> None:
    found = [doctor._package(("no_such_module", extra, "-")) for _, extra, _ in doctor.PACKAGES]
    for finding in found:
        assert not finding.ok
        assert finding.advice.startswith('pip install "dqt-edge[')
        assert finding.advice.endswith(']"')
        assert not set("'$`\\") & set(finding.advice)


def test_who_holds_a_device(tmp_path: Path) -> None:
    """Of a made-up folder of processes; and of this process, which holds a file."""
    device = tmp_path / "ttyACM0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    for number, name, target in (("12", "screen", device), ("7", "bash", tmp_path / "other")):
        folder = tmp_path / "proc" / number
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "fd" / "0").symlink_to("socket:[1]")
        (folder / "fd" / "3").symlink_to(target)
    (tmp_path / "proc" / "13").mkdir()
    assert doctor.holders(tmp_path / "by-id", tmp_path / "proc") == ["screen (12)"]
    assert doctor.holders(tmp_path / "other2", tmp_path / "proc") == []
    assert doctor.holders(device, tmp_path / "nothing") == []
    if doctor.PROCESSES.is_dir():
        with device.open("rb"):
            assert any(each.endswith(f"({os.getpid()})") for each in doctor.holders(device))


def test_a_bundle_tells_nothing_of_its_user(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here / "home" / "ada.lovelace"
    (home / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "ada.lovelace")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdef123456")
    monkeypatch.setenv("MY_API_KEY", "k-998877665544")
    monkeypatch.setenv("HARMLESS", "qemu-m4")
    monkeypatch.setattr(socket, "gethostname", lambda: "analytical-engine")
    manifest = {"format": 2, "board": "qemu-m4", "predicted": {"flash": 1}, "files": {str(home): "x"},
                "models": [{"name": "digits", "hash": "00", "checkpoint": "c"}]}  # fmt: skip
    (home / "project" / "manifest.json").write_text(json.dumps(manifest))
    (here / ".dqt-edge.json").write_text(json.dumps({"last_export": str(home / "project")}))
    log = here / "log.txt"
    log.write_text(
        "old\n" * 100 + f"cc {home}/a.c with hf_abcdef123456\n\x1b[31mred k-998877665544 on analytical-engine\n"
    )
    rows = [Finding("cmake", True, f"{home}/bin/cmake of ada.lovelace", "builds", "-")]
    bundle.write_bundle(here / "issue.json", rows, ("host", "qemu-m4"), log)
    text = (here / "issue.json").read_text(encoding="utf-8")
    for secret in (str(home), "ada", "hf_abcdef", "k-9988", "analytical", "\\u001b", "checkpoint"):
        assert secret not in text, secret
    told = json.loads(text)
    assert told["findings"][0]["found"] == "~/bin/cmake of USER"
    assert told["project"] == {"format": 2, "board": "qemu-m4", "predicted": {"flash": 1},
                               "models": [{"name": "digits", "hash": "00"}]}  # fmt: skip
    assert told["boards"] == ["host", "qemu-m4"]
    assert told["log"][-2] == "cc ~/a.c with ***"
    assert len(told["log"]) == bundle.LOG_LINES
    assert told["packages"]["numpy"]
    assert told["dqt_edge"] == bundle.__version__


def test_a_bundle_without_project_and_log(here: Path) -> None:
    bundle.write_bundle(here / "issue.json", [], ())
    told = json.loads((here / "issue.json").read_text(encoding="utf-8"))
    assert (told["project"], told["log"]) == (None, None)
    with pytest.raises(BadFileError, match="cannot read the log"):
        bundle.write_bundle(here / "issue.json", [], (), here / "none.txt")
    with pytest.raises(BadFileError):
        bundle.write_bundle(here / "no" / "issue.json", [], ())


def test_names_are_hidden_as_whole_words() -> None:
    hidden = {"/home/al": "~", "secret-token": "***", "al": "USER"}
    given = {"a": ["signal of al", "/home/al/x"], "b": ("secret-tokens", 3, None), "al": True}
    wanted = {"a": ["signal of USER", "~/x"], "b": ["***s", 3, None], "al": True}
    assert bundle.scrubbed(given, hidden) == wanted
