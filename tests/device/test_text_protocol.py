"""MLPerf Tiny's text protocol on devices: both modes of the runner, abuses, and frames on the same line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import dqt_edge as dqt
from dqt_edge.boards import Counter, load_board
from dqt_edge.data.load import codes, load_data
from dqt_edge.device.client import Client
from dqt_edge.device.connect import open_device
from dqt_edge.device.frame import DELIMITER, encode
from dqt_edge.device.messages import LOAD, RUN, Nak, RunPolicy, Type, input_crc
from dqt_edge.device.native import NativeTransport
from dqt_edge.device.serial_port import SerialTransport
from dqt_edge.errors import UnsupportedError, UsageError
from dqt_edge.graph import Graph, checkpoint, interpreter
from dqt_edge.lowering.plan import make_plan
from dqt_edge.project.build import build
from dqt_edge.project.export import export_together
from dqt_edge.project.footprint import predict
from dqt_edge.project.manifest import Project
from dqt_edge.project.text_protocol import text_protocol
from dqt_edge.system.elf import symbols
from tests.firmware.raw import Raw
from tests.support.digits import digits_graph
from tests.support.text_client import TextClient, Timed, numbers

SAMPLES = 40
BOARDS = ["host", pytest.param("qemu-m4", marks=pytest.mark.qemu)]
ELF = Path("build") / "model.elf"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Project]:
    """The digits model with the text protocol, built once for each board; its sizes are those that were predicted."""
    known: dict[str, Project] = {}

    def made(board_id: str) -> Project:
        if board_id not in known:
            folder = tmp_path_factory.mktemp("text") / board_id
            exported = export_together([digits_graph()], load_board(board_id), folder, text="digits")
            image = build(folder, cross=board_id != "host")
            if exported.footprint is not None:
                assert exported.footprint.exact
                assert (image.flash, image.ram) == (exported.footprint.flash, exported.footprint.ram)
            known[board_id] = exported.project
        return known[board_id]

    return made


@pytest.fixture
def host(project: Callable[[str], Project]) -> Iterator[TextClient]:
    with NativeTransport(project("host").folder / ELF) as transport:
        yield TextClient(transport)


def inputs(count: int) -> np.ndarray:
    return codes(load_data("digits").x_test[:count], digits_graph())


def meant(graph: Graph, output: np.ndarray) -> list[float]:
    """What codes stand for, to three decimals."""
    end = graph.tensor(graph.outputs[0])
    return [round(float(end.scale) * (int(code) - end.zero_point), 3) for code in output.reshape(-1)]


def close(found: Timed, wanted: list[float]) -> bool:
    return all(abs(a - b) <= 0.0011 for a, b in zip(found.results, wanted, strict=True))


def test_who_it_is(host: TextClient) -> None:
    assert host.greeting[:2] == ["m-[dqt-edge on host; type help%]", "m-timestamp-mode-performance"]
    assert host.greeting[2].startswith("m-lap-us-")
    assert host.greeting[3:] == ["m-init-done"]
    assert host.ask("name") == ["m-name-dut-[host]"]
    assert host.ask("profile") == ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[digits]"]
    assert "db load N" in "\n".join(host.ask("help"))
    assert host.ask("") == [], "as the runner ends a half-sent command"
    stamps = [int(host.ask("timestamp")[0].removeprefix("m-lap-us-")) for _ in range(20)]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("board_id", BOARDS)
def test_accuracy_mode_is_what_profile_finds(project: Callable[[str], Project], board_id: str) -> None:
    """Every sample loaded and run once; class, accuracy and numbers are those of the interpreter and of profile."""
    count = SAMPLES if board_id == "host" else SAMPLES // 5
    made, graph, data = project(board_id), digits_graph(), load_data("digits")
    given = inputs(count)
    wanted = interpreter.run(graph, given)
    with closing(open_device(made.board, made.folder)) as transport:
        client = TextClient(transport)
        found = []
        for sample in given:
            client.load(sample.tobytes())
            found.append(client.infer())
    assert all(close(one, meant(graph, output)) for one, output in zip(found, wanted.outputs, strict=True))
    right = np.mean([one.top == label for one, label in zip(found, data.y_test, strict=False)])
    measured = dqt.profile(made, "digits", count=count, first=True)
    assert measured.mismatches == 0
    assert right == measured.accuracy
    assert right > 0.5


@pytest.mark.qemu
def test_performance_mode_counts_what_profile_counts(project: Callable[[str], Project]) -> None:
    """On QEMU an instruction takes 128 ns of the port's clock: stamps are instructions of the inferences between them,
    with those that copy the input, send the first stamp and count."""
    made = project("qemu-m4")
    sample = inputs(1)[0]
    with closing(open_device(made.board, made.folder)) as transport:
        client = TextClient(transport)
        client.load(sample.tobytes())
        few, many = client.infer(2, 1), client.infer(22, 0)
    measured = dqt.profile(made, "digits", count=1, first=True)
    assert few.results == many.results
    each = (many.microseconds - few.microseconds) / 20 * 1000 / 128
    assert measured.count is not None
    assert measured.count <= each <= 1.02 * measured.count + 2000


ABUSES = [
    "infer", "infer 1 1 1", "infer 0", "infer -1", "infer 1 -1", "infer 1000000", "infer 4294967297", "infer x",
    "infer 1 x", "infer 1,1", "infer  ", "inferno", "infer 1 1000000", "infer 99999999999999999999999",
    "db", "db load", "db load 0", "db load 63", "db load 65", "db load -64", "db load 64 64", "db load 4294967360",
    "db load x", "db 0", "db 0g", "db zz", "db 00 11", "db %s" % ("00" * 38), "db 0x00", "db print",
    "Name", "names", "profile x", "results 1", "timestamp 1", "foo", "name\tprofile", "\x7f", "\xff\xfe", "\x01\x02",
    "x" * 81, "name" + " " * 100, "infer 1 0" + "0" * 100, ";", "../..", "'", "help help",
]  # fmt: skip


def test_abuses_are_refused_and_change_nothing(host: TextClient) -> None:
    """Behind each, half an input still waits for its other half, and results are what they were."""
    sample = inputs(2)
    host.load(sample[0].tobytes())
    first = host.infer()
    assert host.ask("db load 64") == ["m-[Expecting 64 bytes]"]
    assert host.ask(f"db {sample[1].tobytes()[:32].hex()}") == []
    for abuse in ABUSES:
        said = host.ask(abuse)
        assert len(said) == 1, (abuse, said)
        assert said[0].startswith("e-["), (abuse, said)
        assert said[0].endswith("]"), (abuse, said)
        assert numbers(host.ask("results")[0]) == first.results, abuse
    assert len(ABUSES) >= 30
    assert host.ask(f"db {sample[1].tobytes()[32:].hex()}") == ["m-load-done"]
    second = interpreter.run(digits_graph(), sample[1:])
    assert close(host.infer(), meant(digits_graph(), second.outputs[0]))
    assert host.ask("db 00") == ["e-['db load N' comes first]"]


def test_nothing_runs_before_an_input(host: TextClient) -> None:
    assert host.ask("infer 1 0") == ["e-[The input is not loaded]"]
    assert host.ask("results") == ["e-[No inference yet]"]
    assert host.ask("db 00") == ["e-['db load N' comes first]"]
    host.load(bytes(64))
    assert host.ask("db load 64") == ["m-[Expecting 64 bytes]"]
    assert host.ask("infer 1 0") == ["e-[The input is not loaded]"], "a new load forgets the old input"
    host.load(bytes(64))
    assert len({host.infer(n, w).results for n, w in ((1, 0), (5, 0), (1, 7))}) == 1, "the input is kept"


def test_frames_and_text_by_turns(project: Callable[[str], Project]) -> None:
    """A client finds its device behind text, and text its runner behind a client; neither sees what the other left."""
    made, graph = project("host"), digits_graph()
    given = inputs(2)
    wanted = interpreter.run(graph, given)
    with NativeTransport(made.folder / ELF) as transport:
        text = TextClient(transport)
        text.load(given[0].tobytes())
        first = text.infer()
        client = Client(transport)
        info = client.expect(checkpoint.model_hash(graph), "host")
        client.load(given[1].tobytes())
        assert client.run().output == wanted.outputs[1].tobytes()
        client.load(given[1].tobytes())
        text = TextClient(transport, greeted=False)
        assert text.ask("name") == ["m-name-dut-[host]"]
        assert text.ask("results") == ["e-[No inference yet]"], "a frame ran the model meanwhile"
        assert text.infer().results == first.results, "what db loaded is still there"
        raw = Raw(transport)
        transport.write(DELIMITER)
        crc = input_crc(info.model_hash, given[1].tobytes())
        request = RUN.pack(policy=RunPolicy.CONTROLLER, flags=0, count=0, input_crc=crc)
        assert raw.nak(Type.RUN, 1, request)[0] == Nak.INPUT_INCOMPLETE, "text ran the model meanwhile"
        assert client.infer(given[1].tobytes()).output == wanted.outputs[1].tobytes()


def test_frames_open_the_line_to_questions_alone(project: Callable[[str], Project]) -> None:
    """Once a frame came, commands that change something are parts of a damaged frame."""
    with NativeTransport(project("host").folder / ELF) as transport:
        text, raw = TextClient(transport), Raw(transport)
        text.load(bytes(64))
        for command in ("infer 1 0", "db load 64", "db 00", "timestamp", "results", "name x", "xname", ""):
            transport.write(DELIMITER)
            raw.ask(Type.HELLO, 1)
            transport.write(f"{command}%name%".encode() + DELIMITER)
            refusal = raw.next()
            assert (refusal.type, refusal.payload[0]) == (Type.NAK, Nak.BAD_FRAME), command
        assert raw.ask(Type.STATS, 2).type == Type.STATS_REPLY
        assert text.ask("profile")[1] == "m-model-[digits]"
        assert text.ask("infer 1 0")[-1].startswith("m-results-")


def damaged(frame: bytes, flips: int, step: int) -> Iterator[bytes]:
    """The frame with every choice of so many bits flipped, or every ``step``-th."""
    bits = list(combinations(range(8 * len(frame)), flips))
    for places in bits[::step]:
        changed = bytearray(frame)
        for place in places:
            changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)


def test_no_damaged_frame_is_a_command_or_a_frame(project: Callable[[str], Project]) -> None:
    """One and two bits of each kind of frame, on an open line and on one that a frame closed; and frames that lost
    their first bytes, of a LOAD whose payload is commands."""
    said = b"%infer 1 0%db 00%results%"
    loads = encode(Type.LOAD, 9, LOAD.pack(offset=0) + said + bytes(64 - len(said)))
    run = encode(Type.RUN, 9, RUN.pack(policy=0, flags=0, count=0, input_crc=0x256E616D))
    hello = encode(Type.HELLO, 0x616E, b"")
    broken = [*damaged(hello, 1, 1), *damaged(hello, 2, 3), *damaged(run, 1, 1), *damaged(run, 2, 37)]
    broken += [*damaged(loads, 1, 1), *(loads[k:] for k in range(1, len(loads) - 1))]
    for closed in (False, True):
        with NativeTransport(project("host").folder / ELF) as transport:
            TextClient(transport)
            raw = Raw(transport)
            if closed:
                transport.write(DELIMITER)
                raw.ask(Type.HELLO, 1)
            for content in broken:
                transport.write(content + DELIMITER)
            transport.write(encode(Type.STATS, 77, b""))
            came = b""
            while b"\x84" not in came or not came.endswith(DELIMITER):
                came += transport.read(65536, 10.0)
        assert b"m-results" not in came
        assert b"m-warmup" not in came
        assert b"m-[" not in came
        if closed:
            assert b"m-ready" not in came
        frames = [part for part in came.split(DELIMITER) if part and not part.isascii()]
        assert len(frames) > len(broken) // 2, "each is answered by a NAK"


@pytest.mark.cross
def test_sizes_on_a_core_without_division(project: Callable[[str], Project]) -> None:
    """As predicted, and without the compiler's library; without the protocol nothing of it is there."""
    made = project("qemu-m0")
    names = [name for name, _, _ in symbols(made.elf)]
    assert "dqt_text_take" in names
    assert not [name for name in names if name.startswith(("__aeabi", "__gnu"))]
    plain = make_plan(digits_graph(), made.board)
    spoken = text_protocol("digits", [plain], made.board)
    more = predict([plain], text=spoken).flash - predict([plain]).flash
    assert 3000 < more < 5000, "docs/mlperf.md says what it takes"


@pytest.mark.parametrize(
    ("name", "board_id", "words"),
    [
        ("", "qemu-m4", "must be 1 to 15"),
        ("a" * 16, "qemu-m4", "must be 1 to 15"),
        ("a]b", "qemu-m4", "must be 1 to 15"),
        ("ad01", "qemu-m4", "are float32"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, name: str, board_id: str, words: str) -> None:
    with pytest.raises((UsageError, UnsupportedError), match=words):
        dqt.export(digits_graph(), board_id, tmp_path / "p", text_protocol=name)
    assert not (tmp_path / "p").exists()


def test_ends_and_clocks_that_cannot_be_served(tmp_path: Path) -> None:
    board = load_board("qemu-m4")
    plan = make_plan(digits_graph(), board)
    fine = replace(plan.outputs[0], scale=0.0001)
    with pytest.raises(UnsupportedError, match=r"steps of 0\.0001, and results have three decimals"):
        text_protocol("digits", [replace(plan, outputs=(fine,))], board)
    with pytest.raises(UnsupportedError, match="one input and one output, not 2 and 1"):
        text_protocol("digits", [replace(plan, inputs=plan.inputs * 2)], board)
    for counter in (Counter("none", "none"), Counter("timer", "microseconds")):
        with pytest.raises(UsageError, match="needs a clock"):
            text_protocol("digits", [plan], replace(board, counter=counter))
    assert {load_board(each).counter_hz for each in ("host", "qemu-m4", "qemu-m0", "stm32h7")} == {
        1_000_000_000, 25_000_000, 16_000_000, 480_000_000,
    }  # fmt: skip


def test_codes_of_a_task_in_int8_and_fixed_widths(tmp_path: Path) -> None:
    """kws01 sends int8; a model without a controller runs at its widest candidates."""
    graph = replace(digits_graph(), controller=None)
    folder = tmp_path / "p"
    made = export_together([graph], load_board("host"), folder, text="kws01").project
    build(folder, cross=False)
    given = inputs(3)
    wanted = interpreter.run(graph, given, "8x8")
    with NativeTransport(made.folder / ELF) as transport:
        client = TextClient(transport)
        assert client.ask("profile")[1] == "m-model-[kws01]"
        for sample, output in zip(given, wanted.outputs, strict=True):
            client.load((sample ^ 0x80).astype(np.uint8).tobytes())
            assert close(client.infer(), meant(graph, output))


@pytest.mark.qemu
@pytest.mark.qemu
def test_sizes_are_known_before_an_export(project: Callable[[str], Project]) -> None:
    predicted = project("qemu-m4").manifest["predicted"]
    report = dqt.plan(digits_graph(), "qemu-m4", text_protocol="digits")
    assert (report.flash, report.ram) == (predicted["flash"], predicted["ram"])
    assert report.flash > dqt.plan(digits_graph(), "qemu-m4").flash
    ranking = dqt.rank_boards(digits_graph(), ["qemu-m4", "pico"], text_protocol="digits")
    assert ranking.boards[0].report is not None
    with pytest.raises(UsageError, match="1 to 15 letters"):
        dqt.rank_boards(digits_graph(), ["qemu-m4"], text_protocol="a name")


@pytest.mark.qemu
def test_a_runner_that_opens_a_port(project: Callable[[str], Project]) -> None:
    """QEMU with a terminal of its own for a serial line, as docs/mlperf.md starts it; pyserial at the other end."""
    made, sample = project("qemu-m4"), inputs(1)[0]
    command = ["qemu-system-arm", "-M", "mps2-an386", "-icount", "shift=7", "-display", "none", "-serial", "pty"]
    with subprocess.Popen([*command, "-kernel", made.folder / ELF], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = re.search(r"/dev/pts/\d+", process.stdout.readline())
            assert port is not None
            with SerialTransport(port[0], 115200) as transport:
                client = TextClient(transport, greeted=False)
                transport.write(b"%")  # the greeting may have come before the port was opened
                client.lines()
                if "m-name-dut-[qemu-m4]" not in client.ask("name"):
                    assert client.lines() == ["m-name-dut-[qemu-m4]"]
                client.load(sample.tobytes())
                found = client.infer()
        finally:
            process.kill()
    graph = digits_graph()
    assert close(found, meant(graph, interpreter.run(graph, sample[None]).outputs[0]))


def test_the_exchange_of_the_page(project: Callable[[str], Project]) -> None:
    """What docs/mlperf.md shows, but for the times."""
    page = (Path(__file__).parents[2] / "docs" / "mlperf.md").read_text(encoding="utf-8")
    block = page.split("```text exchange\n")[1].split("```")[0]
    greeting, *turns = re.split(r"^> ", block, flags=re.MULTILINE)
    made = project("qemu-m4")
    with closing(open_device(made.board, made.folder)) as transport:
        client = TextClient(transport)
        assert timeless([*client.greeting, "m-ready"]) == timeless(greeting.splitlines())
        assert len(turns) == 10
        for turn in turns:
            command, *said = turn.splitlines()
            assert timeless([*client.ask(command.removesuffix("%")), "m-ready"]) == timeless(said), command


def timeless(lines: list[str]) -> list[str]:
    return [re.sub(r"m-lap-us-\d+", "m-lap-us-T", line) for line in lines]
