"""What a device does with many samples, compared with the interpreter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..data.choose import SEED
from ..errors import MismatchError, UsageError
from ..graph import Graph
from ..graph.policy import Policy, dial_policies, parse_policy
from ..measure.modelled import Modelled, modelled_each, modelled_mean
from ..measure.session import Session, run_session
from ..measure.streaming import Asked, ask, stream_of
from ..project.manifest import Project
from ..report import page
from ..report.context import image_context
from ..system.show import Facts, Shown
from ..tasks import Score, main_text
from .connecting import Device, connect
from .given import Data, FilePath, Progress, project_of, samples_of, silent, stream_samples


@dataclass(frozen=True, repr=False)
class ProfileResult(Shown):
    """What was measured.

    Attributes:
        sessions: One, or one for each point of the dial.
        dial: Whether the sessions are the points of the dial.
        files: Report files that were written.
    """

    sessions: tuple[Session, ...]
    dial: bool
    files: tuple[Path, ...] = ()

    @property
    def session(self) -> Session:
        """The only session, or that of the dial's cheapest point."""
        return self.sessions[0]

    @property
    def accuracy(self) -> float | None:
        """Share of right answers of that session, 0..1; None without labels, and for tasks that have none."""
        return self.session.accuracy

    @property
    def score(self) -> Score | None:
        """The figures of the model's task of that session; None where there is nothing to judge by."""
        return self.session.score

    @property
    def count(self) -> float | None:
        """Mean count of an inference of that session, in ``session.unit``; None where nothing is counted."""
        return self.session.count

    @property
    def mismatches(self) -> int:
        """Answers of all sessions that differ from the interpreter's."""
        return sum(session.mismatches for session in self.sessions)

    def require_agreement(self) -> None:
        """Raise MismatchError unless every answer equals the interpreter's."""
        wrong = [session for session in self.sessions if session.mismatches]
        if wrong:
            raise MismatchError(
                f"{self.mismatches} of {sum(s.samples for s in self.sessions)} answers differ from the interpreter's",
                where=f"board {wrong[0].board!r}, policy {wrong[0].policy}: {wrong[0].first_difference}",
                next_step="rebuild and flash again; if it stays, report it with the model file",
            )

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        first = self.session
        title = f"{first.model!r} on {first.board}, {first.samples:,} samples, {self.mismatches:,} differences"
        if self.dial:
            return title, [(s.policy, f"{main_text(s.score)} at {s.bitops_ratio:.3f} BitOPs") for s in self.sessions]
        return title, (
            ("policy", first.policy),
            *((figure.title, figure.full_text) for figure in (first.score.figures if first.score else ())),
            (first.unit, "-" if first.count is None else f"{first.count:,.0f} for an inference"),
            *(() if first.cycles is None else ((str(first.cycles_model), f"{first.cycles:,.0f} for an inference"),)),
            ("BitOPs", f"{first.bitops_ratio:.3f} of 8x8"),
            ("width vectors", f"{len(first.width_vectors):,}"),
            *((f"answered at {name}", f"{100 * share:.1f} %") for name, share in first.answered_at.items()),
            *([("second passes", f"{100 * first.second_passes:.1f} %")] if first.second_passes is not None else []),
        )


def profile(
    device: Device | Project | FilePath | None,
    data: Data,
    *,
    policy: Policy = "dynamic",
    count: int | None = None,
    seed: int = SEED,
    first: bool = False,
    port: str | None = None,
    model: str | None = None,
    stream: bool = False,
    events: Sequence[str] = (),
    window: float | None = None,
    report: FilePath | None = None,
    progress: Progress = silent,
) -> ProfileResult:
    """Run samples on a device: how good it is, counts by layer, widths; every answer compared with the interpreter.

    Where this starts QEMU itself, modelled cycles of each layer stand beside its instructions; docs/benchmarks.md says
    what they do not model.

    Args:
        device: What ``connect`` returned; or a built project or its folder, which is connected for this; or None for
            the last project that the command ``export`` made here.
        data: A data set, of which the test part is run, a file or folder; or arrays ``x`` or ``(x, y)``. An array of
            type uint8 holds codes, any other the model's own units.
        policy: ``"dynamic"``, ``"dynamic:0.4"`` (a target of the model's dial, or the cost of a tuned setting),
            ``"agree:0.995"`` (the agreement of one), ``"dial"`` (every point of it), one pair, a width vector, or a
            ``Setting``.
        count: Number of samples, chosen at random, each class in proportion; None is all.
        seed: Of the choice.
        first: Take the first ``count`` samples instead.
        port: Serial port, or ``"unicorn:"``, where ``device`` is a project.
        model: Name of one of the project's models, where ``device`` is a project; None is the first.
        stream: The data is a recorded stream, an ``.npz`` file or a mapping of arrays with ``t``, seconds, or
            ``record``, groups in order, beside ``x`` and ``y``; ``t_test`` and ``record_test`` where there is
            ``x_test``. All of it is run in order, or its first ``count`` samples.
        events: Of a stream, names or numbers of the classes whose runs of samples are events to be found; none are all
            but the most frequent.
        window: Of a stream, length of the windows over which cost is averaged: seconds, or samples where there is no
            ``t``; None is about a fortieth of the stream.
        report: Folder for report.json, report.html and junit.xml, of a stream also stream.csv and stream.svg; none are
            written if None.
        progress: Called with the policy, the samples done and the samples in all.

    Returns:
        The sessions. An answer that differs is no error here: ask ``mismatches``, or call ``require_agreement()``.

    Raises:
        UsageError, BadFileError: The data or the policy does not belong to the model, or there is no project.
        DeviceError: The device does not answer, or runs another model.
        ToolchainError: QEMU or Unicorn is not installed.

    Example:
        ```python
        import dqt_edge as dqt

        project = dqt.export("digits.safetensors", "host", "digits-host")
        dqt.build(project)
        result = dqt.profile(project, "digits", policy="4x4", count=20)
        result.require_agreement()
        print(result)
        ```
    """
    given = device if isinstance(device, Device) else None
    project = device.project if isinstance(device, Device) else project_of(device)
    graph = given.model if given is not None else project.graph(model)
    dial = policy == "dial"
    chosen: tuple[Policy, ...] = (policy,)
    if dial:
        chosen = dial_policies(graph, "`policy` dial")
    else:
        parse_policy(policy, graph)  # refuses what the model does not have, before anything runs
    if report is not None:
        page.make_folder(Path(report))
    asked = None
    if stream:
        samples, recording = stream_samples(data, graph, count)
        asked = ask(graph, recording, samples.labels, events, window)
    else:
        _refuse_stream_options(events, window)
        samples = samples_of(data, graph, count, seed=seed, first=first)
    total, done, sessions = len(samples.codes) * len(chosen), 0, []
    opened = given if given is not None else connect(project, port, model=model)

    def advance() -> None:
        nonlocal done
        done += 1
        progress(f"{project.board.id} {policy}", done, total)

    try:
        for one in chosen:
            session = run_session(
                opened.client,
                graph,
                project.board,
                samples.codes,
                samples.labels,
                one,
                real=samples.real,
                counted=opened.client.counted,
                progress=advance,
            )
            emulated = given is None and port is None and project.board.qemu is not None
            digest = project.model(model).digest
            if asked is None and emulated:
                session = _with_cycles(session, modelled_mean(project, graph, digest, samples.codes, one, session.each))
            elif asked is not None:
                session = _as_stream(session, project, graph, digest, samples.codes, one, asked, emulated=emulated)
            sessions.append(session)
    finally:
        if given is None:
            opened.close()
    if report is None:
        return ProfileResult(tuple(sessions), dial)
    name = os.fspath(data) if isinstance(data, str | os.PathLike) else "arrays"
    context = image_context(project, graph, [("data", name), ("seed of the choice of samples", str(seed))])
    written = tuple(page.write(sessions, Path(report), dial=dial, context=context))
    return ProfileResult(tuple(sessions), dial, written)


def _as_stream(
    session: Session,
    project: Project,
    graph: Graph,
    digest: bytes,
    codes: npt.NDArray[np.uint8],
    policy: Policy,
    asked: Asked,
    *,
    emulated: bool,
) -> Session:
    """The same session with what it did over time, in modelled cycles too where it ran in QEMU."""
    cycles, each = None, session.each
    assert each is not None
    if emulated:
        what, found = modelled_each(project, graph, digest, codes, policy, each)
        layers = None if found is None else tuple(found.mean(axis=0).tolist())
        session = _with_cycles(session, Modelled(what, layers))
        cycles = None if found is None else found.sum(axis=1)
    return replace(session, stream=stream_of(each, graph, project.board, asked, cycles))


def _refuse_stream_options(events: Sequence[str], window: float | None) -> None:
    for name, value in (("events", events), ("window", window)):
        if value:
            raise UsageError(
                "only a recorded stream has it",
                where=f"parameter `{name}`",
                next_step="give `stream` too, and data with t or record",
            )


def _with_cycles(session: Session, modelled: Modelled) -> Session:
    cycles = modelled.layers or [None] * len(session.layers)
    layers = tuple(replace(layer, cycles=count) for layer, count in zip(session.layers, cycles, strict=True))
    return replace(session, layers=layers, cycles=modelled.total, cycles_model=modelled.title)
