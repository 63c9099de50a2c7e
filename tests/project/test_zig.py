"""PyPI's ziglang in the place of GNU's compiler: the same answers, sizes within the bound, and it is said."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.api.building import build
from dqt_edge.boards import load_board
from dqt_edge.device.client import Client
from dqt_edge.device.qemu import QemuTransport
from dqt_edge.errors import ToolchainError, UsageError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.project.code_table import code_table
from dqt_edge.project.export import export
from dqt_edge.system import elf, zig
from dqt_edge.system.doctor import examine
from dqt_edge.system.zig_tools import compiler_arguments, intel_hex, loaded, objcopy
from tests.device.echo_image import build as build_echo
from tests.support.core_boards import CORE_BOARDS as CORES

NEEDS_ZIG = pytest.mark.skipif(zig.installed() is None, reason="pip install 'dqt-edge[toolchain]'")


@pytest.fixture
def without_gnu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH that has what a build needs, and no arm-none-eabi-gcc."""
    tools = tmp_path / "path"
    tools.mkdir()
    for name in ("sh", "cmake", "ninja", "qemu-system-arm", "cc"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))


def test_arguments_are_translated(tmp_path: Path) -> None:
    script = tmp_path / "link.ld"
    script.write_text("/* a */\nENTRY(start_here)\n")
    assert "-mcpu=cortex_m33+dsp" in compiler_arguments(["-mcpu=cortex-m33"])
    assert "-mcpu=cortex_m55+mve" in compiler_arguments(["-mcpu=cortex-m55+nofp"])
    given = ["-mcpu=cortex-m55+nofp+nomve", "-mthumb", "-mfloat-abi=hard", "-fstack-usage", f"-T{script}", "-Wl,-Map=m"]
    assert compiler_arguments(given) == [
        *("cc", "-target", "thumb-freestanding-eabihf", "-fno-sanitize=all", "-mcpu=cortex_m55-mve", "-mthumb"),
        *("-mfloat-abi=hard", f"-T{script}", "-Wl,--entry=start_here"),
    ]


def parsed(text: str) -> dict[int, int]:
    """Address -> byte of an Intel HEX file; every checksum is checked."""
    memory: dict[int, int] = {}
    upper = 0
    for line in text.splitlines():
        record = bytes.fromhex(line.removeprefix(":"))
        assert sum(record) & 0xFF == 0
        size, address, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 4:
            upper = int.from_bytes(record[4:6], "big") << 16
        elif kind == 0:
            memory |= {upper + address + i: record[4 + i] for i in range(size)}
    return memory


def test_a_hex_file_holds_the_parts() -> None:
    rng = random.Random(4)
    parts = [(0x0800FFF5, rng.randbytes(50)), (0x10000000, rng.randbytes(17)), (0x10010001, b"a")]
    assert parsed(intel_hex(parts)) == {at + i: byte for at, part in parts for i, byte in enumerate(part)}


@pytest.mark.cross
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")
def test_files_are_those_of_gnus_objcopy(tmp_path: Path) -> None:
    image = build_echo(load_board("nucleo-l476rg"), tmp_path)
    for form in ("binary", "ihex"):
        subprocess.run(["arm-none-eabi-objcopy", "-O", form, image, tmp_path / form], check=True)
        objcopy(["-O", form, str(image), str(tmp_path / "ours")])
        theirs, ours = (tmp_path / form).read_bytes(), (tmp_path / "ours").read_bytes()
        assert theirs == ours if form == "binary" else parsed(theirs.decode()) == parsed(ours.decode())
    assert tuple(loaded(image.read_bytes())) == elf.load_parts(image)
    name, sizes = ".text", elf.section_sizes(image)
    new, copies = tmp_path / "new", [tmp_path / "theirs.elf", tmp_path / "ours.elf"]
    new.write_bytes(random.Random(1).randbytes(sizes[name]))
    for copied in copies:
        shutil.copy(image, copied)
    subprocess.run(["arm-none-eabi-objcopy", "--update-section", f"{name}={new}", copies[0]], check=True)
    objcopy(["--update-section", f"{name}={new}", str(copies[1])])
    assert elf.load_parts(copies[0]) == elf.load_parts(copies[1]) != elf.load_parts(image)
    with pytest.raises(ValueError, match=r"no section \.none"):
        objcopy(["--update-section", f".none={new}", str(copies[1])])


def test_without_any_compiler_the_error_names_both(
    graph: Graph, without_gnu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = export(graph, load_board("qemu-m4"), tmp_path / "p")
    monkeypatch.setattr(zig, "installed", lambda: None)
    with pytest.raises(ToolchainError) as caught:
        build(made)
    assert "apt-get install gcc-arm-none-eabi" in caught.value.next_step
    assert "dqt-edge[toolchain]" in caught.value.next_step


@pytest.mark.slow
@pytest.mark.qemu
@NEEDS_ZIG
@pytest.mark.parametrize("board_id", [b for b in CORES if load_board(b).qemu])
def test_an_image_of_zig_answers_as_the_interpreter_does(
    board_id: str, graph: Graph, tmp_path: Path, without_gnu: None
) -> None:
    board = load_board(board_id)
    made, _, footprint = export(graph, board, tmp_path / "p")
    assert footprint is not None
    assert not footprint.exact
    table = code_table(board)
    assert "an upper bound" in table.basis
    assert "ziglang" in table.basis
    image = build(made)
    assert image.flash <= footprint.flash
    assert image.ram <= footprint.ram
    shape = graph.tensor(graph.input).shape
    inputs = np.random.default_rng(3).integers(0, 256, (5, *shape)).astype(np.uint8)
    want = interpreter.run(graph, inputs, "dynamic")
    with Client(QemuTransport(board, image.elf)) as client:
        info = client.hello()
        assert (info.checked, info.damaged) == (True, False)
        for sample, output in zip(inputs, want.outputs, strict=True):
            assert client.infer(sample.tobytes(), None).output == output.tobytes()
    print(f"{board_id}: flash {image.flash} of at most {footprint.flash}, RAM {image.ram} of {footprint.ram}")


@pytest.mark.slow
@pytest.mark.cross
@NEEDS_ZIG
def test_a_project_for_gnus_compiler_is_not_built_with_less_stack(
    graph: Graph, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made, _, footprint = export(graph, load_board("qemu-m4"), tmp_path / "p")
    assert footprint is not None
    assert footprint.exact
    request.getfixturevalue("without_gnu")
    with pytest.raises(UsageError, match="more stack"):
        build(made)
    findings = {finding.name: finding for finding in examine()}
    assert findings["ziglang"].ok
    assert not findings["arm-none-eabi-gcc"].ok
    assert not findings["arm-none-eabi-gcc"].required
