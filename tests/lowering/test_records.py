"""Records of Python are the structures of C: names, order, offsets, sizes, by the compiler's account."""

from __future__ import annotations

import re
import subprocess

import pytest

from dqt_edge.boards import load_board
from dqt_edge.lowering.plan import make_plan
from dqt_edge.lowering.record import POINTER, Member, Record
from dqt_edge.lowering.records import RECORDS, Mac, Place, Proof, Requantize, Width
from dqt_edge.lowering.records import Window as WindowRecord
from dqt_edge.project.render import c_environment
from dqt_edge.system.resources import data_folder
from tests.support.kernel_cases import cases
from tests.support.rig.structures import Scalar, Structure, read_structures

HEADER = data_folder("firmware") / "dqt" / "dqt_layer.h"


@pytest.fixture(scope="module")
def structures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Structure]:
    folder = tmp_path_factory.mktemp("records")
    names = [record.c_type for record in RECORDS]
    lines = "".join(f"const {name} {name}_example;\n" for name in names)
    (folder / "records.c").write_text(f'#include "dqt_layer.h"\n{lines}')
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=c11", "-g", f"-I{HEADER.parent}", "-c"]
    subprocess.run([*command, str(folder / "records.c"), "-o", str(folder / "records.o")], check=True)
    return read_structures(folder / "records.o", tuple(names))


def kind_of(member: Member) -> tuple[int, bool, int | None]:
    size = member.size if member.count is None else member.size // member.count
    return size, member.c_type == POINTER, member.count


@pytest.mark.cross
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.c_type)
def test_a_record_is_the_structure_of_its_name(record: type[Record], structures: dict[str, Structure]) -> None:
    found = structures[record.c_type]
    assert [(member.name, member.offset) for member in found.members] == list(record.offsets().items())
    assert found.size == record.byte_size()
    for member, ours in zip(found.members, record.members().values(), strict=True):
        if isinstance(member.kind, Scalar):
            assert (member.kind.size, member.kind.pointer, member.kind.count) == kind_of(ours), member.name
        else:
            assert ours.record is not None
            assert member.kind.size == ours.record.byte_size()


def test_every_structure_of_the_header_has_a_record() -> None:
    text = HEADER.read_text(encoding="utf-8")
    told = set(re.findall(r"^\} (\w+);$", text, re.MULTILINE))
    assert told == {record.c_type for record in RECORDS}


def test_proofs_have_the_numbers_of_the_header() -> None:
    told = re.findall(r"^#define DQT_PROOF_(\w+) (\d+)u$", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(value) for name, value in told} == {proof.name: proof.value for proof in Proof}


def test_an_initialiser_names_every_field_that_is_not_reserved() -> None:
    window = WindowRecord(*range(1, 14))
    record = Mac(window, 8, 16, None, "a", None, None, None, "bias", None, 0, Requantize("m", None, 0, 255), 0, 3, 0)
    text = c_environment().from_string(
        '{% import "model/_layers.c.j2" as c with context %}{{ c.members(record, "x", "") }}'
    )
    plan = {"layers": [], "network": [], "points": None, "width_tables": {}}
    shown = text.render(record=record, plan=plan, constants="here.", layers="x", symbol="m")
    lines = shown.splitlines()
    assert [line for line in lines if line.startswith(".")][1:6] == [
        ".input = 8u,",
        ".output = 16u,",
        ".residual = DQT_NONE,",
        ".plane_a = here.a,",
        ".plane_b = NULL,",
    ]
    assert "        .in_zero = 13u," in lines
    assert ".reserved" not in shown
    assert next(value for name, value, _ in Width(8, 4, Proof.TOP).fields() if name == "proof") is Proof.TOP


def test_layers_with_the_same_candidates_share_a_table() -> None:
    """And no others: a table's name says what it holds."""
    plan = make_plan(cases("conv", 3, (5, 6, 4), 12), load_board("qemu-m4"))
    assert 1 < len(plan.width_tables) <= len(plan.layers)
    for layer in plan.layers:
        assert plan.width_tables[layer.widths_symbol] == layer.width_records
    assert len(set(plan.width_tables.values())) == len(plan.width_tables)
    alone = sum(layer.table_size + 4 * len(layer.widths) for layer in plan.layers)
    shared = sum(4 * len(layer.widths) for layer in plan.layers) - 4 * sum(map(len, plan.width_tables.values()))
    places = 2 * Place.byte_size()
    assert plan.table_size == alone - shared + places
