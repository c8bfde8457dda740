"""Tokenise once, sort by length, fill batches up to a budget of tokens.

Padding is work thrown away: with texts sorted by *token* count the rows of a batch are nearly equal
in length, and a budget of tokens (padding counted) keeps memory the same for short and long texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llm2vec_core.errors import InputError
from llm2vec_core.templates import PLAIN, TextTemplate

# More characters than any context holds are cut before tokenising, so that a huge text costs no time:
# few texts put more than this many characters into one token on average, and of those more is taken.
MAX_CHARACTERS_PER_TOKEN = 32
# So many tokens beyond those that are kept: the cut may change the tokens beside it.
_MARGIN = 16


@dataclass(frozen=True)
class TokenizedText:
    """One text, ready for a batch.

    Attributes:
        input_ids: token ids, special tokens included, at most the maximal length.
        pooling_start: index of the first token to pool (0, or the first one after an instruction).
        truncated: whether the text was longer than the maximal length.
        pooling_stop: index behind the last token to pool; None for the end.
    """

    input_ids: tuple[int, ...]
    pooling_start: int = 0
    truncated: bool = False
    pooling_stop: int | None = None


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


def first_tokens(tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> tuple[str, int]:
    """The beginning of a text that holds at most so many tokens, and how many tokens it leaves out.

    It ends with a whole word, unless that word is very long.

    Args:
        tokenizer: a fast one, which tells where its tokens stand.
        text: any.
        most: tokens, special ones included.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> tokenizer = LLM2Vec.from_preset("mini").tokenizer
        >>> first_tokens(tokenizer, "The bank was robbed.", 4), first_tokens(tokenizer, "The bank.", 4)
        (('The bank was', 3), ('The bank.', 0))
    """
    whole = clean_text(text)
    spans = tokenizer(whole, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    if len(spans) <= most:
        return text, 0
    beginning = whole[: spans[most][0]]
    if not (beginning[-1:].isspace() or whole[len(beginning)].isspace()):
        beginning = re.sub(r"(?<=\s)\S{1,40}$", "", beginning)
    beginning = beginning.rstrip()
    return beginning, len(spans) - sum(start < len(beginning) for start, _ in spans[:most])


def check_texts(texts: Iterable[str]) -> Sequence[str]:
    """The texts as a list, each of them a string.

    Raises:
        InputError: if they are no list of strings.

    Example:
        >>> check_texts(iter(["a", "b"]))
        ['a', 'b']
    """
    if isinstance(texts, str | bytes | Mapping | Set) or not isinstance(texts, Iterable):
        raise InputError(f"texts must be a list of strings, not {type(texts).__name__}")
    if getattr(texts, "ndim", 1) != 1:
        # A table would give the names of its columns.
        raise InputError(f"texts must be a list of strings, not a {type(texts).__name__} with columns: give one column")
    listed = texts if isinstance(texts, list | tuple) else list(texts)
    for text in listed:
        if not isinstance(text, str):
            clean_text(text)
    return listed


@dataclass(frozen=True)
class Layout:
    """What is written around a text, what is cut, and which of its tokens are pooled.

    Attributes:
        template: what the text is wrapped in.
        suffix: written behind everything and pooled (an end token, say).
        doc_max_length: tokens of the text alone at most; None for no limit of its own.
        skip_instruction: pool the text's own tokens alone where something stands before it.
        skip_begin_token: leave the begin token out also where nothing else is.
    """

    template: TextTemplate = PLAIN
    suffix: str = ""
    doc_max_length: int | None = None
    skip_instruction: bool = True
    skip_begin_token: bool = False


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    max_length: int,
    instruction: str | None = None,
    prompt: str | None = None,
    layout: Layout = Layout(),  # noqa: B008 - immutable
) -> list[TokenizedText]:
    """Tokenise texts, each behind the same instruction or prompt if there is one.

    An instruction and its text are tokenised as one string (``"instruction text"``), and the character
    offsets tell where the text begins: exact for any tokenizer, whatever the text contains. A prompt stands in front
    to the letter, and its tokens are counted as sentence-transformers counts them (:func:`prompt_length`).

    Args:
        tokenizer: a fast tokenizer.
        texts: the texts; empty ones are allowed.
        max_length: longest result, in tokens. Longer texts lose their end; what a template writes behind
            them stays.
        instruction: put in front of each text, one blank between, and by default left out of pooling.
        prompt: put in front of each text to the letter; left out of pooling as an instruction is.
        layout: template, limits and what is pooled.

    Returns:
        One :class:`TokenizedText` a text, each with at least one token to pool.

    Raises:
        InputError: if the texts are no list of strings, the tokenizer is a slow one without offsets, there is both an
            instruction and a prompt, or if what stands in front fills ``max_length`` alone.
    """
    if instruction and prompt:
        raise InputError("give either an instruction or a prompt, not both")
    if not getattr(tokenizer, "is_fast", True):
        raise InputError(
            f"{type(tokenizer).__name__} tells no offsets; use the model's fast tokenizer (tokenizer.json)"
        )
    texts = check_texts(texts)
    for name, value in (("instruction", instruction), ("prompt", prompt)):
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name} must be a string, not {type(value).__name__}")
    prefix = clean_text(prompt) if prompt else _prefix(instruction)
    counted = prompt_length(tokenizer, prefix) if prompt and layout.template is PLAIN else None
    dressing = _Dressing(tokenizer, max_length, prefix, layout, counted)
    cleaned = [clean_text(text) for text in texts]
    if not cleaned:
        return []
    return dressing.plain(cleaned) if dressing.is_plain else dressing.dressed(cleaned)


def prompt_length(tokenizer: PreTrainedTokenizerBase, prompt: str) -> int:
    """How many tokens sentence-transformers 6.2 leaves out of pooling for a prompt.

    It tokenises the prompt alone and takes off a last special token; a blank at the end that would join a text's first
    word is one of its own there.
    """
    ids = tokenizer(prompt, verbose=False)["input_ids"]
    return len(ids) - (bool(ids) and ids[-1] in tokenizer.all_special_ids)


def _prefix(instruction: str | None) -> str:
    return f"{clean_text(instruction).strip()} " if instruction else ""


def characters_for(tokenizer: PreTrainedTokenizerBase, text: str, tokens: int) -> int:
    """How many characters of a text are enough for its first ``tokens`` tokens, whatever follows.

    A text is cut before it is tokenised, so that a huge one costs no time. Where tokens are long (a line of equal signs
    has 64 characters in one), more of it is taken.
    """
    limit = tokens * MAX_CHARACTERS_PER_TOKEN
    while limit < len(text):
        if len(tokenizer(text[:limit], add_special_tokens=False, verbose=False)["input_ids"]) >= tokens + _MARGIN:
            return limit
        limit *= 2
    return len(text)


class _Dressing:
    """One way to turn texts into rows; made for a single call of :func:`tokenize`."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        prefix: str,
        layout: Layout,
        counted: int | None = None,
    ) -> None:
        self.counted = counted
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.limit = max_length * MAX_CHARACTERS_PER_TOKEN
        self.layout = layout
        self.has_tail = layout.template.has_tail or bool(layout.suffix)
        # A blank instruction leaves its one blank in front of a plain text, as in the published package.
        self.prefix = prefix.lstrip() if self.has_tail else prefix

    @property
    def is_plain(self) -> bool:
        layout = self.layout
        return not (self.prefix or self.has_tail or layout.doc_max_length or layout.template is not PLAIN)

    def plain(self, texts: Sequence[str]) -> list[TokenizedText]:
        # Truncation is done here and not by the tokenizer, so that "was it cut?" can be answered.
        encoded = self._ids([text[: self.limit] for text in texts])["input_ids"]
        rows = []
        for text, ids in zip(texts, encoded, strict=True):
            if len(text) > self.limit and len(ids) < self.max_length + _MARGIN:
                ids = self._ids([text[: self._reach(text)]])["input_ids"][0]
            kept = self._cut(ids) or [_placeholder_id(self.tokenizer)]
            rows.append(TokenizedText(tuple(kept), self._begin_tokens(kept), len(ids) > self.max_length))
        return rows

    def dressed(self, texts: Sequence[str]) -> list[TokenizedText]:
        shortened = [self._shorten(text[: self._reach(text)], self.layout.doc_max_length) for text in texts]
        filled = [self._fill(text) for text in shortened]
        encoded = self._ids([string for string, _, _ in filled], offsets=True)
        rows = []
        for i, (original, text, span) in enumerate(zip(texts, shortened, filled, strict=True)):
            ids, offsets = encoded["input_ids"][i], encoded["offset_mapping"][i]
            fits = len(ids) <= self.max_length
            cut = not fits or len(text) < len(original)
            if not fits and (self.has_tail or self.layout.template.copies > 1):
                # Cutting the row would take the tail; the text itself has to give way.
                ids, offsets, span = self._fit(text, len(ids) - self.max_length)
            rows.append(self._row(ids, offsets, span, cut))
        return rows

    def _reach(self, text: str) -> int:
        return characters_for(self.tokenizer, text, self.max_length)

    def _cut(self, ids: list[int]) -> list[int]:
        """The first tokens that fit; an end token that the tokenizer itself writes stays the last one."""
        if len(ids) <= self.max_length:
            return list(ids)
        end = self._end_tokens
        kept = max(0, self.max_length - len(end))
        return list(ids[:kept]) + end[: self.max_length - kept]

    @cached_property
    def _end_tokens(self) -> list[int]:
        whole, bare = (self._ids(["a"], special=special)["input_ids"][0] for special in (True, False))
        behind = len(whole) - len(bare)
        while behind and whole[len(whole) - behind - len(bare) : len(whole) - behind] != bare:
            behind -= 1
        return list(whole[len(whole) - behind :]) if behind else []

    def _ids(self, strings: list[str], offsets: bool = False, special: bool = True) -> Any:
        return self.tokenizer(
            strings,
            return_offsets_mapping=offsets,
            return_attention_mask=False,
            add_special_tokens=special,
            verbose=False,
        )

    def _fill(self, text: str) -> tuple[str, int, int]:
        return self.layout.template.fill(text.rstrip() if self.has_tail else text, self.prefix, self.layout.suffix)

    def _shorten(self, text: str, tokens: int | None) -> str:
        if tokens is None:
            return text
        offsets = self._ids([text], offsets=True, special=False)["offset_mapping"][0]
        return text if len(offsets) <= tokens else text[: offsets[tokens][0]]

    def _fit(self, text: str, excess: int) -> tuple[list[int], list[tuple[int, int]], tuple[str, int, int]]:
        """Shorten the text until the whole fits; tokens may merge at the seams, so look again."""
        length = len(self._ids([text], special=False)["input_ids"][0])
        while length > 0:
            length -= max(1, -(-excess // self.layout.template.copies))
            span = self._fill(self._shorten(text, max(0, length)))
            encoded = self._ids([span[0]], offsets=True)
            excess = len(encoded["input_ids"][0]) - self.max_length
            if length > 0 and excess <= 0:
                return encoded["input_ids"][0], encoded["offset_mapping"][0], span
        raise self._no_room(self.max_length + max(1, excess))

    def _row(
        self, ids: list[int], offsets: list[tuple[int, int]], span: tuple[str, int, int], cut: bool
    ) -> TokenizedText:
        _, text_start, text_end = span
        kept = self._cut(ids) or [_placeholder_id(self.tokenizer)]
        if text_start == 0 and not self.has_tail:
            return TokenizedText(tuple(kept), self._begin_tokens(kept), cut)
        start = self.counted
        if start is None:
            start = next((i for i, (_, end) in enumerate(offsets) if end > text_start), len(ids))
        if start >= len(kept) and start < len(ids):
            raise self._no_room(start)
        if not (self.layout.skip_instruction or self.layout.template.copies > 1):
            return TokenizedText(tuple(kept), self._begin_tokens(kept), cut)
        stop = None
        if not self.layout.template.pool_tail:
            stop = max((i + 1 for i, (begin, end) in enumerate(offsets) if begin < text_end and end), default=None)
            stop = stop if stop is not None and stop > start else None
        # An empty text has nothing of its own to pool: what stands around it does instead.
        return TokenizedText(tuple(kept), start if start < len(kept) else 0, cut, stop)

    def _begin_tokens(self, ids: Sequence[int]) -> int:
        skip = self.layout.skip_begin_token and len(ids) > 1 and ids[0] == self.tokenizer.bos_token_id
        return int(skip)

    def _no_room(self, taken: int) -> InputError:
        return InputError(
            f"instruction and template take {taken} tokens and leave no room for the text; "
            f"at most {self.max_length} tokens fit, so shorten the instruction or raise max_length"
        )


def embedding_rows(model: PreTrainedModel) -> int:
    """How many token ids a model has embeddings for; Gemma 4 has a second table that may be smaller.

    Gemma 3n has one too, and reads row 0 of it for ids beyond.

    Example:
        >>> from llm2vec_core.architectures import tiny_model
        >>> embedding_rows(tiny_model("llama"))
        97
    """
    rows: int = model.get_input_embeddings().weight.shape[0]
    config = model.config.get_text_config()
    second = getattr(config, "vocab_size_per_layer_input", None)
    return min(rows, second) if second and not config.model_type.startswith("gemma3n") else rows


def check_ids(rows: Sequence[TokenizedText], tokenizer: PreTrainedTokenizerBase, embeddings: int) -> None:
    """Refuse texts with a token that was added to the tokenizer and never to the model.

    Args:
        rows: of the texts, in their order.
        tokenizer: which made them.
        embeddings: rows of the model's embedding matrix.

    Raises:
        InputError: naming the token and the text.
    """
    for number, row in enumerate(rows):
        largest = max(row.input_ids)
        if largest >= embeddings:
            raise InputError(
                f"text {number} holds the token {tokenizer.convert_ids_to_tokens(largest)!r} (id {largest}), and the "
                f"model has {embeddings} embeddings: the token was added to the tokenizer and not to the model. Take "
                "it out of the text, or resize the model's embeddings"
            )


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
    for name, value in (("max_tokens_per_batch", max_tokens), ("batch_size", max_rows)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
            raise InputError(f"{name} {value!r} must be a whole number of at least 1")
    if max_tokens < 1 or (max_rows is not None and max_rows < 1):
        raise InputError(f"max_tokens_per_batch {max_tokens} and batch_size {max_rows} must be at least 1")
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
        pooling_mask[i, row.pooling_start : length if row.pooling_stop is None else row.pooling_stop] = 1
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
