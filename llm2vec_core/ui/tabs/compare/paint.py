"""Two matrices, their difference, and what they show, as escaped HTML."""

from __future__ import annotations

import json
from html import escape

import numpy as np

from llm2vec_core.ui.paint.base import card, figure_card
from llm2vec_core.ui.tabs.compare import copy
from llm2vec_core.ui.tabs.compare.matrix import difference_colors, difference_svg, outlined, similarity_svg
from llm2vec_core.ui.tabs.compare.model import PERCENTILE, Comparison, Side

# Smaller differences of a separation are one or two comparisons of a small group.
CLEAR = 0.05
SHOWN = 90


def summary(found: Comparison) -> str:
    """The first card: what these texts show, in two numbers and one sentence."""
    numbers = (_structure_numbers if found.structure else _plain_numbers)(found)
    note = f'<p class="muted">{escape(found.group.note)}</p>' if found.group else ""
    title = escape(found.group.name) if found.group else f"{len(found.fields.texts)} texts"
    return f'<div id="compare-told">{card(f"<h3>{title}</h3>{note}{numbers}")}</div>'


def matrices(found: Comparison) -> str:
    """Both matrices and their difference, beside each other where there is room."""
    measure, names = found.fields.measure, _names(found)
    unit = "percentile among unrelated pairs" if measure == PERCENTILE else "cosine"
    limits, span = found.limits(), found.span()
    together = found.structure.pairs()[0] if found.structure else None
    cards = []
    for side, name, short in zip(found.sides, names, ("first", "second"), strict=True):
        values = side.values(measure)
        cards.append(
            figure_card(
                f"{name}: {unit}",
                similarity_svg(values, limits, measure, f"{name}: {_range(values[found.pairs], measure)}", together),
                name=f"similarity-{short}",
                notice=_range_sentence(found, side),
                columns=["text", *map(str, range(1, len(values) + 1))],
                rows=_rows(found, values),
                elem_id=f"compare-{short}",
            )
        )
    colors = difference_colors(found.first.choice.color, found.second.choice.color)
    legend = (
        f'<div class="l2v-key"><span><i style="background:{colors[0]}"></i>− more alike under {escape(names[0])}</span>'
        f'<span><i style="background:{colors[1]}"></i>+ more alike under {escape(names[1])}</span></div>'
    )
    cards.append(
        figure_card(
            f"Difference of the two, {'in percentiles' if measure == PERCENTILE else 'in cosine'}",
            difference_svg(
                found.difference,
                span,
                measure,
                f"Difference: {_range(found.difference[found.pairs], measure)}",
                colors,
                together,
            )
            + legend,
            name="similarity-difference",
            notice=_difference_sentence(found),
            columns=["text", *map(str, range(1, len(found.difference) + 1))],
            rows=_rows(found, found.difference),
            elem_id="compare-difference",
        )
    )
    digits = 1 if measure == PERCENTILE else 3
    data = {
        "texts": [_cut(each, 70) for each in found.fields.texts],
        "names": names,
        "unit": "%" if measure == PERCENTILE else "",
        "digits": digits,
        "values": [np.round(side.values(measure), digits + 1).ravel().tolist() for side in found.sides],
    }
    return (
        f'<div class="l2v l2v-compare" data-count="{len(found.fields.texts)}" data-low="{limits[0]:.4f}" data-high="{limits[1]:.4f}" '
        f'data-span="{span:.4f}" data-matrices="{escape(json.dumps(data, ensure_ascii=False))}">'
        '<p class="l2v-compare-read" aria-live="polite">Both matrices have one scale. Point at a cell, tap it, or walk with the arrow '
        "keys: the pair is told here, and a tap or Enter takes it to the table of poolings. The numbers are those of the texts listed below.</p>"
        f"{_outline_key(found, together)}"
        f'<div class="l2v-compare-grid">{"".join(cards)}</div>'
        f'<p class="muted">{copy.WHY_PERCENTILE}</p></div>'
    )


def _outline_key(found: Comparison, together: np.ndarray | None) -> str:
    if not outlined(together):
        return ""
    means = "means the same" if found.group else "has the same label"
    return f'<div class="l2v-key"><span><i class="l2v-compare-outline"></i>outlined: a pair that {means}</span></div>'


def neighbors(found: Comparison) -> str:
    """The numbered texts, each with its nearest other text under both encoders."""
    names, texts, nearest = _names(found), found.fields.texts, found.nearest
    rows, table = [], []
    for i, each in enumerate(texts):
        cells = []
        for side, row in zip(found.sides, (nearest.first[i], nearest.second[i]), strict=True):
            told = f"{side.cosines[i, row]:.3f}"
            same = _same_meaning(found, i, int(row))
            mark = "" if same is None else '<i class="ok">✓ same meaning</i>' if same else "<i>other meaning</i>"
            cells.append(
                f'<span class="near"><b class="{side.choice.css}">{escape(side.choice.label)}</b> → {row + 1}. '
                f"{escape(_cut(texts[row], 60))} <small>{told} {mark}</small></span>"
            )
        changed = bool(nearest.changed[i])
        flag = '<b class="changed">≠ changed</b>' if changed else '<span class="muted">= the same</span>'
        rows.append(
            f'<li data-row="{i + 1}" data-first="{nearest.first[i] + 1}" data-second="{nearest.second[i] + 1}" '
            f'data-changed="{int(changed)}"><span class="number">{i + 1}</span><span class="own">{escape(_cut(each))}</span>'
            f'{"".join(cells)}<span class="flag">{flag}</span></li>'
        )
        table.append(
            [i + 1, each[:300], int(nearest.first[i]) + 1, float(found.first.cosines[i, nearest.first[i]]),
             int(nearest.second[i]) + 1, float(found.second.cosines[i, nearest.second[i]]), "changed" if changed else "the same"]
        )  # fmt: skip
    return figure_card(
        "The texts, and which other one is nearest to each",
        f'<ol class="l2v-compare-texts{" many" if len(texts) > 12 else ""}" tabindex="0">{"".join(rows)}</ol>',
        name="nearest-texts",
        notice=_neighbor_sentence(found),
        columns=[
            "number",
            "text",
            f"nearest under {names[0]}",
            "cosine",
            f"nearest under {names[1]}",
            "cosine",
            "changed",
        ],
        rows=table,
        elem_id="compare-neighbors",
    )


def _structure_numbers(found: Comparison) -> str:
    names, (first, second) = _names(found), found.separations() or (0.0, 0.0)
    alike = found.group.alike if found.group else ""
    against = f"a pair that means something else but whose texts {escape(alike)}" if alike else "a pair that does not"
    belongs = "a pair that means the same" if found.group else "a pair with the same label"
    a, b = (f'<b class="{s.choice.css}">{escape(n)}</b>' for s, n in zip(found.sides, names, strict=True))
    word = "meaning" if found.group else "your labels"
    if second - first > CLEAR:
        verdict = f"Here {b} follows {word} more than {a}."
    elif first - second > CLEAR:
        verdict = f"Here {a} follows {word} more than {b}: on these texts the step from the one to the other does harm."
    else:
        verdict = f"On this, {a} and {b} hardly differ."
    if max(first, second) < 0.5:
        verdict += f" But under both, {'wording' if alike else 'something else'} counts for more than {word}: less than the 50% of a coin."
    elif min(first, second) < 0.5:
        low = a if first < second else b
        verdict += f" Under {low} it is less than the 50% of a coin."
    return (
        f'<div class="l2v-numbers" data-first="{first:.4f}" data-second="{second:.4f}">'
        + "".join(
            f'<div><b class="{s.choice.css}">{v:.0%}</b><span>{escape(n)}</span></div>'
            for s, n, v in zip(found.sides, names, (first, second), strict=True)
        )
        + f"</div><p>How often does {belongs} have a higher cosine than {against}? "
        f'A coin would be right in 50% of all such comparisons.</p><p class="l2v-notice-line"><b>What to notice.</b> {verdict}</p>'
    )


def _plain_numbers(found: Comparison) -> str:
    names = _names(found)
    means = [float(side.cosines[found.pairs].mean()) for side in found.sides]
    places = [float(side.percentiles[found.pairs].mean()) for side in found.sides]
    a, b = (f'<b class="{s.choice.css}">{escape(n)}</b>' for s, n in zip(found.sides, names, strict=True))
    gap = places[1] - places[0]
    if abs(gap) < 5:
        verdict = "Held against unrelated sentences, they are about equally alike under both."
    else:
        verdict = f"Held against unrelated sentences, they are more alike under {b if gap > 0 else a}."
    if (means[1] - means[0]) * gap < 0 and abs(gap) >= 5:
        verdict += " The raw cosines say the opposite."
    return (
        f'<div class="l2v-numbers" data-first="{means[0]:.4f}" data-second="{means[1]:.4f}">'
        + "".join(
            f'<div><b class="{s.choice.css}">{m:.3f}</b><span>{escape(n)}: mean cosine,<br>higher than {p:.0f}% of unrelated pairs</span></div>'
            for s, n, m, p in zip(found.sides, names, means, places, strict=True)
        )
        + f'</div><p class="l2v-notice-line"><b>What to notice.</b> {verdict}</p>'
    )


def _range_sentence(found: Comparison, side: Side) -> str:
    values = side.values(found.fields.measure)[found.pairs]
    best = int(values.argmax())
    i, j = (int(rows[best]) + 1 for rows in found.pairs)
    if len(values) == 1:
        return f"This pair has {_number(values[0], found)}."
    if np.ptp(values) < 1e-5:
        return f"All pairs have the same value, {_number(values[0], found)}."
    return f"{_range(values, found.fields.measure)}. Most alike: {i} and {j} ({_number(values[best], found)})."


def _difference_sentence(found: Comparison) -> str:
    values = found.difference[found.pairs]
    least = 0.5 if found.fields.measure == PERCENTILE else 0.0005
    names = _names(found)
    most = int(np.abs(values).argmax())
    if abs(values[most]) < least:
        return "No pair differs: the two matrices are the same."
    i, j = (int(rows[most]) + 1 for rows in found.pairs)
    up, down = int((values >= least).sum()), int((values <= -least).sum())
    winner = names[1] if values[most] > 0 else names[0]
    return (
        f"{up} of {len(values)} {'pair is' if len(values) == 1 else 'pairs are'} more alike under {escape(names[1])}, {down} under {escape(names[0])}. "
        f"Largest change: {i} and {j}, by {_number(abs(values[most]), found)} more alike under {escape(winner)}."
    )


def _neighbor_sentence(found: Comparison) -> str:
    names, count = _names(found), len(found.fields.texts)
    changed = int(found.nearest.changed.sum())
    told = f"{changed} of {count} texts ({changed / count:.0%}) have another nearest text under {escape(names[1])} than under {escape(names[0])}."
    if found.structure is None:
        return told
    right = [
        sum(bool(_same_meaning(found, i, int(row))) for i, row in enumerate(rows))
        for rows in (found.nearest.first, found.nearest.second)
    ]
    return f"{told} The nearest one has the same meaning for {right[0]} of {count} under {escape(names[0])}, for {right[1]} under {escape(names[1])}."


def _same_meaning(found: Comparison, i: int, j: int) -> bool | None:
    return None if found.structure is None else found.structure.meanings[i] == found.structure.meanings[j]


def _rows(found: Comparison, values: np.ndarray) -> list[list[str | float]]:
    return [
        [f"{i + 1}. {_cut(each, 60)}", *map(float, row)]
        for i, (each, row) in enumerate(zip(found.fields.texts, values, strict=True))
    ]


def _range(values: np.ndarray, measure: str) -> str:
    digits = 0 if measure == PERCENTILE else 2
    low, high, mean = (f"{value:.{digits}f}".replace("-", "−") for value in (values.min(), values.max(), values.mean()))
    return f"From {low} to {high}, mean {mean}"


def _number(value: float, found: Comparison) -> str:
    return f"{value:.0f}" if found.fields.measure == PERCENTILE else f"{value:.3f}"


def _names(found: Comparison) -> list[str]:
    return [side.choice.label for side in found.sides]


def _cut(each: str, limit: int = SHOWN) -> str:
    return each if len(each) <= limit else each[: limit - 1].rstrip() + "…"
