"""Stands in for the openocd command: same arguments, files and exit codes, on a flash that lives in one file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

FLASH, SIZE = 0x08000000, 0x200000


def run(memory: Path, script: str) -> int:
    content = bytearray(memory.read_bytes()) if memory.exists() else bytearray(b"\xa5" * SIZE)
    trouble = memory.with_suffix(".trouble")
    if trouble.exists():
        words, text = trouble.read_text().split("\n", 1)
        if words in script:
            print(text)
            return 1
    for command in script.split("; "):
        if match := re.fullmatch(r"flash erase_address 0x(\w+) 0x(\w+)", command):
            start, size = int(match[1], 16) - FLASH, int(match[2], 16)
            content[start : start + size] = b"\xff" * size
        elif match := re.fullmatch(r"flash write_image \{(.+)\} 0x(\w+) bin", command):
            data, start = Path(match[1]).read_bytes(), int(match[2], 16) - FLASH
            assert content[start : start + len(data)] == b"\xff" * len(data), "not erased"
            content[start : start + len(data)] = data
        elif match := re.fullmatch(r"dump_image \{(.+)\} 0x(\w+) 0x(\w+)", command):
            start, size = int(match[2], 16) - FLASH, int(match[3], 16)
            Path(match[1]).write_bytes(content[start : start + size])
        else:
            assert command in ("init", "reset halt", "flash probe 0", "reset run", "shutdown"), command
    memory.write_bytes(content)
    with memory.with_suffix(".log").open("a") as log:
        log.write(script + "\n")
    return 0


if __name__ == "__main__":
    assert sys.argv[2:5] == ["-f", "board/st_nucleo_h743zi.cfg", "-c"], sys.argv
    sys.exit(run(Path(sys.argv[1]), sys.argv[5]))
