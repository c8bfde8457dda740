"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from dataclasses import dataclass

RANKS_NOTE = (
    "▲ ▼ places higher or lower than in the other list. Compare ranks between the lists, not cosines: each encoder has its "
    "own scale."
)

MEASURES = {"ndcg_at_10": "nDCG@10", "mrr": "MRR", "recall_at_10": "recall@10"}
# What a measure says of so many of our questions with their known answers, and of so many of a visitor's texts with
# their labels. No recall of the latter: of a label with hundreds of texts ten hits are a tiny share, whatever the encoder.
_RECIPROCAL = "1 / rank of the first %s (rank 1: 1, rank 2: 0.5, rank 10: 0.1), averaged over %s"
OF_QUESTIONS = {
    "ndcg_at_10": "all known answers of a question count, more the higher they rank; nothing below tenth",
    "mrr": _RECIPROCAL % ("known answer", "our {:,} questions"),
    "recall_at_10": "share of a question's known answers in the top ten",
}
OF_LABELS = {
    "ndcg_at_10": "all of your texts with the same label count, more the higher they rank; nothing below tenth",
    "mrr": _RECIPROCAL % ("text with the same label", "{:,} of your texts"),
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
QUEUE = "another visitor's texts are being indexed", "Yours follow by themselves; press Stop to leave the queue."
STOPPING, NOTHING_TO_STOP = "Stopping …", "No texts are being indexed."


def point_of(query: str) -> str:
    """What an example is about; "" for a question that is none.

    Example:
        >>> point_of("BORROWING to purchase a house")[:17], point_of("river")
        ('Asked with “borro', '')
    """
    return next((example.point for example in EXAMPLES if example.query.lower() == query.lower()), "")
