"""Every stage of a model, and the rivals that a fair comparison needs, on every set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from llm2vec_core.baselines import BASELINES, LayerEmbeddings, PrependedTokens, centring_texts
from llm2vec_core.encoder import LLM2Vec, Progress
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.bootstrap import Estimate, average, difference, estimate
from llm2vec_core.evaluation.results import Cell, Results
from llm2vec_core.evaluation.sets import EvaluationSet
from llm2vec_core.presets import ModelPreset, Stage
from llm2vec_core.protocol import Encoder

# A causal model gets each pooling that could suit it: beating a weak baseline proves nothing. The first token of
# a causal model has seen nothing but itself.
CAUSAL_POOLINGS = ("mean", "weighted_mean", "last_token")
BIDIRECTIONAL_POOLINGS = ("mean",)
STATIC_LABEL = "Static token embeddings"
BASELINE_LABELS = {"quoted_prompt": "prompt in quotes"}
CENTRED = ", centred"
LAYER = "layer-"
PREPENDED = "prepended-"
PROBE = "The bank of the river was steep and muddy."
PROBE_NUMBERS = 16
# Between two chunks the progress is told.
CHUNK = 2048


@dataclass(frozen=True)
class Rung:
    """One row of the ladder.

    Attributes:
        label: shown to people.
        variant: a pooling mode, a key of :data:`llm2vec_core.baselines.BASELINES`, "layer-N" for the mean of the
            hidden states of layer N, or "prepended-N" for token prepending in N layers.
        direction: "causal", "bidirectional", or "none" where nothing attends.
        centred: whether the mean vector of the bundled sentences is subtracted.
    """

    label: str
    variant: str
    direction: str
    centred: bool = False


@dataclass(frozen=True)
class LadderRow:
    """One encoder's scores.

    Attributes:
        label: stage and pooling, or baseline.
        direction: "causal", "bidirectional", or "none".
        cells: one a task and set.
    """

    label: str
    direction: str
    cells: tuple[Cell, ...]

    def only(self, task: str, data: str | None = None) -> LadderRow:
        """The same row with the cells of one kind of task, or of one set, alone."""
        cells = [cell for cell in self.cells if cell.task == task and data in (None, cell.data)]
        return LadderRow(self.label, self.direction, tuple(cells))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of tasks that were measured."""
        return tuple(dict.fromkeys(cell.task for cell in self.cells))

    @property
    def mean(self) -> Estimate:
        """Mean over the kinds of tasks of the means over their sets, with its interval."""
        return estimate(self._score(), self._replicates())

    def above(self, other: LadderRow) -> Estimate:
        """How far this row's mean is above another one's, on the same examples.

        Raises:
            InputError: if the other was measured on other sets.
        """
        mine, theirs = ([(cell.task, cell.data, cell.digest) for cell in row.cells] for row in (self, other))
        if mine != theirs:
            raise InputError(f"{self.label!r} and {other.label!r} were not measured on the same sets")
        return difference((self._score(), other._score()), (self._replicates(), other._replicates()))

    def _score(self) -> float:
        kinds = [[cell.main.score for cell in self.only(kind).cells] for kind in self.kinds]
        return float(np.mean([np.mean(scores) for scores in kinds]))

    def _replicates(self) -> np.ndarray:
        return average([average([cell.replicates for cell in self.only(kind).cells]) for kind in self.kinds])


def rungs_of(
    stage: Stage,
    poolings: Sequence[str] | None = None,
    layer: int | None = None,
    prepended: int | None = None,
    *,
    centred: bool = False,
) -> list[Rung]:
    """The rows that a stage gives: a causal one each pooling and baseline, a bidirectional one mean pooling.

    Args:
        stage: of a preset.
        poolings: these instead.
        layer: of a causal stage, the layer whose hidden states are pooled as one more baseline.
        prepended: of a causal stage, in how many layers tokens are prepended in one more baseline.
        centred: each row once more with the mean vector subtracted.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> [rung.label for rung in rungs_of(BUNDLED.stage("mntp"), centred=True)]
        ['+ MNTP, mean', '+ MNTP, mean, centred']
    """
    direction = "bidirectional" if stage.bidirectional else "causal"
    modes = poolings or (BIDIRECTIONAL_POOLINGS if stage.bidirectional else CAUSAL_POOLINGS)
    rungs = [Rung(f"{stage.label}, {mode.replace('_', ' ')}", mode, direction) for mode in modes]
    if not stage.bidirectional:
        rungs += [
            Rung(STATIC_LABEL, name, "none")
            if name == "static"
            else Rung(f"{stage.label}, {BASELINE_LABELS.get(name, name)}", name, direction)
            for name in BASELINES
        ]
        if layer is not None:
            rungs.append(Rung(f"{stage.label}, layer {layer}", f"{LAYER}{layer}", direction))
        if prepended is not None:
            rungs.append(Rung(f"{stage.label}, token prepending", f"{PREPENDED}{prepended}", direction))
    return _with_centred(rungs) if centred else rungs


def rungs_of_rival(label: str, *, centred: bool = False) -> list[Rung]:
    """The rows of an encoder-only model: one, pooled as it was trained.

    Args:
        label: of the model.
        centred: once more with the mean vector subtracted.

    Example:
        >>> [(rung.label, rung.direction) for rung in rungs_of_rival("A BERT", centred=True)]
        [('A BERT', 'bidirectional'), ('A BERT, centred', 'bidirectional')]
    """
    rungs = [Rung(label, "mean", "bidirectional")]
    return _with_centred(rungs) if centred else rungs


def _with_centred(rungs: Sequence[Rung]) -> list[Rung]:
    return [row for rung in rungs for row in (rung, replace(rung, label=rung.label + CENTRED, centred=True))]


def measure_ladder(
    preset: ModelPreset,
    sets: Sequence[EvaluationSet],
    *,
    stages: Sequence[str] | None = None,
    poolings: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    instructions: Mapping[str, str] | None = None,
    results: Results | None = None,
    report: Callable[[Cell], None] = lambda _: None,
    progress: Callable[[str, str], Progress] = lambda *_: lambda *_: None,
    centred: bool = False,
    rivals: Mapping[str, Encoder] | None = None,
) -> list[LadderRow]:
    """Measure each stage of a model, and the causal one with every pooling and as every baseline.

    Args:
        preset: the model and its stages.
        sets: of :func:`llm2vec_core.evaluation.sets.find_sets`.
        stages: keys of the stages to measure; by default (None) all.
        poolings: these instead of the usual ones.
        options: of ``LLM2Vec.from_pretrained``, such as ``device``.
        instructions: by name of the set or kind of the task: what stands in front of its texts, in retrieval of
            its queries alone.
        results: finished cells are taken from there and new ones kept there.
        report: called with each cell as soon as it is measured.
        progress: (stage, set) -> a function that is called with (texts done, texts in all) while encoding.
        centred: measure each row once more with the mean vector of the bundled sentences subtracted.
        rivals: by label, encoders that are no stage of any decoder, such as
            :func:`llm2vec_core.baselines.encoder_only`; one row each.

    Returns:
        The rows, in the order of the stages, then the rivals.

    Raises:
        InputError: for a stage that the preset has not.
    """
    known = {stage.key: stage for stage in preset.stages}
    for key in stages or ():
        if key not in known:
            raise InputError(f"preset {preset.key!r} has no stage {key!r}; choose of {', '.join(known)}")
    results = results or Results(None, {})
    rows: list[LadderRow] = []
    loaded: tuple[tuple[str, ...], LLM2Vec] | None = None
    for stage in (known[key] for key in known if stages is None or key in stages):
        if loaded and loaded[0] == stage.adapters:
            encoder = loaded[1].view(bidirectional=stage.bidirectional)
        else:
            loaded = None  # two large models need not be in memory at once
            settings = {**preset.settings, **(options or {}), "bidirectional": stage.bidirectional}
            encoder = LLM2Vec.from_pretrained(preset.base, stage.adapters, **settings)
        loaded = (stage.adapters, encoder)
        rungs = rungs_of(stage, poolings, preset.best_layer, preset.prepended_layers, centred=centred)
        run = _Run(encoder, rungs, instructions or {}, results)
        rows += run.rows(sets, report, partial(progress, stage.label))
    for label, rival in (rivals or {}).items():
        run = _Run(rival, rungs_of_rival(label, centred=centred), instructions or {}, results)
        rows += run.rows(sets, report, partial(progress, label))
    return rows


class _Run:
    """One encoder and its rows. Rows that differ in pooling alone share the forward pass."""

    def __init__(
        self, encoder: Encoder, rungs: Sequence[Rung], instructions: Mapping[str, str], results: Results
    ) -> None:
        self.rungs = rungs
        self._encoder = encoder
        self._instructions = instructions
        self._results = results
        variants = list(dict.fromkeys(rung.variant for rung in rungs))
        self._baselines: dict[str, Encoder] = {}
        if isinstance(encoder, LLM2Vec):
            self._baselines = {name: _baseline(name, encoder) for name in variants if not _is_pooling(name)}
        self._probes = {
            variant: tuple(float(f"{number:.5g}") for number in rows[0][:PROBE_NUMBERS])
            for variant, rows in self._encode(variants, [PROBE], None, None).items()
        }
        self._means: dict[str, np.ndarray] = {}
        if any(rung.centred for rung in rungs):
            found = self._encode(variants, centring_texts(), None, None)
            self._means = {variant: rows.mean(axis=0) for variant, rows in found.items()}

    def rows(
        self, sets: Sequence[EvaluationSet], report: Callable[[Cell], None], progress: Callable[[str], Progress]
    ) -> list[LadderRow]:
        """Measure what is not finished and report it; the rows with all their cells, in the order of the sets."""
        cells: list[Cell] = []
        for name in dict.fromkeys(found.name for found in sets):
            same = [found for found in sets if found.name == name]
            for cell in self.measure(same, progress(name)):
                report(cell)
            cells += self.finished(same)
        place = {(found.task.kind, found.name): i for i, found in enumerate(sets)}
        by_label: dict[str, list[Cell]] = {rung.label: [] for rung in self.rungs}
        for cell in sorted(cells, key=lambda c: place[c.task, c.data]):
            by_label[cell.encoder].append(cell)
        return [LadderRow(rung.label, rung.direction, tuple(by_label[rung.label])) for rung in self.rungs]

    def measure(self, sets: Sequence[EvaluationSet], progress: Progress) -> list[Cell]:
        """Measure what is not finished on sets that share their texts, and keep it."""
        todo = [(found, rung) for found in sets for rung in self.rungs if self._kept(found, rung) is None]
        variants = list(dict.fromkeys(rung.variant for _, rung in todo))
        if not todo:
            return []
        vectors: dict[tuple[str | None, str], dict[str, np.ndarray]] = {}
        for instruction, texts in self._texts([found for found, _ in todo]).items():
            for variant, rows in self._encode(variants, texts, instruction, progress).items():
                vectors[instruction, variant] = dict(zip(texts, rows, strict=True))
        cells: dict[tuple[str, str, str, bool], Cell] = {}
        for found, rung in todo:
            key = (found.task.kind, found.name, rung.variant)
            raw = cells.get((*key, False))
            if raw and rung.centred and found.task.translation_invariant:
                cells[*key, True] = replace(raw, encoder=rung.label)
            else:
                cells[*key, rung.centred] = self._cell(found, rung, vectors)
        self._results.keep(cells.values())
        return list(cells.values())

    def _cell(
        self, found: EvaluationSet, rung: Rung, vectors: Mapping[tuple[str | None, str], Mapping[str, np.ndarray]]
    ) -> Cell:
        queries, documents = found.task.texts(found.data)
        instruction = self._instruction(found)
        mean = self._means[rung.variant] if rung.centred else 0.0
        measured = found.task.measure(
            found.data,
            np.stack([vectors[instruction, rung.variant][text] for text in queries]) - mean,
            np.stack([vectors[None, rung.variant][text] for text in documents]) - mean
            if documents
            else np.empty((0, 0)),
        )
        return Cell(
            rung.label,
            rung.direction,
            found.task.kind,
            found.name,
            measured.metrics,
            measured.replicates,
            measured.examples,
            found.digest,
            self._probes[rung.variant],
        )

    def finished(self, sets: Sequence[EvaluationSet]) -> list[Cell]:
        """The cells of all rows on these sets."""
        return [cell for found in sets for rung in self.rungs if (cell := self._kept(found, rung))]

    def _kept(self, found: EvaluationSet, rung: Rung) -> Cell | None:
        return self._results.find(
            rung.label, found.task.kind, found.name, digest=found.digest, probe=self._probes[rung.variant]
        )

    def _instruction(self, found: EvaluationSet) -> str | None:
        return self._instructions.get(found.name, self._instructions.get(found.task.kind))

    def _texts(self, sets: Sequence[EvaluationSet]) -> dict[str | None, list[str]]:
        """Each different text once, by its instruction."""
        needed: dict[str | None, dict[str, None]] = {}
        for found in sets:
            queries, documents = found.task.texts(found.data)
            needed.setdefault(self._instruction(found), {}).update(dict.fromkeys(queries))
            if documents:
                needed.setdefault(None, {}).update(dict.fromkeys(documents))
        # Similar lengths side by side, so that a chunk pads little.
        return {instruction: sorted(texts, key=len) for instruction, texts in needed.items()}

    def _encode(
        self, variants: Sequence[str], texts: Sequence[str], instruction: str | None, progress: Progress | None
    ) -> dict[str, np.ndarray]:
        baselines = [variant for variant in variants if variant in self._baselines]
        modes = [variant for variant in variants if variant not in baselines]
        parts: dict[str, list[np.ndarray]] = {variant: [] for variant in variants}
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            if len(modes) > 1 and isinstance(self._encoder, LLM2Vec):
                found = self._encoder.encode_poolings(chunk, instruction)
            else:
                found = {mode: self._encoder.encode(chunk, instruction, pooling_mode=mode) for mode in modes}
            found |= {name: self._baselines[name].encode(chunk, instruction) for name in baselines}
            for variant in variants:
                parts[variant].append(found[variant])
            if progress:
                progress(start + len(chunk), len(texts))
        return {variant: np.concatenate(rows) for variant, rows in parts.items()}


def _is_pooling(variant: str) -> bool:
    return variant not in BASELINES and not variant.startswith((LAYER, PREPENDED))


def _baseline(variant: str, encoder: LLM2Vec) -> Encoder:
    if variant.startswith(LAYER):
        return LayerEmbeddings(encoder, int(variant.removeprefix(LAYER)))
    if variant.startswith(PREPENDED):
        return PrependedTokens(encoder, int(variant.removeprefix(PREPENDED)))
    return BASELINES[variant](encoder)
