"""The contrastive loss that SimCSE and supervised training share."""

from __future__ import annotations

import torch
from torch.nn import functional


def contrastive_loss(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor | None = None,
    *,
    scale: float = 20.0,
    first_target: int = 0,
    left_out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of finding each query's positive among all positives and all hard negatives.

    Args:
        queries: shape (batch, hidden).
        positives: shape (positives, hidden); row ``first_target + i`` belongs to query i, every other row is an
            in-batch negative.
        negatives: shape (negatives, hidden) or None; hard negatives, for every query alike.
        scale: cosines are multiplied by this (1 / temperature); 20 in LLM2Vec's SimCSE, 50 in its
            supervised training.
        first_target: where this rank's positives begin among those gathered from all ranks.
        left_out: bool of shape (batch, positives + negatives); True where a candidate is none for a query (a copy
            of its positive, or an empty place).

    Returns:
        The mean loss in nats; log(number of candidates) if nothing is known.

    Example:
        >>> x = torch.eye(2)
        >>> round(contrastive_loss(x, x, scale=1.0).item(), 4)  # log(e + 1) - 1
        0.3133
    """
    candidates = positives if negatives is None else torch.cat([positives, negatives])
    cosines = functional.normalize(queries, dim=1) @ functional.normalize(candidates, dim=1).T  # (B, candidates)
    logits = cosines.to(torch.promote_types(cosines.dtype, torch.float32)) * scale  # halves are too coarse here
    if left_out is not None:
        logits = logits.masked_fill(left_out, float("-inf"))
    targets = torch.arange(first_target, first_target + len(queries), device=queries.device)
    return functional.cross_entropy(logits, targets)
