"""Open a decoder's attention in both directions, rung by rung, and take it back exactly.

In transformers 5 the mask follows ``config.is_causal``; a few architectures keep causality in other
places as well. The ladder goes from the general to the particular; after each rung the model is probed
(``probe.py``), and it goes no higher than it must:

1. ``config.is_causal = False`` on every configuration that the model reads (most architectures);
2. ``module.is_causal = False`` on the attention modules (stablelm and nemotron read it there);
3. square lower-triangular buffers are opened (gpt_neo, openai-gpt keep their mask in one);
4. an explicit open mask is handed in (llama4, mpt, modernbert-decoder with eager attention).

Configurations are copied first: transformers shares one object between a model and its siblings.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from llm2vec_core.arguments import check_arguments
from llm2vec_core.bidirectional.layers import shared_weights_view, stack_owner
from llm2vec_core.bidirectional.masks import forward_with_open_mask
from llm2vec_core.bidirectional.probe import Probe, probing
from llm2vec_core.config_numbers import CAUSAL_WINDOW
from llm2vec_core.errors import ConversionError, InputError

SlidingWindow = Literal["full", "keep", "halved"]

# Wider than any context: a sliding window of this size limits nothing.
OPEN_WINDOW = 10**9
_RUNG_MARK = "_llm2vec_rung"
_ABSENT = object()


@dataclass
class Conversion:
    """What :func:`make_bidirectional` changed, in order, so that it can be taken back exactly.

    Attributes:
        rung: the last rung of the ladder that was needed, 1 to 4; 0 if nothing was probed.
        survives_saving: whether ``save_pretrained`` and a plain ``AutoModel.from_pretrained``, without
            this package, give the same vectors: the flag in ``config.json`` was enough, in the
            attention implementation that transformers chooses by itself.
    """

    rung: int = 0
    survives_saving: bool = False
    _changes: list[tuple[Any, str, Any]] = field(default_factory=list, repr=False)

    def set(self, target: object, name: str, value: object) -> None:
        """Set an attribute and remember what stood there, "nothing" included."""
        before, was_own = getattr(target, name, _ABSENT), name in vars(target)
        setattr(target, name, value)
        # What the class says, or nobody, comes back when the instance's own attribute goes.
        inherited = name in vars(target) and not was_own
        self._changes.append((target, name, _ABSENT if inherited else before))

    def undo(self) -> None:
        """Restore every original value, last change first. A second call changes nothing."""
        while self._changes:
            target, name, original = self._changes.pop()
            if original is _ABSENT:
                delattr(target, name)
            else:
                setattr(target, name, original)


def make_bidirectional(
    model: PreTrainedModel, *, sliding_window: SlidingWindow = "full", verify: bool = True
) -> Conversion:
    """Open the attention of a decoder in both directions, in place.

    Args:
        model: a decoder-only model, with or without its language-model head. Of a vision-language model
            the text tower is converted and probed.
        sliding_window: "full" lifts sliding and chunked windows, as the published LLM2Vec does; "keep"
            keeps them: with a width of W each token then sees W tokens to either side (as transformers
            counts a bidirectional window in sdpa and eager attention; the causal one reaches back W - 1,
            and so does flash attention, to either side), and a chunk is open in itself; "halved" opens by
            transformers' own ``use_bidirectional_attention``, which gives each token half of the window to
            either side (EmbeddingGemma; Gemma 3 and 4 alone have it).
        verify: probe the model after each rung and, if a layer is still causal after the last one, undo
            everything and raise. Without it the first three rungs are taken on trust.

    Returns:
        The record whose ``undo()`` restores the model exactly.

    Raises:
        InputError: for a ``sliding_window`` that does not exist.
        ConversionError: if a layer stays causal, something passes attention by (recurrent and hybrid
            architectures), or the model cannot run with an open mask; it is then as it was before.

    Example:
        >>> from llm2vec_core.bidirectional import prefix_test
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2)).eval()
        >>> prefix_test(model).is_causal
        True
        >>> conversion = make_bidirectional(model)
        >>> prefix_test(model).is_bidirectional, conversion.rung, conversion.survives_saving
        (True, 1, True)
        >>> conversion.undo()
        >>> prefix_test(model).is_causal
        True
    """
    check_arguments(make_bidirectional, locals())
    if sliding_window not in get_args(SlidingWindow):
        raise InputError(
            f"unknown sliding_window {sliding_window!r}; choose one of {', '.join(get_args(SlidingWindow))}"
        )
    conversion = Conversion()
    try:
        if verify:
            _climb(model, conversion, sliding_window)
        else:
            for rung in _RUNGS[:3]:
                rung(model, conversion, sliding_window)
    except Exception:
        conversion.undo()
        raise
    return conversion


@dataclass(frozen=True)
class _Obstacle:
    """Why a model cannot count as bidirectional yet."""

    reason: str
    words: str
    layers: tuple[int, ...] = ()
    cause: Exception | None = None
    final: bool = False  # no further rung can help


def _climb(model: PreTrainedModel, conversion: Conversion, sliding_window: SlidingWindow) -> None:
    owner = stack_owner(model)
    # A model may be converted already, or be a view of one: what was opened then is open now.
    climbed = getattr(owner, _RUNG_MARK, 0)
    elsewhere = _opens_by_its_flag_after_a_reload(model, sliding_window)
    obstacles = []
    for number, rung in enumerate(_RUNGS, 1):
        if not rung(model, conversion, sliding_window):
            continue
        obstacle = _obstacle(model, sliding_window)
        if obstacle is None:
            conversion.rung = max(number, climbed)
            conversion.survives_saving = climbed <= 1 and (number == 1 if elsewhere is None else elsewhere)
            conversion.set(owner, _RUNG_MARK, conversion.rung)
            return
        obstacles.append(obstacle)
        if obstacle.final:
            break
    # A crash on a later rung tells less than what was seen on an earlier one.
    obstacle = max(obstacles, key=lambda o: o.cause is None)
    raise ConversionError(
        f"{type(model).__name__} ({model.config.model_type}) cannot be made bidirectional: {obstacle.words}",
        obstacle.layers,
        obstacle.reason,
    ) from obstacle.cause


def _obstacle(model: PreTrainedModel, sliding_window: SlidingWindow) -> _Obstacle | None:
    with probing(model):
        try:
            probe = Probe(model)
            if not probe.finite:
                words = "it answers with NaN or infinity, so nothing can be seen; its weights or its dtype are broken."
                return _Obstacle("not finite", words, final=True)
            causal = probe.closed_layers(far=sliding_window == "full")
            if causal:
                return _causal_obstacle(model, probe, causal)
            if not probe.report.end_to_end > probe.report.tolerance:
                words = (
                    "own causality: every layer alone reads in both directions, but no earlier token sees the last one."
                )
                return _Obstacle("own causality", words)
            leaking = _past_attention(model, probe)
            if leaking:
                return _leaking_obstacle(model, probe, leaking)
            differing = probe.padding_changes()
        except Exception as error:
            words = f"with its mask open its forward pass fails ({type(error).__name__}: {error})"
            return _Obstacle("forward pass fails", words, cause=error)
    if differing:
        words = (
            f"own causality: the same text gives other vectors with {' and with '.join(differing)} than with a mask of "
            "ones. It decides by itself which tokens see which, and no mask from outside changes that."
        )
        return _Obstacle("own causality", words)
    return None


def _past_attention(model: PreTrainedModel, probe: Probe, only: set[int] | None = None) -> tuple[int, ...]:
    if model.config.get_text_config()._attn_implementation in ("sdpa", "eager"):
        return probe.past_attention(only)
    # Flash and flex attention take no arbitrary mask: look at the same weights through one that does.
    view = shared_weights_view(model)
    view.set_attn_implementation("eager")
    with probing(view):
        return Probe(view).past_attention(only)


def _causal_obstacle(model: PreTrainedModel, probe: Probe, causal: tuple[int, ...]) -> _Obstacle:
    total = len(probe.layers)
    passing = _past_attention(model, probe, set(causal))
    named = _named_layers(model, probe, causal)
    if not passing:
        words = (
            f"own causality: layers still causal: {named}, {len(causal)} of {total}. Their attention makes a mask of "
            "its own."
        )
        return _Obstacle("own causality", words, causal)
    if len(causal) == total:
        words = f"recurrent: layers still causal: {named}, all {total}. They have no attention mask to open."
    else:
        words = (
            f"hybrid: layers still causal: {named}, {len(causal)} of {total}. These are recurrences or convolutions, "
            "which have no attention mask to open; other layers are attention."
        )
    words += " Choose a model in which every layer is attention."
    return _Obstacle("recurrent" if len(causal) == total else "hybrid", words, causal, final=True)


def _leaking_obstacle(model: PreTrainedModel, probe: Probe, leaking: tuple[int, ...]) -> _Obstacle:
    layers = tuple(sorted({other for i in leaking for other in probe.alike(i)}))
    named = _named_layers(model, probe, layers)
    convolutions = any(isinstance(m, nn.modules.conv._ConvNd) for i in leaking for m in probe.layers[i].modules())
    if convolutions:
        words = (
            f"hybrid: in layers {named} a recurrent or convolutional branch runs beside attention. Attention opens, "
            "but that branch still reads from left to right. Choose a model in which every layer is attention alone."
        )
        return _Obstacle("hybrid", words, layers, final=True)
    words = (
        f"own causality: in layers {named} tokens reach one another though the mask lets each see only itself. They "
        "decide by rules of their own who sees whom, and those no mask can open."
    )
    return _Obstacle("own causality", words, layers, final=True)


def _named_layers(model: PreTrainedModel, probe: Probe, layers: tuple[int, ...]) -> str:
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    groups: dict[str, list[str]] = {}
    for i in layers:
        kind = f" {kinds[i]}" if i < len(kinds) else ""
        groups.setdefault(type(probe.layers[i]).__name__ + kind, []).append(str(i))
    return "; ".join(f"{', '.join(numbers)} ({name})" for name, numbers in groups.items())


def _opens_by_its_flag_after_a_reload(model: PreTrainedModel, sliding_window: SlidingWindow) -> bool | None:
    # None if a reload chooses the implementation that the model has anyway: the climb itself will tell.
    owner = stack_owner(model)
    default = "sdpa" if owner._supports_sdpa else "eager"
    if owner.config._attn_implementation == default:
        return None
    view = shared_weights_view(model)
    view.set_attn_implementation(default)
    _open_configs(view, Conversion(), sliding_window)
    return _obstacle(view, sliding_window) is None


def _open_by_own_flag(model: nn.Module, conversion: Conversion) -> None:
    """What transformers does where Gemma's config sets the flag: half of the window to either side."""
    opened = 0
    for config in {id(c): c for c in _configs(model)}.values():
        flagged = config.model_type.startswith(("gemma3", "gemma4")) and hasattr(config, "use_bidirectional_attention")
        if flagged and not config.use_bidirectional_attention and config.sliding_window:
            conversion.set(config, "sliding_window", config.sliding_window // 2 + 1)
            newer = config.model_type.startswith("gemma4")
            conversion.set(config, "use_bidirectional_attention", "all" if newer else True)
            if newer:
                conversion.set(config, "is_causal", False)
            opened += 1
    if not opened:
        raise ConversionError(
            f"{type(model).__name__} has no window that transformers halves: sliding_window is 'full' or 'keep' here"
        )
    for module in model.modules():
        if getattr(module, "is_causal", None) is True:
            conversion.set(module, "is_causal", False)
        if isinstance(window := getattr(module, "sliding_window", None), int):
            conversion.set(module, "sliding_window", window // 2 + 1)


def _open_configs(model: nn.Module, conversion: Conversion, sliding_window: SlidingWindow) -> bool:
    copies: dict[int, Any] = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            # One memo for all, so that a configuration shared by many modules stays one object.
            conversion.set(module, "config", copy.deepcopy(config, copies))
    if sliding_window == "halved":
        _open_by_own_flag(model, conversion)
        return True
    for config in {id(c): c for c in _configs(model)}.values():
        conversion.set(config, "is_causal", False)
        if sliding_window == "full" and (window := getattr(config, "sliding_window", None)):
            conversion.set(config, CAUSAL_WINDOW, window)
            conversion.set(config, "sliding_window", OPEN_WINDOW)
    if sliding_window == "full":
        _open_windows(model, conversion)
    return True


def _configs(model: nn.Module) -> Iterator[PreTrainedConfig]:
    for module in model.modules():
        config = getattr(module, "config", None)
        if isinstance(config, PreTrainedConfig):
            yield config
            yield config.get_text_config()


def _open_windows(model: nn.Module, conversion: Conversion) -> None:
    for module in model.modules():
        window = getattr(module, "sliding_window", None)
        if isinstance(window, int) and window > 0:
            conversion.set(module, "sliding_window", OPEN_WINDOW)


def _open_modules(model: nn.Module, conversion: Conversion, _sliding_window: SlidingWindow) -> bool:
    closed = [module for module in model.modules() if getattr(module, "is_causal", None) is True]
    for module in closed:
        conversion.set(module, "is_causal", False)
    return bool(closed)


def _open_buffers(model: nn.Module, conversion: Conversion, sliding_window: SlidingWindow) -> bool:
    opened = False
    for module in model.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if _is_lower_triangular_mask(buffer):
                # Mirrored, a window keeps its width to either side.
                mirrored = torch.maximum(buffer, buffer.transpose(-1, -2))
                conversion.set(module, name, torch.ones_like(buffer) if sliding_window == "full" else mirrored)
                opened = True
    return opened


def _is_lower_triangular_mask(buffer: torch.Tensor) -> bool:
    if buffer.ndim < 2 or buffer.shape[-1] != buffer.shape[-2] or buffer.shape[-1] < 2:
        return False
    square = buffer.reshape(-1, *buffer.shape[-2:])[0]
    # A window (gpt_neo's local layers) leaves part of the triangle empty: judge by the upper half.
    ones_or_zeros = bool(((square == 0) | (square == 1)).all())
    return ones_or_zeros and bool(square.diagonal().all()) and not bool(square.triu(1).any())


def _open_forward(model: nn.Module, conversion: Conversion, sliding_window: SlidingWindow) -> bool:
    owner = stack_owner(model)
    if "attention_mask" not in inspect.signature(type(owner).forward).parameters:
        return False
    conversion.set(owner, "forward", forward_with_open_mask(owner, keep_window=sliding_window == "keep"))
    return True


_RUNGS: tuple[Callable[[nn.Module, Conversion, SlidingWindow], bool], ...] = (
    _open_configs,
    _open_modules,
    _open_buffers,
    _open_forward,
)
