"""Token embeddings from counting which tokens stand near each other.

Shifted positive pointwise mutual information of the counts, factorised by a truncated SVD, is what
skip-gram with negative sampling approximates (Levy and Goldberg, 2014, "Neural Word Embedding as
Implicit Matrix Factorization"). A minute of counting gives a small decoder a start in which *river* is
already near *valley*, for which next-token training would need millions of tokens.
"""

from __future__ import annotations

import numpy as np

from llm2vec_core.extras import require

require("train", "sklearn", what="pretraining")

from sklearn.utils.extmath import randomized_svd


def count_cooccurrences(ids: np.ndarray, vocab_size: int, window: int = 6) -> np.ndarray:
    """Count neighbours within ``window`` tokens on either side, a neighbour d away weighing 1/d.

    Args:
        ids: token ids of shape (tokens,).
        vocab_size: number of rows and columns of the result.
        window: largest distance counted, in tokens.

    Returns:
        Symmetric float32 counts of shape (vocab_size, vocab_size).

    Example:
        >>> count_cooccurrences(np.array([0, 1, 2]), vocab_size=3, window=2)
        array([[0. , 1. , 0.5],
               [1. , 0. , 1. ],
               [0.5, 1. , 0. ]], dtype=float32)
    """
    counts = np.zeros(vocab_size * vocab_size, dtype=np.float32)
    wide = ids.astype(np.int64)
    for distance in range(1, window + 1):
        pairs = wide[:-distance] * vocab_size + wide[distance:]
        counts += np.bincount(pairs, minlength=counts.size).astype(np.float32) / distance
    table = counts.reshape(vocab_size, vocab_size)
    return table + table.T


def shifted_ppmi(counts: np.ndarray, shift: float = 1.0, smoothing: float = 0.75) -> np.ndarray:
    """max(0, log P(a,b) / (P(a) P'(b)) - log shift), P' being the context distribution to the power 0.75.

    Args:
        counts: non-negative, shape (vocab, vocab).
        shift: the number k of negative samples that the shift stands for; 1 means no shift.
        smoothing: exponent of the context distribution (Levy, Goldberg and Dagan, 2015, section 3.1).

    Returns:
        Non-negative float32 values of shape (vocab, vocab).
    """
    total = counts.sum(dtype=np.float64)
    row = counts.sum(axis=1, dtype=np.float64)
    context = row**smoothing
    context /= context.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ppmi = np.log(counts)
        ppmi -= np.log(row / total).astype(np.float32)[:, None]
        ppmi -= np.log(context).astype(np.float32)[None, :]
    ppmi -= np.float32(np.log(total) + np.log(shift))
    ppmi[~np.isfinite(ppmi)] = 0.0
    return np.maximum(ppmi, 0.0, out=ppmi)


def cooccurrence_embeddings(
    ids: np.ndarray, vocab_size: int, dim: int, *, window: int = 6, row_norm: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Embed every token of the vocabulary.

    Args:
        ids: token ids of shape (tokens,).
        vocab_size: rows of the result.
        dim: columns of the result.
        window: see :func:`count_cooccurrences`.
        row_norm: mean Euclidean length of the rows that were seen.
        seed: of the randomised SVD.

    Returns:
        float32 embeddings of shape (vocab_size, dim). Tokens that never occur get small random rows.
    """
    table = shifted_ppmi(count_cooccurrences(ids, vocab_size, window))
    seen = table.sum(axis=1) > 0
    left, singular, _ = randomized_svd(table, dim, n_iter=3, random_state=seed)
    # The square root shares the singular values between tokens and contexts (Levy et al., 2015).
    rows = (left * np.sqrt(singular)).astype(np.float32)
    rows *= row_norm / np.linalg.norm(rows[seen], axis=1).mean()
    rng = np.random.default_rng(seed)
    rows[~seen] = rng.normal(0.0, 0.1 * row_norm / np.sqrt(dim), (int((~seen).sum()), dim))
    # A random rotation spreads the leading factors over all heads' dimensions.
    rotation, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return (rows @ rotation).astype(np.float32)
