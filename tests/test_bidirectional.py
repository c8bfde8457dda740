"""Conversion, its proof and its undoing; every claim is checked on what the model computes."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AttentionInterface,
    AutoModel,
    AutoModelForCausalLM,
    Gemma3Config,
    GPT2Config,
    GPTNeoConfig,
    JambaConfig,
    Llama4Config,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    StableLmConfig,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

from llm2vec_core.architectures import tiny_config, tiny_model
from llm2vec_core.bidirectional import (
    OPEN_WINDOW,
    decoder_layers,
    make_bidirectional,
    prefix_test,
    shared_weights_view,
)
from llm2vec_core.bidirectional import conversion as conversion_module
from llm2vec_core.bidirectional.probe import same_states
from llm2vec_core.errors import ConversionError
from tests.conftest import SMALL, tiny_llama


def states(model, ids, mask=None, **kwargs):
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask, use_cache=False, **kwargs).last_hidden_state


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.tensor([[5, 17, 23, 42, 8, 61]])


def test_causal_prefix_is_exact_and_bidirectional_is_not(tiny_model, ids):
    changed = ids.clone()
    changed[0, -1] = 3
    before = states(tiny_model, ids)
    assert torch.equal(before[:, :-1], states(tiny_model, changed)[:, :-1])
    make_bidirectional(tiny_model)
    moved = (states(tiny_model, ids) - states(tiny_model, changed)).abs().amax(-1)[0]
    assert (moved > 1e-4).all()


def test_undo_restores_every_bit(tiny_model, ids):
    config = tiny_model.config
    before = states(tiny_model, ids)
    conversion = make_bidirectional(tiny_model)
    assert not torch.equal(before, states(tiny_model, ids))
    conversion.undo()
    assert torch.equal(before, states(tiny_model, ids))
    assert tiny_model.config is config
    conversion.undo()
    assert torch.equal(before, states(tiny_model, ids))


def test_bidirectional_equals_a_hand_made_open_mask(tiny_model, ids):
    """Independent oracle: the causal model itself, given an explicit 4-D mask that hides nothing."""
    length = ids.shape[1]
    expected = states(tiny_model, ids, torch.zeros(1, 1, length, length))
    make_bidirectional(tiny_model)
    torch.testing.assert_close(states(tiny_model, ids), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_equals_unpadded(tiny_model, ids, side):
    make_bidirectional(tiny_model)
    alone = states(tiny_model, ids, torch.ones_like(ids))
    pad = torch.zeros(1, 4, dtype=torch.long)
    real = torch.ones_like(ids)
    if side == "right":
        padded = states(tiny_model, torch.cat([ids, pad], 1), torch.cat([real, pad], 1))[:, : ids.shape[1]]
    else:
        padded = states(tiny_model, torch.cat([pad, ids], 1), torch.cat([pad, real], 1))[:, 4:]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)


def test_no_mask_equals_a_mask_of_ones(tiny_model, ids):
    """Batch size 1 without padding must not fall back to causal attention."""
    make_bidirectional(tiny_model)
    assert torch.equal(states(tiny_model, ids), states(tiny_model, ids, torch.ones_like(ids)))


def test_a_sibling_that_shares_the_config_stays_causal():
    first = tiny_llama()
    second = type(first)(first.config).eval()
    assert first.config is second.config
    make_bidirectional(first)
    assert prefix_test(second).is_causal


def test_a_view_shares_tensors_but_not_its_direction(tiny_model):
    view = shared_weights_view(tiny_model)
    make_bidirectional(view)
    assert prefix_test(tiny_model).is_causal
    assert prefix_test(view).is_bidirectional
    pointers = {p.data_ptr() for p in tiny_model.parameters()}
    assert {p.data_ptr() for p in view.parameters()} == pointers


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize(
    "config",
    [
        Qwen2Config(**SMALL),
        MistralConfig(**SMALL, sliding_window=4),
        StableLmConfig(**SMALL),
        GPT2Config(vocab_size=97, n_embd=32, n_layer=3, n_head=4),
        GPTNeoConfig(
            vocab_size=97,
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=4,
        ),
    ],
    ids=lambda c: c.model_type,
)
def test_other_architectures(config, implementation):
    if config.model_type == "gpt_neo" and implementation == "sdpa":
        with pytest.raises(ValueError, match="scaled_dot_product_attention"):
            AutoModel.from_config(config, attn_implementation="sdpa")
        return
    model = AutoModel.from_config(config, attn_implementation=implementation).eval()
    assert prefix_test(model).end_to_end == 0.0
    conversion = make_bidirectional(model)
    assert prefix_test(model).is_bidirectional
    conversion.undo()
    assert prefix_test(model).end_to_end == 0.0


WINDOW = 4  # of every tiny model
LENGTH = 12


def reach(model, position: int) -> set[int]:
    """Positions whose vectors move when the token at one position is exchanged."""
    ids = torch.arange(10, 10 + LENGTH)[None]
    changed = ids.clone()
    changed[0, position] = 60
    ones = torch.ones_like(ids)
    moved = (states(model, ids, ones) - states(model, changed, ones)).abs().amax(-1)[0]
    return set(moved.gt(1e-6).nonzero().flatten().tolist())


def one_layer(model_type: str, kind: str, **loading):
    config = tiny_config(model_type)
    changes = {"num_hidden_layers": 1}
    if getattr(config, "layer_types", None):
        changes["layer_types"] = [kind]
    return tiny_model(model_type, tiny_config(model_type, **changes), **loading)


@pytest.mark.parametrize("model_type", ["mistral", "gemma2", "gemma3_text", "cohere2", "gpt_oss", "olmo3", "qwen2"])
def test_a_sliding_window_is_lifted_or_kept(model_type):
    model = one_layer(model_type, "sliding_attention")
    config = model.config
    assert config.sliding_window == WINDOW
    whole = set(range(LENGTH))
    assert reach(model, 6) == set(range(6, 6 + WINDOW))

    kept = make_bidirectional(model, sliding_window="keep")
    assert reach(model, 6) == set(range(6 - WINDOW, 6 + WINDOW + 1))
    assert reach(model, 0) == set(range(WINDOW + 1))
    assert reach(model, LENGTH - 1) == set(range(LENGTH - 1 - WINDOW, LENGTH))
    kept.undo()
    assert reach(model, 6) == set(range(6, 6 + WINDOW))

    lifted = make_bidirectional(model)
    assert model.config.sliding_window == OPEN_WINDOW
    # flash attention reads it from the modules
    assert {getattr(module, "sliding_window", None) for module in model.modules()} <= {None, OPEN_WINDOW}
    assert reach(model, 0) == reach(model, 6) == reach(model, LENGTH - 1) == whole
    lifted.undo()
    assert reach(model, 6) == set(range(6, 6 + WINDOW))
    assert model.config is config
    assert config.sliding_window == WINDOW


def test_full_layers_beside_sliding_ones_stay_full():
    model = one_layer("gemma2", "full_attention")
    make_bidirectional(model, sliding_window="keep")
    assert reach(model, LENGTH - 1) == set(range(LENGTH))


def test_a_window_kept_in_a_buffer():
    """gpt_neo's local layers: the mask is a tensor with a window in it."""
    config = tiny_config("gpt_neo", attention_types=[[["local"], 1]], num_layers=1)
    model = tiny_model("gpt_neo", config)
    assert reach(model, 6) == set(range(6, 6 + WINDOW))
    kept = make_bidirectional(model, sliding_window="keep")
    assert reach(model, 6) == set(range(6 - WINDOW + 1, 6 + WINDOW))
    kept.undo()
    make_bidirectional(model)
    assert reach(model, 6) == set(range(LENGTH))


def test_chunks_are_lifted_or_kept():
    """llama4: attention inside chunks of four tokens."""
    model = one_layer("llama4_text", "chunked_attention")
    chunk = set(range(4, 8))
    assert reach(model, 5) == {5, 6, 7}
    kept = make_bidirectional(model, sliding_window="keep")
    assert kept.rung == 4
    assert reach(model, 5) == chunk
    kept.undo()
    assert reach(model, 5) == {5, 6, 7}
    make_bidirectional(model)
    assert reach(model, 5) == set(range(LENGTH))


def test_kept_chunks_start_behind_the_padding():
    model = one_layer("llama4_text", "chunked_attention")
    make_bidirectional(model, sliding_window="keep")
    ids = torch.arange(10, 10 + LENGTH)[None]
    pads = torch.zeros(1, 3, dtype=torch.long)
    real = torch.ones_like(ids)
    mask = torch.cat([pads, real], 1)
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    padded = states(model, torch.cat([pads, ids], 1), mask, position_ids=positions)[:, 3:]
    torch.testing.assert_close(padded, states(model, ids, real), atol=1e-5, rtol=1e-5)


def test_a_window_kept_where_the_mask_is_handed_in():
    """modernbert-decoder with eager attention: one full and one sliding layer, each with its own mask."""
    model = tiny_model("modernbert-decoder", attn_implementation="eager")
    kept = make_bidirectional(model, sliding_window="keep")
    assert (kept.rung, kept.survives_saving) == (4, True)
    masks = {}

    def record(layer, _args, kwargs):
        masks[layer.attention_type] = kwargs["attention_mask"][0, 0] == 0

    for layer, kind in zip(model.layers, model.config.layer_types, strict=True):
        layer.attention_type = kind
        layer.register_forward_pre_hook(record, with_kwargs=True)
    states(model, torch.arange(10, 10 + LENGTH)[None])
    distance = (torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)).abs()
    assert masks["full_attention"].all()
    assert torch.equal(masks["sliding_attention"], distance <= WINDOW)


@pytest.mark.parametrize(
    ("config", "reason", "layers"),
    [
        (MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4), "recurrent", (0, 1)),
        (
            JambaConfig(**SMALL, attn_layer_period=2, attn_layer_offset=1, num_experts=1, use_mamba_kernels=False),
            "hybrid",
            (0, 2),
        ),
        (tiny_config("falcon_h1"), "hybrid", (0, 1)),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_what_cannot_be_converted_is_refused_and_left_as_it_was(config, reason, layers):
    torch.manual_seed(0)
    model = AutoModel.from_config(config).train()
    before = {name: dict(vars(module)) for name, module in model.named_modules()}
    ids = torch.tensor([[5, 17, 23, 42]])
    expected = states(model, ids)
    with pytest.raises(ConversionError, match=config.model_type) as caught:
        make_bidirectional(model)
    assert (caught.value.reason, caught.value.causal_layers) == (reason, layers)
    assert torch.equal(expected, states(model, ids))
    for name, module in model.named_modules():
        assert vars(module) == before[name], name
    assert model.training


def test_a_model_of_nan_is_refused_for_what_it_is(tiny_model):
    torch.nn.init.constant_(tiny_model.layers[1].mlp.up_proj.weight, float("nan"))
    with pytest.raises(ConversionError, match="NaN") as caught:
        make_bidirectional(tiny_model)
    assert caught.value.reason == "not finite"


HANDED_IN = [("llama4_text", "sdpa"), ("llama4_text", "eager"), ("mpt", "eager"), ("modernbert-decoder", "eager")]


@pytest.mark.parametrize(("model_type", "implementation"), HANDED_IN)
def test_a_handed_in_mask_stays_with_its_instance(model_type, implementation):
    model = tiny_model(model_type, attn_implementation=implementation)
    sibling = type(model)(model.config).eval()
    causal = states(model, torch.arange(5, 15)[None], torch.ones(1, 10, dtype=torch.long))
    view = shared_weights_view(model)
    conversion = make_bidirectional(view)
    assert conversion.rung == 4
    # modernbert-decoder needs no such help with sdpa, which a plain reload chooses
    assert conversion.survives_saving == (model_type == "modernbert-decoder")
    assert prefix_test(view).is_bidirectional
    assert prefix_test(model).is_causal
    assert prefix_test(sibling).is_causal

    # A view of the converted view is converted, and stays so when the first one is undone.
    second = shared_weights_view(view)
    conversion.undo()
    assert "forward" not in vars(view)
    assert torch.equal(causal, states(view, torch.arange(5, 15)[None], torch.ones(1, 10, dtype=torch.long)))
    assert prefix_test(second).is_bidirectional
    assert prefix_test(copy.deepcopy(second)).is_bidirectional


@pytest.mark.parametrize(("model_type", "rung"), [("mistral", 1), ("stablelm", 2), ("gpt_neo", 3), ("mpt", 4)])
def test_converting_again_remembers_what_was_needed(model_type, rung):
    model = tiny_model(model_type)
    first = make_bidirectional(model)
    for converted in (shared_weights_view(model), model):
        again = make_bidirectional(converted)
        assert (again.rung, again.survives_saving) == (rung, rung == 1)
    assert prefix_test(model).is_bidirectional
    again.undo()
    assert prefix_test(model).is_bidirectional
    first.undo()
    assert prefix_test(model).is_causal


def test_causal_and_bidirectional_views_in_several_threads():
    causal = tiny_model("llama4_text")
    opened = shared_weights_view(causal)
    make_bidirectional(opened)
    ids = torch.arange(20, 32)[None]
    mask = torch.ones_like(ids)
    expected = [states(model, ids, mask) for model in (causal, opened)]
    assert not torch.equal(*expected)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda i: states((causal, opened)[i % 2], ids, mask), range(80)))
    assert all(torch.equal(result, expected[i % 2]) for i, result in enumerate(results))


@pytest.mark.filterwarnings("ignore:fan_in_fan_out")
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mpt", "stablelm"])
def test_a_base_with_an_injected_adapter(model_type):
    """PEFT calls the base's forward itself, past any module hook."""
    base = tiny_model(model_type)
    peft = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)).eval()
    assert prefix_test(peft).is_causal
    conversion = make_bidirectional(peft.get_base_model())
    assert prefix_test(peft.get_base_model()).is_bidirectional
    assert prefix_test(peft).is_bidirectional
    conversion.undo()
    assert prefix_test(peft).is_causal
    make_bidirectional(peft)
    assert prefix_test(peft).is_bidirectional


def test_an_instance_with_a_forward_of_its_own_keeps_it():
    """accelerate puts its forward on the instance: the handed-in mask goes through it."""
    model = tiny_model("mpt")
    calls = []
    original = model.forward

    def own(*args, **kwargs):
        calls.append(1)
        return original(*args, **kwargs)

    model.forward = own
    conversion = make_bidirectional(model)
    calls.clear()
    states(model, torch.tensor([[5, 6, 7]]))
    assert calls == [1]
    conversion.undo()
    assert model.forward is own


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("model_type", ["llama", "gemma2", "gpt2", "qwen3_moe", "mpt", "stablelm", "llama4_text"])
def test_half_precision(model_type, dtype):
    model = tiny_model(model_type).to(dtype)
    assert prefix_test(model).is_causal
    conversion = make_bidirectional(model)
    assert conversion.rung == {"mpt": 4, "stablelm": 2, "llama4_text": 4}.get(model_type, 1)
    assert prefix_test(model).is_bidirectional
    conversion.undo()
    assert prefix_test(model).is_causal


@pytest.mark.parametrize("vocab_size", [2, 3, 9])
def test_tiny_vocabularies(vocab_size):
    model = tiny_llama(vocab_size=vocab_size, pad_token_id=0, bos_token_id=1, eos_token_id=1)
    assert prefix_test(model).is_causal
    make_bidirectional(model)
    assert prefix_test(model).is_bidirectional


def test_the_proof_is_cheap(tiny_model):
    """Rung 1 costs four forward passes, and each layer again once; one layer of each build twice more."""
    calls = {"model": 0, "layers": 0, "positions": 0}

    def count_model(_module, _args, kwargs, _output):
        calls["model"] += 1
        calls["positions"] = max(calls["positions"], kwargs["input_ids"].shape[1])

    tiny_model.register_forward_hook(count_model, with_kwargs=True)
    for layer in decoder_layers(tiny_model):
        layer.register_forward_hook(lambda *_: calls.update(layers=calls["layers"] + 1))
    make_bidirectional(tiny_model)
    assert calls == {"model": 4, "layers": 3 * (4 + 1) + 2, "positions": 11}


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_saving_is_foretold_for_the_implementation_that_a_reload_chooses(implementation, tmp_path):
    """stablelm with eager attention needs rung 1 only; a plain reload chooses sdpa, and is causal."""
    model = tiny_model("stablelm", attn_implementation=implementation)
    conversion = make_bidirectional(model)
    assert conversion.rung == {"sdpa": 2, "eager": 1}[implementation]
    assert not conversion.survives_saving
    model.save_pretrained(tmp_path)
    assert prefix_test(AutoModel.from_pretrained(tmp_path)).is_causal


@pytest.mark.parametrize("sliding_window", ["full", "keep"])
def test_a_plain_reload_reads_through_the_same_window(sliding_window, tmp_path):
    model = one_layer("mistral", "sliding_attention")
    assert make_bidirectional(model, sliding_window=sliding_window).survives_saving
    model.save_pretrained(tmp_path)
    assert reach(AutoModel.from_pretrained(tmp_path).eval(), 6) == reach(model, 6)


@pytest.mark.parametrize("model_type", ["mistral", "modernbert-decoder"])
def test_saving_survives_from_another_implementation(model_type, tmp_path):
    model = tiny_model(model_type, attn_implementation="eager")
    assert make_bidirectional(model).survives_saving
    model.save_pretrained(tmp_path)
    assert prefix_test(AutoModel.from_pretrained(tmp_path)).is_bidirectional


def flash_like(module, query, key, value, attention_mask, is_causal=None, **kwargs):
    """What flash attention takes and refuses: a mask of padding, and a flag."""
    if attention_mask is not None and attention_mask.ndim != 2:
        raise ValueError("only a padding mask")
    is_causal = module.is_causal if is_causal is None else is_causal
    seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool)
    seen = (seen.tril() if is_causal else seen)[None, None]
    if attention_mask is not None:
        seen = seen & attention_mask[:, None, None].bool()
    return sdpa_attention_forward(module, query, key, value, seen, is_causal=False, **kwargs)


@pytest.mark.parametrize(("model_type", "rung"), [("llama", 1), ("stablelm", 2)])
def test_an_implementation_that_takes_no_arbitrary_mask(model_type, rung):
    AttentionInterface.register("padding_only", flash_like)
    AttentionMaskInterface.register("padding_only", flash_attention_mask)
    model = tiny_model(model_type)
    model.set_attn_implementation("padding_only")
    conversion = make_bidirectional(model)
    assert (conversion.rung, conversion.survives_saving) == (rung, rung == 1)
    assert model.config._attn_implementation == "padding_only"
    assert prefix_test(model).is_bidirectional


def test_a_hybrid_is_refused_in_such_an_implementation_too():
    AttentionInterface.register("padding_only", flash_like)
    AttentionMaskInterface.register("padding_only", flash_attention_mask)
    model = tiny_model("falcon_h1")
    model.set_attn_implementation("padding_only")
    with pytest.raises(ConversionError, match="beside attention"):
        make_bidirectional(model)


TOWER = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("config", "layer", "rung"),
    [
        (
            Gemma3Config(
                text_config=tiny_config("gemma3").to_dict(),
                vision_config={**TOWER, "model_type": "siglip_vision_model", "image_size": 16, "patch_size": 8},
                mm_tokens_per_image=4,
            ),
            "Gemma3DecoderLayer",
            1,
        ),
        (
            Llama4Config(
                text_config=tiny_config("llama4").to_dict(),
                vision_config={
                    **TOWER,
                    "image_size": 16,
                    "patch_size": 8,
                    "vision_output_dim": 32,
                    "projector_input_dim": 32,
                    "projector_output_dim": 32,
                },
            ),
            "Llama4TextDecoderLayer",
            4,
        ),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_a_whole_vision_language_model(config, layer, rung):
    """Its vision tower has as many layers as its text tower; the text's are meant."""
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    assert {type(layer).__name__ for layer in decoder_layers(model)} == {layer}
    assert prefix_test(model).is_causal
    conversion = make_bidirectional(model)
    assert (conversion.rung, conversion.survives_saving) == (rung, rung == 1)
    assert prefix_test(model).is_bidirectional
    conversion.undo()
    assert prefix_test(model).is_causal


@pytest.mark.parametrize("given", ["by position", "by name", "not at all"])
def test_a_mask_is_found_however_it_is_given(given):
    model = tiny_model("llama4_text")
    make_bidirectional(model)
    ids = torch.arange(10, 22)[None]
    ones = torch.ones_like(ids)
    arguments = {
        "by position": ((ids, ones), {}),
        "by name": ((ids,), {"attention_mask": ones}),
        "not at all": ((ids,), {}),
    }
    args, kwargs = arguments[given]
    with torch.no_grad():
        seen = model(*args, **kwargs, use_cache=False).last_hidden_state
    assert torch.equal(seen, states(model, ids, ones))
    # What is no plain padding mask is the caller's own affair.
    alone = torch.zeros(1, 1, 12, 12).masked_fill(~torch.eye(12, dtype=torch.bool), torch.finfo(torch.float32).min)
    assert not torch.equal(states(model, ids, alone), seen)


@pytest.mark.parametrize("block", [4, 32])
def test_the_probe_is_longer_than_a_block_of_sparse_attention(block):
    """minimax_m3: inside one block all is open, so eight tokens would show nothing of its own causality."""
    config = tiny_config("minimax_m3_vl_text", index_block_size=block, max_position_embeddings=256)
    with pytest.raises(ConversionError, match=r"1 \(MiniMaxM3VLDecoderLayer minimax_m3_sparse\)"):
        make_bidirectional(tiny_model("minimax_m3_vl_text", config))


def test_what_was_seen_counts_more_than_a_later_crash(monkeypatch):
    def crash(*_args, **_kwargs):
        raise RuntimeError("no mask of pairs, please")

    monkeypatch.setattr(conversion_module, "forward_with_open_mask", lambda *_args, **_kwargs: crash)
    with pytest.raises(ConversionError, match="layers still causal: 1") as caught:
        make_bidirectional(tiny_model("minimax_m3_vl_text"))
    assert caught.value.reason == "own causality"
    with pytest.raises(ConversionError, match="its forward pass fails") as caught:
        make_bidirectional(tiny_model("mpt"))
    assert caught.value.reason == "forward pass fails"
    assert isinstance(caught.value.__cause__, AttributeError)


def test_sparse_attention_that_heeds_the_mask_converts():
    """deepseek_v32 with fewer picks than tokens: each token may pick later ones too. (Many heads, so that none tie.)"""
    model = tiny_model("deepseek_v32", tiny_config("deepseek_v32", index_topk=6, index_n_heads=16))
    make_bidirectional(model)
    assert prefix_test(model).is_bidirectional


def test_without_verification_nothing_is_run(tiny_model):
    def fail(*_):
        raise AssertionError("the model was run")

    handle = tiny_model.register_forward_pre_hook(fail)
    conversion = make_bidirectional(tiny_model, verify=False)
    handle.remove()
    assert conversion.rung == 0
    assert prefix_test(tiny_model).is_bidirectional


def test_the_probe_hears_its_own_thread_alone():
    """Somebody else's forward pass runs between the first and the last layer of the probe's."""
    model = AutoModelForCausalLM.from_config(Qwen2Config(**SMALL)).eval()
    make_bidirectional(model)
    expected = prefix_test(model)
    probing_thread = threading.get_ident()

    def intrude(*_):
        if threading.get_ident() == probing_thread:
            user = threading.Thread(target=states, args=(model.model, torch.arange(1, 60)[None]))
            user.start()
            user.join()

    model.model.layers[2].register_forward_pre_hook(intrude)
    assert prefix_test(model) == expected


def test_one_token_sent_to_another_expert_is_rounding_in_half_precision_only():
    before = torch.ones(1, 8, 4)
    after = before.clone()
    after[0, 3] = -1
    assert not same_states(after, before)
    assert same_states(after.bfloat16(), before.bfloat16())
    assert not same_states(-before.bfloat16(), before.bfloat16())


def test_rounding_that_has_grown_in_one_token_is_no_other_attention():
    before = torch.ones(1, 8, 4)
    one, half = before.clone(), before.clone()
    one[0, 3] += 5e-4
    half[0, :5] += 5e-4
    assert not same_states(one, before) and same_states(one, before, outliers=10)
    assert not same_states(half, before, outliers=10)
    assert not same_states(before + 2e-3 * (torch.arange(8) == 3)[:, None], before, outliers=10)
    assert not same_states(before * float("nan"), before, outliers=10)


def test_the_probe_gives_modes_and_hooks_back(tiny_model):
    tiny_model.train()
    tiny_model.layers[0].eval()
    prefix_test(tiny_model)
    assert tiny_model.training
    assert not tiny_model.layers[0].training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny_model.modules())


def test_a_model_with_its_head_converts_too():
    causal = AutoModelForCausalLM.from_config(Qwen2Config(**SMALL)).eval()
    make_bidirectional(causal)
    assert prefix_test(causal).is_bidirectional


def test_bundled_model_causal_exact_bidirectional_different_undo_exact(bundled, bundled_causal):
    report = bundled_causal.prefix_test()
    assert report.is_causal
    assert report.end_to_end == 0.0
    assert set(report.layers) == {0.0}
    assert bundled.prefix_test().is_bidirectional
    view = shared_weights_view(bundled.causal_model)
    ids = torch.tensor([[1, 300, 301, 302]])
    before = states(view, ids)
    make_bidirectional(view).undo()
    assert torch.equal(before, states(view, ids))
