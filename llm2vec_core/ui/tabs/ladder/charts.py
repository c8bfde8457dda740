"""The tab's figures: histograms and echo as SVG; the stored measurements, and what to notice in them, for plotly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
from markupsafe import Markup

from llm2vec_core.charts.svg import line, path, rect, scale, svg, text, title
from llm2vec_core.evaluation.summary import EncoderSummary, LadderSummary, kind_label
from llm2vec_core.experiments.curves import SampleEfficiency
from llm2vec_core.figures import published_scores, sample_efficiency, score_ladder
from llm2vec_core.presets import MINILM, ModelPreset
from llm2vec_core.published import MTEB, SCALE, SOURCE
from llm2vec_core.ui.plot import plot_value
from llm2vec_core.ui.tabs.ladder.model import (
    MeasuredPairs,
    below,
    points,
    practice_of,
    rows_of_rungs,
)

# A phone shows a picture of this width unscaled, so that a text of 12 stays 12 pixels.
WIDTH, LEFT = 330, 8
BINS, ROW, HEIGHT = 28, 84, 52
KINDS = (("unrelated", "our unrelated pairs", "var(--muted)"), ("similar", "our similar pairs", "var(--good)"))


def histograms(rows: Sequence[MeasuredPairs], chosen: str) -> Markup:
    """Cosines of the bundled pairs, one small picture per encoder, all on one axis.

    Args:
        rows: each encoder with its cosines.
        chosen: key of the one that is marked.
    """
    lowest = min(float(values.min()) for row in rows for values in row.cosines.by_label.values())
    low = float(np.floor(min(lowest, 0.0) * 10) / 10)
    edges = np.linspace(low, 1.0, BINS + 1)
    counts = [{kind: np.histogram(v, edges)[0] for kind, v in row.cosines.by_label.items()} for row in rows]
    top = max(int(values.max()) for each in counts for values in each.values())
    x = scale(low, 1.0, LEFT, WIDTH - LEFT)
    parts = []
    for number, ((choice, cosines), own) in enumerate(zip(rows, counts, strict=True)):
        y0, base = number * ROW, number * ROW + 26 + HEIGHT
        mark = ""
        if choice.key == chosen:
            parts.append(rect(0, y0 + 6, 4, ROW - 8, rx=2, fill=choice.color))
            mark = "▸ "
        style = f"fill:{choice.color}"
        parts.append(text(LEFT, y0 + 20, mark + choice.label, 12.5, font_weight=650, style=style))
        score = f"separation {cosines.separation().score:.3f}"
        parts.append(text(WIDTH - LEFT, y0 + 20, score, text_anchor="end", data_separation=choice.key))
        for kind, name, color in KINDS:
            for bin_, count in enumerate(own[kind].tolist()):
                if count:
                    bar = HEIGHT * count / top
                    told = title(f"{name}: {count} from {edges[bin_]:.2f} to {edges[bin_ + 1]:.2f}")
                    wide = x(edges[1]) - x(edges[0]) - 0.6
                    parts.append(rect(x(edges[bin_]), base - bar, wide, bar, told, fill=color, opacity=".6"))
        steps = "".join(
            f"{'M' if not b else 'L'}{x(edges[b]):.1f} {base - HEIGHT * c / top:.1f}H{x(edges[b + 1]):.1f}"
            for b, c in enumerate(own["misleading"].tolist())
        )
        parts.append(path(steps, fill="none", stroke="var(--ink)", stroke_width=1.3, stroke_dasharray="3 2"))
        parts.append(line(LEFT, base, WIDTH - LEFT, base))
    height = ROW * len(rows) + 22
    for tick in np.arange(np.ceil(low * 5) / 5, 1.01, 0.2):
        # A number at an end of the axis may not stick out of the picture.
        anchor = "end" if tick > 0.99 else "start" if tick < low + 0.05 else "middle"
        parts.append(text(x(tick), height - 5, f"{tick:.1f}".replace("-", "−"), class_="q", text_anchor=anchor))
    label = f"Histograms of cosines under {len(rows)} encoders on one axis; the table has their means and separations"
    return svg(WIDTH, height, *parts, label=label, style="max-width:410px")


def echo_diagram() -> Markup:
    """What a word of the second copy has seen."""
    words, looking = ("The", "bank", "was", "robbed"), 1
    width, second = 300, 112  # it is folded away, and a fold is narrower
    step, box = width / len(words), width / len(words) - 8
    x = [(i + 0.5) * step for i in range(len(words))]
    parts = [text(4, 16, "first copy: read, not averaged", class_="q")]
    parts += [line(place, 54, x[looking], second, stroke="var(--causal)", stroke_width=1.5) for place in x]
    for y, fill, stroke in ((24, "var(--track)", "var(--line)"), (second, "var(--causal-soft)", "var(--causal)")):
        for place, word in zip(x, words, strict=True):
            parts.append(rect(place - box / 2, y, box, 30, rx=6, fill=fill, stroke=stroke))
            parts.append(text(place, y + 20, word, 13.5, text_anchor="middle"))
    parts.append(text(4, second + 48, "second copy: averaged into the text's vector", class_="q"))
    parts.append(text(4, second + 65, f"lines: what “{words[looking]}” has seen, including “{words[-1]}”", class_="q"))
    label = f"The text is written twice. In the second copy, {words[looking]} has seen every word of the first."
    return svg(width, 184, *parts, label=label, style="max-width:440px")


def titled(title: str, below: str) -> str:
    """A title of a plotly figure, and a line below it that a phone can show."""
    return f"{title}<br><span style='font-size:12px'>{below}</span>"


def measured_value(summary: LadderSummary, preset: ModelPreset, kind: str) -> str:
    """The chart of one kind of task."""
    rows = summary.encoders
    figure = score_ladder(
        [row.label for row in rows],
        [row.direction for row in rows],
        {kind_label(kind): [astuple(row.means[kind]) for row in rows]},
        titled(f"{preset.label}: {kind_label(kind)}", "score x 100 with 95% interval; further right is better"),
    )
    return plot_value(
        figure,
        name=f"ladder-{kind}",
        notice=measured_notice(summary, preset, kind),
        columns=("encoder", "direction", "score", "low", "high"),
        rows=[(row.label, row.direction, *row.means[kind].numbers()) for row in rows],
    )


def measured_notice(summary: LadderSummary, preset: ModelPreset, kind: str) -> str:
    """The finished encoder against the best baseline, then step by step; a line each, worded by its sign."""
    rows = rows_of_rungs(preset, summary)
    names = {stage.key: stage.label for stage in preset.stages}
    first, (_, practised) = preset.stages[0].key, practice_of(preset)
    baselines = [row for row in summary.encoders if row.direction != "bidirectional"]
    parts = []
    if preset.default.key in rows and preset.default.bidirectional and baselines:
        best = max(baselines, key=lambda row: row.means[kind].score)
        last = summary.encoder(rows[preset.default.key])
        parts.append(
            f"{preset.default.label} {_against(last, best, kind, best.label)}, the best encoder without bidirectional attention."
        )
    for key, label in rows.items():
        lower = below(preset, key)
        if key in names and lower in rows:
            # The first training mends what opening the mask did; whether that is a gain, the causal model alone can say.
            others = [lower, first] if key == practised and first in rows and lower != first else [lower]
            found = [_against(summary.encoder(label), summary.encoder(rows[o]), kind, names[o]) for o in others]
            parts.append(f"{names[key]} {', and '.join(found)}.")
    rival, default = summary.encoder(MINILM.label), rows.get(preset.default.key)
    if rival and default:
        gap = _against(rival, summary.encoder(default), kind, preset.default.label)
        parts.append(f"{MINILM.label} was never a decoder and has no causal view; it {gap}.")
    return "\n".join(parts)


def _against(row: EncoderSummary, other: EncoderSummary, kind: str, name: str) -> str:
    found = row.lead_over(other, kind)
    if found is not None:
        return f"{('is not clearly different from', 'is above', 'is below')[found.sign]} {name} ({points(found)})"
    gap = row.means[kind].score - other.means[kind].score
    return f"scores {abs(gap):.1f} points {'more' if gap > 0 else 'less'} than {name} (no interval stored)"


def published_value() -> str:
    """The chart of the published numbers."""
    figure = published_scores(MTEB, titled(f"Published: {SCALE}", "other models, another scale; not measured by us"))
    gains, echoes = [], []
    for model in dict.fromkeys(row.model for row in MTEB):
        own = {row.encoder: row.score for row in MTEB if row.model == model and not row.supervised}
        if "causal, echo" in own:
            gains.append(own["bidirectional + MNTP + SimCSE"] - own["causal, weighted mean"])
            echoes.append((model, own["bidirectional + MNTP"] - own["causal, echo"]))
    better = [model for model, gap in echoes if gap < 0]
    echo = f"Echo beats MNTP alone on {', '.join(better)}." if better else "Echo is below MNTP alone on all of them."
    notice = (
        f"Without labels, the three steps together add {min(gains):.1f} to {max(gains):.1f} points to the causal models. {echo} With labelled "
        f"pairs the scores are closer together. Source: {SOURCE}."
    )
    rows = [(row.model, row.encoder, row.direction, "yes" if row.supervised else "no", row.score) for row in MTEB]
    return plot_value(
        figure,
        name="published-mteb",
        notice=notice,
        columns=("model", "encoder", "direction", "labelled pairs", "score"),
        rows=rows,
    )


def efficiency_value(experiment: SampleEfficiency) -> str:
    """The chart of the sample-efficiency experiment."""
    curves = experiment.curves
    figure = sample_efficiency(
        [curve.label for curve in curves],
        [curve.direction for curve in curves],
        [curve.steps.tolist() for curve in curves],
        [curve.scores for curve in curves],
        titled(experiment.title, _runs(experiment.runs)),
        "mean Spearman x 100",
    )
    rows = [
        (curve.label, int(step), float(mean), float(low), float(high))
        for curve in curves
        for step, mean, low, high in zip(curve.steps, curve.mean, curve.scores.min(0), curve.scores.max(0), strict=True)
    ]
    return plot_value(
        figure,
        name="sample-efficiency",
        notice=efficiency_notice(experiment),
        columns=("start", "step", "mean", "lowest", "highest"),
        rows=rows,
    )


def _runs(count: int) -> str:
    return f"line: mean of {count} runs; band: worst to best run" if count > 1 else "one run a start"


def _when(steps: float | None, whole: int) -> str:
    if steps is None:
        return "never"
    if steps == 0:
        return "before any training"
    return f"after {steps:.0f} of {whole} steps" if steps < whole else "only at the end"


def efficiency_notice(experiment: SampleEfficiency) -> str:
    """Who is ahead before and after, and when the others reach what the causal start ends with."""
    first, end = experiment.leader(0), experiment.leader(-1)
    last = min(experiment.curves, key=lambda curve: float(curve.mean[0]))
    steps = int(last.steps[-1])
    parts = [
        f"Before any label, {first.label} is ahead ({first.mean[0]:.1f}; the lowest start, {last.label}, scores {last.mean[0]:.1f})."
    ]
    level = [curve for curve in experiment.curves if curve is end or experiment.overlap(curve, end, -1)]
    if len(level) == 1:
        who = "it still is" if end is first else f"{end.label} is"
        parts.append(f"After {steps} steps {who} ahead ({end.mean[-1]:.1f}).")
    else:
        names = [curve.label for curve in level if curve is not first]
        who = f"it is level with {' and '.join(names)}" if first in level else f"{' and '.join(names)} are level"
        scores = sorted(float(curve.mean[-1]) for curve in level)
        parts.append(f"After {steps} steps {who} ({scores[0]:.1f} to {scores[-1]:.1f}): their runs overlap.")
    base, reached = experiment.steps_to_causal()
    said = [f"{_when(after, int(base.steps[-1]))} from {label}" for label, after in reached.items()]
    parts.append(f"The final score of {base.label}, {base.mean[-1]:.1f}, is reached {'; '.join(said)}.")
    if experiment.runs == 1:
        parts.append("One run a start: what another seed would change was not measured.")
    read = f" A step reads {experiment.batch_size:,} pairs." if experiment.batch_size else ""
    return f"{' '.join(parts)}{read} Score: {experiment.metric}."
