"""See by behaviour in which direction a model reads.

Nothing counts as bidirectional because of a flag. Four things are looked at, on eight tokens (on more where
attention works in blocks):

- *end to end*: do earlier vectors move when the last token is exchanged?
- *layer by layer*: each layer runs again on its own recorded input with noise on the last position. End
  to end alone would let hybrids through, in which one bidirectional layer hides causal ones.
- *padding*: no mask, a mask of ones and a padded text must give the same vectors. Some types are open
  without padding and causal with it, or the other way round.
- *isolation*: with a mask through which each token sees only itself, nothing may travel between tokens
  any more. What still travels goes past attention: a recurrence or a convolution, which has a direction
  of its own. This finds the hybrids that carry such a branch beside attention in every layer.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from llm2vec_core.arguments import check_arguments
from llm2vec_core.bidirectional.layers import decoder_layers, shared_weights_view, stack_owner
from llm2vec_core.bidirectional.masks import only_itself

PROBE_LENGTH = 8
MAX_PROBE_LENGTH = 1024
PADDING = 3

# Changes that count as none. A causal model repeats its prefix to the bit, but routed experts see other
# numbers of tokens and then round a few elements differently.
_NO_CHANGE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 5e-5, torch.bfloat16: 3e-4}
# Relative distance of two vectors that count as the same though they come from differently shaped batches.
_SAME = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@dataclass(frozen=True)
class PrefixReport:
    """What the prefix test saw: does an earlier token's vector depend on a later token?

    The change of a vector x to x' is ||x' - x|| / ||x||. (Not the largest element's: in bfloat16 one flipped
    bit of a large element outweighs a small true change of them all.)

    Attributes:
        end_to_end: largest change of any earlier token's ``last_hidden_state`` after the last token was
            replaced by another.
        layers: for each decoder layer alone, the largest change that noise on the last position of its
            input makes to any earlier position of its output.
        tolerance: changes up to this size count as none; it depends on the dtype.
    """

    end_to_end: float
    layers: tuple[float, ...]
    tolerance: float

    @property
    def causal_layers(self) -> tuple[int, ...]:
        """Indices of the layers in which no earlier token can see the last one."""
        return tuple(i for i, change in enumerate(self.layers) if not change > self.tolerance)

    @property
    def moved(self) -> str:
        """How far an earlier token's vector moved, for people: "0" or a share of its length.

        Example:
            >>> PrefixReport(0.0, (0.0,), 1e-6).moved, PrefixReport(0.0662, (0.1,), 1e-6).moved
            ('0', '6.6% of its length')
        """
        return f"{self.end_to_end:.1%} of its length" if self.end_to_end else "0"

    @property
    def is_causal(self) -> bool:
        """True if no earlier token moved at all."""
        return self.end_to_end <= self.tolerance and len(self.causal_layers) == len(self.layers)

    @property
    def is_bidirectional(self) -> bool:
        """True if earlier tokens moved, in every single layer."""
        return self.end_to_end > self.tolerance and not self.causal_layers


def prefix_test(model: PreTrainedModel) -> PrefixReport:
    """Show by behaviour whether a model is causal or bidirectional.

    The last of a few tokens is exchanged. In a causal model no earlier vector may move; in a
    bidirectional one earlier vectors should, in every single layer.

    Args:
        model: any transformers decoder, with or without its head, with or without a PEFT adapter;
            dropout is switched off while it is tested.

    Returns:
        The changes that were seen; see :class:`PrefixReport`.

    Example:
        >>> from transformers import LlamaConfig, LlamaModel
        >>> model = LlamaModel(LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32,
        ...     num_hidden_layers=2, num_attention_heads=2))
        >>> report = prefix_test(model)
        >>> report.is_causal, report.end_to_end, report.layers
        (True, 0.0, (0.0, 0.0))
    """
    check_arguments(prefix_test, locals())
    # A view of its own: others may use the model meanwhile, or make views of it, and would find hooks in its modules.
    view = shared_weights_view(model)
    with probing(view):
        return Probe(view).report


@contextmanager
def probing(model: nn.Module) -> Iterator[None]:
    """Without gradients and dropout; the model's mode is given back."""
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in was_training:
            module.training = True


@dataclass(frozen=True)
class _Call:
    """A module's last call: what went in, and what came out."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    @property
    def output(self) -> torch.Tensor:
        """The states that it returned, alone or before other things."""
        return _states(self.result)


class Probe:
    """One model, run on eight tokens; its layers' calls are kept, so that each can be run again alone.

    Args:
        model: in evaluation mode; see :func:`probing`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._ids, changed = _probe_ids(model)
        self._length = self._ids.shape[1]
        self.layers = decoder_layers(model)
        self._owner = stack_owner(model)
        with _recorded(self.layers) as self._calls:
            self._states = self._run(self._ids, torch.ones_like(self._ids))
        after = self._run(changed, torch.ones_like(self._ids))
        self._tolerance = _NO_CHANGE[self._states.dtype]
        backward = [self._changes(i, noisy=-1) for i in range(len(self.layers))]
        self.report = PrefixReport(
            end_to_end=float(_relative_changes(self._states, after, self._length)[:-1].max()),
            layers=tuple(float(changes[:-1].max()) for changes in backward),
            tolerance=self._tolerance,
        )
        # One position alone may happen to attend elsewhere: the first tokens of a text often do.
        self._far = [float(changes[: self._length // 2].max()) for changes in backward]

    @property
    def finite(self) -> bool:
        """Whether the model answers with numbers."""
        return bool(self._states.isfinite().all())

    def closed_layers(self, *, far: bool) -> tuple[int, ...]:
        """Layers that see earlier tokens, but not later ones. A feed-forward layer sees neither.

        Args:
            far: the first half of the text must see the very last token, not just its neighbours.
        """
        seen = self._far if far else self.report.layers
        closed = [i for i, change in enumerate(seen) if not change > self._tolerance]
        return tuple(i for i in closed if float(self._changes(i, noisy=0)[1:].max()) > self._tolerance)

    def padding_changes(self) -> tuple[str, ...]:
        """In which ways of saying the same the vectors differ: "no mask", "right padding"."""
        ones = torch.ones_like(self._ids)
        pads, zeros = self._ids[:, :PADDING], ones[:, :PADDING] * 0
        padded = self._run(torch.cat([self._ids, pads], 1), torch.cat([ones, zeros], 1))
        spoken = {"no mask": self._run(self._ids, None), "right padding": padded[:, : self._length]}
        return tuple(name for name, states in spoken.items() if not same_states(states, self._states))

    def past_attention(self, only: set[int] | None = None) -> tuple[int, ...]:
        """Layers in which something travels between tokens though each may attend to itself alone.

        Args:
            only: look at these; by default at one layer of each build.
        """
        chosen = self._one_of_each_build() if only is None else only
        return tuple(i for i in sorted(chosen) if self._leaks(i))

    def trained(self, layer: int) -> torch.Tensor | None:
        """What the layer makes of its recorded input in training mode, its dropout drawn from the same seed each time.

        None if the layer was never called.
        """
        call, device = self._calls.get(layer), self._ids.device
        if call is None:
            return None
        self.layers[layer].train()
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(0)
                return self._again(layer, call)
        finally:
            self.layers[layer].eval()

    def differ(self, before: torch.Tensor | None, after: torch.Tensor | None) -> bool:
        """Whether two outputs of a layer differ by more than rounding."""
        if before is None or after is None:
            return False
        return float(_relative_changes(before, after, self._length).max()) > self._tolerance

    def alike(self, layer: int) -> tuple[int, ...]:
        """The layers of the same build as this one."""
        build = _build(self.layers[layer])
        return tuple(i for i, other in enumerate(self.layers) if _build(other) == build)

    def _run(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        # A language model returns logits; the states are what the model below its head returned. (To ask for
        # output_hidden_states would leave transformers' hooks behind in every layer.)
        with _recorded([self._owner]) as below:
            output = self._model(input_ids=ids, attention_mask=mask, use_cache=False)
        states = getattr(output, "last_hidden_state", None)
        return below[0].result.last_hidden_state if states is None else states

    def _changes(self, layer: int, *, noisy: int) -> torch.Tensor:
        call = self._calls.get(layer)
        if call is None:  # never called: nothing that it could hide
            return torch.full((self._length,), float("inf"))
        return _relative_changes(call.output, self._again(layer, call, noisy=noisy), self._length)

    def _leaks(self, layer: int) -> bool:
        call = self._calls.get(layer)
        if call is None:
            return False
        alone = _isolated(self.layers[layer], call, self._length)
        try:
            before, after = self._again(layer, alone), self._again(layer, alone, noisy=0)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError):
            # What cannot take a mask over pairs of tokens has no attention that could be shut.
            return True
        return float(_relative_changes(before, after, self._length)[1:].max()) > self._tolerance

    def _again(self, layer: int, call: _Call, noisy: int | None = None) -> torch.Tensor:
        args, kwargs = call.args, dict(call.kwargs)
        hidden = args[0] if args else kwargs.pop("hidden_states")
        if noisy is not None:
            hidden = _with_noise(hidden, noisy, self._length)
        return _states(self.layers[layer](hidden, *args[1:], **kwargs))

    def _one_of_each_build(self) -> set[int]:
        first: dict[Any, int] = {}
        for index, layer in enumerate(self.layers):
            first.setdefault(_build(layer), index)
        return set(first.values())


def same_states(a: torch.Tensor, b: torch.Tensor, outliers: float = 1.0) -> bool:
    """Whether two passes over the same tokens, (1, T, d), agree up to the rounding of their dtype.

    Args:
        a: of one pass.
        b: of the other.
        outliers: times the tolerance that single tokens may differ by, where the middle one keeps to it.
    """
    distances, same = _relative_changes(b, a, a.shape[1]), _SAME[a.dtype]
    # Rounding may send a token of a half-precision model to another expert: judge by the middle one there.
    if a.dtype in (torch.float32, torch.float64) and distances.max() > outliers * same:
        return False
    return bool(distances.median() <= same)


def _build(layer: nn.Module) -> tuple[tuple[str, type], ...]:
    return tuple((name, type(module)) for name, module in layer.named_modules())


def _isolated(module: nn.Module, call: _Call, length: int) -> _Call:
    # The same call with a mask through which each token sees itself alone, wherever the layer expects its mask.
    names = list(inspect.signature(type(module).forward).parameters)[1:]
    position = names.index("attention_mask") if "attention_mask" in names else len(call.args)
    by_position = position < len(call.args)
    given = call.args[position] if by_position else call.kwargs.get("attention_mask")
    states = call.output
    mask = only_itself(given, states.shape[_token_axis(states, length)], states.dtype, states.device)
    if by_position:
        return replace(call, args=(*call.args[:position], mask, *call.args[position + 1 :]))
    if "attention_mask" in names or "attention_mask" in call.kwargs:
        return replace(call, kwargs={**call.kwargs, "attention_mask": mask})
    return call


def _probe_length(config: PreTrainedConfig) -> int:
    # Sparse attention that picks or compresses whole blocks shows its own order only beyond one block.
    named = [value for name, value in config.to_dict().items() if "block_size" in name or "compress_r" in name]
    values = [v for value in named for v in (value.values() if isinstance(value, dict) else [value])]
    block = max((v for v in values if isinstance(v, int)), default=0)
    return min(MAX_PROBE_LENGTH, PROBE_LENGTH + 2 * block)


def _probe_ids(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    config = model.config.get_text_config()
    length = _probe_length(config)
    size = model.get_input_embeddings().weight.shape[0]
    pad = getattr(config, "pad_token_id", None)
    # A few positions treat the padding token apart; any others will do, repeated if there are not enough.
    usable = [i for i in range(min(size, 8 * PROBE_LENGTH)) if i != pad][::-1] or [0]
    ids = torch.tensor([[usable[7 * i % len(usable)] for i in range(length)]], device=model.device)
    changed = ids.clone()
    changed[0, -1] = next((i for i in usable if i != int(ids[0, -1])), pad or 0)
    return ids, changed


@contextmanager
def _recorded(modules: list[nn.Module]) -> Iterator[dict[int, _Call]]:
    calls: dict[int, _Call] = {}
    thread = threading.get_ident()  # others may be using the model meanwhile

    def recorder(index: int) -> Callable[..., None]:
        def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
            if threading.get_ident() == thread:
                calls[index] = _Call(args, kwargs, result)

        return hook

    handles = [module.register_forward_hook(recorder(index), with_kwargs=True) for index, module in enumerate(modules)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _states(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, (tuple, list)) else output


def _token_axis(states: torch.Tensor, length: int) -> int:
    # (B, T, d), or with parallel streams before or behind: (streams, B, T, d), (B, T, streams, d).
    if states.ndim == 3:
        return 1
    return next(axis for axis in (1, 2, 0) if states.shape[axis] == length)


def _with_noise(hidden: torch.Tensor, position: int, length: int) -> torch.Tensor:
    noisy = hidden.clone()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(hidden.shape[-1], generator=generator).to(hidden)
    noisy.select(_token_axis(hidden, length), position).add_(noise * hidden.std().clamp_min(1e-3))
    return noisy


def _relative_changes(before: torch.Tensor, after: torch.Tensor, length: int) -> torch.Tensor:
    # ||x' - x|| / ||x|| at each position, shape (T,)
    axis = _token_axis(before, length)
    before, after = (states.double().movedim(axis, 0).flatten(1) for states in (before, after))
    return (after - before).norm(dim=1) / before.norm(dim=1).clamp_min(torch.finfo(torch.float64).tiny)
