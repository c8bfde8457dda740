"""What several processes that train together need to know of each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed

_alone = threading.local()


def world_size() -> int:
    """Processes that train together; 1 without a process group, or inside :func:`each_rank_alone`."""
    if getattr(_alone, "now", False) or not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def rank() -> int:
    """This process's number, from 0."""
    return distributed.get_rank() if world_size() > 1 else 0


def gather_with_gradients(rows: torch.Tensor) -> torch.Tensor:
    """Every rank's rows, one rank after the other; gradients flow back to the rank that a row came from.

    Each rank's loss then depends on all ranks' rows. DistributedDataParallel averages gradients over the ranks,
    and the average of the ranks' losses is the loss of the joint batch: so its gradient is the joint one.

    Args:
        rows: shape (rows, ...), the same on every rank.

    Returns:
        Shape (ranks x rows, ...); ``rows`` itself where there is one process.

    Example:
        >>> gather_with_gradients(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    """
    return rows if world_size() == 1 else _Gathered.apply(rows)


def gather(rows: torch.Tensor) -> torch.Tensor:
    """Every rank's rows, one rank after the other, without gradients.

    Args:
        rows: shape (rows, ...), the same on every rank.
    """
    if world_size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        ctx.count = len(rows)
        return gather(rows)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        # Every rank's loss depends on these rows: each knows a part of their gradient.
        whole = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(whole)
        return whole[rank() * ctx.count :][: ctx.count]


@contextmanager
def each_rank_alone() -> Iterator[None]:
    """Context in which nothing is gathered: every rank measures the same held-out batches for itself."""
    _alone.now = True
    try:
        yield
    finally:
        _alone.now = False
