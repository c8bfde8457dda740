"""Tokens as people read them: a piece of a word is not to be taken for a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llm2vec_core.batching import clean_text
from llm2vec_core.token_change import TokenChange

# Not the one of the keyboard: texts hold that one themselves, and lines are not broken at this one.
HYPHEN = "\u2011"
# Scripts from here on write words without blanks, so that no token is less of a word than another.
UNSPACED = 0x2E80


def marked(text: str, tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens with a hyphen where the word goes on.

    Args:
        text: that was read.
        tokens: each as it stands in the text, in order; others (such as a begin token) stay as they are.

    Example:
        >>> marked("The guests ate.", ("<s>", "The", "gu", "ests", "ate", "."))
        ('<s>', 'The', 'gu‑', '‑ests', 'ate', '.')
    """
    text, at, found = clean_text(text), 0, []
    for token in tokens:
        bare = token.strip()
        start = text.find(bare, at)
        if not bare or start < 0 or text[at:start].strip():
            found.append(token)
            continue
        at = start + len(bare)
        before = HYPHEN if _joined(text, start) else ""
        after = HYPHEN if _joined(text, at) else ""
        found.append(f"{before}{bare}{after}")
    return tuple(found)


def marked_change(change: TokenChange, a: str, b: str) -> TokenChange:
    """The change with the tokens of both texts :func:`marked`.

    Args:
        change: of the tokens that both texts begin with.
        a: the first text.
        b: the second.
    """
    shared = len(change.tokens)
    first, second = (marked(text, (*change.tokens, *rest)) for text, rest in ((a, change.rest_a), (b, change.rest_b)))
    return replace(change, tokens=first[:shared], rest_a=first[shared:], rest_b=second[shared:])


def is_piece(token: str) -> bool:
    """Whether a :func:`marked` token is a piece of a word."""
    return HYPHEN in (token[:1], token[-1:])


def predicted(token: str) -> str:
    """A token that stands in no text, as people read it: what would continue the word before it is no word.

    Example:
        >>> predicted(" bank"), predicted("rane"), predicted(".")
        ('bank', '…rane', '.')
    """
    bare = token.strip() or "␣"
    return bare if token.startswith(" ") or not bare[:1].isalnum() else f"…{bare}"


def _joined(text: str, place: int) -> bool:
    around = text[place - 1 : place + 1] if place else ""
    return len(around) == 2 and all(c.isalnum() and ord(c) < UNSPACED for c in around)
