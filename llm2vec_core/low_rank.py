"""A linear layer with LoRA adapters beside its weight, for inference: PEFT's sums without PEFT's bookkeeping."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

# What the layer itself is called under its adapters.
FROZEN = ".frozen"


class LowRankLinear(nn.Module):
    """A linear layer plus products of low rank: ``x W^T + b + (x A^T) B^T`` (Hu et al., 2021, section 4.1).

    All adapters of the layer are one pair of matrices: A is theirs one below the other, B is theirs side by side, each
    times its adapter's scale. PEFT computes the same sums one adapter after the other, and around each of them casts,
    checks and looks up names, which costs more than the products where a text has ten tokens. Not for training.

    Args:
        linear: the layer itself; its weight is shared, never changed.
        down: A, shape (rank, in).
        up: B times the scale, shape (out, rank).

    Example:
        >>> layer, a, b = nn.Linear(8, 4), torch.randn(2, 8), torch.randn(4, 2)
        >>> x = torch.randn(3, 8)
        >>> bool(torch.allclose(LowRankLinear(layer, a, b)(x), layer(x) + x @ a.T @ b.T, atol=1e-5))
        True
    """

    def __init__(self, linear: nn.Linear, down: torch.Tensor, up: torch.Tensor) -> None:
        super().__init__()
        self.frozen = linear
        self.down = nn.Parameter(down, requires_grad=False)
        self.up = nn.Parameter(up, requires_grad=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the name that nn.Linear gives it)
        """(..., in_features) -> (..., out_features); each token by itself."""
        return self.frozen(input) + nn.functional.linear(nn.functional.linear(input, self.down), self.up)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer that gives the same sums; its weight is changed in place."""
        self.frozen.weight.add_(self.up @ self.down)
        return self.frozen


def low_rank_layers(model: nn.Module) -> dict[str, LowRankLinear]:
    """A model's layers of this kind, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LowRankLinear)}


def put_beside(model: nn.Module, name: str, down: torch.Tensor, up: torch.Tensor) -> None:
    """Put these matrices beside a model's linear layer of that name, instead of others that stand there."""
    *parents, last = name.split(".")
    parent = model.get_submodule(".".join(parents))
    setattr(parent, last, LowRankLinear(cast(nn.Linear, underlying(parent.get_submodule(last))), down, up))


def underlying(module: nn.Module) -> nn.Module:
    """The layer that adapters of this kind stand beside; the module itself where there are none."""
    return module.frozen if isinstance(module, LowRankLinear) else module
