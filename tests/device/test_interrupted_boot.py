"""A write that is cut off leaves nothing that answers as healthy: what flash then holds is booted on its chip.

CI takes some operations of one runner; ``make test-boards`` those of all runners, and of one of them every operation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from dqt_edge.boards import Board, load_board
from dqt_edge.device.client import Client
from dqt_edge.errors import DeviceError, FlashError
from dqt_edge.flashing import uf2
from dqt_edge.flashing.base import Segment, plan
from dqt_edge.flashing.writing import flash
from dqt_edge.graph import Graph
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project
from tests.device.chip_boards import OTHERS
from tests.flashing.runners import runner_on
from tests.flashing.simulated.chip import Chip

pytest.importorskip("unicorn", reason="pip install 'dqt-edge[emulate]'")

from dqt_edge.device.chips.unicorn import UnicornTransport

pytestmark = [pytest.mark.emulate, pytest.mark.cross, pytest.mark.xdist_group("driven")]

HANG_SECONDS = 2.0
"""Of a program that is cut off; too short a time would only take it for silent."""
HEAD = 24
"""Operations at the start and at the end that are all taken."""


@dataclass(frozen=True)
class Written:
    """An image for flash, another one that is there before, and their models' hashes."""

    board: Board
    elf: Path
    new: bytes
    old: bytes
    hashes: tuple[bytes, bytes]

    @property
    def start(self) -> int:
        """First address of flash."""
        return self.board.regions("flash")[0].start


def written(made: Project) -> Written:
    """The project's image; and the same with another hash in it, sealed anew."""
    ((start, content),) = ((segment.address, segment.data) for segment in plan(made.elf, made.board).segments)
    with made.elf.open("rb") as handle:
        seal = ELFFile(handle).get_section_by_name(".seal")["sh_addr"] - start
    image = content[: struct.unpack_from("<I", content, seal)[0]]
    assert struct.unpack_from("<I", image, seal + 4)[0] == seal_of(image, seal)
    other = bytes(byte ^ 0xFF for byte in made.model_hash)
    old = bytearray(image.replace(made.model_hash, other))
    struct.pack_into("<I", old, seal + 4, seal_of(old, seal))
    return Written(made.board, made.elf, image, bytes(old), (made.model_hash, other))


def seal_of(image: bytes, at: int) -> int:
    """CRC-32 that the seal at an offset of the image must have."""
    return zlib.crc32(image[at + 8 :], zlib.crc32(image[:at]))


def boot(image: Written, content: bytes, hang_seconds: float = HANG_SECONDS) -> bytes | None:
    """The hash that the chip answers with if it claims health; None: it is silent, or says that it is damaged."""
    device = UnicornTransport(image.board, image.elf, hang_seconds=hang_seconds)
    device._machine.mem_write(image.start, bytes(content))
    device.model.reset()
    device._start_core()
    with Client(device) as client:
        try:
            info = client.hello()
        except DeviceError:
            return None
        if info.damaged:
            with pytest.raises(DeviceError):
                client.infer(bytes(64), None)
            return None
        return info.model_hash


def taken(operations: int, stride: int) -> list[int]:
    """All of the first and last, and of those between every ``stride``-th."""
    ends = {*range(min(HEAD, operations)), *range(max(0, operations - HEAD), operations)}
    return sorted(ends | set(range(0, operations, stride)))


@pytest.fixture(scope="module")
def images(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    """Images by board, built once."""

    class Built(dict[str, Written]):
        def __missing__(self, board_id: str) -> Written:
            made, _, _ = export(graph, load_board(board_id), tmp_path_factory.mktemp(board_id) / "p")
            build(made.folder, cross=True)
            self[board_id] = written(made)
            return self[board_id]

    return Built()


CASES = [
    pytest.param("stm32h7", "openocd", 400, id="some"),
    pytest.param("stm32h7", "openocd", 1, id="openocd", marks=OTHERS),
    pytest.param("stm32h7", "pyocd", 101, id="pyocd", marks=OTHERS),
    pytest.param("pyboard", "dfu-util", 997, id="dfu-util", marks=OTHERS),
    pytest.param("stm32f4disco", "st-flash", 997, id="st-flash", marks=OTHERS),
    pytest.param("nucleo-l476rg", "stm32-uart", 499, id="stm32-uart", marks=OTHERS),
    pytest.param("nrf52840dk", "nrfutil", 997, id="nrfutil", marks=OTHERS),
    pytest.param("nrf52840dk", "jlink", 997, id="jlink", marks=OTHERS),
]


@pytest.mark.parametrize(("board_id", "runner", "stride"), CASES)
def test_what_is_left_is_not_healthy_and_the_next_run_repairs_it(
    board_id: str,
    runner: str,
    stride: int,
    images: dict[str, Written],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = images[board_id]
    new = plan([Segment(image.start, image.new)], image.board)

    def run(chip: Chip) -> None:
        with runner_on(runner, image.board, chip, tmp_path, monkeypatch) as tool:
            flash(new, tool)

    kept = Chip(image.board, once=board_id in ("stm32h7", "nucleo-l476rg"))
    kept.content[: len(image.old)] = image.old
    assert boot(image, kept.content, 60.0) == image.hashes[1], "the old image is healthy"
    kept.save(tmp_path / "kept")
    whole = Chip.load(tmp_path / "kept")
    run(whole)
    assert boot(image, whole.content, 60.0) == image.hashes[0]
    cuts = taken(whole.operations, stride)
    if stride == 400:
        cuts = cuts[::8]
    claims = 0
    for cut in cuts:
        chip = Chip.load(tmp_path / "kept")
        chip.rng.seed(cut)
        chip.faults.cut = cut
        with pytest.raises(FlashError):
            run(chip)
        claimed = boot(image, chip.content)
        if claimed is not None:  # the first bytes of an operation that came too late to change anything
            assert bytes(chip.content[: len(image.old)]) in (image.old, image.new), f"healthy after operation {cut}"
            claims += 1
        if cut % 10 == 0 or cut == cuts[-1]:
            chip.faults.cut = None
            run(chip)
            assert chip.content[: len(image.new)] == image.new
            assert boot(image, chip.content, 60.0) == image.hashes[0], f"not repaired after operation {cut}"
    assert len(cuts) > 5
    assert claims <= 2


@pytest.mark.slow
@pytest.mark.parametrize("board_id", ["pico", "pico2"])
def test_a_copy_to_a_boot_loader_that_is_cut_off_does_not_start(board_id: str, images: dict[str, Written]) -> None:
    image = images[board_id]
    segments: Sequence[Segment] = (Segment(image.start, image.new),)
    blocks, _ = uf2.decode(uf2.encode(segments, 1))
    content = bytearray(image.board.regions("flash")[0].size)
    content[: len(image.old)] = image.old
    assert boot(image, bytes(content), 60.0) == image.hashes[1]
    erased: set[int] = set()
    for number, block in enumerate(blocks):
        at = block.address - image.start
        if at // uf2.SECTOR not in erased:
            erased.add(at // uf2.SECTOR)
            sector = at // uf2.SECTOR * uf2.SECTOR
            content[sector : sector + uf2.SECTOR] = b"\xff" * uf2.SECTOR
        content[at : at + len(block.data)] = block.data
        last = number == len(blocks) - 1
        claimed = boot(image, bytes(content), 60.0 if last else HANG_SECONDS)
        assert claimed == (image.hashes[0] if last else None), f"after block {number} of {len(blocks)}"
