"""Facts of sessions in words, for terminal and page alike."""

from __future__ import annotations

from collections.abc import Mapping

from ..measure.session import LayerFact, Session
from ..tasks import headline


def percent(value: float | None) -> str:
    """``97.22 %``, or a dash."""
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None) -> str:
    """A count with thousands separators, or a dash."""
    return "-" if value is None else f"{value:,.0f}"


def widths(layer: LayerFact) -> str:
    """Mean widths of a layer, ``4.3 x 4.1``, or a dash."""
    if layer.mean_weight_bits is None or layer.mean_activation_bits is None:
        return "-"
    return f"{layer.mean_weight_bits:.3g} x {layer.mean_activation_bits:.3g}"


def detail(value: float | Mapping[str, float]) -> str:
    """A number, or several with their names."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number:.4g}" for name, number in value.items())
    return f"{value:.4g}"


def samples_text(session: Session) -> str:
    """How many there were; of how many, where the session ended early."""
    if session.planned is None:
        return f"{session.samples:,}"
    return f"{session.samples:,} of {session.planned:,}: partial, the session ended early"


def score_facts(session: Session) -> list[tuple[str, str]]:
    """Figures of the model's task, with their intervals, and the first of the interpreter's."""
    if session.score is None or session.interpreter_score is None:
        return [(headline(session.task), "-")]
    rows = [(figure.title, figure.full_text) for figure in session.score.figures]
    return [*rows, (f"interpreter's {session.score.main.title}", session.interpreter_score.main.text)]


def cycle_facts(session: Session) -> list[tuple[str, str]]:
    """Modelled cycles, or why there are none; nothing where a device counts cycles itself, or time."""
    if session.cycles_model is None:
        return []
    if session.cycles is None:
        return [("modelled cycles", session.cycles_model)]
    return [(f"{session.cycles_model} for an inference", number(session.cycles))]


def facts(session: Session) -> list[tuple[str, str]]:
    """Headline facts as (name, text)."""
    least_most = "" if session.count is None else f" ({number(session.count_least)} to {number(session.count_most)})"
    rows = [
        ("samples", samples_text(session)),
        *score_facts(session),
        ("answers that differ from the interpreter's", f"{session.mismatches:,}"),
        (f"{session.unit} for an inference", f"{number(session.count)}{least_most}"),
        *cycle_facts(session),
        ("BitOPs, of all layers at 8x8", f"{session.bitops_ratio:.3f}"),
        *(() if session.baud is None else (("serial line", f"{session.baud:,} baud"),)),
    ]
    if session.controller_share is not None and session.decided:
        rows.append(("controller's share of the count", percent(session.controller_share)))
    rows += [(f"answered at {name}", percent(share)) for name, share in session.answered_at.items()]
    if session.second_passes is not None:
        rows.append(("answered by a second pass", percent(session.second_passes)))
    if session.heads_share is not None and session.answered_at:
        rows.append(("decision points' share of the count", percent(session.heads_share)))
    return rows


def policy_name(session: Session) -> str:
    """Its policy in few characters: ``all 8x8`` for one pair in every layer."""
    pairs = set(session.policy.split(","))
    return f"all {session.policy.partition(',')[0]}" if "," in session.policy and len(pairs) == 1 else session.policy
