"""The bundled texts as training data, and the bundled pairs kept apart to measure on.

Rows that are measured on are never trained on: of the labelled sentence pairs and of the queries, the first, third,
fifth ... may be learned from, the others are held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from llm2vec_core.bundled_data import passages, queries, sentence_pairs
from llm2vec_core.training.data import cut_texts, split_sentences
from llm2vec_core.training.pairs import Pair

Example = TypeVar("Example")
HELD_OUT_SHARE = 8  # every eighth example
SHORTEST_SENTENCE = 20  # characters
LABELS = ("similar", "unrelated", "misleading")


def hold_out(examples: Sequence[Example], share: int = HELD_OUT_SHARE) -> tuple[list[Example], list[Example]]:
    """Every eighth example apart, the first included.

    Args:
        examples: in any order.
        share: one of so many is held out.

    Returns:
        What to train on, and what to measure on.

    Example:
        >>> hold_out([1, 2, 3, 4], share=2)
        ([2, 4], [1, 3])
    """
    return [e for i, e in enumerate(examples) if i % share], list(examples[::share])


def bundled_texts(objective: str) -> tuple[list[str], list[str]]:
    """Texts of the collection for an objective without labels: whole passages for MNTP, sentences for SimCSE.

    Args:
        objective: "mntp" or "simcse".

    Returns:
        What to train on, and what to hold out.

    Example:
        >>> train, held_out = bundled_texts("mntp")
        >>> len(train), len(held_out)
        (283, 41)
    """
    texts = [passage.text for passage in passages()]
    if objective == "simcse":
        texts = list(cut_texts(texts, "sentence", min_characters=SHORTEST_SENTENCE))
    return hold_out(texts)


def bundled_pairs() -> tuple[list[Pair], list[Pair]]:
    """Pairs of a text and what it should find.

    Three kinds: a query with each passage that answers it, and as hard negative a passage of the same topic that does
    not; two sentences that mean the same, and as hard negative one that shares only words with the first; the first
    sentence of a passage with its second.

    Returns:
        What to train on, and what to hold out (of the third kind alone, the others have held-out rows of their own).

    Example:
        >>> train, held_out = bundled_pairs()
        >>> bool(set(train) & set(held_out))
        False
    """
    text = {passage.id: passage.text for passage in passages()}
    labelled = []
    for query in queries()[::2]:
        others = [p.text for p in passages() if p.topic == query.topic and p.id not in query.relevant]
        labelled += [
            Pair(query.query, text[name], others[i % len(others)], task="queries")
            for i, name in enumerate(query.relevant)
        ]
    alike = [pair for pair in sentence_pairs() if pair.label == "similar"][::2]
    labelled += [Pair(pair.sentence1, pair.sentence2, pair.negative, task="paraphrases") for pair in alike]
    parts = (split_sentences(passage.text) for passage in passages())
    two = [part for part in parts if len(part) == 2]
    neighbors, held_out = hold_out([Pair(first, second, task="neighbours") for first, second in two])
    return [*labelled, *neighbors], held_out


# Of the pairs of each label.
MEASURED_ROWS = slice(1, None, 2)


def measured_pairs() -> dict[str, list[tuple[str, str]]]:
    """The sentence pairs that no bundled training data holds, by label.

    Example:
        >>> {label: len(pairs) for label, pairs in measured_pairs().items()}
        {'similar': 40, 'unrelated': 40, 'misleading': 40}
    """
    return {
        label: [(p.sentence1, p.sentence2) for p in sentence_pairs() if p.label == label][MEASURED_ROWS]
        for label in LABELS
    }
