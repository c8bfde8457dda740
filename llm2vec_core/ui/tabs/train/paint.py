"""What stands around the curves: the state of a run, and before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.train import copy
from llm2vec_core.ui.templates import Cell

# A smaller change of a share of pairs is none that so few pairs could show.
SMALLEST_CHANGE = 0.01
# Narrow, so that its words can be read on a phone.
WIDTH, LEFT, RIGHT, LANE, DOT = 440.0, 98.0, 12.0, 46.0, 3.6
_SHAPES = {
    "similar": '<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="var(--good)"/>',
    "unrelated": '<path d="M{x:.1f} {y:.1f}m-3 -3l6 6m0 -6l-6 6" stroke="var(--muted)" stroke-width="1.7" fill="none"/>',
    "misleading": '<path d="M{x:.1f} {y:.1f}m0 -4l4 4l-4 4l-4 -4z" stroke="var(--ink)" stroke-width="1.3" fill="none"/>',
}

_OTHERS = {"unrelated": "unrelated pairs", "misleading": "pairs that only look alike"}


def training_status(message: str, *, busy: bool = False, share: float | None = None) -> str:
    """One line under the training button, and how far the run is.

    Args:
        message: plain text.
        busy: whether a run goes on.
        share: of the steps done, from 0 to 1.
    """
    bar = ""
    if share is not None:
        bar = (
            f'<div class="l2v-train-bar" role="progressbar" aria-label="Steps done" aria-valuenow="{share:.0%}" '
            f'aria-valuemin="0" aria-valuemax="100"><span style="width:{100 * share:.1f}%"></span></div>'
        ).replace(f'aria-valuenow="{share:.0%}"', f'aria-valuenow="{100 * share:.0f}"')
    return (
        f'<div class="l2v l2v-train-status"><p id="training-status" role="status" data-busy="{int(busy)}">'
        f"{escape(message)}</p>{bar}</div>"
    )


def own_adapter(description: str, steps_note: str = "") -> str:
    """The visible confirmation that an adapter is in use.

    Args:
        description: how it was made, plain text.
        steps_note: what to say besides, plain text.
    """
    note = f" {escape(steps_note)}" if steps_note else ""
    return (
        '<div class="l2v l2v-train-own" id="own-adapter" role="status"><b class="b">Your adapter</b> is an encoder in every '
        f"tab now, for you alone: <span>{escape(description)}</span>.{note}</div>"
    )


def change_sentence(before: float, after: float, other: str, count: int) -> str:
    """What became of the separation from another kind of pair, for each sign.

    Example:
        >>> change_sentence(0.5, 0.75, "unrelated", 40)
        'From unrelated pairs they are told apart better: separation 0.500 before, 0.750 after (40 pairs of each kind).'
    """
    kind = _OTHERS[other]
    numbers = f"separation {before:.3f} before, {after:.3f} after ({count} pairs of each kind)"
    if abs(after - before) < SMALLEST_CHANGE:
        return f"How well they are told from {kind} hardly changed: {numbers}."
    better = "better" if after > before else "worse"
    return f"From {kind} they are told apart {better}: {numbers}."


def starting_pairs(before: PairCosines, pairs: Mapping[str, Sequence[tuple[str, str]]], *, own: bool = False) -> str:
    """The card of the measured pairs while nothing is trained yet.

    Args:
        before: under the stage to start from.
        pairs: by relation, in the order of the cosines.
        own: whether they are the visitor's own pairs.
    """
    shares = [f"{before.area(below=other):.1%} of {_OTHERS[other]}" for other in before.by_label if other != "similar"]
    pair = "One of your pairs" if own else "A pair that means the same"
    notice = f"{pair} (round) lies further right than {' and than '.join(shares)}, taken at random."
    return figure_card(
        "Held-out pairs before training, cosine of the two sentences",
        _pairs({"Now": before}, copy.OWN_EXPLAINED if own else copy.EXPLAINED),
        name="before-training",
        notice=escape(notice),
        columns=("kind", "first", "second", "cosine"),
        rows=[
            (copy.KINDS[kind][0], a[:160], b[:160], float(value))
            for kind, both in pairs.items()
            for (a, b), value in zip(both, before.by_label[kind], strict=True)
        ],
        legend=_legend(before),
        elem_id="before-after",
    )


def before_and_after(
    before: PairCosines, after: PairCosines, pairs: Mapping[str, Sequence[tuple[str, str]]], *, own: bool = False
) -> str:
    """The card of the measured pairs: their cosines before and after, and what that means.

    Args:
        before: under the stage that the adapter stands on.
        after: with the adapter.
        pairs: by relation, in the order of the cosines.
        own: whether they are the visitor's own pairs.
    """
    sentences = ["The pairs that mean the same are the round marks." if not own else "Your pairs are the round marks."]
    for other in before.by_label:
        if other != "similar":
            count = min(len(before.by_label["similar"]), len(before.by_label[other]))
            sentences.append(change_sentence(before.area(below=other), after.area(below=other), other, count))
    moved = float(after.by_label["similar"].mean() - before.by_label["similar"].mean())
    way = "rose" if moved > 0 else "fell"
    sentences.append(f"Their mean cosine {way} by {abs(moved):.3f}, which alone says nothing: the order counts.")
    explained = copy.OWN_EXPLAINED if own else copy.EXPLAINED
    notice = " ".join(escape(sentence) for sentence in sentences)
    body = _pairs({"Before": before, "After": after}, explained)
    return figure_card(
        "Held-out pairs before and after, cosine of the two sentences" if not own else "Your held-out pairs, cosine",
        body,
        name="before-and-after",
        notice=notice,
        columns=("kind", "first", "second", "cosine before", "cosine after"),
        rows=_rows(before, after, pairs),
        legend=_legend(before),
        elem_id="before-after",
    )


def _rows(
    before: PairCosines, after: PairCosines, pairs: Mapping[str, Sequence[tuple[str, str]]]
) -> list[Sequence[Cell]]:
    found: list[Sequence[Cell]] = []
    for kind, both in pairs.items():
        values = zip(both, before.by_label[kind], after.by_label[kind], strict=True)
        found += [(copy.KINDS[kind][0], a[:160], b[:160], float(old), float(new)) for (a, b), old, new in values]
    return found


def _legend(cosines: PairCosines) -> str:
    marks = "".join(
        f'<span><svg viewBox="0 0 14 14" aria-hidden="true">{_SHAPES[kind].format(x=7.0, y=7.0)}</svg>'
        f"{escape(copy.KINDS[kind][0])} <i>({escape(copy.KINDS[kind][1])})</i></span>"
        for kind in cosines.by_label
    )
    return f'<div class="l2v-legend l2v-train-legend">{marks}<span>▏ median</span></div>'


def _pairs(measured: Mapping[str, PairCosines], explained: str) -> str:
    return f'<div class="l2v-train-pairs">{_picture(measured)}<p class="muted">{escape(explained)}</p></div>'


def _picture(measured: Mapping[str, PairCosines]) -> str:
    every = np.concatenate([values for cosines in measured.values() for values in cosines.by_label.values()])
    low = float(np.floor(every.min() * 5) / 5)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (float(value) - low) / (1.0 - low)

    parts, y = [], 4.0
    for name, cosines in measured.items():
        parts.append(f'<text x="0" y="{y + 15:.0f}" font-size="15" font-weight="650">{name}</text>')
        y += 20
        for kind, values in cosines.by_label.items():
            middle = y + LANE / 2
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="var(--line)"/>'
                f'<text class="q" x="0" y="{middle + 4:.1f}" font-size="13">{copy.KINDS[kind][0]}</text>'
            )
            parts += [_SHAPES[kind].format(x=cx, y=middle + dy) for cx, dy in _swarm([x(v) for v in values])]
            median = x(float(np.median(values)))
            parts.append(
                f'<line x1="{median:.1f}" x2="{median:.1f}" y1="{y + 3:.1f}" y2="{y + LANE - 3:.1f}" '
                f'stroke="var(--ink)" stroke-width="2"><title>median {float(np.median(values)):.3f}</title></line>'
            )
            y += LANE
        y += 8
    ticks = np.round(np.arange(low, 1.01, 0.2), 1)
    parts += [
        f'<text class="q" x="{x(tick):.1f}" y="{y + 12:.0f}" font-size="12.5" text-anchor="middle">{tick:g}</text>'
        for tick in ticks
    ]
    height = y + 18
    medians = "; ".join(
        f"{name}, {copy.KINDS[kind][0]}: median {float(np.median(values)):.2f}"
        for name, cosines in measured.items()
        for kind, values in cosines.by_label.items()
    )
    return (
        f'<svg class="l2v-svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="Cosines of held-out pairs. '
        f'{escape(medians)}">{"".join(parts)}</svg>'
    )


def _swarm(xs: Sequence[float]) -> list[tuple[float, float]]:
    """Places of marks that would cover each other, moved up and down: (x, distance from the middle)."""
    found: list[tuple[float, float]] = []
    for cx in sorted(xs):
        steps = (0, 1, -1, 2, -2, 3, -3, 4, -4)
        free = [
            step
            for step in steps
            if all(abs(cx - ox) > 2 * DOT or abs(step * 1.25 * DOT - oy) > 1.2 * DOT for ox, oy in found[-24:])
        ]
        found.append((cx, (free[0] if free else steps[len(found) % len(steps)]) * 1.25 * DOT))
    return found
