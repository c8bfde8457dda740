"""What the ladder tab shows, from the context and the session alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from llm2vec_core.bundled_data import BlankPreset, sentence_pairs
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.ladder import rungs_of
from llm2vec_core.evaluation.summary import MEAN, LadderSummary, kind_label, read_summary
from llm2vec_core.experiments.curves import SampleEfficiency, read_sample_efficiency
from llm2vec_core.filling import Blank, ClozeScores, fill_blanks
from llm2vec_core.presets import ASSETS, BUNDLED, SMOLLM2, ModelPreset
from llm2vec_core.protocol import Encoder
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import BASELINE_OPTIONS, USER_ADAPTER, EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.ladder.stored import LadderOpening, stored_opening
from llm2vec_core.ui.user_texts import checked_text

T = TypeVar("T")

log = logging.getLogger(__name__)

# By preset: the whole evaluation, where it was run.
LADDER_FILES = {
    BUNDLED.key: ASSETS / "figures" / "ladder.json",
    SMOLLM2.key: ASSETS / "figures" / "ladder-smollm2.json",
}
EFFICIENCY_FILES = {
    BUNDLED.key: ASSETS / "figures" / "sample_efficiency.json",
    SMOLLM2.key: ASSETS / "figures" / "sample_efficiency-smollm2.json",
}
LADDER_COMMAND = "python -m llm2vec_core evaluate --preset {} --data FOLDER --out FOLDER"
EXPECTED_CHARACTERS = 200
# Separation above which the bundled pairs leave little room for a next step.
EASY = 0.95


@dataclass(frozen=True)
class Measured:
    """A rung's score on public sets of one kind of task, times 100.

    Attributes:
        kind: of task, or "mean" for the mean of all kinds.
        score: of the rung.
        before: of the rung that it is held against; None if there is none.
        above: how far the rung is above that one, paired; None likewise.
    """

    kind: str
    score: Estimate
    before: Estimate | None
    above: Estimate | None


@dataclass(frozen=True)
class Rung:
    """One rung beside the one it is held against.

    Attributes:
        choice: the rung.
        before: see :func:`below`.
        cosines: of the bundled pairs under the rung.
        cosines_before: under the rung before.
        training: what its adapter's own record says, if there is one.
        opened: whether this rung opened the mask and changed no weight.
        measured: its scores on public sets, if they were measured.
    """

    choice: EncoderOption
    before: EncoderOption | None
    cosines: PairCosines
    cosines_before: PairCosines | None
    training: dict[str, Any]
    opened: bool
    measured: tuple[Measured, ...] = ()

    @cached_property
    def change(self) -> Estimate | None:
        """How far its separation is above that of the rung below, paired."""
        return self.cosines.above(self.cosines_before) if self.cosines_before else None

    @property
    def verdict(self) -> str:
        """Which sign the change has: "better", "worse", "level", or "" without a rung below."""
        return ("level", "better", "worse")[self.change.sign] if self.change else ""

    @property
    def too_easy(self) -> bool:
        """Whether the whole evaluation shows a gain that the bundled pairs leave no room for."""
        gain = self.measured[-1].above if self.measured else None
        if gain is None or self.cosines_before is None:
            return False
        return gain.sign > 0 and self.verdict != "better" and self.cosines_before.separation().score > EASY


def points(found: Estimate) -> str:
    """A difference of scores that were multiplied by 100, with its interval.

    Example:
        >>> points(Estimate(-1.0, -2.5, 0.5))
        '−1.0 points [−2.5, +0.5]'
    """
    if isnan(found.low):
        return f"{found.score:+.1f} points, no interval stored".replace("-", "−")
    return f"{found.score:+.1f} points [{found.low:+.1f}, {found.high:+.1f}]".replace("-", "−")


def below(preset: ModelPreset, key: str) -> str | None:
    """Key of the rung that a rung is held against: the stage that it was made from, None for the first.

    A stage's last adapter was trained on what the adapters before it had made, and that need not be the stage
    in front of it. A visitor's own adapter is held against the stage that the model's name stands for.

    Example:
        >>> from llm2vec_core.presets import PRESETS
        >>> below(PRESETS["sheared-llama-1.3b"], "supervised"), below(PRESETS["mini"], "echo")
        ('mntp', 'causal')
    """
    if key == preset.stages[0].key:
        return None
    if key in BASELINE_OPTIONS:
        return preset.stages[0].key
    if key == USER_ADAPTER:
        return preset.default.key
    stage = preset.stage(key)
    earlier = stage.adapters[:-1]
    made_from = [s.key for s in preset.stages if stage.adapters and s.bidirectional and s.adapters == earlier]
    return made_from[-1] if made_from else preset.stages[preset.stages.index(stage) - 1].key


def rung(context: AppContext, session: Session, key: str) -> Rung:
    """Everything about one rung.

    Raises:
        InputError: if there is no such rung (any more).
    """
    choice = session.choice(key, context)
    lower = below(context.preset, key)
    stage = {stage.key: stage for stage in context.preset.stages}.get(key)
    return Rung(
        choice,
        session.choice(lower, context) if lower else None,
        session.pair_cosines_for(key, context),
        session.pair_cosines_for(lower, context) if lower else None,
        training_record(stage.adapters[-1]) if stage and stage.adapters else {},
        bool(stage and stage.bidirectional and not stage.adapters),
        measured(context.preset, stored_ladder(context.preset.key), key, lower),
    )


def stair_heights(preset: ModelPreset) -> dict[str, float]:
    """By key of a stage or baseline, its score on public sentence similarity sets, times 100, where measured."""
    summary = stored_ladder(preset.key)
    if summary is None or "sts" not in summary.kinds:
        return {}
    return {k: summary.encoder(label).means["sts"].score for k, label in rows_of_rungs(preset, summary).items()}


# What the card of a rung tells of the whole evaluation.
TOLD = ("sts", MEAN)


def measured(preset: ModelPreset, summary: LadderSummary | None, key: str, lower: str | None) -> tuple[Measured, ...]:
    """What the whole evaluation says of a rung and the one below it.

    Args:
        preset: of the model.
        summary: its evaluation, if it was run.
        key: of the rung.
        lower: of the rung that it is held against.
    """
    rows = rows_of_rungs(preset, summary) if summary else {}
    if key not in rows:
        return ()
    row = summary.encoder(rows[key])
    other = summary.encoder(rows[lower]) if lower in rows else None
    return tuple(
        Measured(kind, row.means[kind], other and other.means[kind], other and row.lead_over(other, kind))
        for kind in (TOLD if len(summary.kinds) > 1 else summary.kinds)
        if kind in row.means
    )


class Change(NamedTuple):
    """What a step does to one kind of task.

    Attributes:
        kind: of task.
        found: how far the score, times 100, is above the one before; without an interval where none was stored.
        sign: "up", "down", or "level" where the interval includes 0.
    """

    kind: str
    found: Estimate
    sign: str


def changes_by_opening(preset: ModelPreset, summary: LadderSummary) -> list[Change]:
    """What opening the mask of the untrained model does to each kind of task; empty if that was not measured."""
    opened, _ = practice_of(preset)
    rows = rows_of_rungs(preset, summary)
    lower = below(preset, opened) if opened else None
    if opened not in rows or lower not in rows:
        return []
    row, other = summary.encoder(rows[opened]), summary.encoder(rows[lower])
    found = []
    for kind in summary.kinds:
        gap = row.means[kind].score - other.means[kind].score
        change = row.lead_over(other, kind) or Estimate(gap, nan, nan)
        sign = Estimate(gap, gap, gap).sign if isnan(change.low) else change.sign
        found.append(Change(kind, change, ("level", "up", "down")[sign]))
    return found


def training_record(adapter: str) -> dict[str, Any]:
    """What a local adapter's ``training.json`` says; nothing for one from the Hub."""
    file = Path(adapter) / "training.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


class MeasuredPairs(NamedTuple):
    """An encoder with the cosines of the bundled pairs."""

    choice: EncoderOption
    cosines: PairCosines


def all_cosines(context: AppContext, session: Session) -> list[MeasuredPairs]:
    """The bundled pairs under every choice, baselines last."""
    found = sorted(session.choices(context, baselines=True), key=lambda choice: choice.key in BASELINE_OPTIONS)
    return [MeasuredPairs(choice, session.pair_cosines_for(choice.key, context)) for choice in found]


def token_counts(context: AppContext, session: Session, keys: Sequence[str]) -> list[int]:
    """Tokens that each encoder reads for all bundled pairs; none where nothing is read."""
    counts = stored_opening(context.preset.key).tokens
    return [counts[key] if key in counts else count_tokens(session.encoder_for(key, context)) for key in keys]


def count_tokens(encoder: Encoder) -> int:
    """Tokens that a decoder reads for all bundled pairs; none where nothing is read."""
    if not isinstance(encoder, LLM2Vec):
        return 0
    texts = [text for pair in sentence_pairs() for text in (pair.sentence1, pair.sentence2)]
    return sum(len(row.input_ids) for row in encoder.tokenize(texts))


class FilledRow(NamedTuple):
    """One text's blanks under one rung."""

    choice: EncoderOption
    blanks: tuple[Blank, ...]


@dataclass(frozen=True)
class Filled:
    """One text's blanks under every rung.

    Attributes:
        text: as it was typed.
        expected: the words that were asked about.
        rows: one per rung, in the order of the ladder.
        opened: key of the rung that opened the mask untrained; None if there is none.
        practised: key of the first rung with an adapter; None if there is none.
    """

    text: str
    expected: tuple[str, ...]
    rows: tuple[FilledRow, ...]
    opened: str | None
    practised: str | None

    @property
    def left(self) -> str:
        """The end of what stands to the left of the first blank."""
        return self.text.split("_")[0].strip()[-60:]

    def row(self, key: str) -> FilledRow:
        """The row of a rung."""
        return next(row for row in self.rows if row.choice.key == key)


def fill(context: AppContext, session: Session, text: str, expected: str) -> Filled:
    """Fill in the blanks of a visitor's text under every rung.

    Raises:
        InputError: for a text without a blank, or one that is too long.
        ModelError: if the model's output matrix is not its token embedding.
    """
    text = checked_text(text, "The sentence", context.limits.text_characters)
    expected = (expected or "").strip()
    if len(expected) > EXPECTED_CHARACTERS:
        raise InputError(
            f"Missing words: {len(expected):,} characters, at most {EXPECTED_CHARACTERS} (one word per blank)."
        )
    words = tuple(expected.split())
    stored = stored_opening(context.preset.key).blanks.get((text, words), {})
    rows = tuple(
        FilledRow(
            choice,
            stored.get(choice.key) or tuple(fill_blanks(_model_of(choice.key, context, session), text, expected=words)),
        )
        for choice in session.choices(context)
    )
    return Filled(text, words, rows, *practice_of(context.preset))


def opening_of(context: AppContext, examples: Sequence[BlankPreset]) -> LadderOpening:
    """What the tab opens with, computed now."""
    stages = [stage.key for stage in context.preset.stages]
    tokens = {key: count_tokens(context.encoder(key)) for key in (*stages, *BASELINE_OPTIONS)}
    models = {key: cast(LLM2Vec, context.encoder(key)) for key in stages}
    blanks = {
        (each.text, tuple(each.answer.split())): {
            key: tuple(fill_blanks(model, each.text, expected=each.answer.split())) for key, model in models.items()
        }
        for each in examples
    }
    return LadderOpening(tokens, blanks)


def practice_of(preset: ModelPreset) -> tuple[str | None, str | None]:
    """Keys of the stage that opened the mask without training, and of the first trained one."""
    opened = [stage.key for stage in preset.stages if stage.bidirectional and not stage.adapters]
    practised = [stage.key for stage in preset.stages if stage.bidirectional and stage.adapters]
    return (opened or [None])[0], (practised or [None])[0]


class StepScores(NamedTuple):
    """How well a rung predicts the masked words of the bundled collection."""

    choice: EncoderOption
    scores: ClozeScores


def hidden_words(context: AppContext, session: Session) -> list[StepScores]:
    """How well each rung predicts one masked word per passage of the bundled collection."""
    return [StepScores(choice, session.cloze_for(choice.key, context)) for choice in session.choices(context)]


def _model_of(key: str, context: AppContext, session: Session) -> LLM2Vec:
    encoder = session.encoder_for(key, context)
    if not isinstance(encoder, LLM2Vec):
        raise InputError(f"{session.choice(key, context).label} is no decoder and predicts nothing.")
    return encoder


@cache
def stored_ladder(key: str) -> LadderSummary | None:
    """The whole evaluation of a preset, if it has been run."""
    return _stored(read_summary, LADDER_FILES.get(key))


@cache
def stored_efficiency(key: str) -> SampleEfficiency | None:
    """The sample-efficiency experiment of a preset, if it has been run."""
    return _stored(read_sample_efficiency, EFFICIENCY_FILES.get(key))


def _stored(read: Callable[[Path], T | None], file: Path | None) -> T | None:
    """What a file holds; a broken one is logged and counts as not there."""
    try:
        return read(file) if file else None
    except InputError as error:
        log.error("%s", error)
        return None


class ScoreCell(NamedTuple):
    """A score in the table; its interval for people, "" if none is stored."""

    score: float
    interval: str
    best: bool


class ScoreRow(NamedTuple):
    """One encoder in the table."""

    label: str
    css: str
    cells: list[ScoreCell]


def score_rows(summary: LadderSummary, kind: str) -> tuple[list[str], list[ScoreRow]]:
    """Names of the columns and one row per encoder: the sets of a kind, or the kinds, and their mean."""
    overall = kind == MEAN
    names = [kind_label(k) for k in summary.kinds] if overall else list(summary.sets(kind))
    found = [
        [
            *([row.means[k] for k in summary.kinds] if overall else [s.found for s in row.sets if s.task == kind]),
            row.means[kind],
        ]
        for row in summary.encoders
    ]
    best = [max(column) for column in zip(*([e.score for e in row] for row in found), strict=True)]
    rows = [
        ScoreRow(
            row.label,
            {"causal": "c", "bidirectional": "b"}.get(row.direction, "n"),
            [ScoreCell(e.score, _interval(e), e.score == top) for e, top in zip(scores, best, strict=True)],
        )
        for row, scores in zip(summary.encoders, found, strict=True)
    ]
    return [*names, "mean"], rows


def _interval(found: Estimate) -> str:
    return "" if isnan(found.low) else f"95% interval {found.low:.1f} to {found.high:.1f}"


def rows_of_rungs(preset: ModelPreset, summary: LadderSummary) -> dict[str, str]:
    """By key of a stage or baseline, the label of its row in the measured ladder; a stage's with mean pooling."""
    found = {}
    for stage in preset.stages:
        for each in rungs_of(stage):
            key = stage.key if each.variant == "mean" else each.variant
            if summary.encoder(each.label) and (key == stage.key or key in BASELINE_OPTIONS):
                found[key] = each.label
    return found
