"""From the tab's fields to what it paints: one function a part, without gradio."""

from __future__ import annotations

from typing import NamedTuple

from llm2vec_core.errors import InputError
from llm2vec_core.ui import copy as page_copy
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.pair_strips import similarity_strips
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.see import model, paint, paint_attention, paint_endings
from llm2vec_core.ui.tabs.see.code import see_snippet
from llm2vec_core.ui.tabs.see.lesson import STEPS
from llm2vec_core.ui.tabs.see.paint_lesson import lesson_card


class Beginning(NamedTuple):
    """What depends on both sentences: the opening, the strips, the lesson's step, the code."""

    opening: str
    strips: str
    lesson: str
    code: str


def beginning(
    context: AppContext, session: Session, a: str, b: str, stage_key: str, pooling_mode: str, step: int
) -> Beginning:
    """Everything about two sentences; raises as :func:`model.checked_pair`."""
    pair = model.checked_pair(context, session, a, b, stage_key)
    opening = paint.opening_card(
        pair.change(pair.causal.key), pair.change(stage_key), pair.stage.label, context.limits.token_pictures
    )
    return Beginning(opening, _strips(pair, pooling_mode), _step(pair, step), see_snippet(pair))


def strips(context: AppContext, session: Session, a: str, b: str, stage_key: str, pooling_mode: str) -> str:
    """The pair among pairs of known relation, under another pooling."""
    return _strips(model.checked_pair(context, session, a, b, stage_key), pooling_mode)


def lesson(context: AppContext, session: Session, a: str, b: str, stage_key: str, step: int) -> str:
    """One step of the lesson."""
    return _step(model.checked_pair(context, session, a, b, stage_key), step)


def _strips(pair: model.Pair, pooling_mode: str) -> str:
    rows = [
        (x.choice.key, x.choice.label, x.choice.direction == "bidirectional", x.cosine, x.yardstick)
        for x in model.likenesses(pair, pooling_mode)
    ]
    return similarity_strips(rows, page_copy.POOLING_LABELS.get(pooling_mode, pooling_mode))


def _step(pair: model.Pair, step: object) -> str:
    if isinstance(step, bool) or not isinstance(step, int) or not 1 <= step <= len(STEPS):
        raise InputError(f"{step!r} is no step of the lesson; choose one from 1 to {len(STEPS)}.")
    chosen = STEPS[step - 1]
    return lesson_card(step, len(STEPS), chosen, chosen.find(pair))


def endings(
    context: AppContext, session: Session, start: str, reference: str, ending: str, stage_key: str, measure: str
) -> str:
    """Bars of a beginning with two endings; raises as :func:`model.endings`."""
    found = model.endings(context, session, start, reference, ending, stage_key)
    return paint_endings.endings_card(found, measure, context.limits.token_pictures)


class Attention(NamedTuple):
    """What depends on one sentence: a head's picture, all heads, and which head it is."""

    picture: str
    grid: str
    layer: int
    head: int


def attention(context: AppContext, session: Session, sentence: str, stage_key: str, layer: int, head: int) -> Attention:
    """One head's attention and the thumbnails of all; raises as :func:`model.heads`."""
    found = model.heads(context, session, sentence, stage_key)
    layer, head = model.checked_head(layer, head, found.causal.shape[:2])
    where = (layer - 1, head - 1)
    picture = paint_attention.attention_pair(
        found.tokens, found.causal[where], found.other[where], layer, head, found.stage.label
    )
    return Attention(picture, paint_attention.grid_card(found), layer, head)
