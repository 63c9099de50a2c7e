"""The plugin counts what executes: checked by a loop of known length, by the device's counter, and when they differ."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmarks import profile
from dqt_edge.boards import load_board
from dqt_edge.errors import MismatchError, ToolchainError
from dqt_edge.graph import Graph
from dqt_edge.measure.counting import CountedDevice, CountFile, build_plugin
from dqt_edge.measure.cycles.histogram import Histogram
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project

LOOP = """
#include <stdint.h>
__attribute__((noinline)) void mark(void) { __asm__ volatile("nop" ::: "memory"); }
__attribute__((noinline)) void loop(uint32_t n) { __asm__ volatile("1: subs %0, #1\\n bne 1b" : "+r"(n) :: "cc"); }
static void reset(void) {
    mark();
    loop(1000);
    mark();
    loop(250000);
    mark();
    __asm__ volatile("ldr r1, =0x20026\\n mov r0, #0x18\\n bkpt 0xAB");
    for (;;) {}
}
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {(void *)0x20001000, (void *)reset};
"""


@pytest.mark.qemu
def test_a_loop_of_known_length(tmp_path: Path) -> None:
    """One SUBS and one BNE a turn: regions that differ by 249,000 turns differ by 498,000 instructions, exactly."""
    (tmp_path / "loop.c").write_text(LOOP)
    image = tmp_path / "loop.elf"
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-ffreestanding", "-nostdlib", "-Wl,--build-id=none"]
    flags += ["-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x100", "-Wl,-e,reset"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "loop.c", "-o", str(image)], cwd=tmp_path, check=True)
    counts = CountFile(image, ["mark"], histogram=True)
    command = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image), *counts.options]
    subprocess.run(command, timeout=600, check=True, stdin=subprocess.DEVNULL)
    first, second, third = counts.read()
    assert {first.address, second.address, third.address} == {counts.addresses["mark"]}
    short, long = second.executed - first.executed, third.executed - second.executed
    assert long - short == 2 * (250000 - 1000)
    assert 0 < short - 2000 < 10
    assert sum(second.by_address.values()) == short
    spent = profile.by_function(image, third.by_address)
    assert spent["loop"] == 2 * 250000 + 1
    assert profile.by_class(image, third.by_address)["add, subtract"] == 250000
    counts.close()


@pytest.fixture(scope="module")
def made(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made, _, _ = export(graph, load_board("qemu-m4"), tmp_path_factory.mktemp("counted") / "p")
    build(made.folder, cross=True)
    return made


@pytest.mark.qemu
def test_plugin_and_device_count_the_same(graph: Graph, made: Project) -> None:
    """Layer by layer and in total, with widths given (the controller does not run) and with widths chosen."""
    codes = np.zeros(graph.tensor(graph.input).shape, np.uint8).tobytes()
    with CountedDevice(made, histogram=True) as device:
        for choices in (tuple(0 for _ in graph.adaptive), None):
            device.infer(codes, choices, counts=True)
            counts = device.counts
            assert counts is not None
            assert sum(counts.layers) == counts.total > 100_000
            assert (min(counts.layers) == 0) == (choices is not None)
            for layer, histogram in zip(counts.layers, counts.by_address, strict=True):
                assert sum(histogram.values()) == layer
            whole = Histogram.total(counts.histograms).executed
            spent = profile.by_function(made.elf, whole)
            assert sum(spent.values()) == counts.total
            assert spent["dqt_conv2d_dsp"] > 0
            assert profile.by_class(made.elf, whole)["other"] < counts.total / 1000


@pytest.mark.qemu
def test_a_wrong_counter_is_noticed(graph: Graph, made: Project) -> None:
    counter = dataclasses.replace(made.board.counter, units=made.board.counter.units + 1)
    wrong = dataclasses.replace(made, board=dataclasses.replace(made.board, counter=counter))
    codes = bytes(graph.tensor(graph.input).size)
    with CountedDevice(wrong) as device, pytest.raises(MismatchError, match="the plugin counted"):
        device.infer(codes, tuple(0 for _ in graph.adaptive), counts=True)


@pytest.mark.qemu
def test_an_image_without_the_mark(made: Project) -> None:
    with pytest.raises(ToolchainError, match="the image has no function 'nowhere'"):
        CountFile(made.elf, ["nowhere"])


def test_the_plugin_refuses_a_call_without_marks(tmp_path: Path) -> None:
    plugin = build_plugin(tmp_path)
    command = ["qemu-system-arm", "-M", "none", "-plugin", f"{plugin},out={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode != 0
    assert "out=FILE and mark=ADDRESS are needed" in done.stderr


@pytest.mark.parametrize(
    ("mnemonic", "name"),
    [
        ("smlad", "multiply"),
        ("smmulr", "multiply"),
        ("mulne.w", "multiply"),
        ("uxtb16", "extend, pack, extract"),
        ("usada8", "byte and half-word sums"),
        ("ldrd", "load"),
        ("stmia.w", "store"),
        ("bne.n", "branch, call, return"),
        ("bics", "and, or, shift"),
        ("bfc", "extend, pack, extract"),
        ("subs", "add, subtract"),
        ("usat", "saturate"),
        ("movlt", "move"),
        ("itt", "compare, IT"),
        ("bkpt", "other"),
    ],
)
def test_classes(mnemonic: str, name: str) -> None:
    assert profile.class_of(mnemonic) == name
