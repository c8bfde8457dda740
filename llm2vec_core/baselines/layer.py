"""One layer's hidden states, pooled: the last layer of a language model is not always its best encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from llm2vec_core.baselines.pooled_states import PooledStates
from llm2vec_core.batching import TokenizedText
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError


class LayerEmbeddings(PooledStates):
    """Embeddings pooled from the output of one layer, before the final norm.

    Args:
        encoder: its direction, template and pooling are kept.
        layer: from 0 (the input embeddings) to the number of layers.

    Raises:
        InputError: if the model has no such layer.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> LayerEmbeddings(LLM2Vec.from_pretrained(BUNDLED.base), 2).encode(["A river.", "A bank."]).shape
        (2, 384)
    """

    def __init__(self, encoder: LLM2Vec, layer: int) -> None:
        count = encoder.model.config.get_text_config().num_hidden_layers
        if not 0 <= layer <= count:
            raise InputError(f"layer is {layer}; this model has layers 0 (the input embeddings) to {count}")
        super().__init__(encoder)
        self.layer = layer

    def _states(self, batch: dict[str, torch.Tensor], _: Sequence[TokenizedText]) -> torch.Tensor:
        output = self._encoder.model(**batch, use_cache=False, output_hidden_states=True)
        states: torch.Tensor = output.hidden_states[self.layer]
        return states
