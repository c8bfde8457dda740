"""What the tab computes from its fields: two matrices of cosines and what is known about the texts. No gradio."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm2vec_core.batching import clean_text
from llm2vec_core.bundled_data import TextGroup, text_groups
from llm2vec_core.comparison import Yardstick
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
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
from llm2vec_core.ui.encoders import USER_ADAPTER, EncoderOption
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.user_texts import Texts, checked_text

INSTRUCTION_CHARACTERS = 500
COSINE, PERCENTILE = "cosine", "percentile"
MEASURES = (COSINE, PERCENTILE)
# The one encoder without token vectors: whatever the pooling, it is the mean.
STATIC = "static"


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
    """One encoder's answer.

    Attributes:
        choice: the encoder.
        pooling: what it really pools with.
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


@dataclass(frozen=True)
class Comparison:
    """What the tab shows.

    Attributes:
        fields: what was asked.
        first: the first encoder's answer.
        second: the second one's.
        structure: what is known about the texts, if anything.
        group: ours, if the texts are one of them.
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
        """Both answers."""
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
    limits: Limits, lines: str | None, left: str, right: str, pooling: str, instruction: str | None, measure: str
) -> Fields:
    """The fields, fit to be used.

    Raises:
        InputError: for too few, too many or too long texts, or an unknown choice.
    """
    if pooling not in POOLING_MODES:
        raise InputError(f"{pooling!r} is no pooling mode; choose one of {', '.join(POOLING_MODES)}.")
    if measure not in MEASURES:
        raise InputError(f"{measure!r} is no measure; choose one of {', '.join(MEASURES)}.")
    found = ""
    if instruction and instruction.strip():
        found = checked_text(instruction, "The instruction", INSTRUCTION_CHARACTERS).strip()
    return Fields(texts_of(lines, limits), left, right, pooling, found, measure)


def texts_of(lines: str | None, limits: Limits) -> tuple[str, ...]:
    r"""The texts in the box: one a line, blank lines left out.

    Raises:
        InputError: for fewer than two, too many, or one that is too long.

    Example:
        >>> texts_of("a river\n\n  a bank ", Limits())
        ('a river', 'a bank')
    """
    found = [line.strip() for line in (lines or "").split("\n") if line.strip()]
    if len(found) < 2:
        there = "is 1 text" if found else "are no texts"
        raise InputError(f"There {there} in the box; comparing takes at least 2. Write one a line.")
    if len(found) > limits.compared_texts:
        raise InputError(
            f"There are {len(found):,} texts in the box; at most {limits.compared_texts} are compared. Take some out."
        )
    return tuple(checked_text(text, f"Text {i}", limits.text_characters) for i, text in enumerate(found, start=1))


def lines_of(texts: Texts, limits: Limits) -> str:
    """A visitor's first texts as the box takes them: one a line, whatever line breaks they have."""
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
    return "mean" if key == STATIC else pooling


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
