"""Four typed endpoints for programs. Every other event of the page is its own affair.

(No ``from __future__ import annotations`` here: gradio reads the types themselves.)
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
from fastapi import HTTPException, Request

from llm2vec_core.arguments import short
from llm2vec_core.bundled_data import passages
from llm2vec_core.config_numbers import no_json
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.search import SearchIndex
from llm2vec_core.ui.context import AppContext
from llm2vec_core.ui.encoders import encoder_options
from llm2vec_core.ui.handlers import notice_for
from llm2vec_core.ui.models import Models
from llm2vec_core.ui.user_texts import checked_text


class Endpoints:
    """What programs may call: the model that the page opens with, bounded like the page.

    Args:
        context: of that model.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def embed(
        self,
        texts: list[str],
        encoder: str = "",
        pooling: str = "mean",
        instruction: str = "",
        normalize: bool = True,
    ) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: one or more.
            encoder: key of a stage or baseline, such as "causal"; empty for the default stage.
            pooling: how token vectors become one: mean, weighted_mean, last_token or first_token.
            instruction: prepended to each text, not pooled; empty for none.
            normalize: scale each embedding to length 1.

        Returns:
            One embedding a text.
        """
        vectors = self._encode(self.checked_texts(texts, "texts"), encoder, pooling, instruction, normalize)
        return vectors.astype(float).tolist()

    def similarity(
        self, first: list[str], second: list[str], encoder: str = "", pooling: str = "mean"
    ) -> list[list[float]]:
        """Cosine of each text with each other text.

        Args:
            first: one or more texts; one row each.
            second: one or more texts; one column each.
            encoder: key of a stage or baseline; empty for the default stage.
            pooling: how token vectors become one.

        Returns:
            The cosines, a row for each text of first.
        """
        rows, columns = self.checked_texts(first, "first"), self.checked_texts(second, "second")
        vectors = self._encode([*rows, *columns], encoder, pooling, "", True)
        return (vectors[: len(rows)] @ vectors[len(rows) :].T).astype(float).tolist()

    def search(
        self,
        query: str,
        texts: list[str] | None = None,
        encoder: str = "",
        instruction: str = "",
        top: int = 10,
    ) -> list[dict[str, Any]]:
        """The texts nearest to a query.

        Args:
            query: what is looked for.
            texts: where it is looked for; without them the bundled collection.
            encoder: key of a stage or baseline; empty for the default stage.
            instruction: prepended to the query, not pooled; empty for none.
            top: how many, from 1 to 100.

        Returns:
            Nearest first: rank (from 1), index (of the text), cosine, text.
        """
        query = checked_text(_is(query, str, "query"), "query", self._context.limits.text_characters)
        if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= 100:
            raise InputError(f"top is {short(top)}; give a whole number from 1 to 100")
        where = [p.text for p in passages()] if texts is None else self.checked_texts(texts, "texts")
        key = self._key(encoder)
        index = self._context.index(key) if texts is None else SearchIndex(self._encode(where, key, "mean", "", False))
        vector = self._encode([query], key, "mean", instruction, False)[0]
        hits = index.search(vector, top)
        return [{"rank": h.rank, "index": h.index, "cosine": h.cosine, "text": where[h.index]} for h in hits]

    def prefix_test(self, encoder: str = "") -> dict[str, Any]:
        """Does a word's vector depend on what comes after it? Run now, end to end and layer by layer.

        Args:
            encoder: key of a stage, or "echo"; empty: the default stage.

        Returns:
            causal and bidirectional (true or false), end_to_end (largest relative change of an earlier token's
            vector after the last token was replaced), layers (the same for each layer alone).
        """
        found = self._context.encoder(self._key(encoder))
        if not isinstance(found, LLM2Vec):
            raise InputError(f"{encoder!r} has no attention, so there is nothing to test; choose a stage")
        report = found.prefix_test()
        return {
            "causal": report.is_causal,
            "bidirectional": report.is_bidirectional,
            "end_to_end": float(report.end_to_end),
            "layers": [float(change) for change in report.layers],
        }

    def _key(self, encoder: str) -> str:
        keys = [choice.key for choice in encoder_options(self._context.preset, baselines=True)]
        key = _is(encoder, str, "encoder") or self._context.preset.default.key
        if key not in keys:
            raise InputError(f"unknown encoder {key[:60]!r}; choose one of {', '.join(keys)}")
        return key

    def checked_texts(self, texts: list[str], name: str) -> list[str]:
        """The texts of a call, within the bounds of one.

        Args:
            texts: as the caller gave them.
            name: what they are called there.

        Raises:
            InputError: naming what is wrong, and the bound.
        """
        limits = self._context.limits
        if not isinstance(texts, list) or not texts:
            raise InputError(f"{name} is no list of texts; give at least one")
        if len(texts) > limits.api_texts:
            raise InputError(f"{name} has {len(texts):,} texts; at most {limits.api_texts} fit into one call")
        found = [
            checked_text(_is(text, str, f"{name}[{i}]"), f"{name}[{i}]", limits.text_characters)
            for i, text in enumerate(texts)
        ]
        characters = sum(map(len, found))
        if characters > limits.api_characters:
            raise InputError(
                f"{name} has {characters:,} characters in all; at most {limits.api_characters:,} fit into one call"
            )
        return found

    def _encode(self, texts: list[str], encoder: str, pooling: str, instruction: str, normalize: bool) -> np.ndarray:
        if _is(pooling, str, "pooling") not in POOLING_MODES:
            raise InputError(f"unknown pooling {pooling!r:.60}; choose one of {', '.join(POOLING_MODES)}")
        limit = self._context.limits.text_characters
        told = checked_text(instruction, "instruction", limit) if _is(instruction, str, "instruction") else None
        found = self._context.encoder(self._key(encoder))
        # Bare token embeddings know one way to pool: their mean.
        how = {"pooling_mode": pooling} if isinstance(found, LLM2Vec) else {}
        return found.encode(texts, told, normalize=_is(normalize, bool, "normalize"), **how)


NAMES = ("embed", "similarity", "search", "prefix_test")
CALLS_AT_ONCE = 2


def add_endpoints(models: Models) -> None:
    """Offer the endpoints; inside an open ``gr.Blocks``."""
    endpoints = Endpoints(models.default)
    for name in NAMES:
        gr.api(
            readable(getattr(endpoints, name)),
            api_name=name,
            concurrency_id="api",
            concurrency_limit=CALLS_AT_ONCE,
        )


async def checked_call(request: Request) -> None:
    """Dependency of every route: a call of an endpoint names what it takes, before gradio fails over it.

    Raises:
        HTTPException: 404 for an unknown endpoint, 422 for names or numbers of arguments that it does not take.
    """
    name = request.path_params.get("api_name")
    # The page's own events come by other ways.
    if name is None or request.method != "POST" or "/call/" not in request.url.path:
        return
    if name not in NAMES:
        raise HTTPException(404, f"There is no endpoint {name[:60]!r}; call one of {', '.join(NAMES)}.")
    takes = inspect.signature(getattr(Endpoints, name)).parameters
    known = {key: found.default is found.empty for key, found in takes.items() if key != "self"}
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"The body {no_json(error)}.") from error
    if not isinstance(body, dict):
        raise HTTPException(422, f"The body is no object; {name} takes {', '.join(known)}.")
    if "/v2/" in request.url.path:
        given = body.keys() - {"oauth_token"}
        wrong = [f"{key[:60]!r} is no argument of it" for key in sorted(given - known.keys())]
        wrong += [f"{key!r} is missing" for key, needed in known.items() if needed and key not in given]
        if wrong:
            raise HTTPException(422, f"{name} takes {', '.join(known)}: {'; '.join(wrong)}.")
    elif isinstance(values := body.get("data"), list) and len(values) != len(known):
        raise HTTPException(
            422,
            f"{name} takes {len(known)} values ({', '.join(known)}), in this order; data has {len(values)}. "
            f"/gradio_api/call/v2/{name} takes them by name and lets you leave some out.",
        )


async def known_event(request: Request) -> None:
    """Dependency of every route: who fetches a call's answer must have made the call.

    Gradio would answer 200 and then fail, with a traceback in the server's log. A page's own stream is left to it: its
    message about a session that it no longer knows is one that the page understands.

    Raises:
        HTTPException: 404 for the event of a call that is not known (any more).
    """
    if (event_id := request.path_params.get("event_id")) is None:
        return
    queue = request.app.get_blocks()._queue
    event = queue.event_ids_to_events.get(event_id)
    waiting = list(queue.pending_event_ids_session.items())
    # As gradio finds it: the event of a caller without a session is a session of its own.
    session = event.session_hash if event else next((key for key, ids in waiting if event_id in ids), event_id)
    if session not in queue.pending_messages_per_session:
        raise HTTPException(
            404, f"There is no event {event_id[:60]!r} here (any more): nothing was asked for, or it was answered."
        )


def readable(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose errors a caller may read."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise gr.Error(notice_for(error), print_exception=False) from error

    return wrapper


def _is(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{name} is {type(value).__name__}; expected {kind.__name__}")
    return value
