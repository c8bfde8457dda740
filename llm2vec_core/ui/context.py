"""What the handlers share: encoders, embeddings of the bundled texts, limits.

One object, made once and passed in. Everything in it belongs to the bundled model and is the same for
every visitor; what a visitor makes lives in :mod:`llm2vec_core.ui.visitor`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from transformers import PreTrainedConfig

from llm2vec_core.baselines import BASELINES, StaticEmbeddings
from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.comparison import Yardstick, measure_yardsticks
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.evaluation.query_scores import QueryScores, score_queries
from llm2vec_core.filling import ClozeScores, hide_words, measure_cloze
from llm2vec_core.loading import load_config
from llm2vec_core.presets import BUNDLED, ModelPreset
from llm2vec_core.search import SearchIndex
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.ui.choices import RIVALS, stage_choices
from llm2vec_core.ui.kept import Kept

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one visitor from taking the machine.

    Attributes:
        text_characters: longest text in a field.
        token_pictures: tokens drawn of one text.
        training_texts: texts of a visitor's own to train on.
        training_steps: steps of one run.
        training_seconds: after which a run stops by itself.
        results: search results shown.
        index_at_once: own texts that are indexed without being asked; more wait for the button.
        index_megabytes: of one index of own texts (20,000 x 384 in float32 are 30.7); a visitor keeps two at most.
        scored_queries: of a visitor's labelled texts, this many ask for the others of their label.
        own_texts: rows of a visitor's own texts.
        own_characters: characters of them all.
        label_characters: of a label; the rest is cut off.
        blank_rows: blank rows that are passed over before it is said that something is wrong.
        map_points: texts on one map.
        compared_texts: texts that are compared with each other.
        api_texts: texts of one call of an endpoint.
        api_characters: characters of them all.
        adapter_bytes: of an adapter's weights that are uploaded.
    """

    text_characters: int = 20_000
    token_pictures: int = 32
    training_texts: int = 2_000
    training_steps: int = 400
    training_seconds: float = 180.0
    results: int = 8
    index_at_once: int = 400
    index_megabytes: int = 64
    scored_queries: int = 200
    own_texts: int = 20_000
    own_characters: int = 10_000_000
    label_characters: int = 60
    blank_rows: int = 20_000
    map_points: int = 5_000
    compared_texts: int = 40
    api_texts: int = 256
    api_characters: int = 500_000
    adapter_bytes: int = 64 * 2**20


class AppContext:
    """Encoders and their embeddings, each made when first asked for, once.

    Args:
        preset: the model that the page shows.
        limits: see :class:`Limits`.

    Attributes:
        kept: what visitors' settings decide, so that there is no end to it: the latest results.
        warm_ups: what tabs want to be made before anyone asks, called by :meth:`warm_up` in turn.
    """

    def __init__(self, preset: ModelPreset = BUNDLED, limits: Limits | None = None) -> None:
        self.preset = preset
        self.limits = limits or Limits()
        self.kept = Kept()
        self.warm_ups: list[Callable[[], None]] = []
        self._made: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._guard = threading.Lock()

    def encoder(self, stage_key: str) -> LLM2Vec | StaticEmbeddings:
        """The encoder of a stage or rival; those that differ in direction alone share their weights."""
        if stage_key in RIVALS:
            return self._once(
                ("encoder", stage_key), lambda: BASELINES[stage_key](self.encoder(self.preset.stages[0].key))
            )
        stage = self.preset.stage(stage_key)
        base = self._once(
            ("weights", stage.adapters),
            lambda: LLM2Vec.from_pretrained(
                self.preset.base, stage.adapters, **{**self.preset.settings, "bidirectional": True}
            ),
        )
        return self._once(("encoder", stage_key), lambda: base.view(bidirectional=stage.bidirectional))

    def layers_and_heads(self) -> tuple[int, int]:
        """Numbers of layers and of heads, from the configuration alone (no weights are loaded)."""
        config = self.config()
        return config.num_hidden_layers, config.num_attention_heads

    def config(self) -> PreTrainedConfig:
        """The text model's configuration; no weights are loaded."""
        return self._once(("config",), lambda: load_config(self.preset.base, None).get_text_config())

    def is_loaded(self, stage_key: str) -> bool:
        """Whether a stage's weights are in memory."""
        return ("weights", self.preset.stage(stage_key).adapters) in self._made

    def yardstick(self, stage_key: str, pooling_mode: str) -> Yardstick:
        """Cosines of the bundled pairs under a stage."""
        return self._once(("yardsticks", stage_key), lambda: yardsticks_of(self.encoder(stage_key)))[pooling_mode]

    def pair_cosines(self, stage_key: str) -> PairCosines:
        """Cosines of all bundled pairs under a stage or rival, mean pooling."""
        return self._once(("pair cosines", stage_key), lambda: measure_pairs(self.encoder(stage_key), sentence_pairs()))

    def cloze(self, stage_key: str) -> ClozeScores:
        """How well a stage finds the words that are hidden in the bundled collection, one a passage."""
        return self._once(("cloze", stage_key), lambda: cloze_of(self.encoder(stage_key)))

    def collection(self, stage_key: str, pooling_mode: str = "mean") -> np.ndarray:
        """Embeddings of the bundled collection, shape (passages, hidden)."""
        return self._once(
            ("collection", stage_key, pooling_mode),
            lambda: self.encoder(stage_key).encode([p.text for p in passages()], pooling_mode=pooling_mode),
        )

    def index(self, stage_key: str, pooling_mode: str = "mean") -> SearchIndex:
        """Search index of the bundled collection."""
        return self._once(
            ("index", stage_key, pooling_mode), lambda: SearchIndex(self.collection(stage_key, pooling_mode))
        )

    def query_scores(self, stage_key: str, pooling_mode: str = "mean") -> QueryScores:
        """Scores over all labelled queries of the collection, asked without an instruction."""

        def measure() -> QueryScores:
            asked = self.encoder(stage_key).encode([q.query for q in queries()], pooling_mode=pooling_mode)
            return score_queries(self.index(stage_key, pooling_mode).cosines(asked), relevant_rows())

        return self._once(("query scores", stage_key, pooling_mode), measure)

    def warm_up(self) -> None:
        """Make what the first visitors will ask for, in the order in which they will."""
        first, last = self.preset.stages[0].key, self.preset.default.key
        for stage in self.preset.stages:
            self.yardstick(stage.key, "mean")
            self.encoder(stage.key).attentions("warm up")
        for choice in stage_choices(self.preset, rivals=True):
            self.pair_cosines(choice.key)
        for key in (first, last):
            self.query_scores(key)
        for job in self.warm_ups:
            job()
        for stage in self.preset.stages:
            self.cloze(stage.key)

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        # One lock a thing: a visitor waits for what they need, never for something else.
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


def relevant_rows() -> list[set[int]]:
    """For each labelled query the rows of the collection that answer it."""
    row = {passage.id: i for i, passage in enumerate(passages())}
    return [{row[name] for name in query.relevant} for query in queries()]


def cloze_of(encoder: LLM2Vec) -> ClozeScores:
    """How well any encoder finds the words that are hidden in the bundled collection."""
    return measure_cloze(encoder, hide_words(encoder.tokenizer, [passage.text for passage in passages()]))


def yardsticks_of(encoder: LLM2Vec) -> dict[str, Yardstick]:
    """Cosines of the bundled similar and unrelated pairs under any encoder, by pooling mode."""
    by_label: dict[str, list[tuple[str, str]]] = {"similar": [], "unrelated": [], "misleading": []}
    for pair in sentence_pairs():
        by_label[pair.label].append((pair.sentence1, pair.sentence2))
    return measure_yardsticks(encoder, by_label["similar"], by_label["unrelated"])
