"""A trial for people: lines for the terminal, and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import pair_text, vector_text
from ..measure.session import Session
from ..precision.curve import CurvePoint
from .charts import axis_title, axis_value
from .frontier import Point, frontier
from .memory import memory_map
from .page import render
from .parts import Cell, Facts, Page, Part, Section, Table, Text, bars, number, section
from .provenance import provenance_sections
from .sessions import BITOPS, CYCLES, fact_table, session_sections
from .texts import policy_name
from .trial import BoardFit, Trial

if TYPE_CHECKING:
    from rich.table import Table as RichTable

RANDOM_CALIBRATION = (
    "Random calibration: the model computes in floating point and no data was given, so its scales fit random numbers. "
    "Sizes and cycles hold; its answers mean nothing."
)
RANDOM_INPUTS = (
    "Random inputs: no data was given. Bits, sizes and cycles hold for any input; how often narrow widths agree with "
    "8x8 on noise says little about real inputs."
)
ESTIMATE = "estimated from single layers before anything is compiled; not measured on silicon"


def page(trial: Trial) -> str:
    """The page of a trial."""
    fits = sum(fit.fits for fit in trial.fits)
    first = trial.session
    lead = (
        f"{trial.graph.name} from {trial.source[0]}: fits {fits} of {len(trial.fits)} boards; {first.samples:,} "
        f"inferences on {first.board}, {first.mismatches:,} of which differ from the reference interpreter's."
    )
    sections = [
        *section("In short", [*warnings(trial), fact_table(first), *map(Text, trial.notes)]),
        *section("Boards", [boards_table(trial), *_changes(trial)]),
        *section("Precision", precision_parts(trial)),
        *section("Beside the original", _comparison(trial)),
        *[s for s in session_sections(trial.sessions) if s.title != "In short"],
        *section("Memory", [part for plan in trial.image.plans for part in memory_map(plan)]),
        *provenance_sections(trial.sessions, _origin(trial)),
    ]
    return render(Page(f"{trial.graph.name}, tried on {first.board}", lead, tuple(_distinct(sections))))


def _distinct(sections: list[Section]) -> list[Section]:
    """Sections of which none has the title of another."""
    return [Section("Policies", s.parts) if s.title == "Boards and policies" else s for s in sections]


def warnings(trial: Trial) -> list[Part]:
    """What makes numbers mean less."""
    found: list[Part] = []
    if trial.calibration == "random":
        found.append(Text(RANDOM_CALIBRATION, "warn"))
    if trial.data is None:
        found.append(Text(RANDOM_INPUTS, "warn"))
    if trial.mismatches:
        found.append(Text("Answers differ from the interpreter's: report this with the model file.", "bad"))
    return found


def boards_table(trial: Trial) -> Table:
    """Which boards the model fits, with what stays free."""
    rows = tuple(_board_row(fit) for fit in trial.fits)
    columns = ("board", "core", "fits", "flash, bytes", "to spare", "RAM, bytes", "to spare", "cycles", "ms")
    exact = all(fit.footprint is None or fit.footprint.exact for fit in trial.fits)
    sizes = (
        "Sizes are of the whole image, predicted to the byte" if exact else "Sizes are upper bounds of the whole image"
    )
    left = ", without layers of which nothing is known where ~ stands" if any(f.unknown for f in trial.fits) else ""
    note = (
        f"{sizes}; bars are the share of the board's memory. Cycles of an inference with every layer at its first "
        f"width are {ESTIMATE}{left}; ms at the board's clock. Emulated boards have the memory of QEMU's machine, "
        "which may be more than a chip with that core has."
    )
    return Table("Which boards it fits", columns, rows, note)


def _board_row(fit: BoardFit) -> tuple[Cell, ...]:
    name = (Cell(fit.board.id), Cell(fit.board.cpu.core.removeprefix("cortex-").replace("plus", "+").upper()))
    if fit.footprint is None or fit.spare is None:
        return (*name, Cell(f"no: {fit.reason}", bad=True), *[number("-")] * 6)
    parts, (flash, ram), more = fit.footprint, fit.spare, "~ " if fit.unknown else ""
    return (
        *name,
        Cell("yes" if fit.fits else "no", bad=not fit.fits),
        number(f"{parts.flash:,}", bar=min(parts.flash / parts.flash_region.size, 1)),
        number(f"{flash:,}", bad=flash < 0),
        number(f"{parts.ram:,}", bar=min(parts.ram / parts.ram_region.size, 1)),
        number(f"{ram:,}", bad=ram < 0),
        number("-" if fit.cycles is None else f"{more}{fit.cycles:,.0f}"),
        number("-" if fit.milliseconds is None else digits(fit.milliseconds)),
    )


def _changes(trial: Trial) -> list[Part]:
    """What to change where it does not fit."""
    rows = tuple((Cell(fit.board.id), Cell(text)) for fit in trial.fits for text in fit.changes)
    return (
        [Table("What to change where it does not fit", ("board", "what is missing, and what to do"), rows)]
        if rows
        else []
    )


def board_table(trial: Trial) -> RichTable:
    """The same for the terminal."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i, title in enumerate(("board", "core", "flash", "to spare", "RAM", "to spare", "cycles", "ms")):
        table.add_column(title, justify="right" if i > 1 else "left", no_wrap=True, overflow="fold")
    for fit in trial.fits:
        cells = _board_row(fit)
        table.add_row(*(cell.text for cell in (*cells[:2], *cells[3:])))
    table.caption = "bytes, predicted; cycles and ms estimated, not measured on silicon"
    return table


def digits(value: float) -> str:
    """A number with three digits that count, in whole where it is large."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def quality_title(trial: Trial) -> str:
    """What widths are judged by."""
    assert trial.search is not None
    title = axis_title(trial.search.points)
    if trial.labelled or trial.graph.task == "reconstruction":
        return title
    return {"accuracy, %": "agrees with 8x8, %", "pixel accuracy, %": "places that agree with 8x8, %"}.get(
        title, f"{title} from 8x8's outputs"
    )


def frontier_points(trial: Trial) -> list[Point]:
    """What the search found, and what sessions decided for each input."""
    if trial.search is None:
        return []
    counted = trial.search.counts is not None
    vectors = {point.pairs: point for point in trial.search.points if point.score is not None}
    points = [_point(point, counted=counted) for point in vectors.values()]
    for session, agreed in zip(trial.sessions[1:], trial.agreement[1:], strict=True):
        cost = session.cycles if counted else session.bitops_ratio
        if cost is None:
            continue
        if trial.labelled and session.score is not None:
            points.append(Point(policy_name(session), "dynamic", cost, axis_value(session.score), _interval(session)))
        elif not trial.labelled and agreed is not None:
            value, ends = agreed
            interval = None if ends is None else (100 * ends[0], 100 * ends[1])
            points.append(Point(policy_name(session), "dynamic", cost, 100 * value, interval))
    return points


def _interval(session: Session) -> tuple[float, float] | None:
    assert session.score is not None
    main = session.score.main
    factor = 100 if main.percent else 1
    return None if main.interval is None else (factor * main.interval[0], factor * main.interval[1])


def _point(point: CurvePoint, *, counted: bool) -> Point:
    assert point.score is not None
    main, same = point.score.main, len(set(point.pairs)) == 1
    factor = 100 if main.percent else 1
    interval = None if main.interval is None else (factor * main.interval[0], factor * main.interval[1])
    name = f"all {pair_text(point.pairs[0])}" if same else vector_text(point.pairs)
    if not same and point.origin == "uniform":
        name = f"all {pair_text(min(point.pairs))} as far as can be"
    cost = point.count if counted and point.count is not None else point.bitops_ratio
    return Point(name, "full" if point.bitops_ratio >= 1 else "fixed", cost, axis_value(point.score), interval)


def precision_parts(trial: Trial) -> list[Part]:
    """Quality against cost, and what each layer costs and suffers at each pair."""
    facts = trial.search
    if facts is None:
        return []
    counted = facts.counts is not None
    unit = "modelled cycles" if facts.counts is not None else "BitOPs, of 8x8"
    judged = (
        "labels" if trial.labelled else "the answers at 8x8" if trial.graph.task != "reconstruction" else "the inputs"
    )
    note = (
        f"Costs: {CYCLES if counted else BITOPS}. Of an image that has every width in it, on "
        f"{facts.board or 'no board'}; one with 8x8 alone may be smaller and faster. {facts.calibration_samples} "
        f"samples chose the widths, {facts.test_samples} others judge them by {judged}; nothing was trained."
    )
    found = frontier(frontier_points(trial), unit, quality_title(trial), note, names=False)
    if facts.counts is not None:
        pairs = list(dict.fromkeys(pair for _, pair in facts.counts.layers))
        rows = [
            (name, [facts.counts.layers.get((name, pair)) for pair in pairs]) for name in facts.layers
        ] + [("everything else", [facts.counts.fixed] * len(pairs))]  # fmt: skip
        caption = f"Modelled cycles of each layer at each width, {facts.board}"
        columns = ("layer", *(f"{pair_text(pair)}: cycles" for pair in pairs))
        found.append(
            bars(caption, columns, rows, f"{facts.counts.unit}: {CYCLES}. A dash: the layer has no such width.")
        )
    return [*found, _sensitivities(trial)]


def _sensitivities(trial: Trial) -> Table:
    assert trial.search is not None
    facts = trial.search
    pairs = list(dict.fromkeys(s.pair for s in facts.sensitivities))
    losses = {(s.layer, s.pair): s.loss for s in facts.sensitivities}
    most = max([*losses.values(), 1e-12])
    rows = tuple(
        (
            Cell(layer),
            *(
                Cell("-", heat=0.0) if (layer, pair) not in losses
                else Cell(f"{losses[layer, pair]:.4f}", heat=max(losses[layer, pair], 0) / most)
                for pair in pairs
            ),
        )
        for layer in facts.layers
    )  # fmt: skip
    what = "divergence of the class chances" if facts.loss == "kl" else "mean squared difference of the outputs"
    caption = "How much each layer suffers when it alone is narrowed"
    note = f"Loss: {what} from 8x8, on the samples that chose; the stronger the colour, the more."
    return Table(caption, ("layer", *map(pair_text, pairs)), rows, note)


def _comparison(trial: Trial) -> list[Part]:
    found = trial.comparison
    if found is None:
        return []
    rows = [
        (
            "answers",
            found.agreement,
            f"{found.samples} samples at 8x8; {found.runtime} is a reference, not the truth",
        ),
        ("largest difference of a layer, given equal inputs", f"{found.largest_alone} codes of 255", ""),
        ("first layer that differs", found.first_difference or "none", ""),
        *((title, text, "") for title, text in found.goodness),
    ]
    layers = tuple(
        (Cell(x.name), number(str(x.alone)), number(f"{x.alone_share:.3%}"), number(str(x.network)), Cell(x.note))
        for x in found.layers
    )
    columns = ("layer", "alone, codes", "codes that differ", "in the network, codes", "remark")
    note = "Alone: it reads the runtime's own tensors. In the network: both run from their input."
    return [Facts(f"Beside {found.runtime}", tuple(rows)), Table("Difference of each layer", columns, layers, note)]


def _origin(trial: Trial) -> list[tuple[str, str]]:
    name, digest = trial.source
    calibration = {"none": "not needed", "data": f"from {trial.data}", "random": "random numbers"}[trial.calibration]
    rows = [("file", name), *([("SHA-256 of the file", digest)] if digest else []), ("calibration", calibration)]
    rows += [("data", trial.data or "random codes"), ("seconds in all", f"{trial.seconds:.1f}")]
    return [*rows, *trial.image.rows]
