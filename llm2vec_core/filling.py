"""Fill in the blanks: what a decoder expects where a word is missing.

As in masked next token prediction, a blank is the mask token, and what belongs there is read off the hidden state
*one position before it* (BehnamGhader et al., 2024, section 2.1). A causal model answers from what stands to the left
alone; an opened one could use both sides, and MNTP is the practice in doing so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from llm2vec_core.arguments import check_arguments
from llm2vec_core.batching import clean_text
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.training.head import tied_head
from llm2vec_core.training.objectives.mntp import mask_token_id

BLANK = re.compile("_+")
MOST_BLANKS = 6
# Stands where the blank is while the text is tokenised: a word of letters, so that tokenizers keep it apart from
# punctuation and give it the space in front, as they would the missing word.
_STAND_IN = "it"
_SHORTEST_WORD = 4  # letters of a word that is hidden for the count; shorter ones are mostly grammar
_BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """A token that could stand in a blank.

    Attributes:
        token: as it would be written, with the blank in front of it if it begins a word.
        probability: from 0 to 1.
    """

    token: str
    probability: float


@dataclass(frozen=True)
class Blank:
    """What a model says about one blank.

    Attributes:
        position: index of the mask among the tokens.
        predictions: the likeliest tokens, the first one first.
        expected: the token of the word that was asked about; None if none was, or if it is more than one token.
        rank: its place among all tokens, from 1.
        probability: its probability.
    """

    position: int
    predictions: tuple[Prediction, ...]
    expected: str | None = None
    rank: int | None = None
    probability: float | None = None


@torch.inference_mode()
def fill_blanks(
    encoder: LLM2Vec, text: str, *, top: int = 5, expected: Sequence[str] = (), head: nn.Module | None = None
) -> list[Blank]:
    """What a model expects in each blank of a text.

    Args:
        encoder: in the direction to be shown; its template and instruction play no part here.
        text: with one to six blanks, each written as ``_`` and standing by itself.
        top: how many tokens a blank.
        expected: the missing words, in the order of the blanks; fewer are fine.
        head: hidden states -> vocabulary; by default the model's tied embeddings.

    Returns:
        One :class:`Blank` a blank, in the order of the text.

    Raises:
        InputError: if there is no blank, there are too many, one is part of a word, one stands where no token
            comes before it, or the text is longer than the model reads.
        ModelError: if no head is given and the model's is not its token embedding.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> encoder = LLM2Vec.from_pretrained(BUNDLED.base, BUNDLED.stage("mntp").adapters)
        >>> [blank] = fill_blanks(encoder, "The war _ in 1945 with the surrender of germany.", expected=["ended"])
        >>> len(blank.predictions), blank.expected
        (5, ' ended')
    """
    check_arguments(fill_blanks, locals())
    head = head or tied_head(encoder.model)
    text = clean_text(text)
    ids, positions = _masked(encoder.tokenizer, text)
    if len(ids) > encoder.max_length:
        raise InputError(f"The text has {len(ids):,} tokens; this model reads {encoder.max_length:,}. Shorten it.")
    wanted = _expected_ids(encoder.tokenizer, text, expected)
    row = torch.tensor([ids], device=encoder.model.device)
    states = encoder.model(input_ids=row, attention_mask=torch.ones_like(row), use_cache=False).last_hidden_state[0]
    found = head(states[[position - 1 for position in positions]]).float().softmax(-1).cpu()  # (blanks, V)
    blanks = []
    for number, (position, probabilities) in enumerate(zip(positions, found, strict=True)):
        values, tokens = probabilities.topk(min(top, len(probabilities)))
        predictions = tuple(
            Prediction(written(encoder.tokenizer, token), value)
            for token, value in zip(tokens.tolist(), values.tolist(), strict=True)
        )
        token = wanted[number] if number < len(wanted) else None
        if token is None:
            blanks.append(Blank(position, predictions))
            continue
        own = float(probabilities[token])
        rank = int((probabilities > own).sum()) + 1
        blanks.append(Blank(position, predictions, written(encoder.tokenizer, token), rank, own))
    return blanks


def written(tokenizer: PreTrainedTokenizerBase, token_id: int) -> str:
    """A token as it would be written; with a space in front if it begins a word, whatever the tokenizer's own sign.

    Example:
        >>> from transformers import AutoTokenizer
        >>> from llm2vec_core.presets import BUNDLED
        >>> tokenizer = AutoTokenizer.from_pretrained(BUNDLED.base)
        >>> [written(tokenizer, token) for token in tokenizer("rivers, flow", add_special_tokens=False)["input_ids"]]
        [' rivers', ',', ' flow']
    """
    raw = str(tokenizer.convert_ids_to_tokens(token_id))
    shown = tokenizer.decode([token_id]).strip()
    return f" {shown}" if raw[:1] in ("Ġ", "▁") else shown


@dataclass(frozen=True)
class Cloze:
    """A text with one word hidden.

    Attributes:
        ids: its tokens, the mask where the word was.
        position: of the mask.
        answer: the hidden token.
        word: the same, written.
    """

    ids: tuple[int, ...]
    position: int
    answer: int
    word: str


@dataclass(frozen=True)
class ClozeScores:
    """How well hidden words are found, one entry a text.

    Attributes:
        ranks: place of the hidden word among all tokens, from 1, shape (texts,).
        log_probabilities: natural logarithm of its probability, shape (texts,).
    """

    ranks: np.ndarray
    log_probabilities: np.ndarray

    def within(self, top: int) -> float:
        """Share of hidden words among the likeliest ``top`` tokens."""
        return float((self.ranks <= top).mean())

    @property
    def log_probability(self) -> float:
        """Mean natural logarithm of the hidden words' probabilities."""
        return float(self.log_probabilities.mean())


def hide_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Cloze]:
    """Hide one word of each text: of the words that are one token and at least four letters, the middlemost.

    Nobody picked them, so the count over many texts shows what a chosen example may hide. Texts without such a word
    are left out.

    Example:
        >>> from transformers import AutoTokenizer
        >>> from llm2vec_core.presets import BUNDLED
        >>> tokenizer = AutoTokenizer.from_pretrained(BUNDLED.base)
        >>> [cloze.word for cloze in hide_words(tokenizer, ["The river flows to the sea."])]
        ['flows']
    """
    mask, found = mask_token_id(tokenizer), []
    for text in map(clean_text, texts):
        coded = tokenizer(text, return_offsets_mapping=True, verbose=False)
        words = []
        for place, (start, end) in enumerate(coded["offset_mapping"]):
            word = text[start:end].strip()
            whole = not text[start - 1 : start].isalnum() or text[start] == " " if start else True
            whole = whole and not text[end : end + 1].isalnum()
            if place and whole and word.isalpha() and len(word) >= _SHORTEST_WORD:
                words.append((abs(place - len(coded["input_ids"]) / 2), place, word))
        if words:
            _, place, word = min(words)
            ids = list(coded["input_ids"])
            answer, ids[place] = ids[place], mask
            found.append(Cloze(tuple(ids), place, answer, word))
    return found


@torch.inference_mode()
def measure_cloze(encoder: LLM2Vec, clozes: Sequence[Cloze], head: nn.Module | None = None) -> ClozeScores:
    """Let a model find hidden words.

    Args:
        encoder: in the direction to be measured.
        clozes: of :func:`hide_words`, with this encoder's tokenizer.
        head: as in :func:`fill_blanks`.

    Raises:
        InputError: if there is nothing to find.
        ModelError: as :func:`fill_blanks`.
    """
    if not clozes:
        raise InputError("there is no hidden word: each text needs a word of four letters that is one token")
    head = head or tied_head(encoder.model)
    ranks, logs = np.zeros(len(clozes), dtype=np.int64), np.zeros(len(clozes))
    order = sorted(range(len(clozes)), key=lambda i: len(clozes[i].ids))
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        ids = [torch.tensor(clozes[i].ids) for i in rows]
        batch = pad_sequence(ids, batch_first=True).to(encoder.model.device)
        mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).to(encoder.model.device)
        states = encoder.model(input_ids=batch, attention_mask=mask, use_cache=False).last_hidden_state  # (b, T, d)
        before = states[torch.arange(len(rows)), [clozes[i].position - 1 for i in rows]]  # (b, d)
        chances = head(before).float().log_softmax(-1).cpu()  # (b, V)
        own = chances[torch.arange(len(rows)), [clozes[i].answer for i in rows]]
        ranks[rows] = (chances > own[:, None]).sum(-1).numpy() + 1
        logs[rows] = own.numpy()
    return ClozeScores(ranks, logs)


def _masked(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[int]]:
    """Token ids with one mask a blank, and where the masks are."""
    filled, spans = _with_words(text, ())
    coded = tokenizer(filled, return_offsets_mapping=True, verbose=False)
    mask, ids, positions, last = mask_token_id(tokenizer), [], [], None
    for token, (start, end) in zip(coded["input_ids"], coded["offset_mapping"], strict=True):
        blank = next((n for n, (a, z) in enumerate(spans) if start < z and end > a), None)
        if blank is None:
            ids.append(token)
        elif blank != last:
            positions.append(len(ids))
            ids.append(mask)
        last = blank
    if positions[0] == 0:
        raise InputError("This model has no begin token: put at least one word before the first blank.")
    return ids, positions


def _expected_ids(tokenizer: PreTrainedTokenizerBase, text: str, expected: Sequence[str]) -> list[int | None]:
    """The token of each missing word where it stands; None for a word of several tokens."""
    words = [clean_text(word).strip() for word in expected]
    if not any(words):
        return []
    filled, spans = _with_words(text, words)
    coded = tokenizer(filled, return_offsets_mapping=True, verbose=False)
    places = list(zip(coded["input_ids"], coded["offset_mapping"], strict=True))
    found: list[int | None] = []
    for word, (a, z) in zip(words, spans, strict=False):
        tokens = [token for token, (start, end) in places if start < z and end > a]
        found.append(tokens[0] if word and len(tokens) == 1 else None)
    return found


def _with_words(text: str, words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text with a word in each blank, and where these words stand."""
    blanks = list(BLANK.finditer(text))
    if not blanks:
        raise InputError("There is no blank in the text. Write _ where a word is missing.")
    if len(blanks) > MOST_BLANKS:
        raise InputError(f"There are {len(blanks)} blanks; at most {MOST_BLANKS} are filled in at once.")
    parts, spans, done, length = [], [], 0, 0
    for number, blank in enumerate(blanks):
        before, after = text[: blank.start()][-1:], text[blank.end() :][:1]
        if before.isalnum() or after.isalnum():
            raise InputError("A blank stands for a whole word: put a space between _ and the letters beside it.")
        word = (words[number] if number < len(words) else "") or _STAND_IN
        parts += [text[done : blank.start()], word]
        length += blank.start() - done
        spans.append((length, length + len(word)))
        length += len(word)
        done = blank.end()
    return "".join([*parts, text[done:]]), spans
