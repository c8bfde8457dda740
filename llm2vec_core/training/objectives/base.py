"""What the training loop asks of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.batching import TokenizedText, check_ids, embedding_rows, tokenize
from llm2vec_core.encoder import LLM2Vec


class Objective(ABC):
    """Turns a batch of examples into a loss. Has no state beyond its settings and what :meth:`bind` set.

    Attributes:
        name: under which it is registered.
        min_batch_size: a contrastive loss needs two texts to contrast.
        dropout_is_the_task: whether dropout stays on while the held-out loss is measured.
    """

    name: str
    min_batch_size: int = 1
    dropout_is_the_task: bool = False

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:  # noqa: B027
        """Called once before training; ``model`` is the decoder that will be trained."""

    def is_usable(self, example: Any) -> bool:
        """Whether an example can be learned from: by default a text that is not blank."""
        return isinstance(example, TokenizedText) or bool(example.strip())

    def tokenize(self, encoder: LLM2Vec, examples: Sequence[Any]) -> list[Any]:
        """Examples into the rows that :meth:`loss` takes; called batch by batch.

        Args:
            encoder: its settings say how texts are read, its ``max_length`` where they are cut.
            examples: by default texts, or :class:`~llm2vec_core.batching.TokenizedText`, which stay as they are.
        """
        texts = [example for example in examples if not isinstance(example, TokenizedText)]
        rows = iter(self.read(encoder, texts))
        return [example if isinstance(example, TokenizedText) else next(rows) for example in examples]

    def read(self, encoder: LLM2Vec, texts: Sequence[str]) -> list[TokenizedText]:
        """Texts into tokens: by default as they stand, without the encoder's template."""
        rows = tokenize(encoder.tokenizer, texts, max_length=encoder.max_length)
        check_ids(rows, encoder.tokenizer, embedding_rows(encoder.model))
        return rows

    def shapes(self, rows: Sequence[Any]) -> list[tuple[int, int]]:
        """(texts, tokens) of each padded batch whose activations :meth:`loss` keeps at the same time."""
        return [(len(rows), max(len(row.input_ids) for row in rows))]

    @abstractmethod
    def loss(self, model: PreTrainedModel, rows: Sequence[Any], generator: torch.Generator) -> torch.Tensor:
        """Mean loss of a batch.

        Args:
            model: the decoder, in training mode (or evaluation mode on held-out texts).
            rows: the batch, as :meth:`tokenize` made it.
            generator: source of this objective's own randomness.

        Returns:
            A scalar in nats.
        """
