"""UF2 files hold the image and nothing else; they go to the drive of the right board alone."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.cli import main
from dqt_edge.errors import BadFileError, FlashError, UsageError
from dqt_edge.flashing import uf2
from dqt_edge.flashing.base import Segment, plan
from dqt_edge.project.manifest import Project

from .test_command import _elf

PICO = load_board("pico")


def drive(folder: Path, board_id: str) -> Path:
    """A folder like the drive of a boot loader."""
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {board_id}\r\n")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    model = {"name": "m", "symbol": "m", "hash": "ab" * 32, "checkpoint": "model/m.safetensors"}
    made = Project(tmp_path, {"models": [model]}, PICO)
    made.elf.parent.mkdir()
    made.elf.write_bytes(_elf([(0x10000000, b"x" * 1000), (0x10000500, b"y" * 40)]))
    monkeypatch.setattr("dqt_edge.project.manifest.find_project", lambda folder: made)
    return made


def test_a_block_is_laid_out_as_the_format_says() -> None:
    """By offsets written down here, not by the module's own layout."""
    content = uf2.encode((Segment(0x10000100, bytes(range(200))),), 0xE48BFF56)
    assert len(content) == 16 * 512
    block = content[14 * 512 : 15 * 512]
    assert block[:8] == b"UF2\nWQ]\x9e"
    words = struct.unpack("<6I", block[8:32])
    assert words == (0x2000, 0x10000100, 256, 1, 16, 0xE48BFF56)
    assert block[32:232] == bytes(range(200))
    assert block[232:288] == b"\xff" * 56
    assert block[288:508] == bytes(220)
    assert block[508:] == bytes.fromhex("306fb10a")


def test_what_is_read_back_is_the_image_in_whole_pages(project: Project) -> None:
    planned = plan(project.elf, PICO)
    segments, family = uf2.decode(uf2.encode(planned.segments, 0x12345678))
    assert family == 0x12345678
    assert all(segment.address % 256 == 0 and len(segment.data) == 256 for segment in segments)
    image = {segment.address + i: byte for segment in segments for i, byte in enumerate(segment.data)}
    wanted = {s.address + i: byte for s in planned.segments for i, byte in enumerate(s.data)}
    assert wanted.items() <= image.items()
    assert all(byte == 0xFF for address, byte in image.items() if address not in wanted)
    assert bytes(image[0x10000000 + i] for i in range(1000)) == b"x" * 1000


def test_the_boot_rom_erases_every_sector_before_its_first_page_and_the_vectors_come_last(project: Project) -> None:
    """It counts sectors by the blocks' numbers, not by their addresses (RP2040-E14)."""
    parts = [Segment(0x10000000, b"x" * 1000), Segment(0x10000500, b"y" * 40), Segment(0x10005080, b"z" * 5000)]
    content = uf2.encode(parts, 1)
    flash, erased = bytearray(b"\0" * 0x8000), set()
    for at in range(0, len(content), 512):
        address, _, number = struct.unpack("<3I", content[at + 12 : at + 24])
        offset = address - 0x10000000
        if number // 16 not in erased:
            erased.add(number // 16)
            flash[offset & ~0xFFF : (offset & ~0xFFF) + 0x1000] = b"\xff" * 0x1000
            assert at > 0 or offset // 0x1000 == 0, "the first block erases the old vectors"
        assert flash[offset : offset + 256] == b"\xff" * 256, "written before it is erased, or twice"
        flash[offset : offset + 256] = content[at + 32 : at + 288]
        if at < len(content) - 512:
            assert flash[:256] == b"\xff" * 256, "the first page came before the last block"
    for part in parts:
        at = part.address - 0x10000000
        assert flash[at : at + len(part.data)] == part.data
    assert flash[0x1000:0x5000] == b"\0" * 0x4000, "a sector was erased that holds nothing of the image"


@pytest.mark.parametrize("at", [0, 4, 8, 16, 20, 24, 508, 512 + 20])
def test_a_damaged_file_is_refused(at: int) -> None:
    content = bytearray(uf2.encode((Segment(0x10000000, bytes(512)),), 1))
    content[at] ^= 0x40
    with pytest.raises(BadFileError, match="is damaged"):
        uf2.decode(bytes(content))
    for cut in (content[:-1], content[:512]):
        with pytest.raises(BadFileError):
            uf2.decode(bytes(cut))
    with pytest.raises(BadFileError, match="empty or for several families"):
        uf2.decode(b"")


def test_the_drive_of_the_right_board_gets_the_file(project: Project, tmp_path: Path) -> None:
    volume = drive(tmp_path / "drive", "RPI-RP2")
    planned = plan(project.elf, PICO)
    uf2.copy(planned, volume)
    segments, family = uf2.decode((volume / "model.uf2").read_bytes())
    assert family == 0xE48BFF56
    assert [s.address for s in segments] == [*range(0x10000200, 0x10001000, 256), 0x10000100, 0x10000000]


def test_another_drive_gets_nothing(project: Project, tmp_path: Path) -> None:
    planned = plan(project.elf, PICO)
    other, plain, odd = drive(tmp_path / "other", "RP2350"), tmp_path / "plain", tmp_path / "odd"
    plain.mkdir()
    odd.mkdir()
    (odd / "INFO_UF2.TXT").write_bytes(b"\xff\x00 nothing")
    for volume, words in (
        (other, "states Board-ID 'RP2350', not 'RPI-RP2'"),
        (odd, "states no Board-ID"),
        (plain, "is not the drive of a UF2 boot loader: No such file"),
        (tmp_path / "none", "is not the drive"),
        (Path("/dev/null"), "is not the drive"),
    ):
        with pytest.raises(FlashError) as caught:
            uf2.copy(planned, volume)
        assert words in caught.value.what
        assert "nothing was written" in caught.value.next_step
        assert not (volume / "model.uf2").exists()


def test_a_drive_that_cannot_be_written(project: Project, tmp_path: Path) -> None:
    volume = drive(tmp_path / "drive", "RPI-RP2")
    (volume / "model.uf2").mkdir()
    with pytest.raises(FlashError, match="cannot write the drive"):
        uf2.copy(plan(project.elf, PICO), volume)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["flash", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_copies_and_says_that_nothing_was_read_back(project: Project, tmp_path: Path, capsys) -> None:
    volume = drive(tmp_path / "drive", "RPI-RP2")
    code, out, _ = run(capsys, "--volume", str(volume), "--dry-run")
    assert code == 0
    assert f"model.uf2 {volume}/" in out
    assert not (volume / "model.uf2").exists()
    code, out, _ = run(capsys, "--volume", str(volume), "--no-hello")
    assert code == 0
    assert "wrote 1,280 bytes with uf2" in out
    assert "verified" not in out
    assert (volume / "model.uf2").stat().st_size == 16 * 512


def test_the_command_refuses_what_does_not_go_together(project: Project, tmp_path: Path, capsys, monkeypatch) -> None:
    volume = drive(tmp_path / "drive", "RPI-RP2")
    code, _, err = run(capsys)
    assert (code, "none is named" in err, "--volume" in err) == (2, True, True)
    code, _, err = run(capsys, "--volume", str(volume), "--runner", "pyocd")
    assert (code, "has no runner 'pyocd'" in err) == (2, True)
    other = Project(project.folder, project.manifest, load_board("stm32h7"))
    monkeypatch.setattr("dqt_edge.project.manifest.find_project", lambda folder: other)
    code, _, err = run(capsys, "--volume", str(volume))
    assert (code, "has no UF2 boot loader" in err) == (2, True)
    with pytest.raises(UsageError):
        uf2.uf2_of(load_board("stm32h7"), volume)


def test_a_board_without_a_runner_says_what_to_do(project: Project, capsys, monkeypatch) -> None:
    other = Project(project.folder, project.manifest, load_board("nano33ble"))
    monkeypatch.setattr("dqt_edge.project.manifest.find_project", lambda folder: other)
    code, _, err = run(capsys)
    assert (code, "no runner is known for board 'nano33ble'" in err, "model.hex" in err) == (2, True, True)
