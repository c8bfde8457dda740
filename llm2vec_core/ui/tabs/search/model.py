"""What the tab computes from its fields: two rankings, how they differ, and how good they are. No gradio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm2vec_core.bundled_data import queries
from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.query_scores import QueryScores
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.search import Ranking
from llm2vec_core.ui.context import AppContext, relevant_rows
from llm2vec_core.ui.encoders import EncoderOption
from llm2vec_core.ui.handlers import checked_text
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.search.indexes import Asked, index_of, labelled_queries, make_indexes, missing, scores_of
from llm2vec_core.ui.user_texts import Texts, our_collection

INSTRUCTION_CHARACTERS = 500


@dataclass(frozen=True)
class Fields:
    """The tab's fields, checked.

    Attributes:
        query: what is asked.
        left: key of the left encoder.
        right: key of the right one.
        pooling: mode of both.
        instruction: put in front of the query alone; "" for none.
    """

    query: str
    left: str
    right: str
    pooling: str
    instruction: str

    @property
    def keys(self) -> tuple[str, str]:
        """Both encoders, left and right."""
        return self.left, self.right


@dataclass(frozen=True)
class Side:
    """One encoder's answer.

    Attributes:
        choice: the encoder.
        ranking: of all texts.
        scores: over all labelled queries, if there are any.
    """

    choice: EncoderOption
    ranking: Ranking
    scores: QueryScores | None


@dataclass(frozen=True)
class Answer:
    """What the tab shows.

    Attributes:
        fields: what was asked.
        texts: where it was searched.
        left: the left encoder's answer.
        right: the right encoder's.
        relevant: rows that are known to answer this query; empty if that is not known.
        asked: the labelled queries behind the scores, if there are any.
    """

    fields: Fields
    texts: Texts
    left: Side
    right: Side
    relevant: frozenset[int]
    asked: Asked | None

    @property
    def ours(self) -> bool:
        """Whether our collection was searched."""
        return self.texts.key == our_collection().key

    def first_rank(self, side: Side) -> int | None:
        """Where this side has the first text that is known to answer the query."""
        return int(side.ranking.ranks()[list(self.relevant)].min()) if self.relevant else None

    def in_both(self, top: int) -> int:
        """How many texts are among the first ``top`` of both lists."""
        return len(np.intersect1d(self.left.ranking.order[:top], self.right.ranking.order[:top]))


def checked_fields(
    context: AppContext, query: str | None, left: str, right: str, pooling: str, instruction: str | None
) -> Fields:
    """The fields, fit to be used.

    Raises:
        InputError: for an empty or too long question or instruction, or an unknown pooling mode.
    """
    query = checked_text(query, "The question", context.limits.text_characters).strip()
    if pooling not in POOLING_MODES:
        raise InputError(f"{pooling!r} is no pooling mode; choose one of {', '.join(POOLING_MODES)}.")
    return Fields(query, left, right, pooling, checked_instruction(instruction))


def checked_instruction(instruction: str | None) -> str:
    """The instruction, or "" for a blank one."""
    if not instruction or not instruction.strip():
        return ""
    return checked_text(instruction, "The instruction", INSTRUCTION_CHARACTERS).strip()


def answer(context: AppContext, session: Session, texts: Texts, fields: Fields) -> Answer:
    """Search with both encoders.

    Few texts are indexed on the way; many have to be indexed before.

    Raises:
        InputError: if they are not, or an encoder is gone.
    """
    small = len(texts) <= context.limits.index_at_once
    if small and missing(session, context, texts, fields.keys, fields.pooling):
        for _ in make_indexes(session, context, texts, fields.keys, fields.pooling):
            pass
    sides = []
    for key in fields.keys:
        choice = session.choice(key, context)
        index = index_of(session, context, texts, key, fields.pooling)
        encoder = session.encoder_for(key, context)
        # The texts have no instruction: it tells the encoder what is asked for, and only a question asks.
        vector = encoder.encode([fields.query], fields.instruction or None, pooling_mode=fields.pooling)[0]
        scores = scores_of(session, context, texts, key, fields.pooling, fields.instruction)
        sides.append(Side(choice, index.rank(vector), scores))
    asked = labelled_queries(texts, context.limits.scored_queries) if sides[0].scores else None
    return Answer(fields, texts, *sides, known_answers(texts, fields.query), asked)


def known_answers(texts: Texts, query: str) -> frozenset[int]:
    """Rows that are known to answer a query; empty for one without labels."""
    if texts.key != our_collection().key:
        return frozenset()
    by_query = {q.query.lower(): rows for q, rows in zip(queries(), relevant_rows(), strict=True)}
    return frozenset(by_query.get(query.lower(), ()))
