"""All stages of a model over one set of base weights."""

from __future__ import annotations

import threading
from typing import Any

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import ModelPreset


class StagedModel:
    """The stages of a preset: the base is loaded once, each stage's adapters stand beside it.

    A stage then costs the memory of its adapters alone; merged copies cost the whole model each, and are faster.

    Args:
        preset: the model and its stages.
        options: of :meth:`llm2vec_core.encoder.LLM2Vec.from_pretrained`; they go before the preset's settings.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> stages = StagedModel(BUNDLED)
        >>> causal, mntp = stages.encoder("causal"), stages.encoder("mntp")
        >>> causal.model.embed_tokens.weight is mntp.model.embed_tokens.weight
        True
        >>> causal.bidirectional, mntp.bidirectional
        (False, True)
    """

    def __init__(self, preset: ModelPreset, **options: Any) -> None:
        self.preset = preset
        self._options = {**preset.settings, **options}
        self._lock = threading.Lock()
        self._base: LLM2Vec | None = None
        self._views: dict[bool, LLM2Vec] = {}

    @property
    def base(self) -> LLM2Vec:
        """The causal language model; loaded when first asked for."""
        with self._lock:
            if self._base is None:
                self._base = LLM2Vec.from_pretrained(self.preset.base, **{**self._options, "bidirectional": False})
            return self._base

    def encoder(self, stage_key: str) -> LLM2Vec:
        """The encoder of a stage; it shares every base tensor with the others.

        Raises:
            KeyError: if the preset has no such stage.
            ModelError: if the base cannot be loaded.
            AdapterError: if an adapter does not belong to the base.
        """
        stage, base = self.preset.stage(stage_key), self.base
        with self._lock:
            # Opened and proven once, for every stage that reads in this direction.
            if stage.bidirectional not in self._views:
                self._views[stage.bidirectional] = base.view(bidirectional=stage.bidirectional)
        return self._views[stage.bidirectional].with_adapters(stage.adapters)
