from __future__ import annotations

import json

from transformers import AutoTokenizer

from llm2vec_core.training.pretraining.tokenizer import SPECIAL_TOKENS, save_tokenizer, train_tokenizer

TEXTS = ["The bank of the river was steep.", "A savings bank lends money."] * 20


def test_every_string_has_tokens_and_comes_back_lower_cased(tmp_path):
    save_tokenizer(train_tokenizer(TEXTS, 300), tmp_path, 64)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("The BANK", "Ünïcode 😀 שלום", "\x00\x07", "a  b\n\nc"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id == 1
        assert tokenizer.decode(ids[1:]).strip() == text.lower().strip()
    assert [tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS] == [0, 1, 2, 3]
    assert set(tokenizer("a")) == {"input_ids", "attention_mask"}
    assert (tokenizer.mask_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<mask>", "<pad>", 64)


def test_merges_are_written_so_that_older_libraries_read_them(tmp_path):
    save_tokenizer(train_tokenizer(TEXTS, 300), tmp_path, 64)
    merges = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["merges"]
    assert merges
    assert all(isinstance(m, str) and m.count(" ") == 1 for m in merges)


def test_the_bundled_tokenizer_has_the_size_of_the_model(bundled):
    assert len(bundled.tokenizer) == bundled.model.config.vocab_size == 8192
