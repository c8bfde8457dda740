"""One text and its neighbours in both spaces; several texts as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from llm2vec_core.errors import InputError
from llm2vec_core.projection import prepared
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map.space import NEIGHBORS, Space
from llm2vec_core.ui.user_texts import Texts


@dataclass(frozen=True)
class Neighbor:
    """A neighbour of the picked text.

    Attributes:
        row: of the text.
        rank: here, from 1.
        cosine: with the picked text, here.
        other_rank: in the other space.
    """

    row: int
    rank: int
    cosine: float
    other_rank: int


@dataclass(frozen=True)
class Picked:
    """A text and its nearest neighbours.

    Attributes:
        row: of the text.
        sides: neighbours on the left and on the right, nearest first.
    """

    row: int
    sides: tuple[list[Neighbor], list[Neighbor]]

    @property
    def shared(self) -> set[int]:
        """Rows that are among the nearest in both."""
        return {n.row for n in self.sides[0]} & {n.row for n in self.sides[1]}


def picked(spaces: tuple[Space, Space], row: int, metric: str) -> Picked:
    """The neighbours of one text in both spaces, by the full vectors."""
    places, cosines = [], []
    for space in spaces:
        rows = prepared(space.embeddings(), metric).astype(np.float64)
        distances = ((rows - rows[row]) ** 2).sum(axis=1)
        distances[row] = -1.0  # itself first, even among duplicates
        order = np.argsort(distances, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        places.append(rank)
        unit = prepared(space.embeddings()).astype(np.float64)
        cosines.append(unit @ unit[row])
    count = min(NEIGHBORS, len(places[0]) - 1)
    sides = []
    for here, there in ((0, 1), (1, 0)):
        nearest = np.argsort(places[here], kind="stable")[1 : count + 1]
        sides.append(
            [
                Neighbor(int(other), int(places[here][other]), float(cosines[here][other]), int(places[there][other]))
                for other in nearest
            ]
        )
    return Picked(row, (sides[0], sides[1]))


def remembered(session: Session, texts: Texts) -> int | None:
    """The row that this visitor picked last among these texts."""
    key, row = session.by_tab.get("map", (None, None))
    return row if key == texts.key else None


def remember(session: Session, texts: Texts, row: int) -> None:
    """Keep a picked row, so that another colour or encoder shows the same text's neighbours."""
    session.by_tab["map"] = (texts.key, row)


def checked_row(value: Any, count: int) -> int:
    """The row that a click names.

    Raises:
        InputError: if there is no such row (any more).
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise InputError("That text is no longer on the map. Draw the map again, then click.")
    return value


def checked_rows(values: Any, count: int) -> list[int]:
    """The rows that a selection names, each once.

    Raises:
        InputError: if one is not there (any more).
    """
    if not isinstance(values, list) or len(values) > 2 * count:
        raise InputError("That selection no longer matches the map. Draw the map again, then select.")
    return list(dict.fromkeys(checked_row(value, count) for value in values))


def rows_with(texts: Texts, words: str) -> list[int]:
    """Rows of the texts that contain all these words, whatever their case.

    Raises:
        InputError: if no word is given.

    Example:
        >>> rows_with(Texts("some", ("The River", "a bank", "river bank")), "bank river")
        [2]
    """
    wanted = (words or "").casefold().split()
    if not wanted:
        raise InputError("Type a word to find texts that contain it.")
    return [row for row, text in enumerate(texts.texts) if all(word in text.casefold() for word in wanted)]
