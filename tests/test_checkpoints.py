"""Models as people have them, in local folders of the very layouts that the Hub has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import huggingface_hub.errors as hub
import numpy as np
import pytest

from llm2vec_core import checkpoints
from llm2vec_core.checkpoints import find_file, resolve
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import AdapterError, ModelError
from llm2vec_core.presets import BUNDLED
from tests.close import assert_close

REFERENCE = Path(__file__).parent / "data" / "reference"
BASE = REFERENCE / "models" / "llama"
TEXTS = ["A cat sat on the warm windowsill.", "river"]


@pytest.fixture
def published(tmp_path) -> Path:
    """``LLM2Vec-tiny-mntp`` with ``-supervised`` and ``-unsup-simcse`` beside it, as the Hub has them."""
    mntp = tmp_path / "LLM2Vec-tiny-mntp"
    shutil.copytree(REFERENCE / "models" / "llama_with_adapter", mntp)
    config = json.loads((mntp / "config.json").read_text())
    # The published repositories bring code and point to it.
    config["auto_map"] = {"AutoModel": "modeling_llama_encoder.LlamaEncoderModel"}
    (mntp / "config.json").write_text(json.dumps(config))
    (mntp / "modeling_llama_encoder.py").write_text("raise SystemExit('code from a model was run')\n")
    for name in ("supervised", "unsup-simcse"):
        stacked = tmp_path / f"LLM2Vec-tiny-mntp-{name}"
        shutil.copytree(REFERENCE / "adapters" / "llama_lora2", stacked)
        (stacked / "llm2vec_config.json").unlink()
    name_base(mntp, BASE)
    # One names the model at the bottom as its base, the other the MNTP adapter.
    name_base(tmp_path / "LLM2Vec-tiny-mntp-supervised", BASE)
    name_base(tmp_path / "LLM2Vec-tiny-mntp-unsup-simcse", mntp)
    return tmp_path


def name_base(adapter: Path, base: Path | str | None) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": base and str(base)}))


def test_the_published_layouts_resolve_to_base_and_adapters(published):
    mntp = str(published / "LLM2Vec-tiny-mntp")
    found = resolve(mntp)
    assert (found.base, found.adapters, found.tokenizer) == (str(BASE), (mntp,), mntp)
    for name in ("supervised", "unsup-simcse"):
        found = resolve(f"{mntp}-{name}")
        assert (found.base, found.adapters) == (str(BASE), (mntp, f"{mntp}-{name}"))
        assert found.tokenizer == mntp
        assert found.settings == {
            "bidirectional": True,
            "max_length": 512,
            "doc_max_length": 400,
            "skip_begin_token": True,
        }


@pytest.mark.parametrize("name", ["supervised", "unsup-simcse"])
def test_the_published_layouts_load_without_their_code(published, name):
    """The same numbers as the base with both adapters by hand, which the published package's own outputs back."""
    mntp = published / "LLM2Vec-tiny-mntp"
    by_name = LLM2Vec.from_pretrained(f"{mntp}-{name}", device="cpu")
    by_hand = LLM2Vec.from_pretrained(
        BASE, [REFERENCE / "adapters" / "llama_lora2"], device="cpu", skip_begin_token=True, pooling_mode="mean"
    )
    alone = by_name.encode(TEXTS)
    assert by_name.settings.doc_max_length == 400
    assert by_name.prefix_test().is_bidirectional
    assert np.abs(alone - by_hand.encode(TEXTS)).max() > 1e-3  # the MNTP adapter is in it
    both = LLM2Vec.from_pretrained(
        BASE, [mntp, REFERENCE / "adapters" / "llama_lora2"], device="cpu", pooling_mode="mean", max_length=512
    )
    assert_close(alone, both.encode(TEXTS))


def test_a_chat_form_belongs_to_a_published_base(monkeypatch):
    monkeypatch.setattr(checkpoints, "find_file", lambda *_: None)
    published = checkpoints._published_settings("mistralai/Mistral-7B-Instruct-v0.2")
    assert published["template"] == "mistral-instruct"
    assert "template" not in checkpoints._published_settings("princeton-nlp/Sheared-LLaMA-1.3B")
    for base, template in (
        ("google/gemma-2-9b-it", "gemma-2-instruct"),
        ("Qwen/Qwen2-7B-Instruct", "qwen-instruct"),
        ("/models/Meta-Llama-3-8B-Instruct", "llama-3-instruct"),
    ):
        assert checkpoints._published_settings(base)["template"] == template


def test_the_bundled_chain():
    mntp, simcse = BUNDLED.stage("simcse").adapters
    found = resolve(simcse)
    assert (found.base, found.adapters) == (BUNDLED.base, (mntp, simcse))
    expected = LLM2Vec.from_preset("mini:simcse").encode(TEXTS)
    np.testing.assert_array_equal(LLM2Vec.from_pretrained(simcse).encode(TEXTS), expected)


def test_our_own_folder_keeps_its_settings(tmp_path, bundled):
    chosen = bundled.with_settings(pooling_mode="weighted_mean", max_length=77, template="echo", skip_begin_token=True)
    chosen.save_pretrained(tmp_path)
    back = LLM2Vec.from_pretrained(tmp_path)
    assert back.settings == chosen.settings
    assert_close(back.encode(TEXTS), chosen.encode(TEXTS))
    assert LLM2Vec.from_pretrained(tmp_path, pooling_mode="mean").settings.pooling_mode == "mean"


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "3", "null", '{"idx": 0}', "[1, 2]", "[[]]", '["Transformer"]', '[{"path": ""}]', "[" * 100_000),
        *('[{"type": 5, "path": ""}]', '[{"type": "a.Transformer", "path": 5}]'),
        *('[{"type": "a.Transformer", "path": "../other"}]', '[{"type": "a.Transformer", "path": "/etc"}]'),
    ],
)
def test_a_broken_modules_json(tmp_path, content):
    (tmp_path / "modules.json").write_text(content)
    with pytest.raises(ModelError, match=r"modules\.json"):
        resolve(tmp_path)


@pytest.mark.parametrize("wrong", [{"base_model_name_or_path": 5}, {"base_model_name_or_path": "", "auto_mapping": 5}])
def test_an_adapter_whose_configuration_is_wrongly_typed(tmp_path, wrong):
    (tmp_path / "adapter_config.json").write_text(json.dumps(wrong))
    with pytest.raises(AdapterError, match="base_model_name_or_path"):
        resolve(tmp_path)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_sentence_transformers_folder(tmp_path, bundled, legacy):
    bundled.save_pretrained(tmp_path)
    (tmp_path / "llm2vec_config.json").unlink()
    sentence_transformers_files(tmp_path, legacy, prompts={"query": "Find: "})
    encoder = LLM2Vec.from_pretrained(tmp_path)
    assert encoder.prefix_test().is_bidirectional
    assert encoder.settings.pooling_mode == "weighted_mean"
    assert encoder.settings.max_length == 99
    assert encoder.settings.prompts == {"query": "Find: "}
    assert_close(encoder.encode(TEXTS), bundled.encode(TEXTS, pooling_mode="weighted_mean"))


def test_a_causal_sentence_transformers_folder_stays_causal(tmp_path, bundled_causal):
    bundled_causal.save_pretrained(tmp_path)
    (tmp_path / "llm2vec_config.json").unlink()
    sentence_transformers_files(tmp_path, legacy=False)
    assert LLM2Vec.from_pretrained(tmp_path).prefix_test().is_causal


def sentence_transformers_files(folder: Path, legacy: bool, prompts: dict | None = None, extra: str = "") -> None:
    root = "sentence_transformers.models" if legacy else "sentence_transformers.sentence_transformer.modules"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{root}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{root}.Pooling"},
    ]
    if extra:
        modules.append({"idx": 2, "name": "2", "path": "2_Extra", "type": f"{root}.{extra}"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    switch = {"pooling_mode_weightedmean_tokens": True, "pooling_mode_mean_tokens": False}
    pooling = {"include_prompt": False, **(switch if legacy else {"pooling_mode": "weightedmean"})}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 99}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts or {}}))


def test_a_sentence_transformers_folder_with_another_module_is_refused(tmp_path):
    sentence_transformers_files(tmp_path, legacy=False, extra="LayerNorm")
    with pytest.raises(ModelError, match="Transformer, Pooling, LayerNorm"):
        resolve(tmp_path)


def test_adapters_in_a_circle(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        shutil.copytree(REFERENCE / "adapters" / "llama_lora2", tmp_path / name)
        name_base(tmp_path / name, tmp_path / other)
    with pytest.raises(AdapterError, match="circle"):
        resolve(tmp_path / "a")


def test_an_adapter_that_names_no_base(tmp_path):
    shutil.copytree(REFERENCE / "adapters" / "llama_lora2", tmp_path / "a")
    name_base(tmp_path / "a", None)
    with pytest.raises(AdapterError, match="names no base_model_name_or_path"):
        resolve(tmp_path / "a")


def test_a_base_may_be_named_relative_to_its_adapter_but_not_upwards(tmp_path):
    shutil.copytree(REFERENCE / "adapters" / "llama_lora2", tmp_path / "adapters" / "one")
    # A folder that merely has the name is passed over.
    for place in (tmp_path / "adapters" / "models" / "tiny", tmp_path / "models" / "tiny"):
        place.mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "config.json").write_text("{}")
    name_base(tmp_path / "adapters" / "one", "models/tiny")
    assert resolve(tmp_path / "adapters" / "one").base == str(tmp_path / "models" / "tiny")
    assert checkpoints._located("../secret", tmp_path) == "../secret"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (hub.GatedRepoError, "accept its licence"),
        (hub.RepositoryNotFoundError, "no public Hub repository"),
        (hub.RevisionNotFoundError, "no revision 'v9'"),
    ],
)
def test_what_the_hub_may_answer(monkeypatch, error, message):
    def refuse(*_args, **_options):
        request = httpx.Request("GET", "https://example.org")
        raise error("no", response=httpx.Response(401, request=request))

    monkeypatch.setattr(checkpoints, "hf_hub_download", refuse)
    with pytest.raises(ModelError, match=message):
        LLM2Vec.from_pretrained("owner/model", revision="v9")


def test_offline_says_what_to_do():
    with pytest.raises(ModelError, match=r"Hub is out of reach.*hf download owner/model"):
        LLM2Vec.from_pretrained("owner/model")


def test_an_unreachable_hub_is_asked_once(monkeypatch):
    asked = []

    def unreachable(_source, name, **_options):
        asked.append(name)
        raise hub.LocalEntryNotFoundError("connection error")

    monkeypatch.setattr(checkpoints, "hf_hub_download", unreachable)
    with pytest.raises(ModelError, match="Hub is out of reach"):
        resolve("owner/model")
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["/nowhere/at/all", "not a name!", "a/b/c/d", ""])
def test_no_such_folder(name):
    with pytest.raises(ModelError, match=r"neither a folder|no transformers model|no folder"):
        LLM2Vec.from_pretrained(name)


def test_a_message_does_not_show_where_a_folder_lies(tmp_path):
    with pytest.raises(ModelError) as caught:
        LLM2Vec.from_pretrained(tmp_path)
    assert str(tmp_path.parent) not in str(caught.value)


def test_files_of_a_folder(tmp_path):
    (tmp_path / "here.json").write_text("{}")
    assert find_file(str(tmp_path), "here.json") == tmp_path / "here.json"
    assert find_file(str(tmp_path), "there.json") is None


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00"])
def test_broken_json(tmp_path, content):
    shutil.copytree(REFERENCE / "adapters" / "llama_lora2", tmp_path / "a")
    (tmp_path / "a" / "adapter_config.json").write_text(content)
    with pytest.raises(ModelError, match=r"adapter_config\.json"):
        resolve(tmp_path / "a")
