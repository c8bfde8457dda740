"""What the training loop asks of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.batching import TokenizedText


class Objective(ABC):
    """Turns a batch of texts into a loss. Has no state beyond its settings and what :meth:`bind` set.

    Attributes:
        name: under which it is registered.
        min_batch_size: a contrastive loss needs two texts to contrast.
        dropout_is_the_task: whether dropout stays on while the held-out loss is measured.
    """

    name: str
    min_batch_size: int = 1
    dropout_is_the_task: bool = False

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:  # noqa: B027
        """Called once before training; ``model`` is the bidirectional decoder that will be trained."""

    @abstractmethod
    def loss(self, model: PreTrainedModel, rows: Sequence[TokenizedText], generator: torch.Generator) -> torch.Tensor:
        """Mean loss of a batch.

        Args:
            model: the bidirectional decoder, in training mode (or evaluation mode on held-out texts).
            rows: the batch's tokenised texts.
            generator: source of this objective's own randomness.

        Returns:
            A scalar in nats.
        """
