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
from transformers import AutoConfig

from llm2vec_core.baselines import BASELINES, StaticEmbeddings
from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.comparison import Yardstick, measure_yardsticks
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.filling import ClozeScores, hide_words, measure_cloze
from llm2vec_core.presets import BUNDLED, ModelPreset
from llm2vec_core.projection import align, neighbor_label_accuracy, neighbor_overlap, pca_2d, umap_2d
from llm2vec_core.search import SearchIndex, ndcg_at_10
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.ui.choices import RIVALS, stage_choices

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
        own_texts: rows of a visitor's own texts.
        own_characters: characters of them all.
        label_characters: of a label; the rest is cut off.
        blank_rows: blank rows that are passed over before it is said that something is wrong.
    """

    text_characters: int = 20_000
    token_pictures: int = 32
    training_texts: int = 2_000
    training_steps: int = 400
    training_seconds: float = 180.0
    results: int = 8
    own_texts: int = 20_000
    own_characters: int = 10_000_000
    label_characters: int = 60
    blank_rows: int = 20_000


class AppContext:
    """Encoders and their embeddings, each made when first asked for, once.

    Args:
        preset: the model that the page shows.
        limits: see :class:`Limits`.
    """

    def __init__(self, preset: ModelPreset = BUNDLED, limits: Limits | None = None) -> None:
        self.preset = preset
        self.limits = limits or Limits()
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
        config = self._once(("config",), lambda: AutoConfig.from_pretrained(self.preset.base).get_text_config())
        return config.num_hidden_layers, config.num_attention_heads

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

    def ndcg(self, stage_key: str, pooling_mode: str = "mean") -> float:
        """nDCG@10 over all labelled queries of the collection."""

        def measure() -> float:
            embeddings = self.encoder(stage_key).encode([q.query for q in queries()], pooling_mode=pooling_mode)
            row = {passage.id: i for i, passage in enumerate(passages())}
            relevant = [{row[name] for name in query.relevant} for query in queries()]
            return ndcg_at_10(self.index(stage_key, pooling_mode).cosines(embeddings), relevant)

        return self._once(("ndcg", stage_key, pooling_mode), measure)

    def map_points(self, kind: str, stage_key: str, reference_key: str) -> np.ndarray:
        """2-D positions of the collection, turned to lie like those of the reference stage.

        Args:
            kind: "pca" or "umap".
            stage_key: whose embeddings to draw.
            reference_key: whose map gives the frame.
        """
        layouts = {"pca": pca_2d, "umap": umap_2d}
        layout = layouts[kind]
        own = self._once(("map", kind, stage_key), lambda: layout(self.collection(stage_key)))
        if stage_key == reference_key:
            return own
        return align(self.map_points(kind, reference_key, reference_key), own)

    def map_is_ready(self, kind: str, *stage_keys: str) -> bool:
        """Whether positions are at hand without computing."""
        return all(("map", kind, key) in self._made for key in stage_keys)

    def topic_accuracy(self, stage_key: str) -> float:
        """Share of passages whose nearest ten neighbours vote for their own topic."""
        labels = np.array([p.topic for p in passages()])
        return self._once(("accuracy", stage_key), lambda: neighbor_label_accuracy(self.collection(stage_key), labels))

    def overlap(self, first: str, second: str) -> np.ndarray:
        """For each passage the share of its ten nearest neighbours that two stages agree on."""
        return self._once(
            ("overlap", first, second), lambda: neighbor_overlap(self.collection(first), self.collection(second))
        )

    def warm_up(self) -> None:
        """Make what the first visitors will ask for, in the order in which they will."""
        first, last = self.preset.stages[0].key, self.preset.stages[-1].key
        for stage in self.preset.stages:
            self.yardstick(stage.key, "mean")
            self.encoder(stage.key).attentions("warm up")
        for choice in stage_choices(self.preset, rivals=True):
            self.pair_cosines(choice.key)
        for key in (first, last):
            self.ndcg(key)
            self.topic_accuracy(key)
            self.map_points("pca", key, first)
        self.overlap(first, last)
        for stage in self.preset.stages:
            self.cloze(stage.key)
        for key in (first, last):
            self.map_points("umap", key, first)

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        # One lock a thing: a visitor waits for what they need, never for something else.
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]


def cloze_of(encoder: LLM2Vec) -> ClozeScores:
    """How well any encoder finds the words that are hidden in the bundled collection."""
    return measure_cloze(encoder, hide_words(encoder.tokenizer, [passage.text for passage in passages()]))


def yardsticks_of(encoder: LLM2Vec) -> dict[str, Yardstick]:
    """Cosines of the bundled similar and unrelated pairs under any encoder, by pooling mode."""
    by_label: dict[str, list[tuple[str, str]]] = {"similar": [], "unrelated": [], "misleading": []}
    for pair in sentence_pairs():
        by_label[pair.label].append((pair.sentence1, pair.sentence2))
    return measure_yardsticks(encoder, by_label["similar"], by_label["unrelated"])
