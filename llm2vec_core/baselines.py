"""Rivals of LLM2Vec that leave a decoder causal and train nothing: echo embeddings and prompts.

Each is an ordinary encoder over the same weights, so that everything that takes an encoder (search, maps,
evaluation, the command line) takes these too. A new one is a new function and its line in :data:`BASELINES`.
"""

from __future__ import annotations

from collections.abc import Callable

from llm2vec_core.encoder import LLM2Vec


def echo(encoder: LLM2Vec) -> LLM2Vec:
    """Echo embeddings: the text stands there twice and the second copy is averaged.

    In the second copy even a causal model's first token has read the whole text once (Springer et al., 2024).
    It costs twice the tokens, so a text may be half as long.

    Args:
        encoder: any; its weights are shared.

    Returns:
        A causal encoder.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = echo(LLM2Vec.from_pretrained(BUNDLED.base))
        >>> encoder.prefix_test().is_causal, encoder.settings.template
        (True, 'echo')
    """
    return encoder.with_settings(bidirectional=False, template="echo", pooling_mode="mean")


def prompt(encoder: LLM2Vec) -> LLM2Vec:
    """A prompt that asks for the text in one word; the last token's vector is the answer (Jiang et al., 2023).

    Args:
        encoder: any; its weights are shared.

    Returns:
        A causal encoder.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> prompt(LLM2Vec.from_pretrained(BUNDLED.base)).pooling_mode
        'last_token'
    """
    return encoder.with_settings(bidirectional=False, template="prompt", pooling_mode="last_token")


BASELINES: dict[str, Callable[[LLM2Vec], LLM2Vec]] = {"echo": echo, "prompt": prompt}
