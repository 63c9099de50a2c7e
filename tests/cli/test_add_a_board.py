"""docs/add-a-board.md, followed: its files, its commands, in a folder outside the checkout, on QEMU."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "add-a-board.md"
FILE = re.compile(r"\*\*(\S+\.(?:toml|c))\*\*:\n\n```(?:toml|c)\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```bash\n(.*?)```", re.DOTALL)


@pytest.mark.qemu
def test_the_page_is_followed_word_for_word(dqt, here: Path, model_file: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    text = PAGE.read_text()
    files = FILE.findall(text)
    assert [name for name, _ in files] == ["my-board.toml", "my-port/port.c"]
    for name, content in files:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(content)
    (here / "digits.safetensors").write_bytes(model_file.read_bytes())
    (block,) = COMMANDS.findall(text)
    outputs = {}
    for line in block.splitlines():
        program, command, *arguments = shlex.split(line)
        assert program == "dqt-edge"
        done = dqt(command, *arguments)
        assert done.code == 0, done.err
        outputs[command] = done.out
    assert list(outputs) == ["boards", "check", "export", "build", "profile"]
    assert "my-board.toml is a valid board file" in outputs["boards"]
    assert outputs["build"].count("+0") == 2, "flash and RAM are as predicted"
    assert re.search(r"answers that differ from the interpreter's\W+0\W", outputs["profile"])
    assert PAGE.parents[1] not in here.parents
