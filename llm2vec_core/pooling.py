"""From one vector per token to one vector per text.

A pooling mode is a pure function registered by name; every list of modes in this project (the
command line's, the page's, the tests') reads :data:`POOLING_MODES`. To add one, write one function.

Each takes ``last_hidden_state`` of shape (batch, seq, hidden) and ``pooling_mask`` of shape
(batch, seq) in which 1 marks the tokens to pool, on whichever side the padding stands, and returns
(batch, hidden).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import InputError

PoolingFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
POOLING_MODES: dict[str, PoolingFunction] = {}


def pooling_mode(function: PoolingFunction) -> PoolingFunction:
    """Register a function as the pooling mode of its name."""
    POOLING_MODES[function.__name__] = function
    return function


@pooling_mode
def mean(last_hidden_state: torch.Tensor, pooling_mask: torch.Tensor) -> torch.Tensor:
    """The average of the pooled tokens: what LLM2Vec uses (section 3.2).

    Example:
        >>> states = torch.tensor([[[1.0], [3.0], [99.0]]])
        >>> mean(states, torch.tensor([[1, 1, 0]]))
        tensor([[2.]])
    """
    return _weighted(last_hidden_state, pooling_mask)


@pooling_mode
def weighted_mean(last_hidden_state: torch.Tensor, pooling_mask: torch.Tensor) -> torch.Tensor:
    """The n-th pooled token weighs n: later tokens of a causal model have read more (SGPT, section 4.1.1).

    Example:
        >>> states = torch.tensor([[[1.0], [4.0], [99.0]]])
        >>> weighted_mean(states, torch.tensor([[1, 1, 0]]))  # (1*1 + 2*4) / 3
        tensor([[3.]])
    """
    mask = pooling_mask.long()
    return _weighted(last_hidden_state, mask.cumsum(dim=1) * mask)  # (B, T): 1, 2, 3, ... on pooled tokens


@pooling_mode
def last_token(last_hidden_state: torch.Tensor, pooling_mask: torch.Tensor) -> torch.Tensor:
    """The last pooled token: the only one that has read the whole text in a causal model.

    Example:
        >>> states = torch.tensor([[[1.0], [4.0], [99.0]]])
        >>> last_token(states, torch.tensor([[1, 1, 0]]))
        tensor([[4.]])
    """
    positions = torch.arange(pooling_mask.shape[1], device=pooling_mask.device)
    index = (pooling_mask.long() * positions).argmax(dim=1)
    return last_hidden_state[torch.arange(len(index), device=index.device), index]


@pooling_mode
def first_token(last_hidden_state: torch.Tensor, pooling_mask: torch.Tensor) -> torch.Tensor:
    """The first pooled token: blind to all others in a causal model, BERT's choice in a bidirectional one.

    Example:
        >>> states = torch.tensor([[[99.0], [1.0], [4.0]]])
        >>> first_token(states, torch.tensor([[0, 1, 1]]))
        tensor([[1.]])
    """
    index = pooling_mask.long().argmax(dim=1)
    return last_hidden_state[torch.arange(len(index), device=index.device), index]


def pool(last_hidden_state: torch.Tensor, pooling_mask: torch.Tensor, mode: str = "mean") -> torch.Tensor:
    """Pool by the name of the mode.

    Args:
        last_hidden_state: shape (batch, seq, hidden).
        pooling_mask: shape (batch, seq), 1 for the tokens to pool; every row needs one.
        mode: a key of :data:`POOLING_MODES`.

    Returns:
        Embeddings of shape (batch, hidden); a mean of half-precision states is float32, for it has digits that they
        have not.

    Raises:
        InputError: for an unknown mode, for shapes that do not belong together, or if a row of the
            mask is empty (its average would be made of padding).

    Example:
        >>> pool(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[1, 1]]), "mean")
        tensor([[2.]])
    """
    check_arguments(pool, locals())
    if mode not in POOLING_MODES:
        raise InputError(f"unknown pooling_mode {mode!r}; choose one of {', '.join(POOLING_MODES)}")
    if last_hidden_state.shape[:2] != pooling_mask.shape:
        raise InputError(
            f"pooling_mask has shape {tuple(pooling_mask.shape)}, but last_hidden_state has "
            f"{tuple(last_hidden_state.shape)}; the first two numbers must be the same"
        )
    if not bool(pooling_mask.any(dim=1).all()):
        row = int((~pooling_mask.bool().any(dim=1)).nonzero()[0])
        raise InputError(f"row {row} of pooling_mask marks no token; each text needs at least one")
    return POOLING_MODES[mode](last_hidden_state, pooling_mask)


def _weighted(states: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    # In float16 the weighted sum of a long text overflows (65,504 is its largest number), and bfloat16 has 3 digits.
    wide = states if states.dtype == torch.float64 else states.float()
    weights = weights.to(wide.dtype)
    # (B, 1, T) @ (B, T, d) -> (B, 1, d)
    total = torch.bmm(weights[:, None], wide)[:, 0]
    return total / weights.sum(dim=1, keepdim=True)
