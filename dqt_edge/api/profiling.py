"""What a device does with many samples, compared with the interpreter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..data.choose import SEED
from ..errors import DqtError, MismatchError, StoppedError, UsageError
from ..graph import Graph
from ..graph.policy import Policy, dial_policies, parse_policy
from ..measure.modelled import Modelled, modelled_each, modelled_mean
from ..measure.pieces import digest
from ..measure.session import Session, as_json
from ..measure.streaming import Asked, ask, stream_of
from ..project.manifest import Project
from ..report import page
from ..report.context import image_context
from ..system.show import Facts, Shown
from ..tasks import Score, main_text
from .connecting import Device, connect
from .given import Data, FilePath, Progress, Samples, project_of, samples_of, silent, stream_samples
from .profile_run import ProfileRun, open_log, run_facts


@dataclass(frozen=True, repr=False)
class ProfileResult(Shown):
    """What was measured.

    Attributes:
        sessions: One, or one for each point of the dial.
        dial: Whether the sessions are the points of the dial.
        files: Report files that were written.
        log: The log, if one was written.
    """

    sessions: tuple[Session, ...]
    dial: bool
    files: tuple[Path, ...] = ()
    log: Path | None = None

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

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "sessions": [as_json(session) for session in self.sessions],
            "dial": self.dial,
            "mismatches": self.mismatches,
            "files": [str(path) for path in (*self.files, *([] if self.log is None else [self.log]))],
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        first = self.session
        samples = f"{first.samples:,}" + ("" if first.planned is None else f" of {first.planned:,}")
        title = f"{first.model!r} on {first.board}, {samples} samples, {self.mismatches:,} differences"
        if self.dial:
            return title, [(s.policy, f"{main_text(s.score)} at {s.bitops_ratio:.3f} BitOPs") for s in self.sessions]
        return title, (
            ("policy", first.policy),
            *((figure.title, figure.full_text) for figure in (first.score.figures if first.score else ())),
            (first.unit, "-" if first.count is None else f"{first.count:,.0f} for an inference"),
            *(() if first.cycles is None else ((str(first.cycles_model), f"{first.cycles:,.0f} for an inference"),)),
            *(() if first.baud is None else (("serial line", f"{first.baud:,} baud"),)),
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
    baud: int | Literal["auto"] | None = None,
    model: str | None = None,
    stream: bool = False,
    events: Sequence[str] = (),
    window: float | None = None,
    report: FilePath | None = None,
    log: FilePath | None = None,
    resume: bool = False,
    force: bool = False,
    jobs: int = 1,
    fleet: str | None = None,
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
        baud: Rate of the serial line, as in ``connect``, where ``device`` is a project.
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
        log: File to which a record of each sample is written as soon as it is answered; an interrupted session leaves
            a valid one. It must not exist yet.
        resume: Go on with the ``log`` of an interrupted session, at the next sample: figures and records are those of
            an undisturbed one. Without such a file, begin one.
        force: Replace the ``log`` of another session.
        jobs: Devices that work at once, each with a process for the interpreter; for boards that this starts itself.
            Results are those of one.
        fleet: ``"dask://HOST:PORT"`` of a Dask scheduler: each of its workers has a device, starts it if it is one for
            the host or QEMU, or has a board at the serial port that its environment's ``DQT_EDGE_PORT`` names. What
            a worker that dies or fails was doing is done by another. Results are those of one device.
        progress: Called with the policy, the samples done and the samples in all.

    Returns:
        The sessions. An answer that differs is no error here: ask ``mismatches``, or call ``require_agreement()``.

    Raises:
        UsageError, BadFileError: The data or the policy does not belong to the model, or there is no project; the log
            exists, is of another session, or is damaged.
        DeviceError: The device does not answer, or runs another model. Its ``partial`` is the result of the samples
            that were answered, if any.
        StoppedError: Ctrl-C, after the first sample; ``partial`` likewise.
        ToolchainError: QEMU, Unicorn or Dask is not installed, or a worker has another dqt-edge.

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
    alone = given is None and jobs == 1 and fleet is None
    _check_devices(
        jobs, fleet, project, graph, own=given is None and port is None, foreign=baud is not None and not alone
    )
    if report is not None:
        page.make_folder(Path(report))
    asked = None
    if stream:
        samples, asked = _stream(data, graph, count, events, window)
    else:
        _refuse_stream_options(events, window)
        samples = samples_of(data, graph, count, seed=seed, first=first)
    facts = run_facts(graph, project.board.id, samples, chosen, seed=seed, first=first, stream=stream)
    total, done, path = len(samples) * len(chosen), 0, None if log is None else Path(log)

    def advance() -> None:
        nonlocal done
        done += 1
        progress(f"{project.board.id} {policy}", done, total)

    def finish(sessions: Sequence[Session]) -> ProfileResult:
        if report is None:
            return ProfileResult(tuple(sessions), dial, (), path)
        rows, told = _told_of_data(sessions, data, samples, seed)
        context = image_context(project, graph, rows)
        return ProfileResult(told, dial, tuple(page.write(told, Path(report), dial=dial, context=context)), path)

    with ExitStack() as stack:
        kept = open_log(path, facts, resume=resume, force=force)
        if kept is not None:
            stack.enter_context(kept)
        opened = stack.enter_context(connect(project, port, model=model, baud=baud)) if alone else given
        run = ProfileRun(project, opened, jobs, fleet, graph, samples, chosen, kept, advance)
        emulated = given is None and port is None and project.board.qemu is not None
        judge = _Judge(project, graph, project.model(model).digest, samples, asked, emulated=emulated)
        sessions: list[Session] = []
        try:
            for one, session in zip(chosen, run.sessions(), strict=True):
                sessions.append(_at_rate(judge.complete(session, one), opened))
        except (KeyboardInterrupt, DqtError) as error:
            partial = run.partial()
            if partial is None:
                raise
            result = finish([*sessions, _at_rate(judge.cut(partial), opened)])
            if isinstance(error, DqtError):
                error.partial = result
                raise
            raise _stopped(result, total) from error
    return finish(sessions)


def _stream(
    data: Data, graph: Graph, count: int | None, events: Sequence[str], window: float | None
) -> tuple[Samples, Asked]:
    samples, recording = stream_samples(data, graph, count)
    return samples, ask(graph, recording, samples.labels, events, window)


def _told_of_data(
    sessions: Sequence[Session], data: Data, samples: Samples, seed: int
) -> tuple[list[tuple[str, str]], tuple[Session, ...]]:
    """Rows for a report on the data, and the sessions with its SHA-256."""
    name = os.fspath(data) if isinstance(data, str | os.PathLike) else "arrays"
    sha256 = digest(samples.pieces if samples.units is None else samples.units, samples.labels)
    rows = [("data", name), ("SHA-256 of the samples", sha256), ("seed of the choice of samples", str(seed))]
    return rows, tuple(replace(session, data_sha256=sha256) for session in sessions)


def _at_rate(session: Session, device: Device | None) -> Session:
    return session if device is None else replace(session, baud=device.client.baud or None)


def _stopped(result: ProfileResult, total: int) -> StoppedError:
    done = sum(session.samples for session in result.sessions)
    error = StoppedError(
        f"the session was stopped after {done:,} of {total:,} samples",
        where=str(result.log) if result.log else f"board {result.session.board!r}",
        next_step="do the same again with `resume` to go on"
        if result.log
        else "with a `log` it could go on from there",
    )
    error.partial = result
    return error


@dataclass(frozen=True)
class _Judge:
    """What is made of a session: modelled cycles where it ran in QEMU, and of a stream what happened when."""

    project: Project
    graph: Graph
    digest: bytes
    samples: Samples
    asked: Asked | None
    emulated: bool

    def complete(self, session: Session, policy: Policy) -> Session:
        """Of a whole session."""
        each, pieces = session.each, self.samples.pieces
        assert each is not None
        if self.asked is None:
            if not self.emulated:
                return session
            return _with_cycles(session, modelled_mean(self.project, self.graph, self.digest, pieces, policy, each))
        cycles = None
        if self.emulated:
            what, found = modelled_each(self.project, self.graph, self.digest, pieces, policy, each)
            layers = None if found is None else tuple(found.mean(axis=0).tolist())
            session = _with_cycles(session, Modelled(what, layers))
            cycles = None if found is None else found.sum(axis=1)
        return replace(session, stream=stream_of(each, self.graph, self.project.board, self.asked, cycles))

    def cut(self, session: Session) -> Session:
        """Of a session that ended early: without modelled cycles, for which more would have to run."""
        if self.asked is None or session.each is None:
            return session
        count, labels = session.samples, self.asked.labels
        recording = self.asked.recording.head(count)
        asked = replace(self.asked, recording=recording, labels=None if labels is None else labels[:count])
        return replace(session, stream=stream_of(session.each, self.graph, self.project.board, asked))


def _check_devices(jobs: int, fleet: str | None, project: Project, graph: Graph, *, own: bool, foreign: bool) -> None:
    """Refuse several devices, or those of a fleet, where there can be only one; and a rate of a foreign line."""
    if foreign:
        raise UsageError(
            "the rate is that of one serial line, opened for this",
            where="`baud`",
            next_step="leave out `baud`; `connect` takes it too",
        )
    if jobs == 1 and fleet is None:
        return
    what, reason = "jobs" if fleet is None else "fleet", None
    if jobs < 1:
        what, reason = "jobs", f"{jobs} devices cannot work"
    elif fleet is not None and not (own and jobs == 1):
        reason = "the devices of a fleet are its workers'"
    elif fleet is None and not (own and project.board.is_process):
        reason = "there is only one device of this kind: several are started of the host and of QEMU boards"
    elif graph.states:
        reason = "a model with states takes its samples as one stream, which runs on one device"
    if reason is not None:
        raise UsageError(reason, where=f"`{what}`", next_step=f"leave out `{what}`")


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
