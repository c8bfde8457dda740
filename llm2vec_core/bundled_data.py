"""The texts that come with the project: a labelled collection, queries, sentence pairs, presets.

All of them were written for this project; ``assets/MANIFEST.json`` describes each file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llm2vec_core.presets import ASSETS

DATA = ASSETS / "data"


@dataclass(frozen=True)
class Passage:
    """A short text about one topic.

    Attributes:
        id: such as "rivers-04".
        topic: such as "rivers".
        text: one to three sentences.
    """

    id: str
    topic: str
    text: str


@dataclass(frozen=True)
class Query:
    """A question with the passages that answer it.

    Attributes:
        id: such as "q-rivers-1".
        query: the question.
        topic: the topic of its answers.
        relevant: ids of the passages that answer it.
    """

    id: str
    query: str
    topic: str
    relevant: tuple[str, ...]


@dataclass(frozen=True)
class SentencePair:
    """Two sentences and what they have in common.

    Attributes:
        sentence1: the first.
        sentence2: the second.
        label: "similar" (same meaning, other words), "unrelated", or "misleading" (many words in
            common, another meaning).
        negative: of the similar pairs that are trained on, a hard negative: words of the first sentence, another
            meaning.
    """

    sentence1: str
    sentence2: str
    label: str
    negative: str = ""


@dataclass(frozen=True)
class PairPreset:
    """Two sentences that make a point.

    Attributes:
        name: shown in a list.
        kind: what the two have in common, such as "shared_beginning".
        a: the first sentence.
        b: the second sentence.
        note: what to look at.
    """

    name: str
    kind: str
    a: str
    b: str
    note: str


@dataclass(frozen=True)
class TextGroup:
    """A few texts that make a point when all their pairs are compared.

    Attributes:
        key: in code and addresses.
        name: shown in a list.
        texts: one line each.
        meanings: one label a text: what it is about. Texts with the same label mean the same.
        wordings: one label a text: how it looks. Texts with the same label look alike. None if no text here is
            meant to mislead.
        alike: what "look alike" is in this group, in a few words; "" without wordings.
        claim: what the group shows on the bundled model, a key of :data:`llm2vec_core.similarity.CLAIMS`.
        note: what the texts are; nothing about what an encoder makes of them.
    """

    key: str
    name: str
    texts: tuple[str, ...]
    meanings: tuple[str, ...]
    wordings: tuple[str, ...] | None
    alike: str
    claim: str
    note: str


@dataclass(frozen=True)
class BlankPreset:
    """A sentence with a missing word.

    Attributes:
        name: shown in a list.
        text: the blank is ``_``.
        answer: the word that we left out.
        shows: whether MNTP makes the bundled model surer of it; one that does not stands there too.
    """

    name: str
    text: str
    answer: str
    shows: bool


@lru_cache
def passages() -> tuple[Passage, ...]:
    """The collection, ordered by topic."""
    return tuple(Passage(**row) for row in _read_jsonl("collection.jsonl"))


@lru_cache
def queries() -> tuple[Query, ...]:
    """The labelled queries of the collection."""
    return tuple(Query(**{**row, "relevant": tuple(row["relevant"])}) for row in _read_jsonl("queries.jsonl"))


def relevant_rows() -> list[set[int]]:
    """For each labelled query the rows of the collection that answer it."""
    row = {passage.id: i for i, passage in enumerate(passages())}
    return [{row[name] for name in query.relevant} for query in queries()]


@lru_cache
def sentence_pairs() -> tuple[SentencePair, ...]:
    """Labelled pairs: what similar and unrelated sentences look like to an encoder."""
    return tuple(SentencePair(**row) for row in _read_jsonl("pairs.jsonl"))


@lru_cache
def pair_presets() -> tuple[PairPreset, ...]:
    """Pairs to compare; the first one opens the page."""
    rows = json.loads((DATA / "presets.json").read_text(encoding="utf-8"))
    return tuple(PairPreset(**row) for row in rows)


@lru_cache
def text_groups() -> tuple[TextGroup, ...]:
    """Groups of texts to compare; the first one is shown first."""
    rows = json.loads((DATA / "text_groups.json").read_text(encoding="utf-8"))
    fields: list[dict[str, Any]] = [
        {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
    ]
    return tuple(TextGroup(**row) for row in fields)


@lru_cache
def blank_presets() -> tuple[BlankPreset, ...]:
    """Sentences with a missing word; the first one opens the tab of the ladder."""
    return tuple(BlankPreset(**row) for row in json.loads((DATA / "blanks.json").read_text(encoding="utf-8")))


def _read_jsonl(name: str) -> list[dict[str, Any]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
