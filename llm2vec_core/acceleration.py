"""Faster linear layers for a transformers model on a CPU: the same numbers in float32, or bfloat16 or int8.

Most of an encoder's time goes into the products of its linear layers. PyTorch hands float32 ones to
MKL; oneDNN, which is part of PyTorch too, computes the same products with the processor's widest vectors
whoever made it, and was measured twice as fast on an AVX-512 processor by AMD
(``tests/benchmarks/bench_encode.py`` prints both rates; :func:`onednn_is_faster` tries out which of the
two is faster here). :func:`accelerate` takes that road. :func:`use_bfloat16` and :func:`quantize_int8` go on to numbers
of 16 bits and 8 bits, for which some processors have instructions of their own.

All three change the modules of the model they are given, not its weights: give them a view that shares its
weights (:func:`llm2vec_core.bidirectional.shared_weights_view`) and the original stays what it was.
They know ``nn.Linear`` and nothing of any architecture; everything else, norms, attention, positions,
stays float32 and as it is.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from llm2vec_core.errors import ModelError

INT8_MAX = 127
# Without VNNI a processor adds two products, each up to 255 times a weight, in 16 bits: 2 * 255 * 64 < 2**15.
INT7_MAX = 63
_DECIDING = threading.Lock()


class OneDNNLinear(nn.Linear):
    """A linear layer whose product oneDNN computes; where that has no say, an ordinary one."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name that nn.Linear gives it)
        """``input @ weight.T + bias``; (..., in_features) -> (..., out_features)."""
        # oneDNN's product has no gradient, and a model may have moved since it was accelerated.
        if torch.is_grad_enabled() or not (_is_cpu_float(input) and _is_cpu_float(self.weight)):
            return super().forward(input)
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")


class BFloat16Linear(nn.Linear):
    """A linear layer for inference that multiplies in bfloat16; its input and its result are float32."""

    bfloat16_weight: Tensor

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """About ``input @ weight.T + bias``; (..., in_features) -> (..., out_features)."""
        output = nn.functional.linear(input.bfloat16(), self.bfloat16_weight).float()
        return output if self.bias is None else output.add_(self.bias)


class Int8Linear(nn.Linear):
    """A linear layer that multiplies 8-bit integers.

    Each output has a scale for its weights and each *token* one for its activations, so that a text's
    embedding does not depend on the texts that share its batch. For inference only: the integers are
    made once from ``weight``.
    """

    int8_weight: Tensor
    int8_scale: Tensor

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """About ``input @ weight.T + bias``; (..., in_features) -> (..., out_features)."""
        rows = input.reshape(-1, self.in_features)  # (tokens, in)
        integers, scale = quantize_rows(rows)
        output = torch._int_mm(integers, self.int8_weight).float()  # (tokens, out)
        output.mul_(scale).mul_(self.int8_scale)
        if self.bias is not None:
            output.add_(self.bias)
        return output.view(*input.shape[:-1], self.out_features)


def accelerate(model: nn.Module) -> int:
    """Let oneDNN compute the float32 linear layers of a model on a CPU, in place.

    The weights stay the same tensors: no memory is taken, and a weight that changes later changes here
    as well. Layers of another type (LoRA's own, quantised ones), dtype or device are left alone, and while
    gradients are recorded every layer is an ordinary one.

    Args:
        model: a model for inference, best a view that shares its weights.

    Returns:
        How many layers were changed; 0 on a GPU, or if this PyTorch comes without oneDNN.

    Example:
        >>> layer = nn.Sequential(nn.Linear(8, 4))
        >>> x = torch.randn(2, 3, 8)
        >>> with torch.inference_mode():
        ...     before = layer(x)
        ...     changed = accelerate(layer)
        ...     bool((layer(x) - before).abs().max() < 1e-5)
        True
        >>> changed
        1
    """
    layers = _plain_linears(model, under_lora=True) if _onednn_works() else []
    for layer in layers:
        layer.__class__ = OneDNNLinear
    return len(layers)


def use_bfloat16(model: nn.Module) -> int:
    """Let the linear layers of a model multiply in bfloat16, in place, for inference on a CPU.

    Weights and inputs of the products have 8 significant bits; their sums, norms, attention and what runs past the
    layers keep 24, so embeddings stay nearer than those of a model that is all bfloat16 (measured on SmolLM2: lowest
    cosine to float32 0.9999, and 0.9991 for all of it). Takes half of the weights' memory on top of them. A weight that
    changes later does not change here: call it again. On a processor without instructions for it it is slower than
    float32; :func:`faster_precisions` tries.

    Args:
        model: a float32 model for inference, best a view that shares its weights.

    Returns:
        How many layers were changed.

    Raises:
        ModelError: if the model is not on a CPU in float32, or has no plain linear layer (GPT-2 keeps its weights in
            another kind).

    Example:
        >>> layer = nn.Sequential(nn.Linear(64, 32))
        >>> x = torch.randn(2, 3, 64)
        >>> exact = layer(x)
        >>> use_bfloat16(layer)
        1
        >>> bool(torch.cosine_similarity(layer(x), exact, dim=-1).min() > 0.999)
        True
    """
    layers = _layers_for(model, "bfloat16")
    for layer in layers:
        layer.register_buffer("bfloat16_weight", layer.weight.detach().bfloat16(), persistent=False)
        layer.__class__ = BFloat16Linear
    return len(layers)


def quantize_int8(model: nn.Module) -> int:
    """Let the linear layers of a model multiply 8-bit integers, in place, for inference on a CPU.

    Weights are rounded once, by output (to 7 bits on a processor whose 8-bit products would overflow);
    activations at each call, by token; sums are exact (32 bit).
    Takes a quarter of the weights' memory on top of them. A weight that changes later does not change
    here: quantise again. On a processor without instructions for it (VNNI) it is far slower than float32
    (measured on AVX2 alone: 280 tokens a second against 7,400).

    Args:
        model: a float32 model for inference, best a view that shares its weights.

    Returns:
        How many layers were changed.

    Raises:
        ModelError: if the model is not on a CPU in float32, has no plain linear layer (GPT-2 keeps its
            weights in another kind), or if the processor's int8 products are not exact.

    References:
        Dettmers et al., 2022, "LLM.int8()", section 3.1: vector-wise quantization, one scale for each
        row of the activations and each column of the weights.

    Example:
        >>> layer = nn.Sequential(nn.Linear(64, 32))
        >>> x = torch.randn(2, 3, 64)
        >>> exact = layer(x)
        >>> quantize_int8(layer)
        1
        >>> bool(torch.cosine_similarity(layer(x), exact, dim=-1).min() > 0.99)
        True
    """
    layers = _layers_for(model, "int8")
    limit = _weight_limit()
    if limit is None:
        raise ModelError('this processor\'s int8 products overflow; use precision "full"')
    for layer in layers:
        integers, scale = quantize_rows(layer.weight.detach(), limit)
        layer.register_buffer("int8_weight", integers.t(), persistent=False)  # (in, out)
        layer.register_buffer("int8_scale", scale[:, 0], persistent=False)  # (out,)
        layer.__class__ = Int8Linear
    return len(layers)


def quantize_rows(values: Tensor, limit: int = INT8_MAX) -> tuple[Tensor, Tensor]:
    """Round each row to 8-bit integers, its largest absolute value to ``limit``.

    Args:
        values: float32 of shape (rows, columns).
        limit: at most 127.

    Returns:
        int8 integers of shape (rows, columns) and float32 scales of shape (rows, 1), so that
        ``integers * scale`` is about ``values``. A row with NaN or infinity keeps a scale that is none.

    Example:
        >>> integers, scale = quantize_rows(torch.tensor([[0.5, -1.0], [0.0, 0.0]]))
        >>> integers.tolist(), round(scale[0].item(), 4)
        ([[64, -127], [0, 0]], 0.0079)
    """
    # A row of zeros needs some scale to divide by; any will do.
    scale = values.abs().amax(dim=-1, keepdim=True).clamp_(min=torch.finfo(torch.float32).tiny).div_(limit)
    return (values / scale).round_().to(torch.int8), scale


def _layers_for(model: nn.Module, precision: str) -> list[nn.Linear]:
    other = [parameter for parameter in model.parameters() if not _is_cpu_float(parameter)]
    if other:
        dtype = str(other[0].dtype).removeprefix("torch.")
        raise ModelError(
            f'precision "{precision}" needs a model in float32 on a CPU, and this one is in {dtype} on '
            f'{other[0].device}; use precision "full", or load it with dtype=torch.float32 and device="cpu"'
        )
    layers = _plain_linears(model)
    if not layers:
        raise ModelError(
            f'{type(model).__name__} has no plain linear layer for precision "{precision}" to speed up; use precision '
            '"full"'
        )
    return layers


def _plain_linears(model: nn.Module, *, under_lora: bool = False) -> list[nn.Linear]:
    # A LoRA layer (PEFT wraps its base_layer) is somebody's work in progress: merging changes the weight under it.
    lora = [module for module in model.modules() if hasattr(module, "base_layer")]
    wrapped = {id(m) for each in lora for m in each.modules() if not (under_lora and m is each.base_layer)}
    return [
        module
        for module in model.modules()
        if type(module) is nn.Linear
        and id(module) not in wrapped
        and _is_cpu_float(module.weight)
        and module.weight.is_contiguous()
    ]


def _is_cpu_float(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype is torch.float32


def onednn_is_faster() -> bool:
    """Whether oneDNN's product beats the ordinary one here: tried out once a process, in some milliseconds.

    Which library is faster hangs on the processor and its maker, so it is measured and not looked up.
    """
    # A cache alone lets threads that ask at once measure twice, and a busy machine may answer them differently.
    with _DECIDING:
        return _decision()


@lru_cache
def _decision() -> bool:
    return _measure_onednn()


def _measure_onednn() -> bool:
    if not _onednn_works():
        return False
    x, weight = torch.ones(256, 384), torch.ones(1024, 384)  # about a batch and a layer of a small model
    with torch.inference_mode():
        ordinary = _best_seconds(lambda: nn.functional.linear(x, weight))
        onednn = _best_seconds(lambda: torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], ""))
    return onednn < ordinary


def _best_seconds(run: Callable[[], Tensor], times: int = 6) -> float:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return min(found)


def faster_precisions() -> tuple[str, ...]:
    """Which of "bfloat16" and "int8" speed up a linear layer here: tried out once a process, in some milliseconds.

    Processors without instructions for them (VNNI, AVX512_BF16, AMX) have the products and crawl, so it is measured and
    not looked up.

    Example:
        >>> set(faster_precisions()) <= {"bfloat16", "int8"}
        True
    """
    with _DECIDING:
        return _faster_precisions()


@lru_cache
def _faster_precisions() -> tuple[str, ...]:
    tried: dict[str, Callable[[nn.Module], int]] = {"bfloat16": use_bfloat16}
    if _weight_limit() is not None:
        tried["int8"] = quantize_int8
    return tuple(name for name, change in tried.items() if _is_faster(change))


def _is_faster(change: Callable[[nn.Module], int]) -> bool:
    x, layer = torch.linspace(-1, 1, 256 * 384).view(256, 384), nn.Linear(384, 1024, bias=False)
    with torch.inference_mode():
        roads = [_best_seconds(lambda: layer(x))]
        if accelerate(fast := nn.Sequential(copy.deepcopy(layer))):
            roads.append(_best_seconds(lambda: fast(x)))
        change(small := nn.Sequential(copy.deepcopy(layer)))
        return _best_seconds(lambda: small(x)) < min(roads)


@lru_cache
def _onednn_works() -> bool:
    # The operator is PyTorch's own but not part of its promised interface: ask, do not assume.
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode():
        x, weight = torch.linspace(-1, 1, 24).view(3, 8), torch.linspace(-1, 1, 40).view(5, 8)
        try:
            product = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
        except (AttributeError, RuntimeError):
            return False
        return torch.allclose(product, x @ weight.T, atol=1e-5)


@lru_cache
def _weight_limit() -> int | None:
    """The largest integer that a weight may be for products to be exact on this processor, if there is one."""
    return next((limit for limit in (INT8_MAX, INT7_MAX) if _is_exact(limit)), None)


def _is_exact(limit: int) -> bool:
    # The largest integers of either sign show an overflow, if there can be one.
    signs = torch.where(torch.arange(32) % 2 == 0, 1, -1)[:, None]
    rows, weights = (size * signs * torch.ones(32, 64, dtype=torch.int64) for size in (INT8_MAX, limit))
    product = torch._int_mm(rows.to(torch.int8), weights.to(torch.int8).t())
    return torch.equal(product.long(), rows @ weights.T)
