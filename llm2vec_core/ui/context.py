"""What the handlers share: encoders, embeddings of the bundled texts, limits.

One object, made once and passed in. Everything in it belongs to the bundled model and is the same for
every visitor; what a visitor makes lives in :mod:`llm2vec_core.ui.session`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
from transformers import PreTrainedConfig

from llm2vec_core.baselines import BASELINES, EncoderOnly, StaticEmbeddings, encoder_only
from llm2vec_core.bundled_data import passages, queries, relevant_rows, sentence_pairs
from llm2vec_core.cache import UNLIMITED, Cache
from llm2vec_core.comparison import Yardstick
from llm2vec_core.constants import StoredConstants, bundled_cloze, bundled_yardsticks, stored_constants
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.evaluation.query_scores import QueryScores, score_queries
from llm2vec_core.filling import ClozeScores
from llm2vec_core.loading import load_config
from llm2vec_core.presets import BUNDLED, MINILM, ModelPreset
from llm2vec_core.provision import provide
from llm2vec_core.search import SearchIndex
from llm2vec_core.separation import PairCosines, measure_pairs
from llm2vec_core.stages import StagedModel
from llm2vec_core.ui.encoders import BASELINE_OPTIONS, MEAN_ONLY
from llm2vec_core.ui.limits import Limits

FLOAT32_BYTES = 4
# Up to here each stage has merged weights of its own, which are faster than adapters beside one set of them.
MERGED_BYTES = 500_000_000


class AppContext:
    """Encoders and their embeddings, each made when first asked for, once.

    Args:
        preset: the model that the page shows.
        limits: see :class:`Limits`.

    Attributes:
        cache: results that every session may share.
        warm_ups: what tabs want to be made before anyone asks, called by :meth:`warm_up` in turn.
        until_calm: returns when nobody waits for an answer; called before what can wait.
    """

    def __init__(self, preset: ModelPreset = BUNDLED, limits: Limits | None = None) -> None:
        self.preset = preset
        self._stored = stored_constants(preset.key)
        copies = len({stage.adapters for stage in preset.stages})
        self._shares_weights = preset.parameters * FLOAT32_BYTES * copies > MERGED_BYTES
        self.limits = limits or Limits()
        # Encoders stay: they are as many as the model has stages, and each is what the others are computed with.
        self.cache = Cache({"weights": UNLIMITED, "encoder": UNLIMITED})
        self.warm_ups: list[Callable[[], None]] = []
        self.until_calm: Callable[[], None] = lambda: None

    def _stored_of(self, stage_key: str) -> StoredConstants:
        return stored_constants(MINILM.key) if stage_key == MINILM.key else self._stored

    def encoder(self, stage_key: str) -> LLM2Vec | StaticEmbeddings | EncoderOnly:
        """The encoder of a stage or rival; those that differ in direction alone share their weights."""
        if stage_key == MINILM.key:
            return self.cache.get(("encoder", stage_key), lambda: encoder_only(MINILM))
        if stage_key in BASELINE_OPTIONS:
            return self.cache.get(
                ("encoder", stage_key), lambda: BASELINES[stage_key](self.encoder(self.preset.stages[0].key))
            )
        stage = self.preset.stage(stage_key)
        if self._shares_weights:
            staged = self.cache.get(("weights",), lambda: StagedModel(self.preset))
            return self.cache.get(("encoder", stage_key), lambda: staged.encoder(stage_key))
        base = self.cache.get(
            ("weights", stage.adapters),
            lambda: LLM2Vec.from_pretrained(
                self.preset.base, stage.adapters, **{**self.preset.settings, "bidirectional": True}
            ),
        )
        return self.cache.get(("encoder", stage_key), lambda: base.view(bidirectional=stage.bidirectional))

    def trainable(self, stage_key: str) -> LLM2Vec:
        """The encoder of a stage as one more adapter can be put on it; a copy where its own adapters are not merged."""
        if not self.needs_copy(stage_key):
            return cast(LLM2Vec, self.encoder(stage_key))
        stage = self.preset.stage(stage_key)
        options = {**self.preset.settings, "bidirectional": stage.bidirectional}
        return LLM2Vec.from_pretrained(self.preset.base, stage.adapters, **options)

    def needs_copy(self, stage_key: str) -> bool:
        """Whether :meth:`trainable` loads the weights once more."""
        return self._shares_weights and bool(self.preset.stage(stage_key).adapters)

    def layers_and_heads(self) -> tuple[int, int]:
        """Numbers of layers and of heads, from the configuration alone (no weights are loaded)."""
        config = self.config()
        return config.num_hidden_layers, config.num_attention_heads

    def config(self) -> PreTrainedConfig:
        """The text model's configuration; no weights are loaded."""
        return self.cache.get(("config",), lambda: load_config(provide(self.preset.base), None).get_text_config())

    def is_loaded(self, stage_key: str) -> bool:
        """Whether a stage's weights are in memory."""
        return ("encoder", stage_key) in self.cache

    def yardstick(self, stage_key: str, pooling_mode: str) -> Yardstick:
        """Cosines of the bundled pairs under a stage."""
        stored = self._stored_of(stage_key).yardstick(stage_key, pooling_mode)
        if stored is not None:
            return stored
        made = self.cache.get(("yardsticks", stage_key), lambda: bundled_yardsticks(self.encoder(stage_key)))
        return made[pooling_mode]

    def stored_pair_cosines(self, stage_key: str) -> PairCosines | None:
        """:meth:`pair_cosines` if they need no model."""
        return self._stored_of(stage_key).pair_cosines(stage_key)

    def pair_cosines(self, stage_key: str) -> PairCosines:
        """Cosines of all bundled pairs under a stage or rival, mean pooling."""
        return self._stored_of(stage_key).pair_cosines(stage_key) or self.cache.get(
            ("pair cosines", stage_key), lambda: measure_pairs(self.encoder(stage_key), sentence_pairs())
        )

    def cloze(self, stage_key: str) -> ClozeScores:
        """How well a stage finds the words that are hidden in the bundled collection, one per passage."""
        return self._stored_of(stage_key).cloze(stage_key) or self.cache.get(
            ("cloze", stage_key), lambda: bundled_cloze(self.encoder(stage_key))
        )

    def collection(self, stage_key: str, pooling_mode: str = "mean") -> np.ndarray:
        """Embeddings of the bundled collection, shape (passages, hidden)."""
        if stage_key in MEAN_ONLY:
            pooling_mode = "mean"
        stored = self._stored_of(stage_key).collection(stage_key, pooling_mode)
        if stored is not None:
            return stored
        return self.cache.get(
            ("collection", stage_key, pooling_mode),
            lambda: self.encoder(stage_key).encode([p.text for p in passages()], pooling_mode=pooling_mode),
        )

    def has_stored_collection(self, stage_key: str) -> bool:
        """Whether :meth:`collection` with mean pooling needs no model."""
        return self._stored_of(stage_key).collection(stage_key, "mean") is not None

    def index(self, stage_key: str, pooling_mode: str = "mean") -> SearchIndex:
        """Search index of the bundled collection."""
        return self.cache.get(
            ("index", stage_key, pooling_mode), lambda: SearchIndex(self.collection(stage_key, pooling_mode))
        )

    def query_scores(self, stage_key: str, pooling_mode: str = "mean") -> QueryScores:
        """Scores over all labelled queries of the collection, asked without an instruction."""

        def measure() -> QueryScores:
            asked = self._stored_of(stage_key).queries(stage_key, pooling_mode)
            if asked is None:
                asked = self.encoder(stage_key).encode([q.query for q in queries()], pooling_mode=pooling_mode)
            return score_queries(self.index(stage_key, pooling_mode).cosines(asked), relevant_rows())

        return self.cache.get(("query scores", stage_key, pooling_mode), measure)

    def warm_up(self) -> None:
        """Make what the first visitors will ask for, in the order in which they will; each tab's own can wait."""
        opening = (self.preset.stages[0].key, self.preset.default.key)
        # The first tab reads all stages, these two first: whoever asks meanwhile waits for them alone.
        for key in dict.fromkeys((*opening, *(stage.key for stage in self.preset.stages))):
            self.encoder(key)
        for key in opening:
            self.encoder(key).attentions("warm up")
        for key in opening:
            self.query_scores(key)
        for job in self.warm_ups:
            self.until_calm()
            job()
