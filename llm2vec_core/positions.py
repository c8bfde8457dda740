"""How a model counts positions, where that limits what it reads or ties a text's vector to its neighbours.

- A learned table of positions ends somewhere; rotary positions go on.
- ``dynamic`` and ``longrope`` scaling choose their frequencies by the longest text of a batch, and ``dynamic`` keeps
  those of the longest text so far. So that a text's vector depends on the text alone, texts with other frequencies go
  into other batches, and each batch begins with the original ones.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

_TABLE = re.compile(r"(^|\.)(wpe\.weight|\w*pos\w*(\.weight)?)$")
_OFFSETS = 8  # OPT and its kin keep a few rows in front of the first position
# The frequencies are buffers that views of a model share.
_TURN = threading.RLock()


def learned_positions(model: PreTrainedModel) -> int | None:
    """How many tokens a model with a table of positions can read; None if its positions go on.

    Example:
        >>> from llm2vec_core.architectures import tiny_model
        >>> learned_positions(tiny_model("gpt2")), learned_positions(tiny_model("llama"))
        (64, None)
    """
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(context, int):
        return None
    for tables in (model.named_parameters(), model.named_buffers()):
        for name, table in tables:
            if table.ndim == 2 and context <= table.shape[0] <= context + _OFFSETS and _TABLE.search(name):
                return context
    return None


def length_groups(model: PreTrainedModel, lengths: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Which texts may share a batch.

    Args:
        model: whose rotary positions may depend on the longest text of a batch.
        lengths: of the texts, in tokens.

    Returns:
        Arrays of indices into ``lengths``; one array for most models.

    Example:
        >>> from llm2vec_core.architectures import tiny_model
        >>> [group.tolist() for group in length_groups(tiny_model("llama"), [3, 5, 4])]
        [[0, 1, 2]]
    """
    kinds = [kind for module in _rotary_modules(model) for kind in _kinds(module)]
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, length in enumerate(lengths):
        key = tuple((length if kind == "dynamic" else 1) if length > context else 0 for kind, _, context in kinds)
        groups.setdefault(key, []).append(index)
    return [np.array(group, dtype=np.int64) for group in groups.values()]


@contextmanager
def fresh_rotary(model: PreTrainedModel) -> Iterator[None]:
    """For one forward pass: rotary frequencies as if nothing had been read before, and nobody else changing them."""
    modules = _rotary_modules(model)
    if not modules:
        yield
        return
    with _TURN:
        for module in modules:
            for kind, prefix, context in _kinds(module):
                if kind == "dynamic":
                    original = getattr(module, f"{prefix}original_inv_freq")
                    current = getattr(module, f"{prefix}inv_freq")
                    module.register_buffer(f"{prefix}inv_freq", original.to(current.device), persistent=False)
                    setattr(module, f"{prefix}max_seq_len_cached", context)
        yield


def _rotary_modules(model: PreTrainedModel) -> list[nn.Module]:
    return [module for module in model.modules() if _kinds(module)]


def _kinds(module: nn.Module) -> list[tuple[str, str, int]]:
    """Kind, prefix of the attributes, and original context of each scaling that follows a text's length."""
    types = getattr(module, "rope_type", None)
    by_layer = types if isinstance(types, dict) else {None: types}
    found = []
    for layer, kind in by_layer.items():
        if not isinstance(kind, str) or not ("dynamic" in kind or kind == "longrope"):
            continue
        prefix = "" if layer is None else f"{layer}_"
        if kind == "longrope":
            found.append(("longrope", prefix, int(_parameters(module, layer)["original_max_position_embeddings"])))
        else:
            found.append(("dynamic", prefix, int(cast(Any, module).original_max_seq_len)))
    return found


def _parameters(module: nn.Module, layer: str | None) -> dict[str, Any]:
    parameters: dict[str, Any] = cast(Any, module).config.rope_parameters
    return parameters if layer is None else parameters[layer]


def forward(model: PreTrainedModel, batch: dict[str, torch.Tensor], **options: Any) -> Any:
    """A forward pass that depends on this batch alone."""
    with fresh_rotary(model):
        return model(**batch, use_cache=False, **options)
