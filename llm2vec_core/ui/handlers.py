"""Errors become readable notices."""

from __future__ import annotations

import logging

from llm2vec_core.errors import LLM2VecError

log = logging.getLogger(__name__)

UNEXPECTED = (
    "Something went wrong on our side, and it was written to the log. What you see is still the last good result."
)


def notice_for(error: Exception) -> str:
    """The message a visitor may read; anything unexpected goes to the log alone."""
    if isinstance(error, LLM2VecError):
        return str(error)
    log.error("unexpected error in a handler", exc_info=error)
    return UNEXPECTED
