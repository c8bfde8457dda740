"""The table of all poolings under all encoders."""

from __future__ import annotations

from html import escape

from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.compare.poolings import Pooled, best

SHORT = {"mean": "mean", "weighted_mean": "weighted", "last_token": "last", "first_token": "first"}


def pooling_table(found: list[Pooled], pair: tuple[int, int], texts: tuple[str, ...]) -> str:
    """Every pooling mode under every encoder.

    Args:
        found: the measurements.
        pair: rows of the two texts.
        texts: all texts.
    """
    labelled = found[0].together is not None
    top = {(each.choice.key, each.pooling) for each in best(found)}
    cells = {(each.choice.key, each.pooling): each for each in found}
    choices = list({each.choice.key: each.choice for each in found}.values())
    head = "".join(f'<th scope="col">{escape(SHORT.get(mode, mode))}</th>' for mode in POOLING_MODES)
    body = "".join(
        f'<tr><th scope="row" class="{choice.css}">{escape(choice.label)}</th>'
        + "".join(_cell(cells.get((choice.key, mode)), (choice.key, mode) in top, labelled) for mode in POOLING_MODES)
        + "</tr>"
        for choice in choices
    )
    first, second = (f"{row + 1}. {texts[row][:90]}{'…' if len(texts[row]) > 90 else ''}" for row in pair)
    separation = (
        "how often a pair of the same meaning is above one to be kept apart, in these texts"
        if labelled
        else "how often one of our 80 similar pairs is above one of our 80 unrelated ones"
    )
    legend = (
        f'<p class="muted"><b>{escape(first)}</b><br><b>{escape(second)}</b></p><p class="muted">In each cell: '
        "their cosine; its percentile among unrelated pairs; and the <em>separation</em> of this encoder and pooling: "
        f"{separation} (50% is a coin). ★ marks the best separation.</p>"
    )
    return figure_card(
        "One pair under every pooling and every encoder",
        '<div class="l2v-compare-wide" tabindex="0" role="group" aria-label="Table of poolings">'
        f'<table class="l2v-compare-pool"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>",
        name="poolings",
        notice=_notice(found, labelled),
        legend=legend,
        columns=[
            "encoder", "pooling", "cosine", "percentile", "separation",
            *(["mean cosine, same meaning", "mean cosine, to be kept apart"] if labelled else []),
        ],
        rows=[
            [each.choice.label, each.pooling, each.cosine, each.percentile, each.separation,
             *([each.together, each.apart] if labelled else [])]
            for each in found
        ],
        elem_id="compare-pool",
    )  # fmt: skip


def _cell(each: Pooled | None, starred: bool, labelled: bool) -> str:
    if each is None:
        return '<td class="muted">–</td>'
    place = "" if each.percentile is None else f"<span>{each.percentile:.0f}<i> of 100</i></span>"
    part = ""
    if each.separation is not None:
        part = f'<span class="sep">{"★ " if starred else ""}{each.separation:.0%}</span>'
    return (
        f'<td data-key="{escape(each.choice.key)}" data-pooling="{each.pooling}" data-cosine="{each.cosine:.5f}"'
        f"{' class=best' if starred else ''}><b>{each.cosine:.3f}</b>{place}{part}</td>"
    )


def _notice(found: list[Pooled], labelled: bool) -> str:
    low, high = min(found, key=lambda each: each.cosine), max(found, key=lambda each: each.cosine)
    told = (
        f"The same two texts have a cosine of {low.cosine:.3f} ({_where(low)}) "
        f"and of {high.cosine:.3f} ({_where(high)})."
    )
    placed = [each for each in found if each.percentile is not None]
    if placed:
        shares = [each.percentile or 0.0 for each in placed]
        told += f" Their place among unrelated pairs goes from {min(shares):.0f} to {max(shares):.0f} of 100."
    top = best(found)
    if not top:
        return told + " With an instruction, the rest is left out: it would take all our pairs through every encoder."
    many = f" and {len(top) - 1} more" if len(top) > 1 else ""
    what = "these texts" if labelled else "our pairs"
    return f"{told} Best separation of {what}: {_where(top[0])}{many}, {top[0].separation or 0.0:.0%}."


def _where(each: Pooled) -> str:
    return f"{escape(each.choice.label)}, {escape(SHORT.get(each.pooling, each.pooling))}"
