"""Masked next token prediction: step 2 of LLM2Vec (BehnamGhader et al., 2024, section 2.1).

Some tokens are masked, and each is predicted from the hidden state *one position before it*: there the
model learned, as a language model, to hold what comes next. So the old skill is kept while the model
learns to use the context on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.arguments import check_fields
from llm2vec_core.batching import TokenizedText, collate, pad_token_id
from llm2vec_core.errors import InputError, TrainingError
from llm2vec_core.training.head import tied_head
from llm2vec_core.training.objectives.base import Objective

IGNORED = -100


@dataclass
class MNTP(Objective):
    """Masked next token prediction.

    Several ranks, and the batches of an accumulated step, weigh the same, however many tokens each predicts.

    Args:
        mask_probability: share of tokens to predict (0.2 in the published recipes; 0.8 in that of Mistral).
        always_mask: every chosen token becomes the mask (Mistral's recipe) instead of BERT's 80/10/10.
        head: hidden states -> logits; by default the model's own, if its output matrix is its token embedding
            (:func:`~llm2vec_core.training.head.tied_head`).

    Raises:
        InputError: if the probability lies outside (0, 1).

    Example:
        >>> MNTP(mask_probability=0.2).name
        'mntp'
    """

    mask_probability: float = 0.2
    always_mask: bool = False
    head: nn.Module | None = None
    name: str = field(default="mntp", init=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0.0 < self.mask_probability < 1.0:
            raise InputError(f"mask_probability is {self.mask_probability}; it must lie between 0 and 1")

    def bind(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Find head and mask token."""
        self.head = (self.head or tied_head(model)).to(model.device)
        self._mask_id = mask_token_id(tokenizer)
        self._rows = model.get_input_embeddings().weight.shape[0]
        if self._mask_id >= self._rows:
            raise InputError(
                f"the mask token's id {self._mask_id} lies beyond the model's {self._rows} embeddings: this tokenizer "
                "belongs to another model"
            )
        self._special_ids = torch.tensor(sorted(set(tokenizer.all_special_ids)))
        self._pad_id = pad_token_id(tokenizer)

    def loss(self, model: PreTrainedModel, rows: Sequence[TokenizedText], generator: torch.Generator) -> torch.Tensor:
        """Mean over the masked tokens of the negative log-likelihood of what stood there."""
        batch = collate(rows, self._pad_id, model.device)
        maskable = batch["attention_mask"].bool() & ~torch.isin(batch["input_ids"], self._special_ids.to(model.device))
        input_ids, labels = mask_tokens(
            batch["input_ids"],
            maskable,
            probability=self.mask_probability,
            mask_id=self._mask_id,
            vocab_size=self._rows,
            generator=generator,
            always_mask=self.always_mask,
        )
        output = model(input_ids=input_ids, attention_mask=batch["attention_mask"], use_cache=False)
        return mntp_loss(output.last_hidden_state, labels, cast(nn.Module, self.head))


def mask_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The mask token's id; "_" stands in where a tokenizer has none, as in the published recipe."""
    if tokenizer.mask_token_id is not None:
        return tokenizer.mask_token_id
    ids = tokenizer("_", add_special_tokens=False)["input_ids"]
    if not ids:
        raise TrainingError("the tokenizer has neither a mask token nor a token for '_'")
    return ids[-1]


def mask_tokens(
    input_ids: torch.Tensor,
    maskable: torch.Tensor,
    *,
    probability: float,
    mask_id: int,
    vocab_size: int,
    generator: torch.Generator,
    always_mask: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose tokens to predict; replace 80% of them by the mask, 10% by a random token, keep 10%.

    The shares are BERT's (Devlin et al., 2019, section 3.1). At least one token is chosen where there is
    one to choose.

    Args:
        input_ids: shape (batch, seq).
        maskable: bool of the same shape; False for padding and special tokens.
        probability: share of tokens to choose.
        mask_id: the mask token.
        vocab_size: random tokens are drawn below it.
        generator: of the choice.
        always_mask: replace all of them by the mask.

    Returns:
        Corrupted ids, and labels with :data:`IGNORED` where nothing is to be predicted, both (batch, seq).
    """
    # Nothing stands before position 0 to predict it from.
    candidates = maskable.clone()
    candidates[:, 0] = False
    draws = torch.rand(input_ids.shape, generator=generator).to(input_ids.device)
    chosen = candidates & (draws < probability)
    if not bool(chosen.any()) and bool(candidates.any()):
        chosen.view(-1)[torch.where(candidates, draws, 2.0).argmin()] = True
    labels = torch.where(chosen, input_ids, IGNORED)
    kind = torch.rand(input_ids.shape, generator=generator).to(input_ids.device)
    random_ids = torch.randint(vocab_size, input_ids.shape, generator=generator).to(input_ids.device)
    if always_mask:
        return torch.where(chosen, mask_id, input_ids), labels
    corrupted = torch.where(chosen & (kind < 0.8), mask_id, input_ids)
    corrupted = torch.where(chosen & (kind >= 0.9), random_ids, corrupted)
    return corrupted, labels


def mntp_loss(last_hidden_state: torch.Tensor, labels: torch.Tensor, head: nn.Module) -> torch.Tensor:
    """Cross-entropy of label i under the prediction made from hidden state i - 1.

    Args:
        last_hidden_state: shape (batch, seq, hidden).
        labels: shape (batch, seq), :data:`IGNORED` where nothing is predicted; column 0 is never used.
        head: hidden -> vocabulary.

    Returns:
        The mean over the used labels, in nats.

    Raises:
        TrainingError: if no label is used.
    """
    targets = labels[:, 1:]
    used = targets != IGNORED
    if not bool(used.any()):
        raise TrainingError("no token could be masked: the texts are too short (at least two tokens are needed)")
    # The head sees only the positions that count: the vocabulary is the widest layer of a small model.
    logits = head(last_hidden_state[:, :-1][used])  # (used, V)
    return functional.cross_entropy(logits.float(), targets[used])
