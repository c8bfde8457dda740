"""Unsupervised contrastive learning: step 3 of LLM2Vec (SimCSE; Gao et al., 2021).

Each text is read twice under different dropout. The two embeddings should be near each other and far
from those of the other texts in the batch, which spreads the embeddings out over all directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.batching import TokenizedText
from llm2vec_core.errors import InputError
from llm2vec_core.training.distributed import gather_with_gradients, rank
from llm2vec_core.training.losses import contrastive_loss
from llm2vec_core.training.noise import add_hidden_dropout, drop_tokens, set_attention_dropout
from llm2vec_core.training.objectives.contrastive import ContrastiveObjective


@dataclass
class SimCSE(ContrastiveObjective):
    """Two noisy views of each text against all others of the batch.

    Args:
        attention_dropout: on attention weights (0.3 in the published recipe).
        hidden_dropout: on embeddings and hidden states (0 in the published recipe; small models need it).
        token_dropout: share of tokens left out of each view (0 in the published recipe).
        scale: multiplies cosines (20 in the published recipe).
        pooling_mode: how a view becomes one vector.
        chunk_size: texts embedded at once, through gradient caching; None for the whole batch.

    Raises:
        InputError: if a probability lies outside [0, 1) or another number is not positive.

    Example:
        >>> SimCSE(attention_dropout=0.3).min_batch_size
        2
    """

    attention_dropout: float = 0.3
    hidden_dropout: float = 0.0
    token_dropout: float = 0.0
    scale: float = 20.0
    pooling_mode: str = "mean"
    chunk_size: int | None = None
    name: str = field(default="simcse", init=False)
    dropout_is_the_task: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("attention_dropout", "hidden_dropout", "token_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie from 0 to below 1")

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Switch the dropouts on; they act in training mode only."""
        super().bind(model, tokenizer)
        set_attention_dropout(model, self.attention_dropout)
        add_hidden_dropout(model, self.hidden_dropout)

    def views(self, rows: Sequence[TokenizedText], generator: torch.Generator) -> list[list[TokenizedText]]:
        """The batch twice, each time without the tokens that are dropped."""
        if not self.token_dropout:
            return [list(rows), list(rows)]
        return [[drop_tokens(row, self.token_dropout, generator) for row in rows] for _ in range(2)]

    def contrast(self, rows: Sequence[TokenizedText], embeddings: list[torch.Tensor]) -> torch.Tensor:
        """First views look for their second views among all ranks' second views."""
        first, second = embeddings
        return contrastive_loss(first, gather_with_gradients(second), scale=self.scale, first_target=rank() * len(rows))
