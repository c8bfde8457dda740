"""What all plotly figures share: colours, layout, escaping.

Colours follow one rule on the whole page: blue is causal, orange is bidirectional (a pair that the
colour-blind tell apart; Okabe and Ito, 2008). Backgrounds are transparent and text takes the page's
own colours in the browser, so that a figure suits light and dark.
"""

from __future__ import annotations

from typing import Any

CAUSAL_COLOR = "#2f6fb3"
BIDIRECTIONAL_COLOR = "#d8621b"
NEUTRAL_COLOR = "#7a7a7a"
DIRECTION_COLORS = {"causal": CAUSAL_COLOR, "bidirectional": BIDIRECTIONAL_COLOR, "none": NEUTRAL_COLOR}


def layout(title: str) -> dict[str, Any]:
    """Layout of a figure with this title."""
    return {
        "title": {"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 44, "b": 8},
        "hoverlabel": {"align": "left"},
        "template": None,
    }


def wrapped(text: str, width: int = 48, limit: int = 160) -> str:
    """A text cut at ``limit`` characters, in lines of ``width``, escaped."""
    text = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join(escaped(piece) for piece in [*lines, line])


def escaped(text: str) -> str:
    """A label that plotly takes literally."""
    # Plotly understands a few HTML tags in labels; a visitor's text must not be one.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
