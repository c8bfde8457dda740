"""What a run learns from, and what it is measured on: never the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from llm2vec_core.batching import clean_text
from llm2vec_core.corpus.source import Mended
from llm2vec_core.errors import InputError
from llm2vec_core.training.bundled import bundled_pairs, bundled_texts, hold_out, measured_pairs
from llm2vec_core.training.pairs import Cleaning, Pair, clean_pairs, read_pairs
from llm2vec_core.ui.file_preview import file_preview
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.user_texts import BUNDLED_TEXTS, NO_TEXTS_YET, Texts, upload_reading

FEWEST = 16
PAIR_KINDS = (".jsonl", ".json", ".csv", ".tsv")
# Own held-out pairs are measured on where there are enough for a share to mean something.
FEWEST_MEASURED = 10
MOST_MEASURED = 60


@dataclass(frozen=True)
class TrainingData:
    """Examples of a run.

    Attributes:
        train: texts or pairs.
        held_out: whose loss is measured; never trained on.
        measured: by relation, pairs of texts whose cosines are compared before and after.
        name: where the examples come from, shown to people.
        own_pairs: whether the measured pairs are the visitor's own.
        left_out: what was removed beforehand, in words.
    """

    train: list[Any]
    held_out: list[Any]
    measured: dict[str, list[tuple[str, str]]]
    name: str
    own_pairs: bool = False
    left_out: str = ""


def training_data(
    objective: str, source: str, texts: Texts | None, pairs_file: str | None, limits: Limits, pairs_encoding: str = ""
) -> TrainingData:
    """Examples for an objective.

    Args:
        objective: its key.
        source: "ours" or "own".
        texts: the visitor's own, if there are any.
        pairs_file: the visitor's own pairs, an uploaded file.
        limits: how many and how long they may be.
        pairs_encoding: of its bytes; "" to find it out.

    Raises:
        InputError: if there is nothing to train on; the message says what would be right.
    """
    if objective == "supervised":
        if source == BUNDLED_TEXTS:
            return TrainingData(*bundled_pairs(), measured_pairs(), "our pairs")
        return own_pairs(pairs_file, limits, pairs_encoding)
    if source == BUNDLED_TEXTS:
        return TrainingData(*bundled_texts(objective), measured_pairs(), "our collection")
    return own_training_texts(texts, limits)


def own_training_texts(texts: Texts | None, limits: Limits) -> TrainingData:
    """The visitor's texts, each once.

    Raises:
        InputError: if there are too few, too many or too long ones.
    """
    if texts is None:
        raise InputError(NO_TEXTS_YET)
    different = list(dict.fromkeys(texts.texts))
    if len(different) < FEWEST:
        same = f" ({len(texts):,} with duplicates)" if len(different) < len(texts) else ""
        raise InputError(_too_few(len(different), "different text", same))
    if len(different) > limits.training_texts:
        raise InputError(
            f"{len(different):,} texts are too many for a run of at most {limits.training_steps} steps; the limit here "
            f"is {limits.training_texts:,}. The command line has no limit."
        )
    copies = len(texts) - len(different)
    return TrainingData(
        *hold_out(different), measured_pairs(), texts.name, left_out=f"{copies:,} duplicates" if copies else ""
    )


def _too_few(count: int, what: str, why: str) -> str:
    counted = f"{count} {what}{why} is" if count == 1 else f"{count} {what}s{why} are"
    return f"{counted} too few to train on; give at least {FEWEST}."


def pairs_preview(pairs_file: str, limits: Limits, encoding: str) -> str:
    """HTML: how an uploaded file of pairs is read, and its first rows.

    Raises:
        InputError: if it cannot be read.
    """
    return file_preview(upload_reading(Path(pairs_file), limits, header=True, encoding=encoding), "", None)


def own_pairs(pairs_file: str | None, limits: Limits, encoding: str = "") -> TrainingData:
    """The visitor's pairs from an uploaded file, cleaned.

    Args:
        pairs_file: the file.
        limits: how many and how long they may be.
        encoding: of its bytes; "" to find it out.

    Raises:
        InputError: if there is none, it cannot be read, or holds too few, too many or too long ones.
    """
    if not pairs_file:
        raise InputError("You have not loaded any pairs yet. Upload a file with the columns query and positive.")
    file = Path(pairs_file)
    if file.suffix.lower() not in PAIR_KINDS:
        raise InputError(
            f"{file.name} is not a file type that pairs can be read from; upload one of {', '.join(PAIR_KINDS)}."
        )
    report, mended = Cleaning(), Mended()
    found = list(
        clean_pairs(_bounded(read_pairs(file, mended=mended, encoding=encoding or None), file.name, limits), report)
    )
    replaced = f"invalid bytes in {mended.rows:,} rows replaced" if mended.rows else ""
    told = "; ".join(part for part in (str(report), replaced, *mended.notes) if part)
    if len(found) < FEWEST:
        why = f" (left out: {told})" if told else ""
        raise InputError(_too_few(len(found), "usable pair", why))
    if len({pair.positive for pair in found}) < 2:
        raise InputError(
            "All pairs have the same positive, so there is nothing to tell apart; give different positives."
        )
    # All rows of a query go to the same side, or what is measured would have been seen.
    by_query: dict[str, list[Pair]] = {}
    for pair in found:
        by_query.setdefault(pair.query, []).append(pair)
    train, held_out = ([pair for group in part for pair in group] for part in hold_out(list(by_query.values())))
    if len(train) < 2:
        raise InputError(
            "Nearly all pairs have the same query, so there is nothing to tell apart; give different queries."
        )
    measured = _measured(held_out)
    return TrainingData(train, held_out, measured or measured_pairs(), file.name, bool(measured), told)


def _bounded(pairs: Iterator[Pair], name: str, limits: Limits) -> Iterator[Pair]:
    for number, pair in enumerate(islice(pairs, limits.training_texts + 1), start=1):
        if number > limits.training_texts:
            raise InputError(f"{name} has more than {limits.training_texts:,} pairs, the limit here.")
        parts = (pair.query, pair.positive, pair.negative, pair.instruction)
        longest = max(map(len, parts))
        if longest > limits.text_characters:
            raise InputError(
                f"Row {number:,} of {name} has a text of {longest:,} characters; the limit is "
                f"{limits.text_characters:,}."
            )
        query, positive, negative, instruction = map(clean_text, parts)
        yield Pair(query, positive, negative, instruction, task=pair.task)


def _measured(held_out: Sequence[Pair]) -> dict[str, list[tuple[str, str]]]:
    """Own held-out pairs by relation: a query with its positive, with another's positive, with its hard negative."""
    chosen = held_out[:MOST_MEASURED]
    count = len(chosen)
    unrelated = [
        (pair.query, chosen[(i + count // 2) % count].positive)
        for i, pair in enumerate(chosen)
        if chosen[(i + count // 2) % count].positive != pair.positive
    ]
    if count < FEWEST_MEASURED or len(unrelated) < FEWEST_MEASURED:
        return {}
    pairs = {"similar": [(pair.query, pair.positive) for pair in chosen], "unrelated": unrelated}
    misleading = [(pair.query, pair.negative) for pair in chosen if pair.negative]
    return pairs | ({"misleading": misleading} if len(misleading) >= FEWEST_MEASURED else {})
