"""The last rung: hand a model an explicit open mask, because the one it builds itself is causal.

``llama4`` asks for a chunked mask whose builder does not know ``config.is_causal``; ``mpt``, and
``modernbert-decoder`` with eager attention, cannot do with the ``None`` that stands for "hide nothing".
All of them take a prepared mask as it is.

The wrapped ``forward`` sits on one instance. It keeps no state between calls and touches no global of
transformers, so other models of the class and other threads see nothing of it. It is a bound method, so
``copy.deepcopy`` binds it to the copy, and PEFT, which calls ``forward`` itself and so passes module
hooks by, goes through it too.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.masking_utils import (
    chunked_overlay,
    create_bidirectional_mask,
    create_bidirectional_sliding_window_mask,
)

Mask = torch.Tensor | None


def forward_with_open_mask(owner: PreTrainedModel, *, keep_window: bool) -> types.MethodType:
    """A ``forward`` for this instance that replaces a missing or 2-D attention mask by an explicit one.

    Args:
        owner: the model that builds the masks of its decoder layers.
        keep_window: limit the mask of sliding and chunked layers to their window, to either side.

    Returns:
        The method to be set on ``owner``.
    """
    own = vars(owner).get("forward")  # accelerate puts its own there
    forward: Callable[..., Any] = type(owner).forward if own is None else _without_self(own)
    signature = inspect.signature(type(owner).forward)
    position = list(signature.parameters).index("attention_mask") - 1  # self is not among the arguments

    @functools.wraps(type(owner).forward)
    def masked(self: PreTrainedModel, *args: Any, **kwargs: Any) -> Any:
        # Only the mask is replaced, where it stands: decorators tell keywords from positions.
        named = signature.bind(self, *args, **kwargs).arguments
        given = named.get("attention_mask")
        if given is None or (isinstance(given, torch.Tensor) and given.ndim == 2):
            opened = _open_masks(self, named, given, keep_window)
            if position < len(args):
                args = (*args[:position], opened, *args[position + 1 :])
            else:
                kwargs["attention_mask"] = opened
        return forward(self, *args, **kwargs)

    return types.MethodType(masked, owner)


def _without_self(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _self, *args, **kwargs: method(*args, **kwargs)


def _open_masks(
    owner: PreTrainedModel, arguments: dict[str, Any], padding: Mask, keep_window: bool
) -> Mask | dict[str, Mask]:
    tokens = arguments["inputs_embeds"] if arguments.get("input_ids") is None else arguments["input_ids"]
    config = owner.config
    # The builders read batch, length, dtype and device from the embeddings, nothing else.
    embeddings = torch.empty(*tokens.shape[:2], 0, dtype=owner.dtype, device=tokens.device)
    build = functools.partial(create_bidirectional_mask, config, embeddings, padding, allow_is_bidirectional_skip=False)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not keep_window or not kinds & {"sliding_attention", "chunked_attention"}:
        return build()
    masks = {kind: build() for kind in kinds}
    if "sliding_attention" in kinds:
        masks["sliding_attention"] = create_bidirectional_sliding_window_mask(
            config, embeddings, padding, allow_is_bidirectional_skip=False
        )
    if "chunked_attention" in kinds:
        pads = torch.zeros(tokens.shape[0], dtype=torch.long, device=tokens.device)
        if padding is not None:
            pads = (padding.cumsum(dim=-1) == 0).sum(dim=-1)
        same_chunk = chunked_overlay(config.attention_chunk_size, pads)
        masks["chunked_attention"] = build(and_mask_function=same_chunk)
    return masks


def only_itself(mask: Any, length: int, dtype: torch.dtype, device: torch.device) -> Any:
    """A mask of the same kind as an open one, through which each token sees nothing but itself.

    Args:
        mask: the open mask a layer was given: None, a tensor whose last two axes are (query, key), or
            a dictionary of those. What it holds means "visible", whatever the convention.
        length: number of tokens.
        dtype: of the additive mask that replaces None.
        device: where that mask lives.
    """
    if isinstance(mask, dict):
        return {key: only_itself(value, length, dtype, device) for key, value in mask.items()}
    eye = torch.eye(length, dtype=torch.bool, device=device)[None, None]
    if mask is None:
        return torch.zeros(1, 1, length, length, dtype=dtype, device=device).masked_fill(~eye, torch.finfo(dtype).min)
    if mask.dtype.is_floating_point:
        return torch.zeros_like(eye, dtype=mask.dtype).masked_fill(~eye, torch.finfo(mask.dtype).min)
    visible = mask.flatten()[0].bool()
    return torch.where(eye, visible, ~visible).to(mask.dtype)
