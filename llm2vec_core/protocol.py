"""What every encoder here can do, whether it runs a decoder or only looks its token embeddings up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
