"""What every encoder here can do, whether it runs a decoder or only looks its token embeddings up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol

import numpy as np


class Encoder(Protocol):
    """Anything that turns texts into vectors: :class:`llm2vec_core.LLM2Vec` and every baseline.

    Example:
        >>> def length(encoder: Encoder, text: str) -> float:
        ...     return float(np.linalg.norm(encoder.encode([text], normalize=True)))
        >>> from llm2vec_core import LLM2Vec
        >>> round(length(LLM2Vec.from_preset("mini"), "river"), 5)
        1.0
    """

    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        pooling_mode: str | None = None,
        normalize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Embed texts.

        Args:
            texts: one text, or several.
            instruction: put in front of every text.
            pooling_mode: a mode of :data:`llm2vec_core.pooling.POOLING_MODES`; by default the encoder's own.
            normalize: scale each embedding to length 1.
            progress: called with (texts done, texts in all).

        Returns:
            float32 of shape (texts, hidden); (hidden,) for one text.

        Raises:
            InputError: if an element is no string, or an argument is not known.
        """
        ...


def encode_in_pieces(
    encode: Callable[[list[str]], np.ndarray], texts: Sequence[str], piece: int
) -> Generator[int, None, np.ndarray]:
    """Embed texts some at a time, so that it can be watched and left.

    Args:
        encode: texts into embeddings of shape (texts, hidden).
        texts: at least one.
        piece: how many are encoded at once.

    Yields:
        How many are done.

    Returns:
        Embeddings in the order of the texts, shape (texts, hidden).

    Example:
        >>> steps = encode_in_pieces(lambda texts: np.array([[len(text)] for text in texts]), ["a", "ccc", "bb"], 2)
        >>> next(steps), next(steps)
        (2, 3)
    """
    pieces: list[np.ndarray] = []
    # Sorted by length, a piece holds texts of one length and little padding; order is restored at the end.
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
    for start in range(0, len(texts), piece):
        rows = by_length[start : start + piece]
        pieces.append(encode([texts[i] for i in rows]))
        yield start + len(rows)
    vectors = np.concatenate(pieces)
    vectors[by_length] = vectors.copy()
    return vectors
