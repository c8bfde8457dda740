"""Noise that makes two views of one text (SimCSE, Gao et al., 2021: dropout as data augmentation).

The published LLM2Vec uses attention dropout alone, at 0.3. That is plenty in 32 layers; in a model of
four layers the two views stay almost the same and the task is solved before it begins. So dropout on
the hidden states (after the embeddings and after each layer) and leaving tokens out are offered beside it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from llm2vec_core.batching import TokenizedText
from llm2vec_core.bidirectional import decoder_layers


def set_attention_dropout(model: PreTrainedModel, probability: float) -> int:
    """Set the dropout on attention weights; it acts in training mode only.

    Returns:
        The number of attention modules that have such a dropout.
    """
    changed = 0
    for module in model.modules():
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = probability
            changed += 1
    return changed


def add_hidden_dropout(model: PreTrainedModel, probability: float) -> None:
    """Drop elements of the token embeddings and of each layer's output, in training mode only."""

    def hook(module: nn.Module, _args: object, output: object) -> object:
        if isinstance(output, tuple):
            return (functional.dropout(output[0], probability, module.training), *output[1:])
        return functional.dropout(output, probability, module.training)

    if probability > 0.0:
        # The last layer's output goes to pooling as it is: noise there would teach nothing.
        for module in (model.get_input_embeddings(), *decoder_layers(model)[:-1]):
            module.register_forward_hook(hook)


def drop_tokens(row: TokenizedText, probability: float, generator: torch.Generator) -> TokenizedText:
    """Leave out pooled tokens at random.

    The first token (the begin token), what a template or an instruction put around the text, and at least one
    more token stay.

    Example:
        >>> drop_tokens(TokenizedText((1, 5, 6)), 0.0, torch.Generator()).input_ids
        (1, 5, 6)
    """
    draws = torch.rand(len(row.input_ids), generator=generator)
    start, stop = max(1, row.pooling_start), row.pooling_stop or len(draws)
    kept = draws >= probability
    kept[:start] = True
    kept[stop:] = True
    if stop > start:
        kept[start + int(draws[start:stop].argmax())] = True
    ids = tuple(token for token, keep in zip(row.input_ids, kept.tolist(), strict=True) if keep)
    pooling_stop = None if row.pooling_stop is None else int(kept[:stop].sum())
    return TokenizedText(ids, row.pooling_start, row.truncated, pooling_stop)
