"""Promise: in a browser the page shows every figure, logs no error, and is as wide as a narrow screen."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dqt_edge.boards import load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.graph import Graph
from dqt_edge.lowering.plan import make_plan
from dqt_edge.measure.session import run_session
from dqt_edge.report import page as report
from dqt_edge.report.memory import memory_map
from dqt_edge.report.parts import Page, section
from dqt_edge.report.sessions import session_sections
from tests.measure.test_session import InterpreterDevice

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: 'make test-page' installs it")

# A frame as wide as a phone, because a window of chromium's is never narrower than 500 pixels.
FRAME = """<!DOCTYPE html><title>frame</title>
<iframe id="f" src="{page}" style="width:{width}px;height:800px;border:0"></iframe><pre id="told"></pre>
<script>
addEventListener("load", () => {{
  const page = document.getElementById("f").contentDocument, root = page.documentElement;
  const figures = [...page.querySelectorAll("figure svg, figure img")];
  page.querySelectorAll("details").forEach(d => {{ d.open = true; }});
  document.getElementById("told").textContent = JSON.stringify({{
    client: root.clientWidth, scroll: root.scrollWidth, count: figures.length,
    empty: figures.filter(f => !f.getBoundingClientRect().width || !f.getBoundingClientRect().height).length,
    missing: [...page.querySelectorAll("img")].filter(i => !i.naturalWidth).length,
    letters: Math.min(...[...page.querySelectorAll("figure svg text")].map(t => t.getBoundingClientRect().height)),
  }});
}});
</script>"""


AXE = Path(__file__).parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""The accessibility checker of deque.com, as npm has it."""
JUDGED = """<pre id="told"></pre><script src="axe.min.js"></script><script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  axe.run(document, { exclude: ["#told"] }).then(found => {
    document.getElementById("told").textContent = JSON.stringify({
      dark: matchMedia("(prefers-color-scheme: dark)").matches,
      passed: found.passes.map(rule => rule.id),
      unsure: found.incomplete.map(rule => rule.id),
      wrong: found.violations.map(rule => [rule.id, rule.help, rule.nodes.slice(0, 3).map(node => node.html)]),
    });
  });
});
</script>"""


@pytest.fixture(scope="module")
def folder(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every kind of figure."""
    data, where = load_data("digits"), tmp_path_factory.mktemp("page")
    device, board = InterpreterDevice(graph), load_board("qemu-m4")
    x, y = codes(data.x_test[:40], graph), data.y_test[:40]
    sessions = [run_session(device, graph, board, x, y, policy) for policy in ("8x8", "dynamic")]
    memory = section("Memory", memory_map(make_plan(graph, board)))
    title = "A page with a_long_name_that_nothing_breaks_anywhere"
    text = report.render(Page(title, "", (*session_sections(sessions), *memory)))
    (where / "page.html").write_text(text, encoding="utf-8")
    return where


def chromium(where: Path, address: str, *more: str) -> tuple[str, str]:
    """The document as it is after loading, and what the browser logged of it."""
    options = ("headless", "no-sandbox", "hide-scrollbars", "disable-gpu", "allow-file-access-from-files",
               "enable-logging=stderr", "v=0", f"user-data-dir={where / 'profile'}", "dump-dom", *more)  # fmt: skip
    command = [str(CHROMIUM), *(f"--{option}" for option in options), address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_is_there_and_nothing_is_wider_than_the_screen(folder: Path, width: int) -> None:
    (folder / "frame.html").write_text(FRAME.format(page="page.html", width=width), encoding="utf-8")
    document, logged = chromium(folder, f"file://{folder / 'frame.html'}")
    told = json.loads(re.search(r'<pre id="told">(.*?)</pre>', document)[1])
    assert logged == ""
    assert told["client"] == width
    assert told["scroll"] == width
    assert told["count"] >= 10
    assert (told["empty"], told["missing"]) == (0, 0)
    assert told["letters"] >= 11


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: 'make test-page' installs it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(folder: Path, scheme: str) -> None:
    """Contrast of every text, names of every figure and table, order of headings, and the other rules of axe-core."""
    text = (folder / "page.html").read_text(encoding="utf-8")
    (allowed,) = re.findall(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)  # which lets no script run
    (folder / "judged.html").write_text(text.replace(allowed, "") + JUDGED, encoding="utf-8")
    shutil.copy(AXE, folder)
    number = {"dark": 0, "light": 1}[scheme]
    options = (f"blink-settings=preferredColorScheme={number}", "virtual-time-budget=60000")
    document, _ = chromium(folder, f"file://{folder / 'judged.html'}", *options)
    told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', document)[1]))
    assert told["dark"] == (scheme == "dark")
    assert told["wrong"] == []
    assert "color-contrast" in told["passed"]
    assert len(told["passed"]) > 15
