"""The stored measurements as figures: what to plot, and what to notice in it."""

from __future__ import annotations

from dataclasses import astuple

from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.summary import LadderSummary, kind_label
from llm2vec_core.experiments.curves import SampleEfficiency
from llm2vec_core.figures import published_scores, sample_efficiency, score_ladder
from llm2vec_core.presets import ModelPreset
from llm2vec_core.published import MTEB, SCALE, SOURCE
from llm2vec_core.ui.plot import plot_value
from llm2vec_core.ui.tabs.ladder.model import below, rows_of_rungs, saved_steps
from llm2vec_core.ui.tabs.ladder.paint import points


def measured_value(summary: LadderSummary, preset: ModelPreset, kind: str) -> str:
    """The chart of one kind of task."""
    rows = summary.encoders
    figure = score_ladder(
        [row.label for row in rows],
        [row.direction for row in rows],
        {kind_label(kind): [astuple(row.means[kind]) for row in rows]},
        f"{kind_label(kind)}<br><sup>score x 100 with 95% interval; further right is better</sup>",
    )
    return plot_value(
        figure,
        name=f"ladder-{kind}",
        notice=measured_notice(summary, preset, kind),
        columns=("encoder", "direction", "score", "low", "high"),
        rows=[(row.label, row.direction, *astuple(row.means[kind])) for row in rows],
    )


def measured_notice(summary: LadderSummary, preset: ModelPreset, kind: str) -> str:
    """The finished encoder against the best rival, then step by step; a line each, worded by its sign."""
    rows = rows_of_rungs(preset, summary)
    names = {stage.key: stage.label for stage in preset.stages}
    baselines = [row for row in summary.encoders if row.direction != "bidirectional"]
    parts = []
    if preset.default.key in rows and preset.default.bidirectional and baselines:
        best = max(baselines, key=lambda row: row.means[kind].score)
        found = summary.encoder(rows[preset.default.key]).above[best.label][kind]
        parts.append(
            f"{preset.default.label} {_verb(found)} {best.label}, the best that reads in one direction only or not at all "
            f"({points(found)})."
        )
    for key, label in rows.items():
        lower = below(preset, key)
        if key in names and lower in rows:
            found = summary.encoder(label).above[rows[lower]][kind]
            parts.append(f"{names[key]} {_verb(found)} {names[lower]} ({points(found)}).")
    return "\n".join(parts)


def _verb(found: Estimate) -> str:
    return "is above" if found.low > 0 else "is below" if found.high < 0 else "is not clearly apart from"


def published_value() -> str:
    """The chart of the published numbers."""
    figure = published_scores(MTEB, f"Published: {SCALE}<br><sup>other models, other scale; not measured by us</sup>")
    gains, echoes = [], []
    for model in dict.fromkeys(row.model for row in MTEB):
        own = {row.encoder: row.score for row in MTEB if row.model == model and not row.supervised}
        if "causal, echo" in own:
            gains.append(own["bidirectional + MNTP + SimCSE"] - own["causal, weighted mean"])
            echoes.append((model, own["bidirectional + MNTP"] - own["causal, echo"]))
    better = [model for model, gap in echoes if gap < 0]
    echo = (
        f"Echo is ahead of MNTP alone on {', '.join(better)}."
        if better
        else "Echo is behind MNTP alone on all of them."
    )
    notice = (
        f"Without labels, the three steps together add {min(gains):.1f} to {max(gains):.1f} points to the causal models. {echo} With labelled "
        f"pairs all come closer together. Source: {SOURCE}."
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
        f"{experiment.title}<br><sup>line: mean of {len(curves[0].scores)} trainings; band: from the worst to the best of them</sup>",
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


def efficiency_notice(experiment: SampleEfficiency) -> str:
    """Who is ahead before and after, and what the better start saves; a sentence for each outcome."""
    first, end = experiment.leader(0), experiment.leader(-1)
    last = min(experiment.curves, key=lambda curve: float(curve.mean[0]))
    steps = int(last.steps[-1])
    parts = [
        f"Before any label, {first.label} is ahead ({first.mean[0]:.1f}; the lowest start, {last.label}, has {last.mean[0]:.1f})."
    ]
    level = [curve for curve in experiment.curves if curve is end or experiment.overlap(curve, end, -1)]
    if len(level) == 1:
        who = "it still is" if end is first else f"{end.label} is"
        parts.append(f"After {steps} steps {who} ahead ({end.mean[-1]:.1f}).")
    else:
        names = [curve.label for curve in level if curve is not first]
        who = f"it is level with {' and '.join(names)}" if first in level else f"{' and '.join(names)} are level"
        scores = sorted(float(curve.mean[-1]) for curve in level)
        parts.append(
            f"After {steps} steps {who} ({scores[0]:.1f} to {scores[-1]:.1f}): their seeds lie among each other."
        )
    reached, whole = saved_steps(experiment)
    if first is last:
        pass
    elif reached is None:
        parts.append(
            f"The better start saves nothing here: it never reaches the {last.mean[-1]:.1f} with which {last.label} ends."
        )
    elif reached == 0:
        parts.append(f"It stands above the {last.mean[-1]:.1f} with which {last.label} ends before any training.")
    elif reached < whole:
        parts.append(
            f"It reaches the {last.mean[-1]:.1f} with which {last.label} ends after {reached:.0f} of {whole:.0f} steps: {whole - reached:.0f} steps saved."
        )
    else:
        parts.append(
            f"It reaches the {last.mean[-1]:.1f} with which {last.label} ends at the very end only: no step is saved."
        )
    read = f" A step reads {experiment.batch_size:,} pairs." if experiment.batch_size else ""
    return f"{' '.join(parts)}{read} Score: {experiment.metric}."
