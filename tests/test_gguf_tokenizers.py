"""Tokenizers out of GGUF files. The oracles: the tokenizers as their models have them, built by the tokenizers library or
by transformers' own class, from the same vocabulary."""

from __future__ import annotations

import json

import gguf
import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaTokenizer, Qwen2Tokenizer

from llm2vec_core.errors import ModelError
from llm2vec_core.gguf import load_gguf_tokenizer, read_gguf

CORPUS = ["A river bank is muddy.", "The bank was robbed at noon.", "the old stone bridge", "café naïve 1234 Fluß"] * 20
TEXTS = [
    "A river bank is muddy.", " the  bank", "It's 12345 o'clock!\n\nYes.", "café", "cafe\u0301", "Ω ≠ 深い川 🍕", "",
    "\tThe\r\nbank ", "unbelievable", "<s> the bank",
]  # fmt: skip
# Of tokenizer.json of meta-llama/Meta-Llama-3-8B.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def write(file, architecture: str, kind: str, tokens: list[str], *, types=None, scores=None, merges=None, **keys):
    writer = gguf.GGUFWriter(file, architecture)
    for name, value in {
        "block_count": 1, "context_length": 64, "embedding_length": 64, "feed_forward_length": 64,
        "attention.head_count": 4, "attention.head_count_kv": 4,
    }.items():  # fmt: skip
        writer.add_uint32(f"{architecture}.{name}", value)
    writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types or [3 if token.startswith("<") else 1 for token in tokens])
    if scores is not None:
        writer.add_token_scores(scores)
    if merges is not None:
        writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokens.index("<s>"))
    writer.add_eos_token_id(tokens.index("</s>"))
    for name, value in keys.items():
        add = writer.add_bool if isinstance(value, bool) else writer.add_string
        add(f"tokenizer.ggml.{name}", value)
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens), 64), np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", np.zeros(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return load_gguf_tokenizer(read_gguf(file))


def trained(pre_tokenizer, **options) -> tuple[list[str], list[tuple[str, str]]]:
    """Tokens in the order of their ids, and merges."""
    made = Tokenizer(models.BPE(**options))
    made.pre_tokenizer = pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if not options else []
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    found = json.loads(made.to_str())["model"]
    return sorted(found["vocab"], key=found["vocab"].get), [tuple(merge) for merge in found["merges"]]


def split_as(regex: str):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(regex), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


@pytest.fixture(scope="module")
def byte_level():
    return trained(split_as(LLAMA3))


@pytest.mark.parametrize("told", [None, True, False])
def test_llama_3_takes_whole_words_first_and_begins(tmp_path, byte_level, told):
    tokens, merges = byte_level
    tokens = [*tokens, "unbelievable", "Ġunheard"]  # words that no merge makes
    vocabulary = {token: i for i, token in enumerate(tokens)}
    own = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    own.add_special_tokens(["<unk>", "<s>", "</s>"])
    own.pre_tokenizer, own.decoder = split_as(LLAMA3), decoders.ByteLevel()
    if told is not False:
        own.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", tokens.index("<s>"))])
    keys = {} if told is None else {"add_bos_token": told}
    found = write(tmp_path / "m.gguf", "llama", "gpt2", tokens, merges=merges, pre="llama-bpe", **keys)
    for text in [*TEXTS, "so unheard of"]:
        assert found(text)["input_ids"] == own.encode(text).ids, text


def test_other_byte_level_tokenizers_do_not_begin(tmp_path, byte_level):
    tokens, merges = byte_level
    found = write(tmp_path / "m.gguf", "llama", "gpt2", tokens, merges=merges, pre="gpt-2")
    assert found("bank")["input_ids"][0] != tokens.index("<s>")
    told = write(tmp_path / "n.gguf", "llama", "gpt2", tokens, merges=merges, pre="gpt-2", add_bos_token=True)
    assert told("bank")["input_ids"] == [tokens.index("<s>"), *found("bank")["input_ids"]]


def test_qwen_2_composes_letters(tmp_path, byte_level):
    tokens, merges = byte_level
    own = Qwen2Tokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    own.add_special_tokens({"additional_special_tokens": ["<unk>", "<s>", "</s>"]})
    found = write(tmp_path / "m.gguf", "qwen2", "gpt2", tokens, merges=merges, pre="qwen2", add_bos_token=False)
    for text in TEXTS:
        assert found(text)["input_ids"] == own(text)["input_ids"], text


@pytest.mark.parametrize("prefix", [None, True, False])
@pytest.mark.parametrize("begin", [None, False])
def test_sentencepiece_with_and_without_a_blank_in_front(tmp_path, prefix, begin):
    pieces, merges = trained(pre_tokenizers.Metaspace(split=False), unk_token="<unk>", byte_fallback=True)
    tokens = [*pieces[:3], *(f"<0x{byte:02X}>" for byte in range(256)), *pieces[3:]]
    types = [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)]
    # A piece's score is its rank among the merges, as sentencepiece writes it.
    rank = {"".join(merge): i for i, merge in reversed(list(enumerate(merges)))}
    scores = [-float(rank.get(token, 10_000)) for token in tokens]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    own = LlamaTokenizer(
        vocab=vocabulary, merges=merges, add_prefix_space=prefix is not False, add_bos_token=begin is None
    )
    keys = {
        name: value for name, value in (("add_space_prefix", prefix), ("add_bos_token", begin)) if value is not None
    }
    found = write(tmp_path / "m.gguf", "llama", "llama", tokens, types=types, scores=scores, **keys)
    for text in TEXTS:
        assert found(text)["input_ids"] == own(text)["input_ids"], text


@pytest.mark.parametrize("kind", ["bert", "rwkv", "none"])
def test_tokenizers_of_other_kinds_are_refused(tmp_path, byte_level, kind):
    tokens, merges = byte_level
    with pytest.raises(ModelError, match=rf"no tokenizer that transformers can rebuild .*'{kind}'.*tokenizer\.json"):
        write(tmp_path / "m.gguf", "llama", kind, tokens, merges=merges)


def test_no_vocabulary_at_all(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.zeros((3, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match="no tokenizer that transformers can rebuild"):
        load_gguf_tokenizer(read_gguf(tmp_path / "m.gguf"))
