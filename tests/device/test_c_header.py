"""The generated C header agrees with the Python definitions, as a C compiler and struct see them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dqt_edge.device import messages
from dqt_edge.device.c_header import messages_header


def defines(folder: Path) -> dict[str, int]:
    """Every DQT_ macro of the header, through the preprocessor."""
    (folder / "h.h").write_text(messages_header())
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-dM", "-E", str(folder / "h.h")]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
    words = [line.split() for line in text.splitlines() if line.startswith("#define DQT_")]
    return {word[1]: int(word[2].removesuffix("u"), 0) for word in words if len(word) == 3}


def test_every_constant_is_there(tmp_path: Path) -> None:
    found = defines(tmp_path)
    for prefix, members in (("TYPE", messages.Type), ("NAK", messages.Nak), ("POLICY", messages.RunPolicy)):
        for member in members:
            assert found[f"DQT_{prefix}_{member.name}"] == member.value
    assert found["DQT_PROTOCOL"] == messages.PROTOCOL
    assert found["DQT_FRAME_SIZE"] == messages.HEADER.size
    assert (found["DQT_RUN_COUNTS"], found["DQT_RUN_CHECKSUMS"]) == (
        messages.RUN_COUNTS,
        messages.RUN_CHECKSUMS,
    )


def test_offsets_are_where_struct_puts_the_fields(tmp_path: Path) -> None:
    found = defines(tmp_path)
    for record in messages.RECORDS:
        prefix = f"DQT_{record.name.upper()}"
        assert found[f"{prefix}_SIZE"] == record.layout.size
        for name, kind in record.fields:
            values: dict[str, int | bytes] = {
                other: b"" if other_kind.startswith("bytes") else 0 for other, other_kind in record.fields
            }
            values[name] = b"\1" if kind.startswith("bytes") else 1
            assert record.pack(**values).index(1) == found[f"{prefix}_{name.upper()}_OFFSET"]


def test_the_text_is_reproducible_and_has_no_path() -> None:
    assert messages_header() == messages_header()
    assert str(Path.cwd()) not in messages_header()
