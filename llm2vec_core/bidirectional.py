"""Make a decoder bidirectional, undo it, and prove by behaviour which of the two it is.

A decoder-only language model reads with a *causal* mask: token i attends to tokens 0..i, so its vector
cannot depend on what comes after it. Step 1 of LLM2Vec (BehnamGhader et al., 2024, section 2.1) replaces
that mask by one that is open in both directions, without touching a weight.

In transformers 5 the mask follows ``config.is_causal``; a few architectures keep causality in other
places as well. The ladder below goes from the general to the particular, and after the last rung the
model is *probed*: nothing counts as bidirectional because of a flag, only because its first token moves
when the last one changes, in every layer.

1. ``config.is_causal = False`` on every configuration that the model reads (most architectures);
2. ``module.is_causal = False`` on the attention modules (stablelm and nemotron read it there);
3. square lower-triangular buffers are opened (gpt_neo, openai-gpt keep their mask in one).

Configurations are copied first: transformers shares one object between a model and its siblings.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from llm2vec_core.errors import ConversionError

SlidingWindow = Literal["full", "keep"]

# Wider than any context: a sliding window of this size limits nothing.
OPEN_WINDOW = 10**9
PROBE_LENGTH = 8
_ABSENT = object()


@dataclass
class Conversion:
    """What :func:`make_bidirectional` changed, in order, so that it can be taken back exactly."""

    _changes: list[tuple[Any, str, Any]] = field(default_factory=list)

    def set(self, target: object, name: str, value: object) -> None:
        """Set an attribute and remember what stood there, "nothing" included."""
        self._changes.append((target, name, getattr(target, name, _ABSENT)))
        setattr(target, name, value)

    def undo(self) -> None:
        """Restore every original value, last change first. A second call changes nothing."""
        while self._changes:
            target, name, original = self._changes.pop()
            if original is _ABSENT:
                delattr(target, name)
            else:
                setattr(target, name, original)


@dataclass(frozen=True)
class PrefixReport:
    """What the prefix test saw: does the first token's vector depend on the last token?

    Attributes:
        end_to_end: largest absolute change of any earlier token's ``last_hidden_state`` after the last
            token was replaced by another.
        layers: for each decoder layer alone, the largest absolute change that noise on the last
            position of its input makes to the first position of its output.
        tolerance: changes up to this size count as none.
    """

    end_to_end: float
    layers: tuple[float, ...]
    tolerance: float

    @property
    def causal_layers(self) -> tuple[int, ...]:
        """Indices of the layers in which the first token cannot see the last one."""
        return tuple(i for i, change in enumerate(self.layers) if change <= self.tolerance)

    @property
    def is_causal(self) -> bool:
        """True if no earlier token moved at all."""
        return self.end_to_end <= self.tolerance and len(self.causal_layers) == len(self.layers)

    @property
    def is_bidirectional(self) -> bool:
        """True if earlier tokens moved, in every single layer."""
        return self.end_to_end > self.tolerance and not self.causal_layers


def make_bidirectional(
    model: PreTrainedModel, *, sliding_window: SlidingWindow = "full", verify: bool = True
) -> Conversion:
    """Open the attention of a decoder in both directions, in place.

    Args:
        model: a decoder-only model, with or without its language-model head.
        sliding_window: "full" lifts a sliding window, as the published LLM2Vec does; "keep" keeps it
            (each token then sees the window's width to either side).
        verify: run :func:`prefix_test` and, if a layer is still causal, undo everything and raise.

    Returns:
        The record whose ``undo()`` restores the model exactly.

    Raises:
        ConversionError: if a layer stays causal (recurrent and hybrid architectures) or the model
            cannot run with an open mask; it is then as it was before.

    Example:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2)).eval()
        >>> prefix_test(model).is_causal
        True
        >>> conversion = make_bidirectional(model)
        >>> prefix_test(model).is_bidirectional
        True
        >>> conversion.undo()
        >>> prefix_test(model).is_causal
        True
    """
    conversion = Conversion()
    _open_configs(model, conversion, sliding_window)
    _open_modules(model, conversion, sliding_window)
    _open_buffers(model, conversion)
    if verify:
        try:
            report = prefix_test(model)
        except Exception as error:
            conversion.undo()
            raise ConversionError(
                f"{type(model).__name__} ({model.config.model_type}) cannot be made bidirectional: with its mask open "
                f"its forward pass fails ({type(error).__name__}: {error})"
            ) from error
        if not report.is_bidirectional:
            conversion.undo()
            layers = ", ".join(map(str, report.causal_layers)) or "none alone, but the whole model is"
            raise ConversionError(
                f"{type(model).__name__} ({model.config.model_type}) cannot be made bidirectional: layers still "
                f"causal: {layers} of {len(report.layers)}. Recurrent and hybrid layers have no attention mask "
                "to open; choose a model in which every layer is attention.",
                report.causal_layers,
            )
    return conversion


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
    tensors = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, memo=dict(tensors))


@torch.no_grad()
def prefix_test(model: PreTrainedModel) -> PrefixReport:
    """Show by behaviour whether a model is causal or bidirectional.

    The last of a few tokens is exchanged. In a causal model no earlier vector may move; in a
    bidirectional one every earlier vector should. Looking end to end alone would let hybrids through,
    in which a single bidirectional layer hides causal ones: so each layer is also run again by itself,
    on its own recorded input with noise on the last position.

    Args:
        model: any transformers decoder; dropout is switched off while it is tested.

    Returns:
        The changes that were seen; see :class:`PrefixReport`.
    """
    was_training = model.training
    model.eval()
    try:
        ids, changed = _probe_ids(model)
        layers = decoder_layers(model)
        with _RecordedInputs(layers) as recorded:
            before = _last_hidden_state(model, ids)
        after = _last_hidden_state(model, changed)
        end_to_end = _difference(before[:, :-1], after[:, :-1])
        per_layer = tuple(_layer_change(layer, *recorded[i]) for i, layer in enumerate(layers) if i in recorded)
    finally:
        model.train(was_training)
    # float16 and bfloat16 round differently with other neighbours in the batch; float32 does not here.
    tolerance = 1e-7 if before.dtype == torch.float32 else 1e-4
    return PrefixReport(end_to_end, per_layer, tolerance)


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The model's stack of decoder layers: its ModuleList as long as ``num_hidden_layers`` says.

    Returns:
        The layers in order; empty if the model has no such list.
    """
    config = model.config.get_text_config()
    wanted = getattr(config, "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    return []


def _open_configs(model: nn.Module, conversion: Conversion, sliding_window: SlidingWindow) -> None:
    copies: dict[int, Any] = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            # One memo for all, so that a configuration shared by many modules stays one object.
            conversion.set(module, "config", copy.deepcopy(config, copies))
    for config in {id(c): c for c in _configs(model)}.values():
        conversion.set(config, "is_causal", False)
        if sliding_window == "full" and getattr(config, "sliding_window", None):
            conversion.set(config, "sliding_window", OPEN_WINDOW)


def _configs(model: nn.Module) -> Iterator[PreTrainedConfig]:
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            yield config
            yield config.get_text_config()


def _open_modules(model: nn.Module, conversion: Conversion, sliding_window: SlidingWindow) -> None:
    for module in model.modules():
        if getattr(module, "is_causal", None) is True:
            conversion.set(module, "is_causal", False)
        window = getattr(module, "sliding_window", None)
        if sliding_window == "full" and isinstance(window, int) and window > 0:
            conversion.set(module, "sliding_window", OPEN_WINDOW)


def _open_buffers(model: nn.Module, conversion: Conversion) -> None:
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if _is_lower_triangular_mask(buffer):
                conversion.set(module, name, torch.ones_like(buffer))


def _is_lower_triangular_mask(buffer: torch.Tensor) -> bool:
    if buffer.ndim < 2 or buffer.shape[-1] != buffer.shape[-2] or buffer.shape[-1] < 2:
        return False
    square = buffer.reshape(-1, *buffer.shape[-2:])[0]
    # A window (gpt_neo's local layers) leaves part of the triangle empty: judge by the upper half.
    ones_or_zeros = bool(((square == 0) | (square == 1)).all())
    return ones_or_zeros and bool(square.diagonal().all()) and not bool(square.triu(1).any())


def _probe_ids(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    vocab_size = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(1, PROBE_LENGTH + 1, device=model.device)[None] * 7 % (vocab_size - 1) + 1
    changed = ids.clone()
    changed[0, -1] = (ids[0, -1] + 1) % vocab_size
    return ids, changed


def _last_hidden_state(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, output_hidden_states=True)
    return output.hidden_states[-1]


class _RecordedInputs:
    """Context in which each layer's last call is recorded as (args, kwargs)."""

    def __init__(self, layers: list[nn.Module]) -> None:
        self._layers = layers
        self._handles: list[Any] = []

    def __enter__(self) -> dict[int, tuple[tuple, dict]]:
        recorded: dict[int, tuple[tuple, dict]] = {}

        def recorder(index: int) -> Any:
            def hook(_module: nn.Module, args: tuple, kwargs: dict) -> None:
                recorded[index] = (args, kwargs)

            return hook

        for index, layer in enumerate(self._layers):
            self._handles.append(layer.register_forward_pre_hook(recorder(index), with_kwargs=True))
        return recorded

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()


def _layer_change(layer: nn.Module, args: tuple, kwargs: dict) -> float:
    if args:
        hidden, rest = args[0], args[1:]
    else:
        kwargs = dict(kwargs)
        hidden, rest = kwargs.pop("hidden_states"), ()
    noisy = hidden.clone()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(hidden.shape[-1], generator=generator).to(hidden)
    noisy[:, -1] += noise * hidden.std().clamp_min(1e-3)
    before, after = layer(hidden, *rest, **kwargs), layer(noisy, *rest, **kwargs)
    before, after = (x[0] if isinstance(x, tuple) else x for x in (before, after))
    return _difference(before[:, 0], after[:, 0])


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).abs().max())
