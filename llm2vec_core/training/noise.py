"""Noise that makes two views of one text (SimCSE, Gao et al., 2021: dropout as data augmentation).

The published LLM2Vec uses attention dropout alone, at 0.3. That is plenty in 32 layers; in a model of
four layers the two views stay almost the same and the task is solved before it begins. So dropout on
the hidden states (after the embeddings and after each layer) and leaving tokens out are offered beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

from llm2vec_core.batching import TokenizedText
from llm2vec_core.bidirectional import decoder_layers
from llm2vec_core.bidirectional.probe import Probe, probing
from llm2vec_core.errors import TrainingError


def set_attention_dropout(model: PreTrainedModel, probability: float) -> int:
    """Set the dropout on attention weights; it acts in training mode only.

    Most architectures keep this probability in ``module.attention_dropout`` and hand it to the attention kernel.
    Others keep it elsewhere or have none (GPT-2, OPT, Falcon with sdpa, ...): there it is put on whatever the
    attention module normalises with softmax, in place of a dropout of its own. Which of the two a layer needs is
    tried out: each layer runs in training mode with and without the dropout, and its output has to change.

    Args:
        model: a decoder; nothing but its attention dropout is changed.
        probability: from 0 to below 1.

    Returns:
        The number of layers that have such a dropout.

    Raises:
        TrainingError: if the probability is above 0 and a layer with attention does not take it.

    Example:
        >>> from llm2vec_core.architectures import tiny_model
        >>> set_attention_dropout(tiny_model("llama"), 0.3), set_attention_dropout(tiny_model("gpt2"), 0.3)
        (2, 2)
    """
    with probing(model):
        probe = Probe(model)
        attention = [_attention_modules(layer) for layer in probe.layers]
        switches = [_set_numbers(modules) for modules in attention]
        for index, modules in enumerate(attention):
            if not _acts(probe, index, switches[index]):
                switches[index] = _add_to_softmax(modules)
        silent = [i for i, modules in enumerate(attention) if modules and not _acts(probe, i, switches[i])]
    for switch in switches:
        switch(probability)
    if probability > 0.0 and (silent or not any(attention)):
        raise TrainingError(
            f"attention_dropout is {probability}, but {_named(model, silent)} takes none on its attention weights with "
            f"attn_implementation={model.config.get_text_config()._attn_implementation!r}: load the model with "
            "attn_implementation='eager', or take attention_dropout=0 and hidden_dropout or token_dropout instead"
        )
    return sum(map(bool, attention)) - len(silent)


def add_hidden_dropout(model: PreTrainedModel, probability: float) -> None:
    """Drop elements of the token embeddings and of each layer's output, in training mode only.

    Raises:
        TrainingError: if a layer answers with something that is no tensor.
    """

    def hook(module: nn.Module, _args: object, output: object) -> object:
        states, *others = output if isinstance(output, (tuple, list)) else (output,)
        if not isinstance(states, torch.Tensor):
            raise TrainingError(
                f"hidden_dropout is {probability}, but {type(module).__name__} answers with {type(output).__name__} "
                "instead of hidden states: take hidden_dropout=0 and attention_dropout or token_dropout instead"
            )
        noisy = functional.dropout(states, probability, module.training)
        return type(output)((noisy, *others)) if isinstance(output, (tuple, list)) else noisy

    if probability > 0.0:
        # The last layer's output goes to pooling as it is: noise there would teach nothing.
        for module in (model.get_input_embeddings(), *decoder_layers(model)[:-1]):
            module.register_forward_hook(hook)


Switch = Callable[[float], None]
_TRIED = 0.5


def _attention_modules(layer: nn.Module) -> list[nn.Module]:
    found = []
    for child in layer.children():
        is_attention = "attention" in type(child).__name__.lower() or hasattr(child, "is_causal")
        found += [child] if is_attention else _attention_modules(child)
    return found


def _set_numbers(modules: list[nn.Module]) -> Switch:
    named: list[Any] = [
        m for module in modules for m in module.modules() if isinstance(getattr(m, "attention_dropout", None), float)
    ]

    def switch(probability: float) -> None:
        for module in named:
            module.attention_dropout = probability

    return switch


def _add_to_softmax(modules: list[Any]) -> Switch:
    for module in modules:
        module.__class__ = _with_softmax_dropout(module.__class__)

    def switch(probability: float) -> None:
        for module in modules:
            module.softmax_dropout = probability

    return switch


@lru_cache(None)
def _with_softmax_dropout(attention: Any) -> Any:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.training:
            return attention.forward(self, *args, **kwargs)
        with _DropsWeights(self.softmax_dropout):
            return attention.forward(self, *args, **kwargs)

    return type(attention.__name__, (attention,), {"forward": forward, "softmax_dropout": 0.0})


class _DropsWeights(TorchFunctionMode):
    def __init__(self, probability: float) -> None:
        super().__init__()
        self._probability = probability
        self._weights: torch.Size | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name == "scaled_dot_product_attention":
            kwargs = {**kwargs, "dropout_p": self._probability}
            args = args[:4] if len(args) <= 5 else (*args[:4], kwargs.pop("dropout_p"), *args[5:])
        if name == "dropout" and self._weights is not None and args[0].shape == self._weights:
            return args[0]  # the architecture's own dropout on these weights, which this one replaces
        result = func(*args, **kwargs)
        if name != "softmax":
            return result
        self._weights = result.shape
        return functional.dropout(result, self._probability)


def _acts(probe: Probe, layer: int, switch: Switch) -> bool:
    switch(0.0)
    before = probe.trained(layer)
    switch(_TRIED)
    after = probe.trained(layer)
    return probe.differ(before, after)


def _named(model: PreTrainedModel, layers: list[int]) -> str:
    names = sorted({type(decoder_layers(model)[i]).__name__ for i in layers})
    return f"{model.config.model_type} ({', '.join(names) or type(model).__name__})"


def drop_tokens(row: TokenizedText, probability: float, generator: torch.Generator) -> TokenizedText:
    """Leave out pooled tokens at random.

    The first token (the begin token), what a template or an instruction put around the text, and at least one
    more token stay.

    Example:
        >>> drop_tokens(TokenizedText((1, 5, 6)), 0.0, torch.Generator()).input_ids
        (1, 5, 6)
    """
    draws = torch.rand(len(row.input_ids), generator=generator)
    start, stop = max(1, row.pooling_start), row.pooling_stop or len(draws)
    kept = draws >= probability
    kept[:start] = True
    kept[stop:] = True
    if stop > start:
        kept[start + int(draws[start:stop].argmax())] = True
    ids = tuple(token for token, keep in zip(row.input_ids, kept.tolist(), strict=True) if keep)
    pooling_stop = None if row.pooling_stop is None else int(kept[:stop].sum())
    return TokenizedText(ids, row.pooling_start, row.truncated, pooling_stop)
