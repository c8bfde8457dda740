"""Unsupervised contrastive learning: step 3 of LLM2Vec (SimCSE; Gao et al., 2021).

Each text is read twice under different dropout. The two embeddings should be near each other and far
from those of the other texts in the batch, which spreads the embeddings out over all directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.batching import TokenizedText, collate, pad_token_id
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import pool
from llm2vec_core.training.losses import contrastive_loss
from llm2vec_core.training.noise import add_hidden_dropout, set_attention_dropout
from llm2vec_core.training.objectives.base import Objective


@dataclass
class SimCSE(Objective):
    """Two noisy views of each text against all others of the batch.

    Args:
        attention_dropout: on attention weights (0.3 in the published recipe).
        hidden_dropout: on embeddings and hidden states (0 in the published recipe; small models need it).
        token_dropout: share of tokens left out of each view (0 in the published recipe).
        scale: multiplies cosines (20 in the published recipe).
        pooling_mode: how a view becomes one vector.

    Raises:
        InputError: if a probability lies outside [0, 1) or the scale is not positive.

    Example:
        >>> SimCSE(attention_dropout=0.3).min_batch_size
        2
    """

    attention_dropout: float = 0.3
    hidden_dropout: float = 0.0
    token_dropout: float = 0.0
    scale: float = 20.0
    pooling_mode: str = "mean"
    name: str = field(default="simcse", init=False)
    min_batch_size: int = field(default=2, init=False)
    dropout_is_the_task: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        for name in ("attention_dropout", "hidden_dropout", "token_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie from 0 to below 1")
        if self.scale <= 0:
            raise InputError(f"scale is {self.scale}; it must be above 0")

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Switch the dropouts on; they act in training mode only."""
        set_attention_dropout(model, self.attention_dropout)
        add_hidden_dropout(model, self.hidden_dropout)
        self._pad_id = pad_token_id(tokenizer)

    def loss(self, model: PreTrainedModel, rows: Sequence[TokenizedText], generator: torch.Generator) -> torch.Tensor:
        """Contrastive loss between the first and the second views."""
        first, second = (self._view(model, rows, generator) for _ in range(2))
        return contrastive_loss(first, second, scale=self.scale)

    def _view(self, model: PreTrainedModel, rows: Sequence[TokenizedText], generator: torch.Generator) -> torch.Tensor:
        if self.token_dropout:
            rows = [drop_tokens(row, self.token_dropout, generator) for row in rows]
        batch = collate(rows, self._pad_id, model.device)
        pooling_mask = batch.pop("pooling_mask")
        return pool(model(**batch, use_cache=False).last_hidden_state, pooling_mask, self.pooling_mode)


def drop_tokens(row: TokenizedText, probability: float, generator: torch.Generator) -> TokenizedText:
    """Leave out tokens at random; the first one (the begin token) and at least one more stay.

    Example:
        >>> drop_tokens(TokenizedText((1, 5, 6)), 0.0, torch.Generator()).input_ids
        (1, 5, 6)
    """
    draws = torch.rand(len(row.input_ids), generator=generator)
    draws[0] = 1.0
    if len(draws) > 1:
        draws[1 + int(draws[1:].argmax())] = 1.0
    kept = tuple(token for token, draw in zip(row.input_ids, draws.tolist(), strict=True) if draw >= probability)
    return TokenizedText(kept, 0, row.truncated)
