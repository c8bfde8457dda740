from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, LlamaModel

from llm2vec_core import acceleration, encoder
from llm2vec_core.acceleration import (
    BFloat16Linear,
    Int8Linear,
    OneDNNLinear,
    accelerate,
    quantize_int8,
    quantize_rows,
    use_bfloat16,
)
from llm2vec_core.bidirectional import make_bidirectional, shared_weights_view
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from tests.conftest import SMALL, tiny_llama

IDS = torch.tensor([[1, 5, 9, 7, 3, 8], [1, 6, 2, 4, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
LINEAR_TYPES = ("llama", "qwen2", "gemma", "mistral", "phi3", "gpt_neox", "opt", "phi")


def tiny(model_type: str) -> nn.Module:
    torch.manual_seed(0)
    changes = {"num_key_value_heads": 4} if model_type == "gpt_neox" else {}
    config = AutoConfig.for_model(model_type, **{**SMALL, **changes}, pad_token_id=0, head_dim=8)
    return AutoModel.from_config(config).eval()


@torch.inference_mode()
def states(model: nn.Module, ids: torch.Tensor = IDS, mask: torch.Tensor | None = MASK) -> torch.Tensor:
    return model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state


@pytest.mark.parametrize("model_type", LINEAR_TYPES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_float32_is_the_same_on_every_architecture(model_type, bidirectional):
    model = tiny(model_type)
    if bidirectional:
        make_bidirectional(model)
    fast = shared_weights_view(model)
    assert accelerate(fast) == sum(type(m) is nn.Linear for m in model.modules()) > 0
    for mask in (MASK, None):
        assert (states(fast, mask=mask) - states(model, mask=mask)).abs().max() < 1e-5


def test_biases_count():
    model = tiny("qwen2")
    for layer in model.layers:
        nn.init.normal_(layer.self_attn.q_proj.bias)
    fast = shared_weights_view(model)
    accelerate(fast)
    assert (states(fast) - states(model)).abs().max() < 1e-5
    for change, least in ((use_bfloat16, 0.9995), (quantize_int8, 0.99)):
        change(fewer := shared_weights_view(model))
        assert torch.cosine_similarity(states(fewer)[0], states(model)[0], dim=-1).min() > least


@pytest.mark.parametrize("change", [accelerate, use_bfloat16, quantize_int8])
def test_the_original_is_untouched(tiny_model, change):
    weights = copy.deepcopy(tiny_model.state_dict())
    before = states(tiny_model)
    change(view := shared_weights_view(tiny_model))
    states(view)
    assert torch.equal(states(tiny_model), before)
    assert {type(m) for m in tiny_model.modules()}.isdisjoint({OneDNNLinear, BFloat16Linear, Int8Linear})
    assert tiny_model.state_dict().keys() == weights.keys() == view.state_dict().keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in tiny_model.state_dict().items())


def test_float32_shares_its_weights_and_follows_them(tiny_model):
    accelerate(fast := shared_weights_view(tiny_model))
    assert fast.layers[0].mlp.up_proj.weight is tiny_model.layers[0].mlp.up_proj.weight
    before = states(fast)
    with torch.no_grad():
        tiny_model.layers[0].mlp.up_proj.weight.mul_(2)
    after = states(fast)
    assert (after - before).abs().max() > 1e-3
    assert (after - states(tiny_model)).abs().max() < 1e-5


@pytest.mark.parametrize("change", [accelerate, use_bfloat16, quantize_int8])
def test_a_padded_row_equals_the_row_alone(tiny_model, change):
    make_bidirectional(tiny_model)
    change(view := shared_weights_view(tiny_model))
    assert (states(view)[1, :4] - states(view, IDS[1:, :4], None)[0]).abs().max() < 1e-4


def test_int8_does_not_depend_on_the_neighbours_in_a_batch(tiny_model):
    quantize_int8(layer := nn.Sequential(nn.Linear(64, 16)))
    x = torch.randn(3, 64)
    loud = torch.cat([x, 1000 * torch.randn(2, 64)])
    with torch.inference_mode():
        assert torch.equal(layer(loud)[:3], layer(x))


def test_gradients_flow_as_ever(tiny_model):
    accelerate(fast := shared_weights_view(tiny_model))
    for model in (fast, tiny_model):
        tiny_model.zero_grad()
        model(input_ids=IDS, attention_mask=MASK).last_hidden_state.square().sum().backward()
        gradient = tiny_model.layers[0].self_attn.q_proj.weight.grad
        assert gradient.abs().sum() > 0
        if model is fast:
            expected = gradient.clone()
    assert torch.allclose(gradient, expected)


def test_the_layer_under_lora_is_changed_and_loras_own_are_not(tiny_model):
    from peft import LoraConfig, get_peft_model

    lora = get_peft_model(tiny_model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False)).eval()
    before = states(lora)
    assert accelerate(lora) == 7 * 3
    layer = lora.base_model.model.layers[0].self_attn.q_proj
    assert type(layer.base_layer) is OneDNNLinear
    assert {type(layer.lora_A["default"]), type(layer.lora_B["default"])} == {nn.Linear}
    assert (states(lora) - before).abs().max() < 1e-5
    # A weight that merging has changed, and what is trained, count at once.
    with torch.no_grad():
        layer.lora_B["default"].weight.mul_(2)
    doubled = states(lora)
    assert (doubled - before).abs().max() > 1e-3
    lora.merge_adapter()
    assert (states(lora) - doubled).abs().max() < 1e-5


def test_nothing_to_change_in_gpt2():
    config = AutoConfig.for_model("gpt2", vocab_size=97, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2)
    model = AutoModel.from_config(config).eval()
    assert accelerate(model) == 0
    with pytest.raises(ModelError, match="GPT2Model has no plain linear layer"):
        quantize_int8(model)
    with pytest.raises(ModelError, match='no plain linear layer for precision "bfloat16"'):
        use_bfloat16(model)


def test_other_dtypes_are_left_alone_or_refused():
    half = tiny_llama().bfloat16()
    assert accelerate(half) == 0
    for change in (use_bfloat16, quantize_int8):
        with pytest.raises(ModelError, match="this one is in bfloat16 on cpu"):
            change(half)
    with pytest.raises(ModelError, match="on meta"):
        quantize_int8(tiny_llama().to("meta"))


def test_a_model_that_moves_later_still_works(tiny_model):
    accelerate(tiny_model)
    expected = states(tiny_model)
    assert (states(tiny_model.double()) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("shape", [(0, 8), (8,), (2, 3, 8), (1, 1, 8)])
@pytest.mark.parametrize("change", [accelerate, use_bfloat16, quantize_int8])
def test_any_shape(shape, change):
    layer = nn.Sequential(nn.Linear(8, 5))
    x = torch.randn(6, *shape)[::2]  # not contiguous
    with torch.inference_mode():
        expected = layer(x)
        change(layer)
        assert layer(x).shape == expected.shape
        assert torch.allclose(layer(x), expected, atol=1e-5 if change is accelerate else 0.05)


def test_without_the_operator_nothing_changes(monkeypatch, tiny_model):
    acceleration._onednn_works.cache_clear()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    try:
        assert accelerate(tiny_model) == 0
    finally:
        acceleration._onednn_works.cache_clear()


@pytest.fixture
def overflowing(monkeypatch):
    """Lets the processor's integer products overflow above a limit."""
    exact = torch._int_mm

    def limit(largest: int) -> None:
        monkeypatch.setattr(torch, "_int_mm", lambda a, b: exact(a, b).clamp(-largest, largest))
        acceleration._weight_limit.cache_clear()

    yield limit
    acceleration._weight_limit.cache_clear()


def test_overflowing_integer_products_get_smaller_weights(overflowing, tiny_model):
    overflowing(64 * 127 * 100)
    quantize_int8(view := shared_weights_view(tiny_model))
    assert view.layers[0].mlp.up_proj.int8_weight.abs().max() == 63
    assert torch.cosine_similarity(states(view), states(tiny_model), dim=-1).min() > 0.98


def test_integer_products_that_always_overflow_are_refused(overflowing, tiny_model):
    overflowing(2**15 - 1)
    with pytest.raises(ModelError, match="int8 products overflow"):
        quantize_int8(tiny_model)
    assert not any(isinstance(m, Int8Linear) for m in tiny_model.modules())


def test_rounding_is_within_half_a_step():
    values = torch.randn(20, 50) * torch.logspace(-6, 6, 20)[:, None]
    integers, scale = quantize_rows(values)
    assert ((integers * scale - values).abs() <= scale * 0.5001).all()
    assert integers.abs().amax(dim=1).eq(127).all()


def test_broken_numbers_stay_visible_in_int8():
    quantize_int8(layer := nn.Sequential(nn.Linear(8, 4)))
    for broken in (float("nan"), float("inf")):
        x = torch.ones(2, 8)
        x[0, 3] = broken
        y = layer(x)
        assert not y[0].isfinite().any()
        assert y[1].isfinite().all()


TEXTS = ["A river bank.", "The bank was robbed at noon, and nobody saw the car.", "", "one word " * 40]


@pytest.fixture(params=[True, False], ids=["onednn", "ordinary"])
def road(request, monkeypatch):
    """Encoders take this road whatever the suite's is; whether it is oneDNN's."""
    monkeypatch.setattr(encoder, "onednn_is_faster", lambda: request.param)
    return request.param


def test_the_encoder_encodes_as_its_plain_model_does(bundled, road):
    fresh = LLM2Vec(bundled.causal_model, bundled.tokenizer)
    assert type(fresh._fast_model.layers[0].mlp.up_proj) is (OneDNNLinear if road else nn.Linear)
    assert type(fresh.model.layers[0].mlp.up_proj) is nn.Linear
    means = [fresh.token_states(text).hidden_states[-1].mean(axis=0) for text in TEXTS]
    assert np.abs(fresh.encode(TEXTS) - np.stack(means)).max() < 3e-5


@pytest.mark.parametrize(("precision", "least"), [("bfloat16", 0.9995), ("int8", 0.99)])
def test_the_encoder_in_fewer_bits(bundled, precision, least):
    fewer = LLM2Vec(bundled.causal_model, bundled.tokenizer, precision=precision)
    a, b = fewer.encode(TEXTS), bundled.encode(TEXTS)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > least
    assert np.abs(a - b).max() > 0  # or nothing was changed
    assert fewer.view(bidirectional=False).settings.precision == precision


def test_bfloat16_is_the_product_of_rounded_numbers_summed_up_in_float32():
    use_bfloat16(layer := nn.Sequential(nn.Linear(48, 20)))
    x = torch.randn(7, 48)
    rounded = x.bfloat16().double() @ layer[0].weight.bfloat16().double().T + layer[0].bias
    with torch.inference_mode():
        found = layer(x)
    assert found.dtype == torch.float32
    # The product itself is stored in 8 bits once more.
    assert ((found - rounded).abs() <= 2**-8 * (rounded - layer[0].bias).abs() + 1e-6).all()


def test_the_encoder_refuses_a_precision_at_once(bundled):
    with pytest.raises(InputError, match="unknown precision 'int4'; choose one of full, bfloat16, int8"):
        LLM2Vec(bundled.causal_model, bundled.tokenizer, precision="int4")
    half: LlamaModel = shared_weights_view(bundled.causal_model)
    half = copy.deepcopy(half).bfloat16()
    with pytest.raises(ModelError, match="float32 on a CPU"):
        LLM2Vec(half, bundled.tokenizer, precision="int8")


def test_the_encoder_takes_the_faster_road(bundled, road):
    fresh = LLM2Vec(bundled.causal_model, bundled.tokenizer)
    layers = [module for module in fresh._fast_model.modules() if isinstance(module, OneDNNLinear)]
    assert bool(layers) == road
    assert (fresh._fast_model is fresh.model) != road
    np.testing.assert_allclose(fresh.encode(["A river bank."]), bundled.encode(["A river bank."]), atol=3e-5)


def test_which_road_is_faster_is_measured(monkeypatch):
    # The measurement itself: what a process has decided stays decided.
    assert isinstance(acceleration._measure_onednn(), bool)
    seconds = {"ordinary": 2.0, "onednn": 1.0}
    monkeypatch.setattr(acceleration, "_onednn_works", lambda: True)
    for order, expected in ((["ordinary", "onednn"], True), (["onednn", "ordinary"], False)):
        told = iter(order)
        monkeypatch.setattr(acceleration, "_best_seconds", lambda _run, told=told: seconds[next(told)])
        assert acceleration._measure_onednn() is expected
    monkeypatch.setattr(acceleration, "_onednn_works", lambda: False)
    assert acceleration._measure_onednn() is False


def test_a_process_decides_once_whoever_asks(monkeypatch):
    asked, lock = threading.Semaphore(0), threading.Lock()
    answers = iter([False, *[True] * 7])

    class Announced:
        """The lock, which lets the measurement know who has come to it."""

        def __enter__(self):
            asked.release()
            lock.acquire()

        def __exit__(self, *_):
            lock.release()

    def measure():
        # It ends when all have asked: those who come later must wait for it and take its answer.
        assert all(asked.acquire(timeout=60) for _ in range(8))
        return next(answers)

    def ask(_):
        return acceleration.onednn_is_faster()

    monkeypatch.setattr(acceleration, "_DECIDING", Announced())
    monkeypatch.setattr(acceleration, "_decision", lru_cache(measure))
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [False] * 8
    assert acceleration.onednn_is_faster() is False


@pytest.mark.parametrize(
    ("seconds", "faster"), [([3.0, 2.0, 1.0], True), ([3.0, 1.0, 2.0], False), ([1.0, 3.0, 2.0], False)]
)
def test_fewer_bits_are_measured_against_the_faster_of_the_other_roads(monkeypatch, seconds, faster):
    monkeypatch.setattr(acceleration, "accelerate", lambda model: 1)
    monkeypatch.setattr(acceleration, "_weight_limit", lambda: 127)
    times = iter(seconds * 2)
    monkeypatch.setattr(acceleration, "_best_seconds", lambda run: run() is not None and next(times))
    assert acceleration._faster_precisions.__wrapped__() == (("bfloat16", "int8") if faster else ())


def test_int8_is_never_faster_where_its_products_overflow(monkeypatch):
    monkeypatch.setattr(acceleration, "_weight_limit", lambda: None)
    monkeypatch.setattr(acceleration, "_is_faster", lambda change: True)
    assert acceleration._faster_precisions.__wrapped__() == ("bfloat16",)
