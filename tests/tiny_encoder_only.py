"""A tiny encoder-only model in a sentence-transformers folder, as all-MiniLM-L6-v2 comes in one."""

from __future__ import annotations

import json

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

LONGEST = 12
WORDS = ["the", "bank", "of", "river", "was", "steep", "and", "muddy", "robb", "##ed", "##s", "a", "b", "."]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_folder(folder, model, *, pooling="mean", normalize=True):
    """A sentence-transformers folder as it was written for all-MiniLM-L6-v2: version 2, one switch a pooling mode."""
    (folder / "1_Pooling").mkdir(parents=True)
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # all-MiniLM-L6-v2's own file pads and cuts to 128, which is not what its other files say.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names).save_pretrained(folder)
    model.save_pretrained(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    switches = {f"pooling_mode_{name}": name == f"{pooling}_{'tokens' if pooling == 'mean' else 'token'}"
                for name in ("cls_token", "mean_tokens", "max_tokens")}  # fmt: skip
    for name, found in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": LONGEST, "do_lower_case": False}),
        ("1_Pooling/config.json", {"word_embedding_dimension": 32, **switches}),
    ):
        (folder / name).write_text(json.dumps(found))
    return folder


def tiny_bert() -> BertModel:
    torch.manual_seed(0)
    return BertModel(
        BertConfig(
            vocab_size=len(SPECIAL + WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=32, initializer_range=0.5,
        )
    ).eval()  # fmt: skip
