"""Logit lens: which words a hidden state leans to, read off with the model's own language-model head.

A decoder's last states become logits over the vocabulary. The lens reads the states of earlier layers, and the pooled
vector of a text, in the same way: through the final normalization and the head (nostalgebraist, 2020). It reads best in
the last layers; in early ones the states are not yet in the head's coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.bidirectional.layers import final_norm
from llm2vec_core.encoder import LLM2Vec, TokenStates
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.filling import Prediction, written
from llm2vec_core.training.head import LanguageModelHead, tied_head

# Tokens looked through for words: punctuation and pieces without letters are left out.
_CANDIDATES = 200
_HEADS: WeakKeyDictionary[PreTrainedModel, LanguageModelHead] = WeakKeyDictionary()


@dataclass(frozen=True)
class TokenLens:
    """What one token's states lean to.

    Attributes:
        tokens: of the text.
        position: of the token that was looked at.
        layers: which layers were read; 0 is the embedding, the last one the output.
        words: the likeliest words of each of these layers, the first one first.
    """

    tokens: tuple[str, ...]
    position: int
    layers: tuple[int, ...]
    words: tuple[tuple[Prediction, ...], ...]


@torch.inference_mode()
def token_lens(
    encoder: LLM2Vec,
    text: str,
    position: int,
    *,
    layers: Sequence[int] | None = None,
    top: int = 5,
    max_length: int | None = None,
    head: nn.Module | None = None,
    states: TokenStates | None = None,
) -> TokenLens:
    """Which words a token leans to, layer by layer.

    Args:
        encoder: in the direction to be shown.
        text: one text.
        position: of the token, from 0.
        layers: 0 (the embedding) to the number of layers; by default all.
        top: how many words a layer.
        max_length: read at most this many tokens.
        head: hidden states -> vocabulary; by default the model's tied embeddings.
        states: what the encoder made of the text, where that is known; otherwise the text is read now.

    Raises:
        InputError: if there is no such token or layer.
        ModelError: if no head is given and the model's is not its token embedding.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)
        >>> lens = token_lens(encoder, "The river flows to the sea.", 2, layers=[0, 4], top=3)
        >>> lens.tokens[lens.position], [len(words) for words in lens.words]
        ('river', [3, 3])
    """
    head = head or _head_of(encoder.model)
    states = states or encoder.token_states(text, max_length)
    count = len(states.hidden_states) - 1
    layers = tuple(range(count + 1) if layers is None else layers)
    if not 0 <= position < len(states.tokens):
        raise InputError(f"there is no token {position}: the text has {len(states.tokens)}, counted from 0")
    if any(not 0 <= layer <= count for layer in layers):
        raise InputError(f"layers {list(layers)}: this model has layers 0 (the embedding) to {count}")
    rows = torch.from_numpy(states.hidden_states[list(layers), position])  # (layers, d)
    rows = rows.to(encoder.model.device, encoder.model.dtype)
    # The states of the last layer have been normalized already.
    last = torch.tensor([layer == count for layer in layers], device=rows.device)[:, None]
    rows = torch.where(last, rows, final_norm(encoder.model)(rows))
    return TokenLens(states.tokens, position, layers, _words(encoder.tokenizer, head(rows), top))


@torch.inference_mode()
def pooled_lens(
    encoder: LLM2Vec, text: str, *, pooling_mode: str | None = None, top: int = 5, head: nn.Module | None = None
) -> tuple[Prediction, ...]:
    """Which words the vector of a whole text leans to.

    Args:
        encoder: in the direction to be shown.
        text: one text.
        pooling_mode: by default the encoder's own.
        top: how many words.
        head: as of :func:`token_lens`.

    Raises:
        ModelError: as :func:`token_lens`; also if the encoder has dense modules, whose output is no hidden state.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)
        >>> len(pooled_lens(encoder, "The river flows to the sea.", top=3))
        3
    """
    if encoder.dense:
        raise ModelError("the encoder's dense modules change the pooled vector: the head cannot read it")
    head = head or _head_of(encoder.model)
    vector = torch.as_tensor(encoder.encode([text], pooling_mode=pooling_mode))
    return _words(encoder.tokenizer, head(vector.to(encoder.model.device, encoder.model.dtype)), top)[0]


def _head_of(model: PreTrainedModel) -> LanguageModelHead:
    """The model's tied head; building one takes longer than reading a sentence with it."""
    head = _HEADS.get(model)
    if head is None or head.matrix.weight.data_ptr() != model.get_input_embeddings().weight.data_ptr():
        head = _HEADS[model] = tied_head(model)
    return head


def _words(tokenizer: PreTrainedTokenizerBase, logits: torch.Tensor, top: int) -> tuple[tuple[Prediction, ...], ...]:
    """The likeliest tokens with a letter in them, of each row of logits (rows, V)."""
    values, ids = logits.float().softmax(-1).topk(min(_CANDIDATES, logits.shape[-1]))
    return tuple(
        tuple(
            [
                Prediction(token, value)
                for token, value in zip((written(tokenizer, i) for i in row), chances, strict=True)
                if any(c.isalpha() for c in token)
            ][:top]
        )
        for row, chances in zip(ids.tolist(), values.tolist(), strict=True)
    )
