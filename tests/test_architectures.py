"""Every causal-LM type of the installed transformers, tried out on a tiny random model of it."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from llm2vec_core import architectures
from llm2vec_core.architectures import OUT_OF_SCOPE, __main__, causal_lm_types, examine, tiny, tiny_config
from llm2vec_core.architectures import page as pages
from llm2vec_core.errors import InputError

# What somebody has looked at, written by hand. A type that a new release brings is converted, or its test fails
# until it stands here or in OUT_OF_SCOPE.
REFUSED = {
    **dict.fromkeys(("falcon_mamba", "mamba", "mamba2", "rwkv", "xlstm"), "recurrent"),
    **dict.fromkeys(
        (
            *("bailing_hybrid", "bamba", "granitemoehybrid", "jamba", "kimi_linear", "lfm2", "lfm2_moe", "lfm3"),
            *("minimax", "nemotron_h", "olmo_hybrid", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text"),
            *("qwen3_next", "qwen4_exp", "qwen4_exp_text", "recurrent_gemma", "zamba", "zamba2"),
        ),
        "hybrid",
    ),
    # attention and a convolution or recurrence side by side in each layer
    **dict.fromkeys(("falcon_h1", "inkling2_text", "inkling_text", "zaya"), "hybrid"),
    **dict.fromkeys(("blt", "cpmant", "deepseek_v4", "minimax_m3_vl_text"), "own causality"),
}
HIGHER_RUNGS = {
    "stablelm": 2,
    "nemotron": 2,
    "gpt_neo": 3,
    "openai-gpt": 3,
    "mpt": 4,
    "llama4": 4,
    "llama4_text": 4,
}
NEEDS_POSITIONS = {"biogpt", "ctrl", "git", "gpt-sw3", "gpt2", "gpt_bigcode", "gpt_neo", "openai-gpt", "xglm"}
seen_type = functools.cache(examine)


@pytest.mark.parametrize("model_type", MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
def test_every_type_is_converted_or_refused_or_out_of_scope(model_type):
    seen = seen_type(model_type)
    assert seen.failed == ()
    if model_type in OUT_OF_SCOPE:
        assert seen.verdict == "out of scope"
    elif model_type in REFUSED:
        assert (seen.verdict, seen.reason) == ("refused", REFUSED[model_type])
        assert seen.reason in seen.message
    else:
        assert seen.verdict == "converted", seen.message
        assert seen.rung == HIGHER_RUNGS.get(model_type, 1)
        assert seen.survives_saving == (model_type not in HIGHER_RUNGS)
        assert seen.left_padding_needs_positions == (model_type in NEEDS_POSITIONS)
    rows = pages.PAGE.read_text(encoding="utf-8").splitlines()
    assert pages.row(seen) in rows, "run `python -m llm2vec_core.architectures`"


@pytest.mark.every_type
def test_the_page_has_these_types_and_no_others():
    text = pages.PAGE.read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) == sorted(causal_lm_types())
    assert text == pages.page([seen_type(model_type) for model_type in causal_lm_types()])


@pytest.mark.every_type
def test_all_pure_attention_types_convert():
    """118 were measured before with whole models; the text towers of two more can be built alone."""
    converted = {t for t in causal_lm_types() if seen_type(t).verdict == "converted"}
    assert len(converted - {"dots3_note", "gemma3n"}) == 118
    assert {"dots3_note", "gemma3n"} <= converted
    assert not (set(REFUSED) | set(OUT_OF_SCOPE)) - set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


@pytest.mark.parametrize("model_type", OUT_OF_SCOPE)
def test_out_of_scope_is_no_excuse_for_a_decoder(model_type):
    cls = CONFIG_MAPPING[model_type]
    reason = OUT_OF_SCOPE[model_type]
    if reason.startswith("draft"):
        assert "assistant" in cls.__module__
        return
    default = cls()
    if reason.startswith("encoder-decoder"):
        assert (
            default.is_encoder_decoder or hasattr(default, "decoder") or hasattr(default, "cross_attention_hidden_size")
        )
        return
    # Each has its own word for "reads to the left only", and none of them is on.
    words = {"is_decoder": False, "causal": False, "attn_type": "bi"}
    assert any(hasattr(default, name) and getattr(default, name) == value for name, value in words.items())


@pytest.mark.parametrize(
    ("model_type", "named"),
    [
        ("mamba", "0, 1 (MambaBlock linear_attention), all 2"),
        ("jamba", "0 (JambaMambaDecoderLayer linear_attention), 1 of 2"),
        ("falcon_h1", "layers 0, 1 (FalconH1DecoderLayer hybrid)"),
        ("minimax_m3_vl_text", "1 (MiniMaxM3VLDecoderLayer minimax_m3_sparse), 1 of 2"),
        ("deepseek_v4", "0 (DeepseekV4DecoderLayer heavily_compressed_attention)"),
    ],
)
def test_a_refusal_names_the_layers(model_type, named):
    assert named in seen_type(model_type).message


def test_a_composite_type_is_tried_as_its_text_tower():
    assert seen_type("gemma3").text_type == "gemma3_text"
    assert seen_type("llama").text_type == ""


def test_an_unknown_type():
    with pytest.raises(InputError, match="'no-such-type' is no causal-LM type"):
        examine("no-such-type")


def test_a_model_that_would_not_be_tiny_is_not_built(monkeypatch):
    monkeypatch.setattr(tiny, "SPECIAL", {})
    with pytest.raises(ValueError, match=r"the tiny git has 85,.* its largest is image_encoder"):
        tiny.tiny_model("git")


def test_sizes_can_be_changed():
    config = tiny_config("gemma2", num_hidden_layers=1, layer_types=["sliding_attention"])
    assert (config.num_hidden_layers, config.layer_types, config.sliding_window) == (1, ["sliding_attention"], 4)


def test_the_page_does_not_cover_a_failed_check():
    broken = replace(seen_type("llama"), checks={"undo is exact": False})
    with pytest.raises(ValueError, match=r"llama.*undo is exact"):
        pages.page([broken])


def test_the_command_writes_the_page(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(__main__, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(__main__, "causal_lm_types", lambda: ("bert", "mistral", "rwkv"))
    monkeypatch.setattr(__main__, "examine", seen_type)
    __main__.main()
    text = (tmp_path / "page.md").read_text()
    assert "| become bidirectional | 1 |" in text
    assert "| `mistral` |  | 2 | sdpa | 1 | mask | yes |" in text
    assert "wrote page.md: 3 types" in capsys.readouterr().err


def test_public_names():
    for name in architectures.__all__:
        assert hasattr(architectures, name)
