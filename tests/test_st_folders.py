"""Folders of sentence-transformers, written and read by that library itself: its vectors, or an error with the name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedConfig

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from tests.test_export import byte_level_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:::(?!llm2vec_core|tests)")  # the libraries' own

TEXTS = ["A river bank is muddy.", "The Bank was robbed at noon by two men in a red car.", "Hi"]
LONG = "The river rose above the old stone bridge and the town council met. " * 12
WIDE = 32
CHAT = "{% for m in messages %}<|{{ m['role'] }}|> {{ m['content'] }} {% endfor %}"


def base(folder: Path, *, config: type[PreTrainedConfig] = LlamaConfig, chat: str | None = None, **changes) -> str:
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = chat
    tokenizer.pad_token = "."
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDE,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config(**{**sizes, **changes})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def written(tmp_path: Path, *, pooling="mean", include_prompt=True, extra=(), length=128, options=None, **model) -> str:
    """A folder as sentence-transformers saves it."""
    modules = [st.Transformer(base(tmp_path / "base", **model), max_seq_length=length)]
    modules.append(st.Pooling(WIDE, pooling_mode=pooling, include_prompt=include_prompt))
    SentenceTransformer(modules=[*modules, *extra], device="cpu", **(options or {})).save(str(tmp_path / "st"))
    return str(tmp_path / "st")


def change(file: Path, **changes) -> None:
    """Change a JSON file's keys; None takes one away."""
    found = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({key: value for key, value in (found | changes).items() if value is not None}))


def theirs(folder: str, texts=TEXTS, **options) -> np.ndarray:
    return SentenceTransformer(folder, device="cpu").encode(list(texts), show_progress_bar=False, **options)


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max(), rtol=1e-5)


PROMPTS = {"query": "Find the answer: ", "passage": "passage:", "task": "Instruct: find\nQuery:"}


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "weightedmean", "lasttoken", "cls"])
@pytest.mark.parametrize("extra", [(), (st.Normalize(),)], ids=["plain", "normalized"])
def test_pooling_direction_and_normalize(tmp_path, pooling, extra, is_causal):
    folder = written(tmp_path, pooling=pooling, extra=extra, is_causal=is_causal)
    encoder = LLM2Vec.from_pretrained(folder)
    assert encoder.bidirectional is not is_causal
    assert_same(encoder.encode(TEXTS), theirs(folder))
    assert_same(encoder.encode(TEXTS[0]), theirs(folder)[0])
    assert_same(encoder.encode_poolings(TEXTS)[encoder.pooling_mode], theirs(folder))


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", ["mean", "lasttoken"])
def test_prompts_to_the_letter(tmp_path, pooling, include_prompt):
    folder = written(tmp_path, pooling=pooling, include_prompt=include_prompt, options={"prompts": PROMPTS})
    encoder = LLM2Vec.from_pretrained(folder)
    for name, prompt in PROMPTS.items():
        assert_same(encoder.encode(TEXTS, prompt_name=name), theirs(folder, prompt_name=name))
        assert_same(encoder.encode(TEXTS[0], prompt=prompt), theirs(folder, TEXTS[:1], prompt=prompt)[0])
        assert_same(encoder.encode([LONG], prompt=prompt), theirs(folder, [LONG], prompt=prompt))
    assert_same(encoder.encode(TEXTS), theirs(folder))
    assert_same(encoder.encode(TEXTS, prompt_name="document"), theirs(folder, prompt_name="document"))
    with pytest.raises(InputError, match=r"unknown prompt 'questions'; choose one of (query|passage|task), "):
        encoder.encode(TEXTS, prompt_name="questions")
    with pytest.raises(InputError, match="not both"):
        encoder.encode(TEXTS, "Find:", prompt="Find:")


@pytest.mark.parametrize("default", ["query", "passage", "document"])
def test_default_prompt(tmp_path, default):
    folder = written(tmp_path, include_prompt=False, options={"prompts": PROMPTS, "default_prompt_name": default})
    encoder = LLM2Vec.from_pretrained(folder)
    assert_same(encoder.encode(TEXTS), theirs(folder))
    assert_same(encoder.encode(TEXTS, prompt=""), theirs(folder, prompt=""))
    assert_same(encoder.encode(TEXTS, prompt_name="task"), theirs(folder, prompt_name="task"))


def test_an_empty_prompt_is_one(tmp_path):
    prompts = {"question": "Find: ", "passage": "", "query": ""}
    folder = written(tmp_path, options={"prompts": prompts})
    encoder = LLM2Vec.from_pretrained(folder)
    assert_same(encoder.encode(TEXTS, prompt_name="passage"), theirs(folder, prompt_name="passage"))
    assert_same(encoder.encode_query(TEXTS), encoder.encode(TEXTS))


def test_weights_behind_a_prompt_are_refused(tmp_path):
    options = {"prompts": PROMPTS}
    encoder = LLM2Vec.from_pretrained(written(tmp_path, pooling="weightedmean", include_prompt=False, options=options))
    with pytest.raises(InputError, match="weighted_mean behind a prompt"):
        encoder.encode(TEXTS, prompt_name="query")


LENGTHS = {
    "in tokenizer_config alone": ({}, {"model_max_length": 40}),
    "nowhere: the model's context": ({}, {"model_max_length": int(1e30)}),
    "nowhere, and not even written": ({}, {"model_max_length": None}),
    "in sentence_bert_config": ({"max_seq_length": 48}, {"model_max_length": 64}),
    "in processor_kwargs": ({"processor_kwargs": {"model_max_length": 32}}, {"model_max_length": 64}),
    "in tokenizer_args": ({"tokenizer_args": {"model_max_length": 32}, "max_seq_length": 48}, {}),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("context", [64, 1024])
def test_length_limits(tmp_path, name, context):
    transformer, tokenizer = LENGTHS[name]
    folder = written(tmp_path, length=None, max_position_embeddings=context)
    change(Path(folder, "sentence_bert_config.json"), **transformer)
    change(Path(folder, "tokenizer_config.json"), **tokenizer)
    texts = [LONG * 3, "Hi"]
    encoder = LLM2Vec.from_pretrained(folder)
    assert encoder.max_length == SentenceTransformer(folder, device="cpu").max_seq_length
    assert_same(encoder.encode(texts), theirs(folder, texts))


def test_without_a_transformer_config(tmp_path):
    folder = written(tmp_path, length=None)
    Path(folder, "sentence_bert_config.json").unlink()
    assert_same(LLM2Vec.from_pretrained(folder).encode([LONG]), theirs(folder, [LONG]))


def test_an_older_name_of_the_transformer_config(tmp_path):
    folder = written(tmp_path)
    Path(folder, "sentence_bert_config.json").unlink()
    change(Path(folder, "sentence_roberta_config.json"), max_seq_length=20)
    assert_same(LLM2Vec.from_pretrained(folder).encode([LONG]), theirs(folder, [LONG]))


def test_lower_case(tmp_path):
    folder = written(tmp_path)
    change(Path(folder, "sentence_bert_config.json"), do_lower_case=True)
    encoder = LLM2Vec.from_pretrained(folder)
    assert_same(encoder.encode(TEXTS), theirs(folder))
    assert_same(encoder.encode(TEXTS[:1]), encoder.encode([TEXTS[0].lower()]))
    encoder.save_pretrained(tmp_path / "saved")
    assert_same(LLM2Vec.from_pretrained(tmp_path / "saved").encode(TEXTS), theirs(folder))


@pytest.mark.parametrize("extra", [(), (st.Normalize(),)], ids=["plain", "normalized"])
def test_truncate_dim(tmp_path, extra):
    folder = written(tmp_path, extra=extra, options={"truncate_dim": 12})
    encoder = LLM2Vec.from_pretrained(folder)
    assert encoder.hidden_size == 12
    assert_same(encoder.encode(TEXTS), theirs(folder))
    assert_same(encoder.encode(TEXTS, normalize=True), theirs(folder, normalize_embeddings=True))


@pytest.mark.parametrize("is_causal", [True, False])
def test_a_sliding_window_stays(tmp_path, is_causal):
    folder = written(tmp_path, config=MistralConfig, sliding_window=8, is_causal=is_causal)
    assert_same(LLM2Vec.from_pretrained(folder).encode([LONG, "Hi"]), theirs(folder, [LONG, "Hi"]))


def test_an_adapter_in_the_folder(tmp_path):
    model = SentenceTransformer(written(tmp_path, extra=(st.Normalize(),)), device="cpu")
    config = LoraConfig(task_type="FEATURE_EXTRACTION", r=4, target_modules=["q_proj"], init_lora_weights=False)
    model.add_adapter(config)
    folder = str(tmp_path / "adapted")
    model.save(folder)
    assert not Path(folder, "config.json").exists()
    assert_same(LLM2Vec.from_pretrained(folder).encode(TEXTS), theirs(folder))


def test_a_model_in_a_subfolder(tmp_path):
    folder = Path(written(tmp_path))
    inner = folder / "0_Transformer"
    inner.mkdir()
    for file in [path for path in folder.iterdir() if path.is_file() and "modules" not in path.name]:
        if file.name not in ("config_sentence_transformers.json", "README.md"):
            shutil.move(file, inner / file.name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert_same(LLM2Vec.from_pretrained(folder).encode(TEXTS), theirs(str(folder)))


def test_switches_of_older_folders(tmp_path):
    folder = written(tmp_path)
    pooling = Path(folder, "1_Pooling", "config.json")
    for switches in (
        {"pooling_mode_lasttoken": True},
        {"pooling_mode_cls_token": True},
        {"pooling_mode_cls_token": False},
    ):
        pooling.write_text(json.dumps({"word_embedding_dimension": WIDE, **switches}))
        assert_same(LLM2Vec.from_pretrained(folder).encode(TEXTS), theirs(folder))


REFUSED = {
    "chat template": ("sentence_bert_config.json", {"modality_config": {
        "message": {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}}}),
    "modality_config": ("sentence_bert_config.json", {"modality_config": {
        "text": {"method": "forward", "method_output_name": ["hidden_states", -2]}}}),
    "transformer_task": ("sentence_bert_config.json", {"transformer_task": "text-generation"}),
    "processing_kwargs": ("sentence_bert_config.json", {"processing_kwargs": {"text": {"padding": "max_length"}}}),
    "add_pooling_layer": ("sentence_bert_config.json", {"model_kwargs": {"add_pooling_layer": False}}),
    "rope_theta": ("sentence_bert_config.json", {"config_args": {"rope_theta": 1e6}}),
    "query_expansion": ("sentence_bert_config.json", {"query_expansion": {"strategy": "fixed", "length": 32}}),
    "truncation_side": ("tokenizer_config.json", {"truncation_side": "left"}),
    "pooling_mode 'max'": ("1_Pooling/config.json", {"pooling_mode": "max"}),
    r"pooling_mode 'mean\+cls'": ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}),
    "default_prompt_name 'nobody'": ("config_sentence_transformers.json", {"default_prompt_name": "nobody"}),
    "prompts": ("config_sentence_transformers.json", {"prompts": {"query": 3}}),
    "model_type 'SparseEncoder'": ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}),
    "truncate_dim": ("config_sentence_transformers.json", {"truncate_dim": "12"}),
    "another kind": ("sentence_bert_config.json", {"modality_config": ["text"]}),
    "hold values": ("1_Pooling/config.json", {"pooling_mode": 3}),
    "'gap'|gap to 3": ("1_Pooling/config.json", {"gap": 3}),
    "model_max_length='9'": ("tokenizer_config.json", {"model_max_length": "9"}),
    "model_max_length=0": ("tokenizer_config.json", {"model_max_length": 0}),
    "max_length": ("sentence_bert_config.json", {"max_seq_length": "64"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, name):
    folder = Path(written(tmp_path))
    file, changes = REFUSED[name]
    change(folder / file, **changes)
    with pytest.raises((ModelError, InputError), match=name):
        LLM2Vec.from_pretrained(folder)


def test_a_flag_that_transformers_passes_over_is_told(tmp_path, caplog):
    folder = Path(written(tmp_path))
    change(folder / "config.json", use_bidirectional_attention=True)
    assert_same(LLM2Vec.from_pretrained(folder).encode(TEXTS), theirs(str(folder)))
    assert "use_bidirectional_attention" in caplog.text


def test_a_list_where_an_object_belongs_is_named(tmp_path):
    folder = Path(written(tmp_path))
    (folder / "config_sentence_transformers.json").write_text("[]")
    with pytest.raises(ModelError, match=r"config_sentence_transformers\.json of 'st' holds no JSON object"):
        LLM2Vec.from_pretrained(folder)


def test_a_chat_model_as_that_library_saves_it(tmp_path):
    with pytest.raises(ModelError, match="chat template"):
        LLM2Vec.from_pretrained(written(tmp_path, chat=CHAT))


@pytest.mark.parametrize(
    "module",
    [st.LayerNorm(WIDE), st.Dense(WIDE, 8, module_input_name="token_embeddings")],
    ids=lambda module: type(module).__name__,
)
def test_other_modules_are_refused_by_name(tmp_path, module):
    with pytest.raises(ModelError, match=r"Transformer, Pooling, LayerNorm|module_input_name to 'token_embeddings'"):
        LLM2Vec.from_pretrained(written(tmp_path, extra=(module,)))


@pytest.mark.parametrize(
    ("change_module", "said"),
    [
        ({"type": "custom_st.Transformer"}, "code from a model's repository"),
        ({"path": "../base"}, "outside of its folder"),
        ({"path": 3}, "damaged"),
        ({"kwargs": ["task"]}, "arguments"),
        ({"type": None}, "damaged"),
    ],
)
def test_damaged_or_strange_module_lists(tmp_path, change_module, said):
    folder = Path(written(tmp_path))
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= change_module
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=said):
        LLM2Vec.from_pretrained(folder)


OWN = {
    "doc_max_length": {"doc_max_length": 6},
    "skip_begin_token": {"skip_begin_token": True},
    "keep": {"sliding_window": "keep"},
    "full": {"sliding_window": "full"},
    "weighted": {"pooling_mode": "weighted_mean", "max_length": 33},
    "last": {"pooling_mode": "last_token"},
    "causal": {"bidirectional": False},
    "normalized": {"normalize": True},
    "shortened": {"truncate_dim": 7, "normalize": True},
    "prompted": {"prompts": PROMPTS, "default_prompt_name": "passage"},
    "pooled with the prompt": {"prompts": PROMPTS, "skip_instruction": False},
}


@pytest.mark.parametrize("name", OWN)
def test_our_own_export_and_our_own_folder_are_read_back(tmp_path, name):
    folder = base(tmp_path / "base", config=MistralConfig, sliding_window=8)
    texts = [LONG, *TEXTS]
    encoder = LLM2Vec.from_pretrained(folder, **({"max_length": 128} | OWN[name]))
    want = encoder.encode(texts)
    encoder.save_pretrained(tmp_path / "saved")
    saved = LLM2Vec.from_pretrained(tmp_path / "saved")
    assert saved.settings == encoder.settings
    assert_same(saved.encode(texts), want)
    encoder.export_sentence_transformers(tmp_path / "st")
    back = LLM2Vec.from_pretrained(tmp_path / "st")
    assert_same(back.encode(texts), want)
    if name != "doc_max_length":  # which that library cannot say
        assert_same(theirs(str(tmp_path / "st"), texts), want)
    for prompt in encoder.prompts:
        assert_same(back.encode(TEXTS, prompt_name=prompt), theirs(str(tmp_path / "st"), prompt_name=prompt))


def test_instructions_of_an_export_come_back_as_prompts(tmp_path):
    encoder = LLM2Vec.from_pretrained(base(tmp_path / "base"), max_length=128)
    encoder.export_sentence_transformers(tmp_path / "st", prompts={"query": "Find its twin:"}, normalize=True)
    back = LLM2Vec.from_pretrained(tmp_path / "st")
    assert back.prompts == {"query": "Find its twin: "}
    want = encoder.encode(TEXTS, "Find its twin:", normalize=True)
    assert_same(back.encode(TEXTS, prompt_name="query"), want)
    assert_same(theirs(str(tmp_path / "st"), prompt_name="query"), want)


def test_settings_that_contradict_the_folder_are_named(tmp_path):
    LLM2Vec.from_pretrained(base(tmp_path / "base")).export_sentence_transformers(tmp_path / "st")
    change(tmp_path / "st" / "1_Pooling" / "config.json", pooling_mode="cls")
    with pytest.raises(ModelError, match=r"llm2vec_config\.json .*pooling_mode 'mean'.*'first_token'"):
        LLM2Vec.from_pretrained(tmp_path / "st")


def test_a_used_folder_loads_as_what_was_saved_last(tmp_path):
    encoders = [LLM2Vec.from_pretrained(base(tmp_path / f"base{i}", initializer_range=0.2 + i / 10)) for i in range(2)]
    first, second = encoders
    target = tmp_path / "target"
    first.export_sentence_transformers(target, normalize=True)
    (target / "notes.txt").write_text("mine")
    second.save_pretrained(target, max_shard_size="40KB")
    assert len(list(target.glob("model-*.safetensors"))) > 1 and not (target / "1_Pooling").exists()
    assert_same(LLM2Vec.from_pretrained(target).encode(TEXTS), second.encode(TEXTS))
    first.save_pretrained(target)
    assert_same(LLM2Vec.from_pretrained(target).encode(TEXTS), first.encode(TEXTS))
    second.export_sentence_transformers(target, overwrite=True, max_shard_size="40KB")
    assert_same(LLM2Vec.from_pretrained(target).encode(TEXTS), second.encode(TEXTS))
    assert_same(theirs(str(target)), second.encode(TEXTS))
    assert (target / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("extra", [(st.Normalize(),), (st.Dense(WIDE, 8),)], ids=["normalized", "dense"])
def test_an_adapter_on_such_a_folder_pools_as_its_base(tmp_path, extra):
    """Fine-tuning a published encoder with PEFT leaves an adapter that names the encoder's folder."""
    options = {"prompts": PROMPTS, "default_prompt_name": "query"}
    folder = written(tmp_path, pooling="lasttoken", length=32, extra=extra, options=options)
    torch.manual_seed(1)
    lora = LoraConfig(task_type="FEATURE_EXTRACTION", target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModel.from_pretrained(folder), lora).save_pretrained(tmp_path / "adapter")
    model = SentenceTransformer(folder, device="cpu")
    model.load_adapter(str(tmp_path / "adapter"))
    want = model.encode([*TEXTS, LONG])
    assert np.abs(want - theirs(folder, [*TEXTS, LONG])).max() > 1e-2
    assert_same(LLM2Vec.from_pretrained(tmp_path / "adapter").encode([*TEXTS, LONG]), want)
