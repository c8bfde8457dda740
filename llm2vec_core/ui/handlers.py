"""Errors become readable notices, and what was on the screen stays on it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from llm2vec_core.batching import clean_text
from llm2vec_core.errors import InputError, LLM2VecError

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


def notice_for(error: Exception) -> str:
    """The message a visitor may read; anything unexpected goes to the log alone."""
    if isinstance(error, LLM2VecError):
        return str(error)
    log.error("unexpected error in a handler", exc_info=error)
    return UNEXPECTED


def checked_text(text: str | None, name: str, limit: int) -> str:
    """A visitor's text, fit to be encoded and sent back (no lone surrogates), or a readable complaint about it.

    Raises:
        InputError: if it is empty, blank or longer than ``limit`` characters.
    """
    if text is None or not text.strip():
        raise InputError(f"{name} is empty. Type a few words.")
    if len(text) > limit:
        raise InputError(f"{name} has {len(text):,} characters; at most {limit:,} fit here. Shorten it.")
    return clean_text(text)
