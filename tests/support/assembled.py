"""A few instructions of assembly, run on an emulated core under the counting plugin."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dqt_edge.boards import Flash, Memory
from dqt_edge.measure.counting import CountFile
from dqt_edge.measure.cycles.histogram import Histogram

MACHINES = {
    "cortex-m0": "microbit",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m55": "mps3-an547",
}
RAM = {"cortex-m55": 0x2100_0000}

SOURCE = """
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word {stack:#x}, reset
    .text
    .global reset
    .type mark, %function
    .thumb_func
mark:
    nop
    bx lr
    .type reset, %function
    .thumb_func
reset:
    {setup}
    ldr r2, =pointer
    bl mark
{body}
    bl mark
    ldr r1, =0x20026
    movs r0, #0x18
    bkpt 0xAB
    .ltorg
    .type called, %function
    .thumb_func
called:
{called}
    .balign 32
pointer:
    .word pointer, pointer, pointer, pointer
"""
VECTORS_ON = "ldr r0, =0xE000ED88\n ldr r1, =0x00F00000\n str r1, [r0]\n ldr r0, =0xE000ED14\n ldr r1, [r0]\n"
LOW_OVERHEAD = VECTORS_ON + " orr r1, r1, #0x80000\n str r1, [r0]\n dsb\n isb\n"
"""What a Cortex-M55 needs before it runs MVE and low-overhead loops."""


def assemble(core: str, body: str, folder: Path, called: str = "    bx lr") -> Path:
    """An image that runs ``body`` between two visits of ``mark``, with r2 at four words that hold their own address.

    Args:
        core: As in a board's file.
        body: Assembly; may call ``called``. ``sp`` is valid.
        folder: Where to build.
        called: The body of that function.
    """
    setup = LOW_OVERHEAD if core == "cortex-m55" else ""
    stack = RAM.get(core, 0x2000_0000) + 0x1000
    (folder / "code.S").write_text(SOURCE.format(body=body, called=called, setup=setup, stack=stack))
    image = folder / "code.elf"
    flags = [f"-mcpu={core}", "-mthumb", "-nostdlib", "-Wl,--build-id=none", "-Wl,--section-start=.vectors=0"]
    flags += ["-mfloat-abi=hard"] if core == "cortex-m55" else []
    command = ["arm-none-eabi-gcc", *flags, "-Wl,-Ttext=0x100", "-Wl,-e,reset", "code.S", "-o", image.name]
    subprocess.run(command, cwd=folder, check=True)
    return image


def count(core: str, image: Path, flash: Flash | None = None) -> Histogram:
    """What an image of :func:`assemble` did between the marks: with the first one's return and the second's call."""
    counts = CountFile(image, ["mark"], histogram=True, flash=flash, regions=[Memory("flash", "flash", 0, 0x10000)])
    command = ["qemu-system-arm", "-M", MACHINES[core], "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(image), *counts.options]
    subprocess.run(command, timeout=600, check=True, stdin=subprocess.DEVNULL)
    _, second = counts.read()
    counts.close()
    return second.histogram
