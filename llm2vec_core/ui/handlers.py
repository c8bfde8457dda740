"""Errors become readable notices, what was on the screen stays on it, and no late answer covers a newer one."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import gradio as gr

from llm2vec_core.errors import LLM2VecError
from llm2vec_core.ui.requests import Request
from llm2vec_core.ui.session import Session

log = logging.getLogger(__name__)

UNEXPECTED = (
    "Something went wrong on our side, and it was written to the log. What you see is still the last good result."
)


def guarded(outputs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a handler whose first output is a notice and whose other outputs are results.

    The handler returns its results alone. On success the notice is cleared; on an error it says what
    was wrong and every result is left as it was.

    Args:
        outputs: number of results.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def wrapper(*args: Any) -> tuple[Any, ...]:
            try:
                results = handler(*args)
            except Exception as error:
                return (notice_for(error), *(gr.skip() for _ in range(outputs)))
            return ("", *results) if outputs > 1 else ("", results)

        return wrapper

    return decorate


def guarded_stream(outputs: int) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    """As :func:`guarded`, for a handler that yields its results again and again."""

    def decorate(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @functools.wraps(handler)
        def wrapper(*args: Any) -> Iterator[tuple[Any, ...]]:
            try:
                for results in handler(*args):
                    yield ("", *results)
            except Exception as error:
                yield (notice_for(error), *(gr.skip() for _ in range(outputs)))

        return wrapper

    return decorate


def latest_only(io: Mapping[str, Any], places: Iterable[Any] | None = None) -> dict[str, Any]:
    """Let the answers of several events stand on the page in the order of their questions.

    Opening a tab, pressing a button and choosing a model may all compute the same figures, and they do so at
    the same time: without this the slowest one is seen last. Of one place on the page only the newest
    question's answer is shown, and a press while an answer is on its way is not lost but waits for it.

    Args:
        io: arguments of ``gr.on``: a guarded handler that takes the visitor, and its outputs.
        places: components that the question decides about, if these are not exactly the outputs: an output that
            is none of them is always shown; a field that is no output says that what was chosen there is newer.

    Returns:
        The arguments, with the handler wrapped.
    """
    handler, outputs = io["fn"], list(io["outputs"])
    decided = [component._id for component in (outputs if places is None else places)]

    def ask(args: tuple[Any, ...]) -> Request:
        (session,) = (value for value in args if isinstance(value, Session))
        return session.requests.begin(decided)

    def shown(request: Request, results: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            result if component._id not in request.targets or request.is_latest(component._id) else gr.skip()
            for component, result in zip(outputs, results, strict=True)
        )

    def answered(results: tuple[Any, ...]) -> list[int]:
        # Of a handler that failed the notice alone stands.
        return decided if results[0] == "" else [component._id for component in outputs[:1]]

    @functools.wraps(handler)
    def once(*args: Any) -> tuple[Any, ...]:
        request, stands = ask(args), []
        try:
            results = handler(*args)
            stands = answered(results)
            return shown(request, results)
        finally:
            request.close(stands)

    @functools.wraps(handler)
    def stream(*args: Any) -> Iterator[tuple[Any, ...]]:
        request, stands = ask(args), []
        try:
            for results in handler(*args):
                stands = answered(results)
                yield shown(request, results)
        finally:
            request.close(stands)

    streams = inspect.isgeneratorfunction(handler)
    return {"trigger_mode": "always_last", **io, "fn": stream if streams else once}


def notice_for(error: Exception) -> str:
    """The message a visitor may read; anything unexpected goes to the log alone."""
    if isinstance(error, LLM2VecError):
        return str(error)
    log.error("unexpected error in a handler", exc_info=error)
    return UNEXPECTED
