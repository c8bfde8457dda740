"""What this tab says. Plain words first; a technical term is explained where it first appears."""

from __future__ import annotations

from dataclasses import dataclass

INTRO = """
<div class="l2v"><h2>The same question, two encoders</h2>
<p>An <em>encoder</em> turns the question and every text into a vector, and puts the texts first whose vectors point the
same way (a high <em>cosine</em>). No word has to be shared. Our collection has 324 short passages about twelve subjects,
full of words with two lives: a <em>bank</em>, a <em>pitch</em>, a <em>cell</em>. Search it, or bring texts of your own.</p></div>
"""

RANKS_NOTE = (
    "▲ and ▼: how many places higher or lower than in the other list. Compare ranks between the lists, not cosines: each "
    "encoder has a scale of its own."
)

MEASURES = {
    "ndcg_at_10": (
        "nDCG@10",
        "all known answers count, the more the higher they stand; after the tenth place they count nothing",
    ),
    "mrr": ("MRR", "1 / rank of the first known answer: first place 1, second 0.5, tenth 0.1; the mean over queries"),
    "recall_at_10": ("recall@10", "share of the known answers that are among the first ten"),
}


@dataclass(frozen=True)
class Example:
    """A question that makes a point.

    Attributes:
        query: the question; one of the labelled ones.
        point: why it is worth asking. It claims nothing of a model: the page adds the ranks that it finds.
    """

    query: str
    point: str


EXAMPLES = (
    Example(
        "How does an old LP turn into sound?",
        "The answer says “vinyl record”, “groove” and “needle”, and never LP. Sound stands in many other passages.",
    ),
    Example(
        "Why does the sky flash and rumble?",
        "Asked in a child's words; the answer says “electric charge”, “spark” and “thunder”.",
    ),
    Example(
        "ways to haul people up a steep mountainside",
        "The answers are railways: a funicular, a toothed rack. Mountains and slopes stand in passages about rivers and weather too.",
    ),
    Example(
        "borrowing to purchase a house",
        "Asked with “borrowing” and “purchase”; the answer begins with “mortgage”, “loan” and “buy”.",
    ),
    Example(
        "devices that stop a train automatically in an emergency",
        "Many passages are about trains; the rest of the question says which ones are meant.",
    ),
    Example(
        "not putting all your eggs in one basket",
        "A saying. Who takes it word for word looks among birds and recipes; the answer is about investing.",
    ),
    Example(
        "Why does a loaf get bigger before it is baked?",
        "A hard one: the answer begins with kneading and proteins, and the loaf rises only at its end.",
    ),
)

INDEXED_ALREADY = "Both encoders have indexed these texts already."
STOPPED = "Stopped. What was begun is dropped; what was indexed before still answers."


def point_of(query: str) -> str:
    """What an example is about; "" for a question that is none.

    Example:
        >>> point_of("BORROWING to purchase a house")[:17], point_of("river")
        ('Asked with “borro', '')
    """
    return next((example.point for example in EXAMPLES if example.query.lower() == query.lower()), "")
