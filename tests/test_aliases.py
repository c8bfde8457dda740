"""Published encoders of today, each as a tiny twin of its layout. Oracle: transformers' own model, opened by its flag."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    Ministral3Config,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from llm2vec_core.aliases import ALIASES, REFUSED
from llm2vec_core.architectures.tiny import tiny_config
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ConversionError, ModelError
from llm2vec_core.published_encoders import LAYOUTS, PAGE, page
from tests.tiny_gguf import tiny_tokenizer

SIZES = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
LONG = "The bank was robbed at noon by the old stone bridge. " * 4
TEXTS = ["A river bank is muddy.", LONG, "Hi"]
KNOWN = {"llama": LlamaConfig, "qwen3": Qwen3Config, "mistral": MistralConfig, "ministral3": Ministral3Config}


def write(folder: Path, config, **changes) -> AutoModel:
    """A folder as published: transformers' model, with changes in config.json; gives the model."""
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    file = folder / "config.json"
    found = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in found.items() if value is not ...}))
    return model


def own_states(folder: Path, config) -> list[np.ndarray]:
    """Last hidden states of each text alone, by transformers, with a config that opens the attention."""
    model = AutoModel.from_pretrained(folder, config=config).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
    with torch.no_grad():
        return [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy() for text in TEXTS]


def close(got: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("name", ALIASES)
def test_a_renamed_type_is_the_known_one_opened(name, tmp_path):
    alias = ALIASES[name]
    config = KNOWN[alias.known](**SIZES)
    extra = {"pooling": "avg"} if alias.pooling else {}
    remote = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}
    write(tmp_path, config, model_type=name, auto_map=remote, architectures=["OtherModel"], **extra)
    (tmp_path / "modeling.py").write_text("raise SystemExit('code from the repository was run')")
    encoder = LLM2Vec.from_pretrained(tmp_path, device="cpu")
    config.is_causal = False
    close(encoder.encode(TEXTS), np.stack([states.mean(0) for states in own_states(tmp_path, config)]))
    assert encoder.prefix_test().is_bidirectional and encoder.view(bidirectional=False).prefix_test().is_causal
    encoder.save_pretrained(tmp_path / "again")
    close(LLM2Vec.from_pretrained(tmp_path / "again", device="cpu").encode(TEXTS), encoder.encode(TEXTS))


def test_the_pooling_that_a_renamed_type_names(tmp_path):
    config = LlamaConfig(**SIZES)
    write(tmp_path, config, model_type="llama_bidirec", pooling="last")
    config.is_causal = False
    want = np.stack([states[-1] for states in own_states(tmp_path, config)])
    close(LLM2Vec.from_pretrained(tmp_path, device="cpu").encode(TEXTS), want)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "pooling": "colbert"}))
    with pytest.raises(ModelError, match="'colbert'"):
        LLM2Vec.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_a_type_with_layers_of_its_own_is_refused(name, tmp_path):
    write(tmp_path, LlamaConfig(**SIZES), model_type=name)
    with pytest.raises(ModelError, match=name):
        LLM2Vec.from_pretrained(tmp_path)


def test_is_causal_false_keeps_the_window_as_transformers_does(tmp_path):
    # gte-Qwen2, Nemotron-3-Embed: a flag, and code of their own that is not needed.
    config = Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=0, is_causal=False)
    write(tmp_path, config, auto_map={"AutoModel": "modeling_qwen.Qwen2Model"})
    want = np.stack([states.mean(0) for states in own_states(tmp_path, config)])
    encoder = LLM2Vec.from_pretrained(tmp_path, device="cpu")
    assert encoder.settings.sliding_window == "keep"
    close(encoder.encode(TEXTS), want)
    full = LLM2Vec.from_pretrained(tmp_path, device="cpu", sliding_window="full").encode(TEXTS)
    assert np.abs(full[1] - want[1]).max() > 1e-2


def test_a_window_that_was_saved_open_comes_back_for_the_causal_view(tmp_path):
    write(tmp_path / "base", MistralConfig(**SIZES, sliding_window=4))
    encoder = LLM2Vec.from_pretrained(tmp_path / "base", device="cpu", sliding_window="full")
    encoder.save_pretrained(tmp_path / "again")
    plain = np.stack([states.mean(0) for states in own_states(tmp_path / "again", None)])
    close(encoder.encode(TEXTS), plain)
    (tmp_path / "again" / "llm2vec_config.json").unlink()  # config.json says it alone
    again = LLM2Vec.from_pretrained(tmp_path / "again", device="cpu")
    close(again.encode(TEXTS), encoder.encode(TEXTS))
    for view in ({"bidirectional": False}, {"sliding_window": "keep"}):
        want = LLM2Vec.from_pretrained(tmp_path / "base", device="cpu", **view).encode(TEXTS)
        assert np.abs(want - encoder.encode(TEXTS)).max() > 1e-2
        close(LLM2Vec.from_pretrained(tmp_path / "again", device="cpu", **view).encode(TEXTS), want)


@pytest.mark.parametrize(("kind", "flag"), [(Gemma3TextConfig, True), (Gemma2Config, True), (GemmaConfig, True)])
def test_use_bidirectional_attention(kind, flag, tmp_path):
    windows = {} if kind is GemmaConfig else {"sliding_window": 16}
    config = kind(**SIZES, head_dim=8, **windows)
    write(tmp_path, config, use_bidirectional_attention=flag)
    encoder = LLM2Vec.from_pretrained(tmp_path, device="cpu")
    if kind is Gemma3TextConfig:
        # EmbeddingGemma: transformers gives half of the window to either side.
        opened = kind(**SIZES, head_dim=8, **windows, use_bidirectional_attention=True)
        assert encoder.settings.sliding_window == "halved"
        close(encoder.encode(TEXTS), np.stack([states.mean(0) for states in own_states(tmp_path, opened)]))
        encoder.save_pretrained(tmp_path / "again")
        again = LLM2Vec.from_pretrained(tmp_path / "again", device="cpu")
        close(again.encode(TEXTS), encoder.encode(TEXTS))
        close(again.view(bidirectional=False).encode(TEXTS), encoder.view(bidirectional=False).encode(TEXTS))
        plain = own_states(tmp_path / "again", None)
        close(encoder.encode(TEXTS), np.stack([states.mean(0) for states in plain]))
    assert encoder.prefix_test().is_bidirectional
    # The causal view has the whole window again.
    causal = np.stack([states.mean(0) for states in own_states(tmp_path, kind(**SIZES, head_dim=8, **windows))])
    close(encoder.view(bidirectional=False).encode(TEXTS), causal)


def test_a_forward_pass_that_its_config_cannot_feed_is_told(tmp_path):
    # Ministral 3 scales its queries by numbers among the rope parameters, which a llama's config has not.
    write(tmp_path, LlamaConfig(**SIZES), model_type="ministral3_bidirec")
    with pytest.raises(ModelError, match=r"forward pass of .*ministral3.* fails with the values of its config\.json"):
        LLM2Vec.from_pretrained(tmp_path, device="cpu")


def test_halving_needs_a_type_that_does_it(tmp_path):
    write(tmp_path, LlamaConfig(**SIZES))
    with pytest.raises(ConversionError, match="no window that transformers halves"):
        LLM2Vec.from_pretrained(tmp_path, sliding_window="halved")


def test_a_direction_that_only_its_code_knows_is_told(tmp_path, caplog):
    # GritLM: model_type mistral, attention opened by its own code, and nothing in config.json says so.
    write(tmp_path, MistralConfig(**SIZES), auto_map={"AutoModel": "modeling_gritlm7b.MistralModel"})
    with caplog.at_level(logging.WARNING, "llm2vec_core"):
        LLM2Vec.from_pretrained(tmp_path, device="cpu")
    assert "in which direction its authors read it is unknown" in caplog.text and "is_causal" in caplog.text
    caplog.clear()
    LLM2Vec.from_pretrained(tmp_path, device="cpu", bidirectional=False)
    assert "unknown" not in caplog.text


@pytest.mark.parametrize("instruction", [None, "Find a place"])
def test_gritlm_pools_the_text_behind_its_own_form(instruction, tmp_path):
    config = MistralConfig(**SIZES)
    write(tmp_path, config, auto_map={"AutoModel": "modeling_gritlm7b.MistralModel"})
    encoder = LLM2Vec.from_pretrained(tmp_path, device="cpu", bidirectional=True, template="gritlm")
    config.is_causal = False
    model = AutoModel.from_pretrained(tmp_path, config=config).eval()
    form = f"<|user|>\n{instruction}\n<|embed|>\n" if instruction else "<|embed|>\n"
    tokenizer, want = tiny_tokenizer(), []
    for text in TEXTS:
        with torch.no_grad():
            states = model(**tokenizer(form + text, return_tensors="pt")).last_hidden_state[0]
        want.append(states[len(tokenizer(form)["input_ids"]) :].mean(0).numpy())
    close(encoder.encode(TEXTS, instruction), np.stack(want))


@pytest.mark.parametrize("flag", ["all", "vision"])
def test_gemma_4_is_opened_for_all_tokens_and_not_for_those_of_images_alone(flag, tmp_path):
    config = tiny_config("gemma4_text", vocab_size=300, vocab_size_per_layer_input=300, max_position_embeddings=512)
    write(tmp_path, config, use_bidirectional_attention=flag)
    encoder = LLM2Vec.from_pretrained(tmp_path, device="cpu")
    if flag == "all":
        opened = type(config)(**json.loads((tmp_path / "config.json").read_text()))
        assert encoder.settings.sliding_window == "halved" and opened.sliding_window < config.sliding_window
        close(encoder.encode(TEXTS), np.stack([states.mean(0) for states in own_states(tmp_path, opened)]))
    causal = np.stack([states.mean(0) for states in own_states(tmp_path, config)])
    close(encoder.view(bidirectional=False).encode(TEXTS), causal)


OPENED = {"gemma3_text", "gemma4_text"}
FOLDERS = [layout for layout in LAYOUTS if layout.modules]


@pytest.mark.parametrize("layout", FOLDERS, ids=[layout.models for layout in FOLDERS])
def test_each_sentence_transformers_layout_of_the_page(layout, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as st

    kind = layout.config["model_type"]
    config = tiny_config(kind, **SIZES)
    decisive = {name: value for name, value in layout.config.items() if name not in ("model_type", "auto_map")}
    write(tmp_path / "base", config, **decisive)
    mode = "mean" if layout.modules[0] == "Pooling (mean)" else "lasttoken"
    modules = [st.Transformer(str(tmp_path / "base")), st.Pooling(32, pooling_mode=mode)]
    modules += [st.Dense(32, 32, bias=False) if name == "Dense" else st.Normalize() for name in layout.modules[1:]]
    prompts = {"query": "Find: ", "document": "Text: "}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(tmp_path / "st"))
    theirs = SentenceTransformer(str(tmp_path / "st"), device="cpu")
    encoder = LLM2Vec.from_pretrained(tmp_path / "st", device="cpu")
    assert encoder.bidirectional is (kind in OPENED or layout.config.get("is_causal") is False)
    close(encoder.encode(TEXTS), theirs.encode(TEXTS, show_progress_bar=False))
    close(encoder.encode_query(TEXTS), theirs.encode_query(TEXTS, show_progress_bar=False))
    close(encoder.encode_document(TEXTS), theirs.encode_document(TEXTS, show_progress_bar=False))


def test_embeddinggemma_as_a_sentence_transformers_folder(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as st

    write(tmp_path / "base", Gemma3TextConfig(**SIZES, head_dim=8, sliding_window=16), use_bidirectional_attention=True)
    modules = [st.Transformer(str(tmp_path / "base")), st.Pooling(32, pooling_mode="mean")]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "st"))
    want = SentenceTransformer(str(tmp_path / "st"), device="cpu").encode(TEXTS, show_progress_bar=False)
    encoder = LLM2Vec.from_pretrained(tmp_path / "st", device="cpu")
    assert encoder.bidirectional and encoder.settings.sliding_window == "halved"
    close(encoder.encode(TEXTS), want)


def test_the_page_is_what_the_command_writes():
    assert PAGE.read_text(encoding="utf-8") == page()
    for name in (*ALIASES, *REFUSED):
        assert f"model_type: {name}`" in page()
