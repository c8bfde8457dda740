"""What baselines share that pool other hidden states than a model's last ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from llm2vec_core.batching import TokenizedText, collate, pad_token_id, token_budget_batches
from llm2vec_core.encoder import TOKEN_BUDGET_CPU, TOKEN_BUDGET_GPU, LLM2Vec, Progress
from llm2vec_core.errors import ModelError
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
            ModelError: if the model answers with NaN or infinity.
        """
        if isinstance(texts, str):
            alone: np.ndarray = self.encode(
                [texts], instruction, pooling_mode=pooling_mode, normalize=normalize, progress=progress
            )[0]
            return alone
        encoder = self._encoder
        result = pooled(
            self._rows(texts, instruction),
            self._states,
            encoder.tokenizer,
            encoder.model.device,
            (pooling_mode or encoder.pooling_mode, encoder.hidden_size),
            progress,
        )
        return unit(result) if normalize else result


def pooled(
    rows: Sequence[TokenizedText],
    states: Callable[[dict[str, torch.Tensor], Sequence[TokenizedText]], torch.Tensor],
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device,
    form: tuple[str, int],
    progress: Progress | None,
) -> np.ndarray:
    """Read texts in batches of about equal length and pool what is found there.

    Args:
        rows: tokenised texts.
        states: of a batch and its rows, hidden states of shape (rows, tokens, hidden).
        tokenizer: whose padding is used.
        device: of the batches.
        form: pooling mode and hidden size.
        progress: called with (texts done, texts in all) after each batch.

    Returns:
        float32 of shape (texts, hidden).

    Raises:
        ModelError: if the states hold NaN or infinity.
    """
    mode, width = form
    result = np.zeros((len(rows), width), dtype=np.float32)
    budget = TOKEN_BUDGET_CPU if device.type == "cpu" else TOKEN_BUDGET_GPU
    done = 0
    for indices in token_budget_batches([len(row.input_ids) for row in rows], budget):
        chosen = [rows[i] for i in indices]
        batch = collate(chosen, pad_token_id(tokenizer), device)
        pooling_mask = batch.pop("pooling_mask")
        result[indices] = pool(states(batch, chosen), pooling_mask, mode).float().cpu().numpy()
        done += len(indices)
        if progress:
            progress(done, len(rows))
    broken = ~np.isfinite(result).all(axis=1)
    if broken.any():
        raise ModelError(f"the model answers with NaN or infinity to text {int(broken.argmax())}")
    return result


def unit(embeddings: np.ndarray) -> np.ndarray:
    """The same directions with length 1."""
    lengths: np.ndarray = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(lengths, 1e-12)
