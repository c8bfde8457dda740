"""What baselines share that pool other hidden states than a model's last ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from llm2vec_core.batching import TokenizedText, collate, pad_token_id, token_budget_batches
from llm2vec_core.encoder import TOKEN_BUDGET_CPU, TOKEN_BUDGET_GPU, LLM2Vec, Progress
from llm2vec_core.pooling import pool


class PooledStates(ABC):
    """Texts in batches, hidden states of the subclass's choice, pooled.

    Args:
        encoder: its direction, template and pooling are kept.
    """

    def __init__(self, encoder: LLM2Vec) -> None:
        self._encoder = encoder

    @abstractmethod
    def _states(self, batch: dict[str, torch.Tensor], rows: Sequence[TokenizedText]) -> torch.Tensor:
        """Hidden states of shape (rows, tokens, hidden)."""

    def _rows(self, texts: Sequence[str], instruction: str | None) -> list[TokenizedText]:
        return self._encoder.tokenize(texts, instruction)

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
        rows = self._rows(texts, instruction)
        result = np.zeros((len(rows), self._encoder.hidden_size), dtype=np.float32)
        budget = TOKEN_BUDGET_CPU if model.device.type == "cpu" else TOKEN_BUDGET_GPU
        done = 0
        for indices in token_budget_batches([len(row.input_ids) for row in rows], budget, None):
            chosen = [rows[i] for i in indices]
            batch = collate(chosen, pad_token_id(self._encoder.tokenizer), model.device)
            pooling_mask = batch.pop("pooling_mask")
            result[indices] = pool(self._states(batch, chosen), pooling_mask, mode).float().cpu().numpy()
            done += len(indices)
            if progress:
                progress(done, len(rows))
        if normalize:
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        return result
