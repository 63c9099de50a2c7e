"""GCC states what stack a function takes, but not what it pushes of an argument that is half in registers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.project import measure_code

LIST = re.compile(r"\{(.*)\}")


def registers(operands: str) -> int:
    """How many a register list names."""
    found = LIST.search(operands)
    assert found is not None
    count = 0
    for part in found[1].split(","):
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count


def taken(name: str, operands: str) -> int:
    """Bytes by which an instruction lowers the stack pointer, by a constant."""
    if name.startswith("vpush"):
        return 8 * registers(operands)
    if name.startswith("push") or (name.startswith("stmdb") and operands.startswith("sp!")):
        return 4 * registers(operands)
    lowered = re.search(r"\[sp, #-(\d+)\]!", operands) or (
        re.match(r"sp, (?:sp, )?#(\d+)", operands) if name.startswith("sub") else None
    )
    return int(lowered[1]) if lowered else 0


@pytest.mark.cross
@pytest.mark.parametrize("board_id", ["qemu-m0", "qemu-m4", "qemu-m55"])
def test_no_function_takes_more_stack_than_gcc_says(board_id: str, tmp_path: Path) -> None:
    board = load_board(board_id)
    files = measure_code._files(board)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    includes = [f"-I{tmp_path / part}" for part in sorted({name.split("/")[0] for name in files})]
    command = ["arm-none-eabi-gcc", *board.cpu.flags, *measure_code.FLAGS, *includes, "-c"]
    seen = 0
    for source in sorted(tmp_path / name for name in files if name.endswith(".c")):
        made = source.with_suffix(".o")
        subprocess.run([*command, str(source), "-o", str(made)], check=True)
        lines = (line.split("\t") for line in made.with_suffix(".su").read_text(encoding="utf-8").splitlines())
        said = {where.rsplit(":", 1)[-1]: int(size) for where, size, _ in lines}
        dump = subprocess.run(["arm-none-eabi-objdump", "-d", str(made)], capture_output=True, text=True, check=True)
        for part in re.split(r"^[0-9a-f]+ <", dump.stdout, flags=re.MULTILINE)[1:]:
            function = part.partition(">")[0]
            code = [line.split("\t")[2:] for line in part.splitlines() if line.count("\t") >= 3]
            if function in said:
                seen += 1
                assert sum(taken(name.strip(), operands) for name, operands, *_ in code) <= said[function], function
    assert seen > 50
