"""The bare token embeddings: what a decoder's layers add has to show above this."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from llm2vec_core.encoder import LLM2Vec, Progress


class StaticEmbeddings:
    """The mean of a text's token embeddings: no attention, no forward pass, no order of words.

    What a decoder's layers add has to show above this. The begin token is left out: it is the same in every
    text and would only make all texts more alike. All embeddings are scaled by one number, so that the matrix's
    root mean square is 1, about that of a decoder's normalised states: cosines do not mind, but a regularised
    classifier would learn little from numbers of a hundredth.

    Args:
        encoder: whose tokenizer, input embeddings and ``max_length`` are used.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = StaticEmbeddings(LLM2Vec.from_pretrained(BUNDLED.base))
        >>> a, b = encoder.encode(["the dog bit the man", "the man bit the dog"])
        >>> bool(np.allclose(a, b, atol=1e-5))
        True
    """

    def __init__(self, encoder: LLM2Vec) -> None:
        self._encoder = encoder.with_settings(template=None, skip_begin_token=True, append_eos=False)

    @cached_property
    def _scale(self) -> float:
        weight = self._encoder.model.get_input_embeddings().weight
        root_mean_square = torch.linalg.vector_norm(weight, dtype=torch.float32).item() / weight.numel() ** 0.5
        return 1 / max(root_mean_square, 1e-12)

    @torch.inference_mode()
    def encode(
        self,
        texts: str | Sequence[str],
        instruction: str | None = None,
        *,
        pooling_mode: str | None = None,
        normalize: bool = False,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Embed texts.

        Args:
            texts: one text, or several.
            instruction: makes no difference.
            pooling_mode: makes no difference; it is always the mean.
            normalize: scale each embedding to length 1.
            progress: called with (texts done, texts in all) at the end.

        Returns:
            float32 of shape (texts, hidden); (hidden,) for one text.

        Raises:
            InputError: if an element is no string.
        """
        if isinstance(texts, str):
            return self.encode([texts], normalize=normalize)[0]
        weight = self._encoder.model.get_input_embeddings().weight
        rows = [row.input_ids[row.pooling_start : row.pooling_stop] for row in self._encoder.tokenize(texts)]
        if not rows:
            return np.zeros((0, weight.shape[1]), dtype=np.float32)
        ids = torch.tensor([token for row in rows for token in row], device=weight.device)
        starts = torch.tensor(np.cumsum([0, *map(len, rows[:-1])]), device=weight.device)
        means = torch.nn.functional.embedding_bag(ids, weight, starts, mode="mean")
        result: np.ndarray = (means.float() * self._scale).cpu().numpy()
        if normalize:
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        if progress:
            progress(len(rows), len(rows))
        return result


def static(encoder: LLM2Vec) -> StaticEmbeddings:
    """Static token embeddings: the mean of the input embeddings of a text's tokens.

    Args:
        encoder: any; its embedding matrix is shared.
    """
    return StaticEmbeddings(encoder)
