"""Baselines that are an ordinary encoder with a template: echo embeddings and prompts."""

from __future__ import annotations

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


def quoted_prompt(encoder: LLM2Vec) -> LLM2Vec:
    """The prompt as published, with the text in quotes.

    Where a tokenizer joins a full stop and the quote behind it into one token, the quotes cost more than they give:
    :func:`prompt` leaves them out.

    Args:
        encoder: any; its weights are shared.

    Returns:
        A causal encoder.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> quoted_prompt(LLM2Vec.from_pretrained(BUNDLED.base)).settings.template
        'prompt-quoted'
    """
    return encoder.with_settings(bidirectional=False, template="prompt-quoted", pooling_mode="last_token")
