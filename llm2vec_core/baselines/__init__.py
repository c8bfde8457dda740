"""Baselines of LLM2Vec that train nothing.

Echo embeddings and the prompts are ordinary encoders over the same weights, so that everything that takes an encoder
(search, maps, evaluation, the command line) takes these too; static token embeddings have the same ``encode``, and so
has :class:`EncoderOnly`, a rival with weights of its own. A new one over a decoder's weights is a new function and its
row in :data:`BASELINES`.
"""

from __future__ import annotations

from collections.abc import Callable

from llm2vec_core.baselines.centring import centring_texts, mean_vector
from llm2vec_core.baselines.encoder_only import EncoderOnly, encoder_only
from llm2vec_core.baselines.layer import LayerEmbeddings
from llm2vec_core.baselines.prepended import PrependedTokens
from llm2vec_core.baselines.static import StaticEmbeddings, static
from llm2vec_core.baselines.templated import echo, prompt, quoted_prompt
from llm2vec_core.encoder import LLM2Vec

BASELINES: dict[str, Callable[[LLM2Vec], LLM2Vec | StaticEmbeddings]] = {
    "static": static,
    "echo": echo,
    "prompt": prompt,
    "quoted_prompt": quoted_prompt,
}

__all__ = [
    "BASELINES",
    "EncoderOnly",
    "LayerEmbeddings",
    "PrependedTokens",
    "StaticEmbeddings",
    "centring_texts",
    "echo",
    "encoder_only",
    "mean_vector",
    "prompt",
    "quoted_prompt",
    "static",
]
