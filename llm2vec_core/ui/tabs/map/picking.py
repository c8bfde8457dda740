"""Texts that were picked on the map, checked, and found again."""

from __future__ import annotations

from typing import Any

from llm2vec_core.errors import InputError
from llm2vec_core.projection import Neighborhoods, neighborhoods
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.map.settings import NEIGHBORS
from llm2vec_core.ui.tabs.map.space import Space
from llm2vec_core.ui.user_texts import Texts


def picked(spaces: tuple[Space, Space], row: int, metric: str) -> Neighborhoods:
    """The neighbours of one text in both spaces, by the full vectors."""
    first, second = (space.embeddings() for space in spaces)
    return neighborhoods(first, second, row, NEIGHBORS, metric=metric)


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
