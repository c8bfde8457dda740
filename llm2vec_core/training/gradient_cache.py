"""Contrastive losses over batches that do not fit into memory (GradCache; Gao et al., 2021, arXiv 2101.06983).

A contrastive loss needs all embeddings of a batch at once, but only the embeddings: (1) embed the batch chunk by
chunk and keep nothing else; (2) take the loss and its gradient with respect to the embeddings; (3) embed each chunk
again, with the same dropout, and send its rows of that gradient back through the model. Memory is that of one chunk,
the price a second forward pass, and the gradient is the same.

sentence-transformers does (3) in a hook of the loss (``CachedMultipleNegativesRankingLoss``). Here the whole is one
autograd function from the trained parameters to the loss: gradient scaling, accumulation and
DistributedDataParallel see an ordinary loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from llm2vec_core.batching import TokenizedText

Rows = Sequence[TokenizedText]
Embed = Callable[[Rows], torch.Tensor]
Contrast = Callable[[list[torch.Tensor]], torch.Tensor]


def cached_loss(
    embed: Embed,
    views: Sequence[Rows],
    contrast: Contrast,
    parameters: Sequence[torch.nn.Parameter],
    chunk_size: int,
) -> torch.Tensor:
    """The loss of a batch in the memory of a chunk.

    Args:
        embed: rows -> (rows, hidden); may use dropout.
        views: lists of rows; none is empty.
        contrast: one tensor (rows, hidden) a view -> a scalar.
        parameters: what is trained; ``embed`` depends on each.
        chunk_size: rows that are embedded at once.

    Returns:
        A scalar whose ``backward()`` gives ``parameters`` the gradients that the plain loss would.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor(3.0))
        >>> rows = [TokenizedText((1,)), TokenizedText((2,))]
        >>> embed = lambda rows: torch.tensor([[float(row.input_ids[0])] for row in rows]) * weight
        >>> cached_loss(embed, [rows], lambda views: views[0].sum(), [weight], chunk_size=1).backward()
        >>> weight.grad
        tensor(3.)
    """
    return _CachedLoss.apply(_Plan(embed, views, contrast, tuple(parameters), chunk_size), *parameters)


@dataclass(frozen=True)
class _Plan:
    embed: Embed
    views: Sequence[Rows]
    contrast: Contrast
    parameters: tuple[torch.nn.Parameter, ...]
    chunk_size: int

    def chunks(self) -> list[list[Rows]]:
        """By view, its chunks."""
        return [[view[i : i + self.chunk_size] for i in range(0, len(view), self.chunk_size)] for view in self.views]


class _Surroundings:
    """What a forward pass depends on beside its input: random states and autocast."""

    def __init__(self, device: torch.device) -> None:
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        self._device = device
        self._autocast = (torch.get_autocast_dtype(device.type), torch.is_autocast_enabled(device.type))

    def replay(self) -> torch.autocast:
        """Set the random states; the result is the context that the pass ran in."""
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
        dtype, enabled = self._autocast
        return torch.autocast(self._device.type, dtype=dtype, enabled=enabled)


class _CachedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, *parameters: torch.Tensor) -> torch.Tensor:
        device = parameters[0].device
        chunks = plan.chunks()
        surroundings: list[list[_Surroundings]] = []
        leaves = []
        for view in chunks:
            embedded = []
            surroundings.append([])
            for rows in view:
                surroundings[-1].append(_Surroundings(device))
                embedded.append(plan.embed(rows))
            leaves.append(torch.cat(embedded).requires_grad_())
        with torch.enable_grad():
            loss = plan.contrast(leaves)
            gradients = torch.autograd.grad(loss, leaves)
        ctx.plan = plan
        ctx.passes = [
            (rows, gradient, around)
            for view, whole, arounds in zip(chunks, gradients, surroundings, strict=True)
            for rows, gradient, around in zip(view, whole.split(plan.chunk_size), arounds, strict=True)
        ]
        return loss.detach()

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        parameters = ctx.plan.parameters
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        now = _Surroundings(parameters[0].device)
        for rows, gradient, around in ctx.passes:
            with torch.enable_grad(), around.replay():
                embedded = ctx.plan.embed(rows)
            parts = torch.autograd.grad(embedded, parameters, gradient.to(embedded) * scale, allow_unused=True)
            for total, part in zip(totals, parts, strict=True):
                if part is not None:
                    total += part
        now.replay()
        return None, *totals
