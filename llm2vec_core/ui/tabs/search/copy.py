"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from dataclasses import dataclass

RANKS_NOTE = (
    "▲ ▼ places higher or lower than in the other list. Compare ranks between the lists, not cosines: each encoder has its "
    "own scale."
)

MEASURES = {
    "ndcg_at_10": (
        "nDCG@10",
        "all known answers count, more the higher they rank; nothing below tenth",
    ),
    "mrr": (
        "MRR",
        "1 / rank of the first known answer (rank 1: 1, rank 2: 0.5, rank 10: 0.1), averaged over the queries",
    ),
    "recall_at_10": ("recall@10", "share of the known answers in the top ten"),
}


@dataclass(frozen=True)
class Example:
    """A question that makes a point.

    Attributes:
        query: the question; one of the labelled ones.
        point: why it is worth asking. It claims nothing about a model: the page adds the ranks.
    """

    query: str
    point: str


EXAMPLES = (
    Example(
        "How does an old LP turn into sound?",
        "The answer says “vinyl record”, “groove” and “needle”, but never “LP”. “Sound” appears in many other passages.",
    ),
    Example(
        "Why does the sky flash and rumble?",
        "Asked in a child's words; the answer says “electric charge”, “spark” and “thunder”.",
    ),
    Example(
        "ways to haul people up a steep mountainside",
        "The answers are about railways: a funicular, a toothed rack. Mountains and slopes also appear in passages on rivers and weather.",
    ),
    Example(
        "borrowing to purchase a house",
        "Asked with “borrowing” and “purchase”; the answer starts with “mortgage”, “loan” and “buy”.",
    ),
    Example(
        "devices that stop a train automatically in an emergency",
        "Many passages are about trains; the rest of the question says which ones.",
    ),
    Example(
        "not putting all your eggs in one basket",
        "A saying. Taken literally, it leads to birds and recipes; the answer is about investing.",
    ),
    Example(
        "Why does a loaf get bigger before it is baked?",
        "A hard one: the answer starts with kneading and proteins, and the loaf rises only at the end.",
    ),
)

INDEXED_ALREADY = "Both encoders have already indexed these texts."
STOPPED = "Stopped. The unfinished index was discarded; earlier indexes still work."
STOPPING, NOTHING_TO_STOP = "Stopping …", "No texts are being indexed."


def point_of(query: str) -> str:
    """What an example is about; "" for a question that is none.

    Example:
        >>> point_of("BORROWING to purchase a house")[:17], point_of("river")
        ('Asked with “borro', '')
    """
    return next((example.point for example in EXAMPLES if example.query.lower() == query.lower()), "")
