"""What the tab computes from its fields: two matrices of cosines and what is known about the texts. No gradio."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from llm2vec_core.batching import clean_text
from llm2vec_core.bundled_data import TextGroup, text_groups
from llm2vec_core.comparison import Yardstick
from llm2vec_core.errors import InputError
from llm2vec_core.similarity import (
    Nearest,
    Structure,
    cosine_matrix,
    nearest_texts,
    percentiles,
    separation_of_structure,
    structure_of,
    unrelated_cosines,
)
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import MEAN_ONLY, USER_ADAPTER, EncoderOption, check_pooling
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.templates import number
from llm2vec_core.ui.user_texts import Texts, checked_instruction, checked_text

COSINE, PERCENTILE = "cosine", "percentile"
MEASURES = (COSINE, PERCENTILE)


@dataclass(frozen=True)
class Fields:
    """The tab's fields, checked.

    Attributes:
        texts: none of them blank, at least two.
        left: key of the first encoder.
        right: key of the second.
        pooling: mode of both.
        instruction: put in front of every text; "" for none.
        measure: "cosine" or "percentile".
    """

    texts: tuple[str, ...]
    left: str
    right: str
    pooling: str
    instruction: str
    measure: str


@dataclass(frozen=True)
class Side:
    """One encoder's cosines.

    Attributes:
        choice: the encoder.
        pooling: the mode that it uses.
        cosines: shape (texts, texts).
        unrelated: cosines of unrelated pairs, sorted.
    """

    choice: EncoderOption
    pooling: str
    cosines: np.ndarray
    unrelated: np.ndarray

    @cached_property
    def percentiles(self) -> np.ndarray:
        """Place of each cosine among the unrelated pairs, 0 to 100, shape (texts, texts)."""
        return 100.0 * percentiles(self.cosines, self.unrelated)

    def values(self, measure: str) -> np.ndarray:
        """What the matrix shows under a measure."""
        return self.percentiles if measure == PERCENTILE else self.cosines


class PairValue(NamedTuple):
    """A pair of texts, numbered from 1, and its value in the chosen measure."""

    first: int
    second: int
    value: float


class Change(NamedTuple):
    """The pair that differs most, and how many of all pairs are higher and lower on the second side."""

    first: int
    second: int
    value: float
    up: int
    down: int
    count: int


class Neighbor(NamedTuple):
    """A text's nearest neighbour, numbered from 1; whether both mean the same is None if that is not known."""

    number: int
    text: str
    cosine: float
    same_meaning: bool | None


class TextRow(NamedTuple):
    """A text and its nearest neighbour on each side."""

    text: str
    first: Neighbor
    second: Neighbor

    @property
    def changed(self) -> bool:
        """Whether they differ."""
        return self.first.number != self.second.number


@dataclass(frozen=True)
class Comparison:
    """What the tab shows.

    Attributes:
        fields: what was asked.
        first: the first encoder's cosines.
        second: the second encoder's.
        structure: what is known about the texts, if anything.
        group: the bundled group that the texts are, if any.
        nearest: each text's nearest other text.
    """

    fields: Fields
    first: Side
    second: Side
    structure: Structure | None
    group: TextGroup | None
    nearest: Nearest

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.first, self.second

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of all different pairs."""
        return np.triu_indices(len(self.fields.texts), 1)

    @property
    def difference(self) -> np.ndarray:
        """Second minus first, in the chosen measure, shape (texts, texts)."""
        return self.second.values(self.fields.measure) - self.first.values(self.fields.measure)

    def limits(self) -> tuple[float, float]:
        """Ends of the one scale of both matrices, never equal; a text's likeness to itself does not count."""
        if self.fields.measure == PERCENTILE:
            return 0.0, 100.0
        found = np.concatenate([side.cosines[self.pairs] for side in self.sides])
        low, high = float(found.min()), float(found.max())
        if len(self.fields.texts) == 2:
            # One pair has no spread of its own to stretch a scale over.
            low, high = min(0.0, low), 1.0
        # Cosines that are all the same still need a scale with two ends.
        return (low, high) if high - low > 1e-3 else (low - 0.05, high + 0.05)

    def span(self) -> float:
        """The largest difference, never 0: ends of the scale of differences are -span and +span."""
        least = 1.0 if self.fields.measure == PERCENTILE else 0.01
        return max(least, float(np.abs(self.difference[self.pairs]).max()))

    def values(self, side: Side) -> np.ndarray:
        """A side's values of all different pairs, in the chosen measure."""
        return side.values(self.fields.measure)[self.pairs]

    def mean_cosine(self, side: Side) -> float:
        """Mean cosine of all different pairs."""
        return float(side.cosines[self.pairs].mean())

    def mean_percentile(self, side: Side) -> float:
        """Their mean percentile among unrelated pairs."""
        return float(side.percentiles[self.pairs].mean())

    def number(self, value: float, signed: bool = False) -> str:
        """A value of the chosen measure as text."""
        digits = "0" if self.fields.measure == PERCENTILE else "3"
        return number(value, f"%{'+' if signed else ''}.{digits}f")

    def most_similar(self, side: Side) -> PairValue:
        """The pair with the highest value on a side."""
        return self._pair(self.values(side), int(self.values(side).argmax()))

    def change(self) -> Change:
        """The pair that differs most between the sides, and how many pairs rise and fall."""
        values = self.difference[self.pairs]
        pair = self._pair(values, int(np.abs(values).argmax()))
        least = 0.5 if self.fields.measure == PERCENTILE else 0.0005
        up, down = int((values >= least).sum()), int((values <= -least).sum())
        return Change(pair.first, pair.second, pair.value, up, down, len(values))

    def _pair(self, values: np.ndarray, place: int) -> PairValue:
        first, second = (int(rows[place]) + 1 for rows in self.pairs)
        return PairValue(first, second, float(values[place]))

    def rows(self) -> list[TextRow]:
        """Each text with its nearest neighbours."""
        return [
            TextRow(text, *(self._neighbor(side, i, int(row)) for side, row in zip(self.sides, near, strict=True)))
            for i, (text, *near) in enumerate(
                zip(self.fields.texts, self.nearest.first, self.nearest.second, strict=True)
            )
        ]

    def _neighbor(self, side: Side, i: int, row: int) -> Neighbor:
        same = None if self.structure is None else self.structure.meanings[i] == self.structure.meanings[row]
        return Neighbor(row + 1, self.fields.texts[row], float(side.cosines[i, row]), same)

    def separations(self) -> tuple[float, float] | None:
        """How far meaning decides over wording under both, if that is known."""
        if self.structure is None:
            return None
        first, second = (separation_of_structure(side.cosines, self.structure) for side in self.sides)
        return first, second


def compare(context: AppContext, session: Session, fields: Fields) -> Comparison:
    """Both matrices.

    Raises:
        InputError: if an encoder is gone.
    """
    sides = []
    for key in (fields.left, fields.right):
        choice = session.choice(key, context)
        pooling = pooling_of(key, fields.pooling)
        embeddings = session.encoder_for(key, context).encode(
            list(fields.texts), fields.instruction or None, pooling_mode=pooling
        )
        unrelated = unrelated_of(context, session, key, pooling, fields.instruction)
        sides.append(Side(choice, pooling, cosine_matrix(embeddings), unrelated))
    group, structure = known_about(session, fields.texts, context.limits)
    return Comparison(fields, *sides, structure, group, nearest_texts(sides[0].cosines, sides[1].cosines))


def checked_fields(
    limits: Limits, texts: str | None, left: str, right: str, pooling: str, instruction: str | None, measure: str
) -> Fields:
    """The fields, fit to be used.

    Raises:
        InputError: for too few, too many or too long texts, or an unknown choice.
    """
    check_pooling(pooling)
    if measure not in MEASURES:
        raise InputError(f"{measure!r} is not a measure; choose one of {', '.join(MEASURES)}.")
    told = checked_instruction(instruction)
    return Fields(texts_of(texts, limits), left, right, pooling, told, measure)


def texts_of(lines: str | None, limits: Limits) -> tuple[str, ...]:
    r"""The texts in the box: one per line, blank lines left out.

    Raises:
        InputError: for fewer than two, too many, or one that is too long.

    Example:
        >>> texts_of("a river\n\n  a bank ", Limits())
        ('a river', 'a bank')
    """
    found = [line.strip() for line in (lines or "").split("\n") if line.strip()]
    if len(found) < 2:
        there = "is 1 text" if found else "are no texts"
        raise InputError(f"There {there} in the box; Compare needs at least 2. Write one per line.")
    if len(found) > limits.compared_texts:
        raise InputError(
            f"There are {len(found):,} texts in the box; at most {limits.compared_texts} can be compared. Remove some."
        )
    return tuple(checked_text(text, f"Text {i}", limits.text_characters) for i, text in enumerate(found, start=1))


def lines_of(texts: Texts, limits: Limits) -> str:
    """A visitor's first texts as the box takes them: one per line, whatever line breaks they have."""
    return "\n".join(_one_line(text) for text in texts.texts[: limits.compared_texts])


def known_about(session: Session, texts: tuple[str, ...], limits: Limits) -> tuple[TextGroup | None, Structure | None]:
    """One of our groups, or the labels of the visitor's own texts, if the box still holds exactly those."""
    for group in text_groups():
        if texts == group.texts:
            return group, structure_of(group)
    own = session.texts
    if own is not None and own.labels is not None:
        shown = own.texts[: limits.compared_texts]
        if texts == tuple(_one_line(text) for text in shown):
            # A text without a label is like no other.
            labels = (label or f"\0{i}" for i, label in enumerate(own.labels[: len(shown)]))
            structure = Structure(tuple(labels))
            if all(kind.any() for kind in structure.pairs()):
                return None, structure
    return None, None


def pooling_of(key: str, pooling: str) -> str:
    """The pooling mode that an encoder really uses."""
    return "mean" if key in MEAN_ONLY else pooling


def yardstick_of(context: AppContext, session: Session, key: str, pooling: str) -> Yardstick:
    """Cosines of the bundled pairs of known relation under any choice."""
    if pooling == "mean":
        found = session.pair_cosines_for(key, context).by_label
        return Yardstick(np.sort(found["similar"]), np.sort(found["unrelated"]))
    return session.yardstick_for(key, pooling, context)


def unrelated_of(context: AppContext, session: Session, key: str, pooling: str, instruction: str) -> np.ndarray:
    """Cosines of unrelated pairs under a choice; an instruction changes them too, so they are measured with it."""
    if not instruction:
        return yardstick_of(context, session, key, pooling).unrelated
    cache = session.cache if key == USER_ADAPTER else context.cache
    encoder = session.encoder_for(key, context)
    return cache.get(
        ("unrelated", key, pooling, instruction),
        lambda: unrelated_cosines(encoder, instruction, pooling_mode=pooling),
    )


def _one_line(text: str) -> str:
    return clean_text(" ".join(text.split()))
