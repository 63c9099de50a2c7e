"""The tables give a loop of known cost its cost, worked out by hand from Arm's manuals; every rule has a case."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dqt_edge.boards import Flash
from dqt_edge.errors import BadFileError, ToolchainError, UsageError
from dqt_edge.measure.cycles import mca, model
from dqt_edge.measure.cycles.disassembly import Instruction, disassemble, parse
from dqt_edge.measure.cycles.histogram import Histogram
from dqt_edge.measure.cycles.timings import TIMINGS
from dqt_edge.measure.cycles.trm import TableModel, kind_of
from tests.support.assembled import assemble, count

EMPTY = {"cortex-m0": 1 + 3 + 4, "cortex-m0plus": 1 + 2 + 3, "cortex-m3": 1 + 3 + 3, "cortex-m4": 1 + 3 + 3}
"""Of an empty body: NOP and BX of the first mark, BL to the second."""

ARMV7 = {
    "a loop: 99 branches of 100 are taken": ("movs r0, #100\n1: subs r0, #1\n bne 1b", 1 + 100 + 99 * 3 + 1),
    "a load": ("ldr r1, [r2]", 2),
    "loads behind each other": (
        "ldr r1, [r2]\n ldrb r3, [r2, #4]\n ldrsh r4, [r2]\n nop\n ldr r5, [r2]",
        2 + 1 + 1 + 1 + 2,
    ),
    "an address that was just loaded": ("ldr r1, [r2]\n ldr r3, [r1]", 4),
    "an index that was just loaded": ("movs r4, #0\n ldr r1, [r2]\n ldr r1, [r4, r1]", 1 + 2 + 2),
    "a load behind a store": ("sub sp, #8\n str r2, [sp]\n ldr r1, [sp]\n str r1, [sp, #4]", 1 + 1 + 1 + 1),
    "two words": ("ldrd r0, r1, [r2]\n ldr r3, [r2]\n strd r0, r1, [sp, #-8]", 3 + 2 + 3),
    "many words": ("ldmia r2, {r3-r6}\n push {r0, r3-r4, lr}\n pop {r0, r3-r5}", 5 + 5 + 5),
    "a load in a loop whose first turn follows a load": (
        "movs r0, #3\n ldr r4, [r2]\n1: ldr r1, [r2]\n subs r0, #1\n bne 1b",
        1 + 2 + (1 + 1 + 3) + (2 + 1 + 3) + (2 + 1 + 1),
    ),
    "a load whose condition fails": ("cmp r2, r2\n it ne\n ldrne r1, [r2]", 1 + 1 + 1),
    "and one whose condition holds": ("cmp r2, r2\n it eq\n ldreq r1, [r2]", 1 + 1 + 2),
    "many words under a condition": ("cmp r2, r2\n ite ne\n ldmne r2, {r3-r6}\n ldmeq r2, {r3-r6}", 1 + 1 + 1 + 5),
    "other instructions under a condition": ("cmp r2, r2\n itt ne\n addne r1, r1\n mvnne r1, r1", 4),
    "a call and a return": ("bl called", 3 + 3),
    "a branch of one way": ("b 1f\n nop\n1:", 3),
    "compare and branch, taken": ("movs r0, #0\n cbz r0, 1f\n nop\n1:", 1 + 3),
    "compare and branch, not taken": ("movs r0, #0\n cbnz r0, 1f\n nop\n1:", 1 + 1 + 1),
    "a branch in an IT block": ("cmp r2, r2\n it eq\n beq 1f\n nop\n1:", 1 + 1 + 3),
    "a table branch": ("movs r0, #0\n tbb [pc, r0]\n2: .byte (1f - 2b) / 2, 0\n1:", 1 + 4),
    "a load of the program counter": (
        "adr r0, 1f\n adds r0, #1\n push {r0}\n ldr pc, [sp], #4\n nop\n .balign 4\n1:",
        2 + 2 + 4,
    ),
    "a division": ("movs r0, #9\n sdiv r0, r0, r0", 1 + 7),
    "a barrier": ("dsb", 1),
    "behind it one across the border of two pages": (
        "b 1f\n .balign 1024, 0\n .space 1020\n1: nop\n nop.w\n nop",
        3 + 1 + 1 + 1,
    ),
}


@pytest.mark.qemu
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4"])
@pytest.mark.parametrize("name", ARMV7)
def test_armv7(core: str, name: str, tmp_path: Path) -> None:
    body, cycles = ARMV7[name]
    assert cost(core, body, tmp_path) == cycles


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("core", "body", "cycles"),
    [
        ("cortex-m4", "mul r0, r1, r2\n mla r0, r1, r2, r3\n umull r0, r1, r2, r3\n smlal r0, r1, r2, r3", 4),
        (
            "cortex-m3",
            "mul r0, r1, r2\n mla r0, r1, r2, r3\n umull r0, r1, r2, r3\n smlal r0, r1, r2, r3",
            1 + 2 + 4 + 5,
        ),
        ("cortex-m4", "smlad r0, r1, r2, r3\n smmulr r0, r1, r2\n uxtb16 r0, r1\n usada8 r0, r1, r2, r3", 4),
        ("cortex-m0", "ldr r1, [r2]\n ldrb r3, [r2]\n sub sp, #4\n str r1, [sp]\n str r1, [sp]", 2 + 2 + 1 + 2 + 2),
        ("cortex-m0", "ldm r2!, {r3-r6}\n push {r0, r3}\n pop {r0, r3}", 5 + 3 + 3),
        ("cortex-m0", "movs r0, #100\n1: subs r0, #1\n bne 1b", 1 + 100 + 99 * 3 + 1),
        ("cortex-m0plus", "movs r0, #100\n1: subs r0, #1\n bne 1b", 1 + 100 + 99 * 2 + 1),
        ("cortex-m0", "bl called", 4 + 3),
        ("cortex-m0plus", "bl called", 3 + 2),
        ("cortex-m0", "muls r0, r1, r0\n dsb", 1 + 4),
        ("cortex-m0plus", "muls r0, r1, r0\n dsb", 1 + 3),
    ],
)
def test_single_cores(core: str, body: str, cycles: int, tmp_path: Path) -> None:
    assert cost(core, body, tmp_path) == cycles


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("core", "cycles"),
    [("cortex-m4", 3 + 3 + 5), ("cortex-m0", 4 + 3 + 6), ("cortex-m0plus", 3 + 3 + 5)],
)
def test_a_return_by_pop(core: str, cycles: int, tmp_path: Path) -> None:
    assert cost(core, "bl called", tmp_path, "push {r4, lr}\n pop {r4, pc}") == cycles


def cost(core: str, body: str, folder: Path, called: str = "bx lr") -> float:
    """Modelled cycles of a body. A Cortex-M0+ runs the code of a Cortex-M0."""
    emulated = "cortex-m0" if core == "cortex-m0plus" else core
    image = assemble(emulated, body, folder, called)
    (cycles,) = model.model_of(core, image).cycles([count(emulated, image)])
    return cycles - EMPTY[core]


APART = "b 1f\n .balign 64, 0\n .space 64\n1:\n"
"""To the start of a line that nothing has read yet, and that is not the next one."""
STRAIGHT = APART + "nop.w\n" * 16
TWICE = "movs r0, #2\n" + APART + "nop.w\n" * 15 + " subs r0, #1\n bne 1b"
"""Two turns of a loop of 64 bytes."""


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("body", "flash", "waits"),
    [
        (STRAIGHT, Flash(0, 16), 0),
        (STRAIGHT, Flash(3, 16), 4 * 3),
        (STRAIGHT, Flash(5, 32), 2 * 5),
        # Four instructions pass while the next line is read: of its 5 + 1 cycles two are left, of 2 + 1 none.
        (STRAIGHT, Flash(5, 16, prefetch=True), 5 + 3 * 2),
        (STRAIGHT, Flash(2, 16, prefetch=True), 2),
        (TWICE, Flash(5, 32), 4 * 5),
        (TWICE, Flash(5, 32, code_cache=128), 2 * 5),
        (TWICE, Flash(5, 32, code_cache=32), 4 * 5),
    ],
)
def test_waits_for_code(body: str, flash: Flash, waits: int, tmp_path: Path) -> None:
    """Of 64 bytes of instructions, most of four bytes."""
    image = assemble("cortex-m4", body, tmp_path)
    histogram = count("cortex-m4", image, flash)
    code = disassemble(image)
    start = max(address for address, i in code.items() if i.mnemonic == "nop.w" and address % 64 == 0)
    assert sum(histogram.waits.get(address, 0) for address in range(start, start + 64)) == waits


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("body", "flash", "waits"),
    [
        ("ldr r1, [r7]\n ldr r1, [r7, #4]\n ldr r1, [r7, #8]\n ldr r1, [r7, #12]", Flash(4, 8), 2 * 4),
        ("ldr r1, [r7]\n ldr r1, [r7, #8]\n ldr r1, [r7]\n ldr r1, [r7, #8]", Flash(4, 8), 4 * 4),
        ("ldr r1, [r7]\n ldr r1, [r7, #8]\n ldr r1, [r7]\n ldr r1, [r7, #8]", Flash(4, 8, data_cache=64), 2 * 4),
        ("ldmia r7, {r3-r6}", Flash(4, 8), 2 * 4),
        ("ldrd r4, r5, [r7]", Flash(4, 8), 4),
    ],
)
def test_waits_for_constants(body: str, flash: Flash, waits: int, tmp_path: Path) -> None:
    """Constants begin a line; the same code that reads RAM waits for itself alone. A wait is a modelled cycle."""
    found = []
    for base in ("r2", "sp"):
        image = assemble("cortex-m4", f"sub sp, #16\n mov r7, {base}\n{body}", tmp_path)
        histograms = [count("cortex-m4", image, flash), count("cortex-m4", image)]
        found.append(sum(histograms[0].waits.values()))
        costs = model.model_of("cortex-m4", image).cycles(histograms)
        assert costs[0] - costs[1] == found[-1]
    assert found[0] - found[1] == waits


ALU = {"cortex-m7": 4, "cortex-m33": 8, "cortex-m55": 8}
"""Cycles of eight additions that do not wait for each other: two at a time where a core issues two."""


@pytest.mark.qemu
@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m33", "cortex-m55"])
def test_llvm_knows_the_cores(core: str, tmp_path: Path) -> None:
    needs_mca()
    turns = 1000
    adds = "".join(f" add.w r{4 + i % 4}, r{4 + i % 4}, r2\n" for i in range(8))
    body = f"movw r0, #{turns}\n1:\n{adds} subs r0, #1\n bne 1b"
    emulated = "cortex-m4" if core == "cortex-m33" else core
    image = assemble(emulated, body, tmp_path)
    (cycles,) = model.model_of(core, image).cycles([count(emulated, image)])
    assert cycles / turns == pytest.approx(ALU[core] + 2, abs=0.2)


@pytest.mark.qemu
def test_a_low_overhead_loop_costs_what_is_in_it(tmp_path: Path) -> None:
    needs_mca()
    body = "movw r0, #1000\n dls lr, r0\n1: vldrw.u32 q0, [r2]\n vmladava.u8 r4, q0, q0\n le lr, 1b"
    image = assemble("cortex-m55", body, tmp_path)
    histogram = count("cortex-m55", image)
    (le,) = [address for address, taken in histogram.taken.items() if taken > 100]
    assert (histogram.executed[le], histogram.taken[le]) == (1000, 999)
    found = mca.McaModel("cortex-m55", image)
    (cycles,) = found.cycles([histogram])
    assert 1.9 < cycles / 1000 < 2.5
    assert sum(found.by_address(histogram).values()) == pytest.approx(cycles)


def needs_mca() -> None:
    if not mca.has_mca():
        pytest.skip(f"no llvm-mca {mca.VERSION}")


def test_without_llvm_the_words_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert (
        model.why_none("cortex-m55") == "cycles of cortex-m55 need llvm-mca, which is not installed (Debian: llvm-19)"
    )
    assert model.why_none("cortex-m4") is None
    with pytest.raises(ToolchainError, match="llvm-mca 19 is not installed; without it cycles of cortex-m7"):
        model.model_of("cortex-m7", tmp_path / "no.elf")


def test_a_core_without_a_model(tmp_path: Path) -> None:
    assert model.why_none("host") == "cycles of host are not modelled"
    with pytest.raises(UsageError, match="cycles of host are not modelled"):
        model.model_of("host", tmp_path / "no.elf")


@pytest.mark.cross
def test_an_address_without_an_instruction(tmp_path: Path) -> None:
    image = assemble("cortex-m4", "nop", tmp_path)
    with pytest.raises(BadFileError, match="address 0x9000 executed, and holds no instruction"):
        model.model_of("cortex-m4", image).cycles([Histogram({0x9000: 1})])


@pytest.mark.cross
def test_names_say_core_model_and_wait_states(tmp_path: Path) -> None:
    found = model.model_of("cortex-m4", assemble("cortex-m4", "nop", tmp_path))
    assert isinstance(found, TableModel)
    assert model.title(found, None) == "modelled cycles (cortex-m4, trm-1, 0 wait states)"
    assert model.title(found, Flash(5, 8)) == "modelled cycles (cortex-m4, trm-1, 5 wait states)"


def test_tables_have_their_source() -> None:
    assert [timing.core for timing in TIMINGS] == ["cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4"]
    assert all(timing.source.startswith("Arm ") for timing in TIMINGS)


def test_blocks_end_where_flow_divides_or_joins(tmp_path: Path) -> None:
    code = {a: Instruction(a, 2, "nop", "") for a in range(0, 20, 2)}
    flow = Histogram({0: 1, 2: 1, 4: 9, 6: 9, 8: 1, 12: 1}, taken={6: 8, 8: 1})
    assert [(b.start, len(b.instructions)) for b in mca.split(flow, code, tmp_path)] == [
        (0, 2),
        (4, 2),
        (8, 1),
        (12, 1),
    ]


def test_both_disassemblers_are_read() -> None:
    binutils = "      7a:\t4a03      \tldr\tr2, [pc, #12]\t@ (88 <x+0x10>)\n"
    binutils += "  80:\tf04f 30ff \tmovpl.w\tr0, #4294967295\t@ 0xf\n"
    llvm = "      82: f000 f8a1    \tbl\t0x1c8 <dqt_reset> @ imm = #0x142\n      54: 00 30 30 59  \t.word\t0x59303000\n"
    assert parse(binutils) == {
        0x7A: Instruction(0x7A, 2, "ldr", "r2, [pc, #12]"),
        0x80: Instruction(0x80, 4, "movpl.w", "r0, #4294967295"),
    }
    (call,) = parse(llvm).values()
    assert (call.operands, call.next, mca.assembly(call)) == ("0x1c8", 0x86, "bl elsewhere")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ldrsb", ("load", False)),
        ("ldrhs", ("load", True)),
        ("bls", ("branch", False)),
        ("bl", ("call", False)),
        ("muls", ("multiply", False)),
        ("mlals", ("multiply accumulate", True)),
        ("smlad", ("other", False)),
        ("popne", ("load multiple", True)),
        ("teq", ("other", False)),
    ],
)
def test_kinds(name: str, kind: tuple[str, bool]) -> None:
    assert kind_of(name) == kind
