"""One mean vector subtracted: what is common to all texts says nothing about any of them.

Embeddings of a language model lie in a narrow cone, so all cosines are high (Ethayarajh, 2019, arXiv 1909.00512).
Subtracting the mean vector is the cheapest remedy (Mu and Viswanath, 2018, arXiv 1702.01417), needs no training, and
tells how much of a gain is centring and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from llm2vec_core.bundled_data import passages, sentence_pairs

Encode = Callable[[Sequence[str]], np.ndarray]


def centring_texts() -> list[str]:
    """The bundled sentences and passages whose mean vector is subtracted, each once.

    Example:
        >>> len(centring_texts()) > 700
        True
    """
    sentences = (text for pair in sentence_pairs() for text in (pair.sentence1, pair.sentence2))
    return list(dict.fromkeys([*sentences, *(passage.text for passage in passages())]))


def mean_vector(encode: Encode) -> np.ndarray:
    """The mean embedding of :func:`centring_texts`.

    Args:
        encode: texts -> (texts, hidden).

    Returns:
        float32 of shape (hidden,).
    """
    return encode(centring_texts()).mean(axis=0)
