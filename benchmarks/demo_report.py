"""What ``make demo`` found: the facts of report.json, and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from dqt_edge.api.given import stream_samples
from dqt_edge.graph import Graph, checkpoint, interpreter
from dqt_edge.graph.policy import Policy, parse_policy, policy_text
from dqt_edge.measure.modelled import modelled_each
from dqt_edge.measure.session import Inferences, Session
from dqt_edge.measure.stream import Stream
from dqt_edge.measure.streaming import ask, stream_of
from dqt_edge.project.manifest import Project
from dqt_edge.report.texts import number, percent
from dqt_edge.tasks import inputs_of, reals, task_of

Facts = dict[str, Any]
HEADS = {
    "full": "all at 8x8",
    "static": "best fixed",
    "exit": "exit alone",
    "dynamic": "dynamic",
}
"""Policy -> its column."""


def whole_stream(made: Project, graph: Graph, data: str, policy: Policy) -> Facts:
    """A policy over all frames: answers by the interpreter, which devices equal bit for bit; cycles of each path.

    Args:
        made: The built project of a QEMU board whose cycles are modelled.
        graph: Its model.
        data: File of the stream.
        policy: See ``graph.policy``.
    """
    samples, recording = stream_samples(data, graph)
    found, task = interpreter.run(graph, samples.codes, policy), task_of(graph)
    values = reals(graph, found.outputs)
    score = task.score(values, samples.labels, inputs_of(graph, samples.codes, samples.real))
    assert score is not None
    each = Inferences(task.answers(values), None, found.choices, found.points, found.passes)
    digest = checkpoint.model_hash(graph)
    title, cycles = modelled_each(made, graph, digest, samples.codes, policy, each)
    total = None if cycles is None else cycles.sum(axis=1)
    stream = stream_of(each, graph, made.board, ask(graph, recording, samples.labels, ()), total)
    return {
        "policy": policy_text(parse_policy(policy, graph)),
        "samples": len(samples.codes),
        **score.as_json(),
        "cycles_model": title,
        "cycles": None if total is None else float(total.mean()),
        "stream": stream.as_json() | {"alarms_an_hour": stream.alarm_rate[0], "answered": _answered(stream)},
    }


def _answered(stream: Stream) -> dict[str, float]:
    """Share of the answers by point."""
    return {item.point: item.samples / stream.samples for item in stream.answered}


def device_facts(by_policy: Mapping[str, Session]) -> Facts:
    """Facts of one device by policy; instructions are null where nothing counts them."""
    return {
        name: {
            "policy": session.policy,
            "samples": session.samples,
            "accuracy": session.accuracy,
            "mismatches": session.mismatches,
            "instructions": session.count if session.unit == "instructions" else None,
            "instructions_range": [session.count_least, session.count_most]
            if session.unit == "instructions" and session.count is not None
            else None,
        }
        for name, session in by_policy.items()
    }


def show(console: Console, facts: Facts) -> None:
    """The tables, 80 columns wide; what a newcomer should see comes first."""
    whole = facts["whole_stream"]
    _show_whole(console, whole)
    counts = Table("", *(HEADS[name] for name in whole), title="Instructions for an inference (mean)")
    for board, by_policy in facts["devices"].items():
        if by_policy["full"]["instructions"] is not None:
            counts.add_row(board, *(number(by_policy[name]["instructions"]) for name in whole))
    console.print(counts)
    wrong = sum(one["mismatches"] for by_policy in facts["devices"].values() for one in by_policy.values())
    frames = next(iter(facts["devices"].values()))["full"]["samples"]
    boards = ", ".join(facts["devices"])
    console.print(
        f"answers that differ from the interpreter's, {frames} frames under each policy on {boards}: {wrong}",
        highlight=False,
    )
    sizes = Table("board", "flash predicted", "flash in the ELF", "RAM predicted", "RAM in the ELF", title="Bytes")
    for board, image in facts["images"].items():
        sizes.add_row(board, *(f"{image[kind][key]:,}" for kind in ("flash", "ram") for key in ("predicted", "elf")))
    console.print(sizes)


def _show_whole(console: Console, whole: Mapping[str, Facts]) -> None:
    first = next(iter(whole.values()))
    stream = first["stream"]
    table = Table(
        "", *(HEADS[name] for name in whole), title=f"One image on a Cortex-M4, a stream of {first['samples']:,} frames"
    )

    def row(name: str, *texts: str) -> None:
        table.add_row(name, *texts)

    each = list(whole.values())
    row("accuracy", *(percent(one["accuracy"]) for one in each))
    row("mean recall", *(percent(one["metrics"]["mean_recall"]) for one in each))
    row("digits found", *(f"{s['found']} of {len(s['events'])}" for s in (one["stream"] for one in each)))
    row("false alarms", *(str(len(one["stream"]["alarms"])) for one in each))
    table.add_section()
    for point in stream["answered"]:
        row(f"answered at {point}", *(f"{100 * one['stream']['answered'][point]:.1f} %" for one in each))
    if first["cycles"] is not None:
        table.add_section()
        row("cycles, mean", *(number(one["cycles"]) for one in each))
        row("cycles, worst", *(number(one["stream"]["cycles_worst"]) for one in each))
        row("of all at 8x8", *(f"{one['cycles'] / first['cycles']:.3f}" for one in each))
    console.print(table)
    console.print(first["cycles_model"], highlight=False)
    for name in ("static", "dynamic"):
        console.print(f"{HEADS[name]}: {whole[name]['policy']}", highlight=False, soft_wrap=True)
