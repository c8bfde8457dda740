"""One rung, the measured table and the echo drawing as HTML and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.summary import MEAN, LadderSummary, kind_label
from llm2vec_core.evaluation.tasks import all_tasks
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.paint.base import card, figure_card
from llm2vec_core.ui.tabs.ladder import copy
from llm2vec_core.ui.tabs.ladder.model import Rung

MEASURES = (
    ("separation", "Separation: chance that a similar pair is above an unrelated one", "0.5 is guessing, 1 is perfect"),
    ("margin", "Margin between similar and unrelated, in standard deviations", "higher is better"),
    ("similar", "Mean cosine, similar pairs", "80 pairs, same meaning in other words"),
    ("unrelated", "Mean cosine, unrelated pairs", "80 pairs; far above 0 means that all vectors point one way"),
    ("misleading", "Mean cosine, misleading pairs", "80 pairs, same words in another meaning; lower is better"),
)

# Separation above which the bundled pairs leave little room for a next step.
EASY = 0.95


def measures(cosines: PairCosines) -> dict[str, float]:
    """The numbers of :data:`MEASURES` for one encoder."""
    means = {label: cosines.mean(label) for label in ("similar", "unrelated", "misleading")}
    return {"separation": cosines.separation().score, "margin": cosines.margin(), **means}


def stage_card(rung: Rung, tokens: Sequence[int]) -> str:
    """What was done, what it costs, what changed.

    Args:
        rung: the chosen one.
        tokens: read for all bundled pairs by the rung and by the one below it; the first alone if there is none.
    """
    choice, before = rung.choice, rung.before
    done = copy.DONE.get(choice.key, escape(choice.meaning))
    words = f'<h3 class="{choice.css}">{escape(choice.label)}</h3><dl class="l2v-ladder-facts"><dt>What was done</dt><dd>{done}</dd><dt>What it costs</dt><dd>{cost(rung, tokens)}</dd><dt>What changed</dt><dd id="ladder-change">{change(rung)}</dd>{on_public_sets(rung)}</dl>'
    now, old = measures(rung.cosines), measures(rung.cosines_before) if rung.cosines_before else None
    head = f'<th scope="col">measure</th>{f"<th scope=col>{escape(before.label)}</th>" if before else ""}<th scope="col" class="{choice.css}">{escape(choice.label)}</th>'
    body = "".join(
        f'<tr><th scope="row">{name}<span class="muted">{hint}</span></th>'
        + (f"<td>{old[key]:.3f}</td>" if old else "")
        + f'<td data-measure="{key}" data-value="{now[key]:.6f}"><b>{now[key]:.3f}</b></td></tr>'
        for key, name, hint in MEASURES
    )
    rows = [(name, *([old[key]] if old else []), now[key]) for key, name, _ in MEASURES]
    numbers = figure_card(
        "Live numbers on 240 labelled pairs",
        f'<table class="l2v-ladder-live"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>',
        name=f"ladder-{choice.key}",
        notice=notice(rung),
        columns=("measure", *([before.label] if before else []), choice.label),
        rows=rows,
    )
    return f'<div id="ladder-rung" data-stage="{escape(choice.key)}">{card(words)}{numbers}</div>'


def cost(rung: Rung, tokens: Sequence[int]) -> str:
    """What the step takes; what a record or a count says goes before general words."""
    record = rung.training
    if rung.choice.key == "echo" and len(tokens) > 1 and tokens[1]:
        return f"No training, but every text is read twice, with a few words around it: {tokens[0]:,} tokens instead of {tokens[1]:,} for our pairs, {tokens[0] / tokens[1]:.1f} times as many."
    if record:
        minutes = record.get("hours", 0) * 60
        things = "pairs" if record.get("objective") == "supervised" else "texts"
        took = f", {minutes:.0f} minutes on the machine that trained it" if minutes >= 1 else ""
        return f"{escape(copy.COSTS.get(rung.choice.key, ''))} This one: {record['steps_done']:,} steps of {record['batch_size']:,} {things}{took}."
    return copy.COSTS.get(rung.choice.key, copy.UNKNOWN_COST)


def change(rung: Rung) -> str:
    """What the step did to the numbers, a sentence for each sign."""
    found = rung.change
    if found is None or rung.before is None:
        return "This is where the ladder stands on the ground: the other rungs are held against it."
    was = escape(rung.before.label)
    moved = (
        f"from {rung.cosines_before.separation().score:.3f} to {rung.cosines.separation().score:.3f} ({signed(found)})"
    )
    if found.low > 0:
        verdict = f"Against “{was}”, similar and unrelated pairs are told apart <b>better</b>: {moved}."
    elif found.high < 0:
        verdict = f"Against “{was}”, similar and unrelated pairs are told apart <b>worse</b>: {moved}."
    else:
        verdict = f"Against “{was}”, these pairs show <b>no clear difference</b>: {moved}; the interval holds 0."
    if rung.opened:
        verdict += {
            1: " On many larger models this step alone loses (they were never trained to look ahead); on this one and these pairs it gains.",
            -1: " So it was reported for many larger models: they were never trained to look ahead. The next step is the practice.",
            0: " On many larger models this step alone loses; here no loss can be seen.",
        }[(found.low > 0) - (found.high < 0)]
    return verdict


def on_public_sets(rung: Rung) -> str:
    """The rung's scores in the whole evaluation beside those below it; nothing where it was not measured."""
    if not rung.measured:
        return ""
    parts = []
    for found in rung.measured:
        was = "" if found.before is None else f"{found.before.score:.1f} → "
        gain = "" if found.above is None else f" ({points(found.above)})"
        parts.append(f"{kind_label(found.kind)}: {was}<b>{found.score.score:.1f}</b>{gain}.")
    mean, live = rung.measured[-1].above, rung.change
    hidden = mean is not None and mean.low > 0 and live is not None and live.low <= 0
    told = f" {copy.TOO_EASY}" if hidden and rung.cosines_before.separation().score > EASY else ""
    return f'<dt>On public sets</dt><dd id="ladder-public">{"<br>".join(parts)}{told}</dd>'


def points(found: Estimate) -> str:
    """A difference of scores that were multiplied by 100, with its interval."""
    return f"{found.score:+.1f} points [{found.low:+.1f}, {found.high:+.1f}]"


def notice(rung: Rung) -> str:
    """What the live numbers show, computed from them."""
    unrelated = rung.cosines.mean("unrelated")
    parts = [f"Two sentences that have nothing to do with each other have a mean cosine of {unrelated:.2f} here"]
    if rung.cosines_before:
        gap = unrelated - rung.cosines_before.mean("unrelated")
        word = "lower" if gap < 0 else "higher"
        parts.append(f", {abs(gap):.2f} {word} than under “{escape(rung.before.label)}”" if rung.before else "")
    misled = rung.cosines.separation("similar", "misleading").score
    parts.append(
        f". A pair with the same meaning beats a pair that only shares its words in {misled:.0%} of all cases"
        + (
            ": shared words still count for more than meaning."
            if misled < 0.5
            else ": meaning counts for more than shared words."
        )
    )
    return "".join(parts)


def measured_table(summary: LadderSummary, kind: str) -> str:
    """One row an encoder, one column a set (or a kind of task)."""
    overall = kind == MEAN
    names = [kind_label(k) for k in summary.kinds] if overall else list(summary.sets(kind))
    rows, body = [], []
    columns = [
        [row.means[k] for k in summary.kinds] if overall else [s.found for s in row.sets if s.task == kind]
        for row in summary.encoders
    ]
    best = [max((row[i].score for row in columns), default=0.0) for i in range(len(names))]
    for row, found in zip(summary.encoders, columns, strict=True):
        css = {"causal": "c", "bidirectional": "b"}.get(row.direction, "n")
        cells = "".join(
            f'<td title="95% interval {e.low:.1f} to {e.high:.1f}">{"<b>" if e.score == best[i] else ""}{e.score:.1f}{"</b>" if e.score == best[i] else ""}</td>'
            for i, e in enumerate(found)
        )
        body.append(
            f'<tr><th scope="row" class="{css}">{escape(row.label)}</th>{cells}<td><b>{row.means[kind].score:.1f}</b></td></tr>'
        )
        rows.append(
            (
                row.label,
                *(round(e.score, 2) for e in found),
                row.means[kind].score,
                row.means[kind].low,
                row.means[kind].high,
            )
        )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (*names, "mean"))
    asked = copy.KINDS.get(kind, "")
    measured = f"{asked} {'' if overall else f'Measured: {escape(all_tasks()[kind].metric)}.'} "
    limit = f" At most {summary.limit:,} examples of each set: a quick look." if summary.limit else ""
    return figure_card(
        f"{kind_label(kind)}: every number (x 100)",
        f'<div class="l2v-scroll l2v-ladder-all" tabindex="0" role="group" aria-label="Table of all scores"><table class="l2v-ladder-sets" id="ladder-sets"><thead><tr><th scope="col">encoder</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
        f'<p class="muted">{measured}The best of a column is bold.{limit} Repeat it: <code>{escape(summary.command)}</code></p>',
        name=f"ladder-{kind}",
        columns=("encoder", *names, "mean", "low", "high"),
        rows=rows,
    )


def missing(what: str, command: str) -> str:
    """In the place of a figure whose file is not there."""
    return card(f"<h3>{escape(what)}</h3><p>{copy.NOT_MEASURED}</p><p><code>{escape(command)}</code></p>")


def echo_card(
    choices: Sequence[tuple[EncoderOption, PairCosines]], tokens: Sequence[int], against: Sequence[tuple[str, Estimate]]
) -> str:
    """How echo embeddings work, and what they give on the bundled pairs.

    Args:
        choices: causal, echo and the last stage, each with its cosines.
        tokens: that causal and echo read for all pairs.
        against: (label, how far echo's separation is above that of it).
    """
    verdicts = []
    for label, found in against:
        word = "above" if found.low > 0 else "below" if found.high < 0 else "not clearly apart from"
        verdicts.append(f"{word} {escape(label)} ({signed(found)})")
    notice_ = f"On our pairs echo's separation is {' and '.join(verdicts)}. It reads {tokens[1] / max(1, tokens[0]):.1f} times the tokens, at every text, for ever; opening the mask costs nothing when reading."
    rows = [(choice.label, c.separation().score, c.separation().low, c.separation().high) for choice, c in choices]
    cells = "".join(
        f'<div><b style="color:{choice.color}" data-echo="{escape(choice.key)}">{c.separation().score:.3f}</b><span>{escape(choice.label)}</span></div>'
        for choice, c in choices
    )
    return figure_card(
        "Echo embeddings: in the second copy, each word has seen the whole text",
        f'{_echo_svg(("The", "bank", "was", "robbed"))}<div class="l2v-numbers">{cells}</div><p class="muted">Separation of similar from unrelated pairs (0.5 is guessing, 1 is perfect).</p>',
        name="echo",
        notice=notice_,
        columns=("encoder", "separation", "low", "high"),
        rows=rows,
        beside=True,
    )


def signed(found: Estimate) -> str:
    """A difference with its interval."""
    return f"{found.score:+.3f}, 95% interval {found.low:+.3f} to {found.high:+.3f}"


def _echo_svg(words: Sequence[str]) -> str:
    width, step, box, second = 372, 92, 78, 112
    looking = 1
    x = [i * step + 4 + box / 2 for i in range(len(words))]
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {width} 184" role="img" style="max-width:560px" aria-label="The text stands there twice. In the second '
        f'copy the word {escape(words[looking])} takes in every word of the first copy.">'
        '<text x="4" y="16" font-size="12" class="q">first copy: read, not averaged</text>'
    ]
    parts += [
        f'<line x1="{place}" y1="54" x2="{x[looking]}" y2="{second}" stroke="var(--causal)" stroke-width="1.5"/>'
        for place in x
    ]
    for y, fill, stroke in ((24, "var(--track)", "var(--line)"), (second, "var(--causal-soft)", "var(--causal)")):
        for place, word in zip(x, words, strict=True):
            parts.append(
                f'<rect x="{place - box / 2}" y="{y}" width="{box}" height="30" rx="6" fill="{fill}" stroke="{stroke}"/>'
                f'<text x="{place}" y="{y + 20}" text-anchor="middle" font-size="13.5">{escape(word)}</text>'
            )
    parts.append(
        f'<text x="4" y="{second + 48}" font-size="12" class="q">second copy: averaged into the text\'s vector</text>'
        f'<text x="4" y="{second + 65}" font-size="12" class="q">lines: what “{escape(words[looking])}” has seen by then, “robbed” too</text></svg>'
    )
    return "".join(parts)
