# ruff: noqa: E501 (markup and prose, as in paint.py)
"""One step of the lesson as HTML and SVG."""

from __future__ import annotations

from html import escape

from llm2vec_core.ui.paint.base import figure_card
from llm2vec_core.ui.tabs.see.lesson import Finding, Step

ROW, LEFT, WIDTH = 40, 8, 336


def lesson_card(number: int, count: int, step: Step, finding: Finding) -> str:
    """A step: what it explains, its numbers on a line, and what they say.

    Args:
        number: from 1.
        count: of all steps.
        step: the step.
        finding: what it found.
    """
    body = (
        f'<div><p class="l2v-see-prose">{step.prose}</p>'
        f'<p class="l2v-notice-line"><b>In your sentences.</b> {finding.sentence}</p></div>'
    )
    if finding.values:
        unit = escape(finding.unit[0].upper() + finding.unit[1:])
        body += f'<div>{_numbers(finding)}<p class="muted">{unit}.</p></div>'
    return figure_card(
        f"Step {number} of {count}: {step.title}",
        f'<div class="l2v-see-step" data-step="{number}">{body}</div>',
        name=f"lesson-{number}",
        columns=("encoder", finding.unit) if finding.values else (),
        rows=[[value.label, value.value] for value in finding.values],
        elem_id="see-lesson-card",
    )


def _numbers(finding: Finding) -> str:
    """Each number on its own line from 0 (or below) to 1 (or above): a circle is causal, a diamond bidirectional."""
    numbers = [value.value for value in finding.values]
    low, high = min(0.0, *numbers, 0.0), max(1.0, *numbers)
    height = len(numbers) * ROW + 22

    def x(value: float) -> float:
        return LEFT + (WIDTH - 2 * LEFT) * (value - low) / (high - low)

    told = "; ".join(f"{v.label} {_written(v.value, finding.percent)}" for v in finding.values)
    parts = [
        f'<svg class="l2v-svg" viewBox="0 0 {WIDTH} {height}" role="img" style="max-width:{int(WIDTH * 1.8)}px" '
        f'aria-label="{escape(finding.unit)}: {escape(told)}">'
    ]
    for i, value in enumerate(finding.values):
        y = i * ROW + 30
        color = "var(--bidi)" if value.direction == "bidirectional" else "var(--causal)"
        at = x(value.value)
        mark = (
            f'<path d="M{at:.1f} {y - 8}l8 8l-8 8l-8 -8z" fill="{color}"/>'
            if value.direction == "bidirectional"
            else f'<circle cx="{at:.1f}" cy="{y}" r="7" fill="{color}"/>'
        )
        parts.append(
            f'<text x="{LEFT}" y="{y - 13}" font-size="13">{escape(value.label)}</text>'
            f'<text x="{WIDTH - LEFT}" y="{y - 13}" font-size="14" font-weight="700" text-anchor="end" '
            f'data-value="{value.value:.6f}">{_written(value.value, finding.percent)}</text>'
            f'<rect x="{LEFT}" y="{y - 2}" width="{WIDTH - 2 * LEFT}" height="4" rx="2" fill="var(--track)"/>'
            f'<rect x="{x(0.0):.1f}" y="{y - 2}" width="{max(0.0, at - x(0.0)):.1f}" height="4" rx="2" fill="{color}"/>{mark}'
        )
    base = len(numbers) * ROW + 18
    parts.append(
        f'<text class="q" x="{LEFT}" y="{base}" font-size="12">{_written(low, finding.percent)}</text>'
        f'<text class="q" x="{WIDTH - LEFT}" y="{base}" font-size="12" text-anchor="end">'
        f"{_written(high, finding.percent)}</text></svg>"
    )
    return "".join(parts)


def _written(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.0%}" if value in (0.0, 1.0) else f"{value:.1%}"
    return f"{value:.3f}"
