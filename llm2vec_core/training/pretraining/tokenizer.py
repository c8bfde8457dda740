"""A lower-casing byte-level BPE tokenizer, trained on our own corpus.

Byte-level means that every string has tokens (no unknown token), lower-casing means that a small
vocabulary is not spent twice on "Bank" and "bank".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, BOS, EOS, MASK = "<pad>", "<s>", "</s>", "<mask>"
SPECIAL_TOKENS = (PAD, BOS, EOS, MASK)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train the tokenizer.

    Args:
        texts: documents, read once.
        vocab_size: number of tokens, the four special ones and the 256 bytes included.

    Returns:
        A tokenizer that puts ``<s>`` in front of each text.

    Example:
        >>> tokenizer = train_tokenizer(["the bank of the river"] * 3, vocab_size=270)
        >>> tokenizer.decode(tokenizer.encode("The RIVER").ids)
        ' the river'
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    # The blank in front makes "bank" the same token at the start of a text and inside it.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos_id = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos_id)]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context_length: int) -> None:
    """Write ``tokenizer.json`` and its configuration in the layout of the Hub.

    Args:
        tokenizer: from :func:`train_tokenizer`.
        folder: made if it does not exist.
        context_length: longest input of the model, in tokens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = json.loads(tokenizer.to_str())
    # Merges as "a b": tokenizers below 0.20 (older transformers) read no other form, newer read both.
    spec["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in spec["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "padding_side": "right",
        "pad_token": PAD,
        "bos_token": BOS,
        "eos_token": EOS,
        "mask_token": MASK,
        "clean_up_tokenization_spaces": False,
        # Without this, older libraries hand a Llama token_type_ids, which it does not know.
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
