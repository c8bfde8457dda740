"""The language-model head that MNTP predicts masked tokens with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from llm2vec_core.errors import ModelError


def tied_head(model: PreTrainedModel) -> nn.Linear:
    """The head of a model whose output matrix *is* its token embedding: hidden -> vocabulary.

    Raises:
        ModelError: if the model keeps a matrix of its own (then use :func:`load_head`).
    """
    if not model.config.get_text_config().tie_word_embeddings:
        raise ModelError("this model has an output matrix of its own; load it with load_head(base)")
    embedding = model.get_input_embeddings().weight  # (V, d)
    head = nn.Linear(embedding.shape[1], embedding.shape[0], bias=False, device="meta")
    head.weight = nn.Parameter(embedding.detach(), requires_grad=False)
    return head


def load_head(base: str | Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Load the head of a causal language model, frozen; the rest of the model is dropped again."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, use_safetensors=True)
    head = model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{type(model).__name__} has no language-model head: MNTP needs one")
    return head.requires_grad_(False)
