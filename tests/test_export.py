"""What leaves as a sentence-transformers folder reads as we read, or does not leave."""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerFast

from llm2vec_core.batching import prompt_length
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import ExportError, InputError, MissingPackageError
from llm2vec_core.export import export_sentence_transformers, folder, to_sentence_transformer

INSTRUCTION = "Given a question, find texts that answer it:"
PROMPTS = {"query": INSTRUCTION, "twin": "Find its twin"}
TEXTS = ["A river bank.", "The bank lent them 42 dollars at noon, and the boat (a red one) was theirs.", "river"]
LETTERS = [chr(c) for c in (*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1))]

TINY = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    # Two windows of 8: shorter than the texts, so that a window that came back would show.
    "gemma3_text": {"sliding_window": 8, "layer_types": ["sliding_attention"] * 2 + ["full_attention"], "head_dim": 8},
    "mistral": {"sliding_window": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "llama4_text": {
        "layer_types": ["chunked_attention"] * 2 + ["full_attention"],
        "no_rope_layers": [1, 1, 0],
        "attention_chunk_size": 128,
        "num_local_experts": 2,
        "intermediate_size_mlp": 64,
        "head_dim": 8,
    },
    "stablelm": {},
    "gpt_neo": {
        "num_hidden_layers": 2,
        "attention_types": [[["global", "local"], 1]],
        "num_layers": 2,
        "num_heads": 4,
        "window_size": 8,
    },
}


def byte_level_tokenizer(*, digits_alone: bool = False, begin: bool = True, end: bool = False):
    """Like the tokenizers of today's models: the blank in front of a word is a part of its first token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    joined = ["Ġ" + c for c in (LETTERS if digits_alone else [*LETTERS, *"0123456789(\"'"])]
    vocab = {token: i for i, token in enumerate(["<s>", "</s>", *alphabet, *joined])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[("Ġ", token[1]) for token in joined]))
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not digits_alone)
    if digits_alone:
        words = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"), behavior="isolated")
        split = pre_tokenizers.Sequence([words, split])
    backend.pre_tokenizer = split
    backend.decoder = decoders.ByteLevel()
    single = f"{'<s> ' if begin else ''}$A{' </s>' if end else ''}"
    backend.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


def metaspace_tokenizer():
    """Like Llama 2 and Gemma: blanks become "▁" before anything else."""
    pieces = [chr(c) for c in range(33, 127)] + ["▁", *("▁" + c for c in [*LETTERS, *"0123456789(\"'"])]
    vocab = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", *pieces])}
    merges = [("▁", token[1]) for token in vocab if token.startswith("▁") and len(token) == 2]
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Replace("▁", " ")
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def tiny_encoder(model_type: str = "llama", tokenizer=None, dtype=torch.float32, **settings) -> LLM2Vec:
    tokenizer = tokenizer or byte_level_tokenizer()
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **{**sizes, **TINY[model_type]})
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    return LLM2Vec(AutoModel.from_config(config).to(dtype), tokenizer, **{"max_length": 96, **settings})


def theirs(path, texts, **options) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(path), device="cpu").encode(texts, **options)


def differs(ours: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(ours - other).max() / max(1.0, np.abs(ours).max()))


@pytest.mark.parametrize("model_type", ["llama", "qwen3", "gemma3_text", "mistral", "gpt2"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_each_architecture_is_reproduced(model_type, bidirectional, tmp_path):
    encoder = tiny_encoder(model_type, bidirectional=bidirectional)
    report = export_sentence_transformers(encoder, tmp_path / "out", prompts=PROMPTS)
    assert report.largest_difference <= 1e-5
    assert differs(encoder.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) <= 1e-5
    assert differs(encoder.encode(TEXTS, INSTRUCTION), theirs(tmp_path / "out", TEXTS, prompt_name="query")) <= 1e-5
    # The two directions differ, so the comparison above can tell them apart.
    assert differs(encoder.encode(TEXTS), encoder.with_settings(bidirectional=not bidirectional).encode(TEXTS)) > 1e-3
    assert json.loads((tmp_path / "out/config.json").read_text()).get("is_causal", True) is not bidirectional


@pytest.mark.parametrize("window", ["full", "keep"])
def test_sliding_windows_leave_as_they_are_set(window, tmp_path):
    encoder = tiny_encoder("mistral", sliding_window=window)
    export_sentence_transformers(encoder, tmp_path / "out")
    other = tiny_encoder("mistral", sliding_window={"full": "keep", "keep": "full"}[window])
    exported = theirs(tmp_path / "out", TEXTS)
    assert differs(encoder.encode(TEXTS), exported) <= 1e-5
    assert differs(other.encode(TEXTS), exported) > 1e-3


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("model_type", ["stablelm", "gpt_neo"])
def test_a_flag_that_does_not_survive_is_refused(model_type, early, tmp_path):
    """By what was seen when it was converted, and by the comparison alone."""
    encoder = tiny_encoder(model_type)
    if not early:
        encoder.conversion.survives_saving = True
    with pytest.raises(ExportError, match=f"{model_type} would not read" if early else f"{model_type} differently"):
        export_sentence_transformers(encoder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model_type", ["stablelm", "gpt_neo"])
def test_their_causal_reading_is_exported(model_type, tmp_path):
    encoder = tiny_encoder(model_type, bidirectional=False)
    assert export_sentence_transformers(encoder, tmp_path / "out").largest_difference <= 1e-5


@pytest.mark.process
def test_the_bundled_model_needs_none_of_our_code(bundled, tmp_path):
    export_sentence_transformers(bundled, tmp_path / "out", prompts=PROMPTS)
    code = f"""
        import sys
        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "llm2vec_core":
                    raise ImportError("not here")
        sys.meta_path.insert(0, Blocker())
        import numpy as np
        from sentence_transformers import SentenceTransformer
        model = SentenceTransformer({str(tmp_path / "out")!r}, device="cpu")
        plain, asked = model.encode({TEXTS!r}), model.encode_query({TEXTS!r})
        np.savez({str(tmp_path / "theirs.npz")!r}, plain=plain, asked=asked)
        assert "llm2vec_core" not in sys.modules
    """
    subprocess.run([sys.executable, "-I", "-c", textwrap.dedent(code)], check=True, cwd=tmp_path, capture_output=True)
    with np.load(tmp_path / "theirs.npz") as result:
        assert differs(bundled.encode(TEXTS), result["plain"]) <= 1e-5
        assert differs(bundled.encode(TEXTS, INSTRUCTION), result["asked"]) <= 1e-5


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"pooling_mode": "last_token"}, {"prompts": PROMPTS}),
        ({"pooling_mode": "last_token", "skip_begin_token": True}, {"prompts": PROMPTS}),
        ({"pooling_mode": "first_token"}, {"prompts": PROMPTS}),
        ({"pooling_mode": "weighted_mean"}, {}),
        ({"pooling_mode": "weighted_mean", "skip_instruction": False}, {"prompts": PROMPTS}),
        ({"skip_instruction": False}, {"prompts": PROMPTS}),
        ({"skip_begin_token": True}, {}),
        ({"skip_begin_token": True}, {"prompts": PROMPTS, "normalize": True}),
        ({"skip_begin_token": True, "skip_instruction": False}, {"prompts": PROMPTS}),
        ({}, {"prompts": PROMPTS, "normalize": True}),
    ],
)
def test_each_setting_is_reproduced(settings, options, tmp_path):
    encoder = tiny_encoder(**settings)
    export_sentence_transformers(encoder, tmp_path / "out", **options)
    normalize = options.get("normalize", False)
    assert differs(encoder.encode(TEXTS, normalize=normalize), theirs(tmp_path / "out", TEXTS)) <= 1e-5
    for name, instruction in options.get("prompts", {}).items():
        ours = encoder.encode(TEXTS, instruction, normalize=normalize)
        assert differs(ours, theirs(tmp_path / "out", TEXTS, prompt_name=name)) <= 1e-5


def test_the_weight_of_the_begin_token_is_not_idle(tmp_path):
    encoder = tiny_encoder()
    export_sentence_transformers(encoder.with_settings(skip_begin_token=True), tmp_path / "out")
    assert differs(encoder.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) > 1e-3


@pytest.mark.parametrize(
    ("settings", "options", "reason"),
    [
        ({"pooling_mode": "weighted_mean"}, {"prompts": PROMPTS}, "counts the weights from the instruction"),
        ({"pooling_mode": "weighted_mean", "skip_begin_token": True}, {}, "always pools the begin token"),
        ({"pooling_mode": "first_token", "skip_begin_token": True}, {}, "always pools the begin token"),
        ({"skip_begin_token": True}, {"prompts": PROMPTS}, "divide by the prompt's tokens"),
        ({"append_eos": True}, {}, "append_eos writes an end token"),
        ({"template": "echo"}, {}, "the template 'echo'"),
    ],
)
def test_what_cannot_be_said_there_is_refused(settings, options, reason, tmp_path):
    with pytest.raises(ExportError, match=reason):
        export_sentence_transformers(tiny_encoder(**settings), tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [byte_level_tokenizer, metaspace_tokenizer, lambda: byte_level_tokenizer(begin=False)])
def test_the_blank_behind_a_prompt_costs_no_token(make, tmp_path):
    """Counted alone, "prompt " ends with a token that is none in "prompt text"."""
    tokenizer = make()
    encoder = tiny_encoder(tokenizer=tokenizer)
    (row,) = encoder.tokenize(["river"], INSTRUCTION)
    assert prompt_length(tokenizer, f"{INSTRUCTION} ") == row.pooling_start + 1
    model = to_sentence_transformer(encoder, prompts=PROMPTS)
    assert prompt_length(model.tokenizer, f"{INSTRUCTION} ") == row.pooling_start
    starts = ["river", "What?", "42 boats", "(so)", '"Yes"']
    for text in starts:
        assert model.tokenizer(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert differs(encoder.encode([text], INSTRUCTION), model.encode([text], prompt_name="query")) <= 1e-5
    # A prompt that nobody named is right as well.
    assert differs(encoder.encode(starts, "Any other"), model.encode(starts, prompt="Any other ")) <= 1e-5


def test_tokenizers_that_transformers_rebuilds(tmp_path):
    """A qwen2 folder's tokenizer becomes a Qwen2Tokenizer whatever was saved: what it cannot say is refused."""
    with pytest.raises(ExportError, match="as a Qwen2Tokenizer, which splits otherwise"):
        export_sentence_transformers(tiny_encoder("qwen2"), tmp_path / "out")
    AutoConfig.for_model("qwen2").save_pretrained(tmp_path / "tokenizer")
    byte_level_tokenizer(begin=False).save_pretrained(tmp_path / "tokenizer")
    rebuilt = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert type(rebuilt).__name__ == "Qwen2Tokenizer"
    encoder = tiny_encoder("qwen2", rebuilt)
    export_sentence_transformers(encoder, tmp_path / "out", prompts=PROMPTS)
    assert differs(encoder.encode(TEXTS, INSTRUCTION), theirs(tmp_path / "out", TEXTS, prompt_name="query")) <= 1e-5


def test_empty_texts_are_as_the_docstring_says(tmp_path):
    encoder = tiny_encoder()
    model = to_sentence_transformer(encoder, prompts=PROMPTS)
    assert differs(encoder.encode([""]), model.encode([""])) <= 1e-5
    assert differs(encoder.encode([""], INSTRUCTION), model.encode_query([""])) > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "last_token"])
@pytest.mark.parametrize("normalize", [False, True])
def test_an_empty_text_is_its_begin_token_also_where_that_is_left_out(pooling, normalize):
    encoder = tiny_encoder(skip_begin_token=True, normalize=normalize, pooling_mode=pooling)
    model = to_sentence_transformer(encoder)
    begin = encoder.with_settings(pooling_mode="first_token", skip_begin_token=False)
    for texts in ([""], ["", "river", "", TEXTS[1]]):
        assert differs(encoder.encode(texts), model.encode(texts)) <= 1e-5
        assert differs(begin.encode(texts)[:1], model.encode(texts)[:1]) <= 1e-5
    assert differs(encoder.encode([" ", "\n"]), model.encode([" ", "\n"])) <= 1e-5


def test_a_text_cut_down_to_its_begin_token(tmp_path):
    encoder = tiny_encoder(skip_begin_token=True)
    export_sentence_transformers(encoder, tmp_path / "out")
    model = to_sentence_transformer(encoder)
    model.max_seq_length = 1
    assert differs(encoder.with_settings(max_length=1).encode(TEXTS[:1]), model.encode(TEXTS[:1])) <= 1e-5


@pytest.mark.parametrize(
    ("settings", "tokenizer", "options", "told", "silent"),
    [
        ({}, {}, {"prompts": PROMPTS}, ["an empty text behind the prompt 'query' "], ["is written"]),
        ({"skip_begin_token": True}, {}, {}, ["'<s>' is written becomes another vector"], ["an empty text"]),
        ({}, {"begin": False}, {}, ["an empty text is an error"], ["a text of white space", "'<s>'"]),
        ({"skip_instruction": False}, {}, {"prompts": PROMPTS}, [], ["text"]),
    ],
)
def test_texts_that_are_read_differently_there_are_told(settings, tokenizer, options, told, silent, tmp_path):
    encoder = tiny_encoder(tokenizer=byte_level_tokenizer(**tokenizer), **settings)
    notes = " | ".join(export_sentence_transformers(encoder, tmp_path / "out", **options).notes)
    assert all(words in notes for words in told), notes
    assert not any(words in notes for words in silent), notes


@pytest.mark.parametrize(("name", "stored"), [("none", {"none": ""}), ("query", {"query": ""}), ("document", {})])
def test_a_default_prompt_that_is_empty_leaves_and_comes_back(name, stored, tmp_path):
    encoder = tiny_encoder(prompts={**stored, "topic": "Topic: "}, default_prompt_name=name)
    export_sentence_transformers(encoder, tmp_path / "out")
    again = LLM2Vec.from_pretrained(tmp_path / "out")
    assert again.settings.default_prompt_name == name and again.settings.prompts == encoder.settings.prompts
    for one in (encoder, again):
        assert differs(one.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) <= 1e-5


def test_beginnings_for_which_no_count_is_right_are_told(tmp_path, caplog):
    encoder = tiny_encoder(tokenizer=byte_level_tokenizer(digits_alone=True))
    with caplog.at_level(logging.WARNING):
        report = export_sentence_transformers(encoder, tmp_path / "out", prompts=PROMPTS)
    (note,) = (note for note in report.notes if "begins with" in note)
    assert "a digit" in note and "a letter" not in note and note in caplog.text
    digits, letters = ["42 boats"], ["two boats"]
    query = {"prompt_name": "query"}
    assert differs(encoder.encode(letters, INSTRUCTION), theirs(tmp_path / "out", letters, **query)) <= 1e-5
    assert differs(encoder.encode(digits, INSTRUCTION), theirs(tmp_path / "out", digits, **query)) > 1e-5


def test_prompts_behind_which_letters_go_wrong_are_refused(tmp_path):
    """An end token hides the blank from the count, and nothing else can."""
    encoder = tiny_encoder(tokenizer=byte_level_tokenizer(end=True), max_length=256)
    with pytest.raises(ExportError, match="pool other tokens than we do"):
        export_sentence_transformers(encoder, tmp_path / "out", prompts=PROMPTS)
    for settings in ({"skip_instruction": False}, {"pooling_mode": "last_token"}):
        export_sentence_transformers(
            encoder.with_settings(**settings), tmp_path / "out", prompts=PROMPTS, overwrite=True
        )
        ours = encoder.with_settings(**settings).encode(TEXTS, INSTRUCTION)
        assert differs(ours, theirs(tmp_path / "out", TEXTS, prompt_name="query")) <= 1e-5


def test_a_cut_text_keeps_its_end_token(tmp_path):
    encoder = tiny_encoder(tokenizer=byte_level_tokenizer(end=True), max_length=24)
    report = export_sentence_transformers(encoder, tmp_path / "out")
    assert report.notes == ()
    long = TEXTS[1:2]
    assert encoder.tokenize(long)[0].truncated
    assert differs(encoder.encode(long), theirs(tmp_path / "out", long)) <= 1e-5


def test_a_limit_of_the_text_alone_is_told(tmp_path):
    encoder = tiny_encoder(doc_max_length=8)
    report = export_sentence_transformers(encoder, tmp_path / "out")
    assert "more than 8 tokens is shortened" in report.notes[-1]
    assert differs(encoder.encode(["river"]), theirs(tmp_path / "out", ["river"])) <= 1e-5
    assert differs(encoder.encode(TEXTS[1:2]), theirs(tmp_path / "out", TEXTS[1:2])) > 1e-5


def test_long_texts_lose_the_same_end(tmp_path):
    encoder = tiny_encoder(max_length=20)
    export_sentence_transformers(encoder, tmp_path / "out", prompts={"twin": "A twin"})
    long = [" ".join(TEXTS * 4)]
    assert encoder.tokenize(long)[0].truncated
    assert differs(encoder.encode(long), theirs(tmp_path / "out", long)) <= 1e-5
    assert differs(encoder.encode(long, "A twin"), theirs(tmp_path / "out", long, prompt_name="twin")) <= 1e-5


def test_a_chat_template_is_not_put_around_texts(tmp_path):
    tokenizer = byte_level_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}user: {{ m['content'] }} bye{% endfor %}"
    encoder = tiny_encoder(tokenizer=tokenizer)
    export_sentence_transformers(encoder, tmp_path / "out")
    assert differs(encoder.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) <= 1e-5


def test_left_padding_and_a_missing_pad_token_do_not_matter(tmp_path):
    tokenizer = byte_level_tokenizer()
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    encoder = tiny_encoder("gpt2", tokenizer=tokenizer)
    export_sentence_transformers(encoder, tmp_path / "out")
    assert differs(encoder.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) <= 1e-5
    assert tokenizer.pad_token_id is None and tokenizer.padding_side == "left"  # ours is as it was


def test_half_precision_stays_half(tmp_path):
    from safetensors import safe_open

    encoder = tiny_encoder(dtype=torch.bfloat16)
    report = export_sentence_transformers(encoder, tmp_path / "out", prompts=PROMPTS)
    assert report.largest_difference <= folder.HALF_TOLERANCE
    with safe_open(tmp_path / "out/model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118


def test_int8_is_ours_and_the_float_weights_leave(tmp_path):
    encoder = tiny_encoder(precision="int8")
    report = export_sentence_transformers(encoder, tmp_path / "out")
    assert "int8" in report.notes[-1]
    full = encoder.with_settings(precision="full")
    assert differs(full.encode(TEXTS), theirs(tmp_path / "out", TEXTS)) <= 1e-5


def test_adapters_are_merged_into_a_copy(tmp_path):
    base = tiny_encoder().causal_model
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    encoder = LLM2Vec(adapted, byte_level_tokenizer(), max_length=96)
    before = encoder.encode(TEXTS)
    export_sentence_transformers(encoder, tmp_path / "out")
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    assert not list((tmp_path / "out").glob("adapter*"))
    assert differs(before, theirs(tmp_path / "out", TEXTS)) <= 1e-5
    assert differs(tiny_encoder().encode(TEXTS), before) > 1e-3


def test_adapters_inside_a_plain_model_are_merged_into_a_copy(tmp_path):
    lora = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    encoder = LLM2Vec(inject_adapter_in_model(lora, tiny_encoder().causal_model), byte_level_tokenizer(), max_length=96)
    before = encoder.encode(TEXTS)
    export_sentence_transformers(encoder, tmp_path / "out")
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    assert differs(before, theirs(tmp_path / "out", TEXTS)) <= 1e-5
    assert differs(tiny_encoder().encode(TEXTS), before) > 1e-3


def test_nothing_is_replaced_unasked_or_by_a_failure(tmp_path):
    target = tmp_path / "out"
    export_sentence_transformers(tiny_encoder(), target)
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    with pytest.raises(InputError, match="'out' is not empty"):
        export_sentence_transformers(tiny_encoder(), target)
    believed = tiny_encoder("stablelm")
    believed.conversion.survives_saving = True
    with pytest.raises(ExportError, match="differently"):
        export_sentence_transformers(believed, target, overwrite=True)
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == before
    export_sentence_transformers(tiny_encoder("qwen3"), target, overwrite=True)
    assert json.loads((target / "config.json").read_text())["model_type"] == "qwen3"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_move_that_fails_puts_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    export_sentence_transformers(tiny_encoder(), target)
    rename = Path.replace

    def no_new_tokenizer(self, other):
        if Path(other) == target / "tokenizer.json" and ".part-" in str(self):
            raise PermissionError(13, "Permission denied")
        return rename(self, other)

    (target / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    monkeypatch.setattr(Path, "replace", no_new_tokenizer)
    with pytest.raises(ExportError, match=r"cannot write beside 'out'.*Permission denied"):
        export_sentence_transformers(tiny_encoder("qwen3"), target, overwrite=True)
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    monkeypatch.undo()
    export_sentence_transformers(tiny_encoder("qwen3"), target, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"


def test_a_folder_that_holds_no_model_is_never_overwritten(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("Dear all")
    with pytest.raises(InputError, match="holds no model"):
        export_sentence_transformers(tiny_encoder(), tmp_path / "letters", overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        export_sentence_transformers(tiny_encoder(), tmp_path / "letters/dear.txt", overwrite=True)


def test_a_full_disk_leaves_what_was_there(tmp_path):
    target = tmp_path / "out"
    export_sentence_transformers(tiny_encoder(), target)
    before = (target / "model.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # no file may grow beyond
    try:
        with pytest.raises(ExportError, match="room on the disk") as raised:
            export_sentence_transformers(tiny_encoder(), target, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) not in str(raised.value)
    assert (target / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_object_outlives_its_folder(tmp_path):
    encoder = tiny_encoder()
    model = to_sentence_transformer(encoder, prompts=PROMPTS)
    assert differs(encoder.encode(TEXTS, INSTRUCTION), model.encode_query(TEXTS)) <= 1e-5
    # Its weights are its own.
    before = encoder.encode(TEXTS)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.zero_()
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


@pytest.mark.parametrize("prompts", [{"query": 3}, {"": "x"}, {5: "x"}, ["Find: "], "Find: "])
def test_malformed_prompts_are_named(prompts, tmp_path):
    with pytest.raises(InputError, match=r"prompts (must map names|.* must be a mapping from strings to strings)"):
        export_sentence_transformers(tiny_encoder(), tmp_path / "out", prompts=prompts)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingPackageError, match=r"sentence-transformers: pip install '\.\[export\]'"):
        export_sentence_transformers(tiny_encoder(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
