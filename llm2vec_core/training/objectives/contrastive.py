"""What contrastive objectives share: views of a batch, embedded, gathered over all ranks, contrasted.

The embeddings are those that :meth:`llm2vec_core.encoder.LLM2Vec.encode` gives: same pooling, same pooled tokens.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.arguments import check_fields
from llm2vec_core.batching import TokenizedText, collate, pad_token_id
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES, pool
from llm2vec_core.training.gradient_cache import cached_loss
from llm2vec_core.training.objectives.base import Objective


class ContrastiveObjective(Objective):
    """An objective over embeddings.

    Attributes:
        scale: multiplies cosines.
        pooling_mode: how token vectors become one.
        chunk_size: texts that are embedded at once, through gradient caching; None embeds a batch whole.
    """

    scale: float
    pooling_mode: str
    chunk_size: int | None
    min_batch_size: int = 2

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.scale > 0:
            raise InputError(f"scale is {self.scale}; it must be above 0")
        if self.pooling_mode not in POOLING_MODES:
            raise InputError(f"unknown pooling_mode {self.pooling_mode!r}; choose one of {', '.join(POOLING_MODES)}")
        if self.chunk_size is not None and self.chunk_size < 1:
            raise InputError(f"chunk_size is {self.chunk_size}; it must be at least 1")

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Find the padding token and what is trained."""
        self._pad_id = pad_token_id(tokenizer)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def read(self, encoder: LLM2Vec, texts: Sequence[str]) -> list[TokenizedText]:
        """Texts into tokens, in the encoder's template: as they will be encoded."""
        return encoder.tokenize(texts)

    @abstractmethod
    def views(self, rows: Sequence[Any], generator: torch.Generator) -> list[list[TokenizedText]]:
        """What has to be embedded; no view is empty."""

    def shapes(self, rows: Sequence[Any]) -> list[tuple[int, int]]:
        """One batch a view; with gradient caching only the largest chunk's activations are kept."""
        views = self.views(rows, torch.Generator())
        if not self.chunk_size:
            return [(len(view), max(len(row.input_ids) for row in view)) for view in views]
        chunks = [view[i : i + self.chunk_size] for view in views for i in range(0, len(view), self.chunk_size)]
        shapes = [(len(chunk), max(len(row.input_ids) for row in chunk)) for chunk in chunks]
        return [max(shapes, key=lambda shape: shape[0] * shape[1])]

    @abstractmethod
    def contrast(self, rows: Sequence[Any], embeddings: list[torch.Tensor]) -> torch.Tensor:
        """The loss, from one tensor (rows of the view, hidden) a view."""

    def loss(self, model: PreTrainedModel, rows: Sequence[Any], generator: torch.Generator) -> torch.Tensor:
        """Contrastive loss of a batch; see :func:`llm2vec_core.training.losses.contrastive_loss`."""
        views = self.views(rows, generator)
        embed, contrast = partial(self.embed, model), partial(self.contrast, rows)
        if self.chunk_size and torch.is_grad_enabled() and self._parameters:
            return cached_loss(embed, views, contrast, self._parameters, self.chunk_size)
        return contrast([embed(view) for view in views])

    def embed(self, model: PreTrainedModel, rows: Sequence[TokenizedText]) -> torch.Tensor:
        """Pooled embeddings, shape (rows, hidden)."""
        batch = collate(rows, self._pad_id, model.device)
        pooling_mask = batch.pop("pooling_mask")
        return pool(model(**batch, use_cache=False).last_hidden_state, pooling_mask, self.pooling_mode)
