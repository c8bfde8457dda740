"""One layer's hidden states, pooled: the last layer of a language model is not always its best encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from llm2vec_core.batching import collate, pad_token_id, token_budget_batches
from llm2vec_core.encoder import TOKEN_BUDGET_CPU, TOKEN_BUDGET_GPU, LLM2Vec, Progress
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import pool


class LayerEmbeddings:
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
        self._encoder = encoder
        self.layer = layer

    @torch.inference_mode()
    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        pooling_mode: str | None = None,
        normalize: bool = False,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Embed texts.

        Args:
            texts: one text, or several.
            instruction: put in front of each text and left out of pooling.
            pooling_mode: another one than the encoder's, for this call.
            normalize: scale each embedding to length 1.
            progress: called with (texts done, texts in all) after each batch.

        Returns:
            float32 of shape (texts, hidden); (hidden,) for one text.

        Raises:
            InputError: as :meth:`llm2vec_core.encoder.LLM2Vec.encode` does.
        """
        if isinstance(texts, str):
            return self.encode([texts], instruction, pooling_mode=pooling_mode, normalize=normalize)[0]
        model, mode = self._encoder.model, pooling_mode or self._encoder.pooling_mode
        rows = self._encoder.tokenize(texts, instruction)
        result = np.zeros((len(rows), self._encoder.hidden_size), dtype=np.float32)
        budget = TOKEN_BUDGET_CPU if model.device.type == "cpu" else TOKEN_BUDGET_GPU
        done = 0
        for indices in token_budget_batches([len(row.input_ids) for row in rows], budget, None):
            batch = collate([rows[i] for i in indices], pad_token_id(self._encoder.tokenizer), model.device)
            pooling_mask = batch.pop("pooling_mask")
            states = model(**batch, use_cache=False, output_hidden_states=True).hidden_states[self.layer]
            result[indices] = pool(states, pooling_mask, mode).float().cpu().numpy()
            done += len(indices)
            if progress:
                progress(done, len(rows))
        if normalize:
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        return result
