"""Records the first minutes of the README in a terminal of 80 columns, as a drawing.

    python -m benchmarks.terminal_session OUT.svg

Each command runs as a process of its own in a pseudo-terminal, in an empty folder; what it writes is played as a
terminal plays it, so that bars and what else vanished is not in the drawing. The drawing loads no font and has no path
of this computer; the script ends with an error if one of the commands does, or if there is such a path.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from dqt_edge.system.files import write_atomically

from .first_sign import DIGITS, ROOT, command_line, open_terminal

WIDTH = 80
TITLE = "dqt-edge"
SESSION = (
    ("try", "digits.safetensors", "--data", "digits"),
    ("export", "digits.safetensors", "--board", "qemu-m4"),
    ("build",),
    ("profile", "--data", "digits", "--n", "100"),
)
CODE = re.compile(r"\x1b\[(?P<numbers>[0-9;?]*)(?P<kind>[@-~])|(?P<char>.)", re.DOTALL)
PATHS = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|usr|opt|var|private|Users)\b[^\s<&]*")
"""Paths of a computer."""


def play(written: str) -> list[str]:
    """Lines of a terminal after it was written to, with the codes of their styles.

    It knows what progress bars use: the cursor goes to the line's start and up, and lines are erased. What is written
    at the start of a line replaces it.
    """
    lines, row, fresh = [""], 0, True
    for match in CODE.finditer(written):
        kind, numbers, char = match["kind"], match["numbers"] or "", match["char"]
        if char == "\n":
            row, fresh = row + 1, True
            lines += [""] * (row + 1 - len(lines))
        elif char == "\r":
            fresh = True
        elif kind == "A":
            row = max(0, row - int(numbers or 1))
        elif kind == "K":
            lines[row] = ""
        elif kind == "m" or char is not None:
            lines[row] = (lines[row] if not fresh else "") + match[0]
            fresh = False
    return lines


def run(arguments: Sequence[str], folder: Path) -> str:
    """What a command writes to a terminal; raises CalledProcessError if it fails."""
    ours, theirs = open_terminal(WIDTH)
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
    command = command_line(arguments)
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, written)
    return written.decode(errors="replace").replace("\r\n", "\n")


def record(session: Sequence[Sequence[str]], folder: Path) -> str:
    """The drawing of a session.

    Raises:
        subprocess.CalledProcessError: A command failed.
        ValueError: The drawing would have a path of this computer.
    """
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for arguments in session:
        console.print(Text(f"$ dqt-edge {' '.join(arguments)}", style="bold"))
        for line in play(run(arguments, folder).rstrip("\n")):
            console.print(Text.from_ansi(line), soft_wrap=True)
        console.print()
    fonts = re.compile(r"    @font-face \{\{.*?\n    \}\}\n", re.DOTALL)
    drawing = console.export_svg(title=TITLE, code_format=fonts.sub("", CONSOLE_SVG_FORMAT), unique_id="session")
    found = PATHS.search(re.sub(r'"[^"]*"', "", drawing.replace("&#160;", " ")))
    if found is not None:
        raise ValueError(f"the drawing has the path {found[0]}")
    return drawing


def main() -> int:
    """Record, and write the drawing."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(DIGITS, Path(name) / "digits.safetensors")
        write_atomically(out, record(SESSION, Path(name)).encode())
    print(f"wrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
