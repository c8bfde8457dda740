"""Tokenise once, sort by length, fill batches up to a budget of tokens.

Padding is work thrown away: with texts sorted by *token* count the rows of a batch are nearly equal
in length, and a budget of tokens (padding counted) keeps memory the same for short and long texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from llm2vec_core.errors import InputError

# More characters than any context holds are cut before tokenising, so that a huge text costs no time:
# no tokenizer in use puts more than this many characters into one token on average.
MAX_CHARACTERS_PER_TOKEN = 32


@dataclass(frozen=True)
class TokenizedText:
    """One text, ready for a batch.

    Attributes:
        input_ids: token ids, special tokens included, at most the maximal length.
        pooling_start: index of the first token to pool (0, or the first one after an instruction).
        truncated: whether the text was longer than the maximal length.
    """

    input_ids: tuple[int, ...]
    pooling_start: int = 0
    truncated: bool = False


def clean_text(text: str) -> str:
    r"""Replace what no tokenizer can encode (lone surrogates) by U+FFFD.

    Raises:
        InputError: if ``text`` is no string.

    Example:
        >>> clean_text("a\ud800b") == "a\ufffdb"
        True
    """
    if not isinstance(text, str):
        raise InputError(f"a text must be a string, not {type(text).__name__}: {text!r:.60}")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_length: int, instruction: str | None = None
) -> list[TokenizedText]:
    """Tokenise texts, each behind the same instruction if there is one.

    An instruction and its text are tokenised as one string (``"instruction text"``), and the character
    offsets tell where the text begins: exact for any tokenizer, whatever the text contains.

    Args:
        tokenizer: a fast tokenizer.
        texts: the texts; empty ones are allowed.
        max_length: longest result, in tokens; longer texts lose their end.
        instruction: put in front of each text and left out of pooling.

    Returns:
        One :class:`TokenizedText` a text, each with at least one token to pool.

    Raises:
        InputError: if a text is no string, or if the instruction alone fills ``max_length``.
    """
    limit = max_length * MAX_CHARACTERS_PER_TOKEN
    prefix = f"{clean_text(instruction).strip()} " if instruction and instruction.strip() else ""
    cleaned = [clean_text(text) for text in texts]
    cut = [len(text) > limit for text in cleaned]
    strings = [prefix + text[:limit] for text in cleaned]
    if not strings:
        return []
    # Truncation is done here and not by the tokenizer, so that "was it cut?" can be answered.
    encoded = tokenizer(
        strings,
        return_offsets_mapping=bool(prefix),
        return_attention_mask=False,
        add_special_tokens=True,
        verbose=False,
    )
    results = []
    for row, ids in enumerate(encoded["input_ids"]):
        kept = list(ids[:max_length]) or [_placeholder_id(tokenizer)]
        start = 0
        if prefix:
            ends = [end for _, end in encoded["offset_mapping"][row]]
            start = next((i for i, end in enumerate(ends) if end > len(prefix)), len(ends))
            if start >= len(kept) and start < len(ids):
                raise InputError(
                    f"the instruction takes {start} tokens and leaves no room for the text; "
                    f"at most {max_length} tokens fit, so shorten it"
                )
            # An empty text has nothing of its own to pool: the instruction then stands for it.
            start = start if start < len(kept) else 0
        results.append(TokenizedText(tuple(kept), start, cut[row] or len(ids) > max_length))
    return results


def token_budget_batches(lengths: Sequence[int], max_tokens: int, max_rows: int | None = None) -> list[np.ndarray]:
    """Group texts of similar length so that no batch, padding included, exceeds ``max_tokens``.

    Args:
        lengths: token count of each text.
        max_tokens: budget of a batch: rows x longest row. A longer text gets a batch of its own.
        max_rows: at most this many rows a batch.

    Returns:
        Arrays of indices into ``lengths``, longest texts first; together each index once.

    Example:
        >>> [batch.tolist() for batch in token_budget_batches([2, 9, 3, 2], max_tokens=9)]
        [[1], [2, 0, 3]]
    """
    if max_tokens < 1 or (max_rows is not None and max_rows < 1):
        raise InputError(f"max_tokens {max_tokens} and batch_size {max_rows} must be at least 1")
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    while start < len(order):
        longest = max(1, lengths[order[start]])
        rows = max(1, max_tokens // longest)
        rows = min(rows, max_rows) if max_rows else rows
        batches.append(order[start : start + rows])
        start += rows
    return batches


def collate(rows: Sequence[TokenizedText], pad_token_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Pad rows on the right, the side on which every architecture's positions are right by themselves.

    Returns:
        ``input_ids``, ``attention_mask`` and ``pooling_mask``, each int64 of shape (rows, longest row).

    Example:
        >>> batch = collate([TokenizedText((5, 6)), TokenizedText((7,))], 0, torch.device("cpu"))
        >>> batch["input_ids"].tolist(), batch["attention_mask"].tolist()
        ([[5, 6], [7, 0]], [[1, 1], [1, 0]])
    """
    width = max(len(row.input_ids) for row in rows)
    input_ids = np.full((len(rows), width), pad_token_id, dtype=np.int64)
    attention_mask = np.zeros((len(rows), width), dtype=np.int64)
    pooling_mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        length = len(row.input_ids)
        input_ids[i, :length] = row.input_ids
        attention_mask[i, :length] = 1
        pooling_mask[i, row.pooling_start : length] = 1
    arrays = {"input_ids": input_ids, "attention_mask": attention_mask, "pooling_mask": pooling_mask}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def pad_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id to pad with; any will do, since padded positions are masked."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id):
        if candidate is not None:
            return candidate
    return 0


def _placeholder_id(tokenizer: PreTrainedTokenizerBase) -> int:
    # An empty text under a tokenizer without a begin token has no token at all; this one stands for it.
    for candidate in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if candidate is not None:
            return candidate
    return pad_token_id(tokenizer)
