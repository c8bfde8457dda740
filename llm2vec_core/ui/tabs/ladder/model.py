"""What the ladder tab's handlers compute, from the context and the visitor alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm2vec_core.baselines import StaticEmbeddings
from llm2vec_core.bundled_data import sentence_pairs
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate
from llm2vec_core.evaluation.ladder import rungs_of
from llm2vec_core.evaluation.summary import MEAN, LadderSummary, read_summary
from llm2vec_core.experiments.curves import SampleEfficiency, read_sample_efficiency
from llm2vec_core.filling import Blank, ClozeScores, fill_blanks
from llm2vec_core.presets import ASSETS, ModelPreset
from llm2vec_core.separation import PairCosines
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import BASELINE_OPTIONS, USER_ADAPTER, EncoderOption
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import checked_text

LADDER_FILE = ASSETS / "figures" / "ladder.json"
EFFICIENCY_FILE = ASSETS / "figures" / "sample_efficiency.json"
LADDER_COMMAND = "python -m llm2vec_core evaluate --data FOLDER --out OUT, then copy OUT/ladder.json to assets/figures"
EFFICIENCY_COMMAND = (
    "python -m llm2vec_core efficiency --pairs FILE --data FOLDER --out assets/figures/sample_efficiency.json"
)
EXPECTED_CHARACTERS = 200


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

    @property
    def change(self) -> Estimate | None:
        """How far its separation is above that of the rung below, paired."""
        return self.cosines.above(self.cosines_before) if self.cosines_before else None


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
        measured(context.preset, stored_ladder() if context.preset.bundled else None, key, lower),
    )


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
        Measured(kind, row.means[kind], other and other.means[kind], other and row.above[other.label][kind])
        for kind in TOLD
        if kind in row.means
    )


def training_record(adapter: str) -> dict[str, Any]:
    """What a local adapter's ``training.json`` says; nothing for one from the Hub."""
    file = Path(adapter) / "training.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def all_cosines(context: AppContext, session: Session) -> list[tuple[EncoderOption, PairCosines]]:
    """The bundled pairs under every choice, rivals last."""
    found = sorted(session.choices(context, baselines=True), key=lambda choice: choice.key in BASELINE_OPTIONS)
    return [(choice, session.pair_cosines_for(choice.key, context)) for choice in found]


def token_counts(context: AppContext, session: Session, keys: Sequence[str]) -> list[int]:
    """Tokens that each encoder reads for all bundled pairs; none where nothing is read."""
    texts = [text for pair in sentence_pairs() for text in (pair.sentence1, pair.sentence2)]
    counts = []
    for key in keys:
        encoder = session.encoder_for(key, context)
        rows = [] if isinstance(encoder, StaticEmbeddings) else encoder.tokenize(texts)
        counts.append(sum(len(row.input_ids) for row in rows))
    return counts


@dataclass(frozen=True)
class Filled:
    """One text's blanks under every rung.

    Attributes:
        text: as it was typed.
        expected: the words that were asked about.
        rows: (rung, its answers), in the order of the ladder.
        opened: key of the rung that opened the mask untrained; None if there is none.
        practised: key of the first rung with an adapter; None if there is none.
    """

    text: str
    expected: tuple[str, ...]
    rows: tuple[tuple[EncoderOption, tuple[Blank, ...]], ...]
    opened: str | None
    practised: str | None


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
            f"The missing words have {len(expected):,} characters; at most {EXPECTED_CHARACTERS} fit: one word a blank."
        )
    words = tuple(expected.split())
    rows = tuple(
        (choice, tuple(fill_blanks(_model_of(choice.key, context, session), text, expected=words)))
        for choice in session.choices(context)
    )
    return Filled(text, words, rows, *practice_of(context.preset))


def practice_of(preset: ModelPreset) -> tuple[str | None, str | None]:
    """Keys of the stage that opened the mask without training, and of the first trained one."""
    opened = [stage.key for stage in preset.stages if stage.bidirectional and not stage.adapters]
    practised = [stage.key for stage in preset.stages if stage.bidirectional and stage.adapters]
    return (opened or [None])[0], (practised or [None])[0]


def hidden_words(context: AppContext, session: Session) -> list[tuple[EncoderOption, ClozeScores]]:
    """How well each rung finds one hidden word a passage of the bundled collection."""
    return [(choice, session.cloze_for(choice.key, context)) for choice in session.choices(context)]


def _model_of(key: str, context: AppContext, session: Session) -> LLM2Vec:
    encoder = session.encoder_for(key, context)
    if isinstance(encoder, StaticEmbeddings):
        raise InputError(f"{session.choice(key, context).label} reads nothing and so expects nothing.")
    return encoder


def stored_ladder() -> LadderSummary | None:
    """The full evaluation of the bundled model, if it has been run."""
    return read_summary(LADDER_FILE)


def stored_efficiency() -> SampleEfficiency | None:
    """The sample-efficiency experiment, if it has been run."""
    return read_sample_efficiency(EFFICIENCY_FILE)


def rows_of_rungs(preset: ModelPreset, summary: LadderSummary) -> dict[str, str]:
    """By key of a stage or rival, the label of its row in the measured ladder; a stage's with mean pooling."""
    found = {}
    for stage in preset.stages:
        for each in rungs_of(stage):
            key = stage.key if each.variant == "mean" else each.variant
            if summary.encoder(each.label) and (key == stage.key or key in BASELINE_OPTIONS):
                found[key] = each.label
    return found


def saved_steps(experiment: SampleEfficiency) -> tuple[float | None, float]:
    """How many steps the start that leads before training saves against the one that is last there.

    Returns:
        The steps after which the leader has reached what the other reaches at its end, and the other's steps; the
        first is None if it never does.
    """
    first = experiment.leader(0)
    last = min(experiment.curves, key=lambda curve: float(curve.mean[0]))
    return first.steps_to(float(last.mean[-1])), float(np.max(last.steps))


__all__ = ["Filled", "Rung", "all_cosines", "below", "fill", "hidden_words", "rung", "saved_steps"]
