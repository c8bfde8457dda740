"""Where a model keeps its decoder layers, and a second model on the same weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from llm2vec_core.arguments import check_arguments


def shared_weights_view(model: PreTrainedModel) -> PreTrainedModel:
    """A second model on the very same tensors, with modules and configuration of its own.

    So a causal and a bidirectional model can stand side by side, used from several threads, at the
    memory of one.

    Example:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2))
        >>> view = shared_weights_view(model)
        >>> view.embed_tokens.weight is model.embed_tokens.weight, view.config is model.config
        (True, False)
    """
    check_arguments(shared_weights_view, locals())
    tensors = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, memo=dict(tensors))


def eager_view(model: PreTrainedModel) -> PreTrainedModel:
    """A view with eager attention, the only one that keeps its attention weights."""
    view = shared_weights_view(model)
    # set_attn_implementation leaves out Falcon and its like, whose modules ask their configuration all the same.
    for module in view.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            config.get_text_config()._attn_implementation_internal = "eager"
    return view


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The model's stack of decoder layers: its ModuleList as long as ``num_hidden_layers`` says.

    In a vision-language model only the text tower is looked at; where nothing has that length, the
    longest list of modules is taken.

    Returns:
        The layers in order; empty if the model has no list of modules.

    Example:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2))
        >>> [type(layer).__name__ for layer in decoder_layers(model)]
        ['LlamaDecoderLayer', 'LlamaDecoderLayer']
    """
    config: PreTrainedConfig = cast(Any, model).config.get_text_config()
    wanted = getattr(config, "num_hidden_layers", None)
    lists = [m for tower in _text_towers(model, config) for m in _outermost_lists(tower)]
    for candidate in lists:
        if len(candidate) == wanted:
            return list(candidate)
    return list(max(lists, key=len, default=()))


def stack_owner(model: nn.Module) -> PreTrainedModel:
    """The innermost transformers model around the decoder layers: the one that builds their masks."""
    layers = set(decoder_layers(model))
    owners = [m for m in model.modules() if isinstance(m, PreTrainedModel) and layers <= set(m.modules())]
    return owners[-1] if owners else model


def final_norm(model: nn.Module) -> nn.Module:
    """The normalization that the last layer's states pass through; :class:`torch.nn.Identity` if there is none.

    Taken from the module that holds the layers: the first norm behind them, or the one before them (OPT).

    Example:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2))
        >>> final_norm(model) is model.norm
        True
    """
    layers = decoder_layers(model)

    def is_stack(module: nn.Module) -> bool:
        return isinstance(module, nn.ModuleList) and list(module) == layers

    for owner in model.modules():
        children = list(owner.children())
        at = next((i for i, child in enumerate(children) if is_stack(child)), None)
        if at is not None:
            after_then_before = (*children[at + 1 :], *children[:at])
            return next((m for m in after_then_before if "norm" in type(m).__name__.lower()), nn.Identity())
    return nn.Identity()


def _text_towers(model: nn.Module, config: PreTrainedConfig) -> Iterator[nn.Module]:
    # A vision tower may have as many layers as the text tower, so the towers with the text's configuration
    # come first; a model without one (its layers hang on the model itself) is searched whole.
    for module in model.modules():
        if isinstance(module, PreTrainedModel) and module.config.model_type == config.model_type:
            yield module
    yield model


def _outermost_lists(module: nn.Module) -> Iterator[nn.ModuleList]:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _outermost_lists(child)
