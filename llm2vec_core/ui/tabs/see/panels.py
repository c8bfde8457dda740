"""From what was computed to what is shown: each part of the tab as HTML."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from markupsafe import Markup

from llm2vec_core.encoder import future_share
from llm2vec_core.token_change import SAME
from llm2vec_core.ui.tabs.see import charts, copy
from llm2vec_core.ui.tabs.see.lens import Lens
from llm2vec_core.ui.tabs.see.model import ENDING_TOKENS, Endings, Heads
from llm2vec_core.ui.tabs.see.spine import STEPS, Shown
from llm2vec_core.ui.templates import render
from llm2vec_core.word_pieces import predicted

UNITS = {
    "cosine": "1 − cosine; 0: the same direction, 1: nothing in common",
    "distance": "distance between the two vectors, in lengths of the first",
}
CHANGE_COLUMNS = (
    "token",
    "1 - cosine, causal",
    "1 - cosine, bidirectional",
    "distance, causal",
    "distance, bidirectional",
)


def spine(shown: Shown, a: str, b: str = "") -> Markup:
    """A step of the lesson with its picture, of Sentences A and B; the last step takes A to Search."""
    causal, other = shown.picture.causal, shown.picture.other
    return render(
        "see/spine.html",
        shown=shown,
        count=len(STEPS),
        charts=[charts.forward_pass(shown.picture, sentence) for sentence in shown.picture.sentences],
        numbers=charts.values(shown.finding) if shown.finding.values else "",
        query=a,
        measured=copy.MEASURED[shown.step.key],
        onward=copy.ONWARD,
        class_material=copy.CLASS_MATERIAL,
        # An answer about two sentences is no answer about others.
        pair_id=sha256(f"{a}\0{b}".encode(errors="surrogatepass")).hexdigest()[:12],
        columns=("shared token", "cosine, causal", f"cosine, {shown.picture.stage.label}"),
        rows=[
            [token, float(one), float(two)]
            for token, one, two in zip(causal.tokens, causal.cosines, other.cosines, strict=True)
        ],
    )


def endings(found: Endings, measure: str, limit: int) -> Markup:
    """Bars of a beginning with two endings; at most ``limit`` tokens are drawn."""
    causal, other = found.causal, found.other
    shown = min(len(causal.tokens), limit)
    return render(
        "see/endings.html",
        found=found,
        most_tokens=ENDING_TOKENS,
        unit=UNITS[measure],
        sizes=other.changes if measure == "cosine" else other.distances,
        largest=float(causal.distances.max(initial=0.0)),
        moved=int((other.distances >= SAME).sum()),
        same=SAME,
        shown=shown,
        chart=charts.endings(found, measure, shown) if shown else "",
        legend=render("direction_key.html", stage=found.stage.label),
        columns=CHANGE_COLUMNS,
        rows=[
            [token, *(float(v) for v in numbers)]
            for token, *numbers in zip(
                causal.tokens, causal.changes, other.changes, causal.distances, other.distances, strict=True
            )
        ],
    )


def attention(found: Heads, layer: int, head: int) -> Markup:
    """One head, causal beside bidirectional; layer and head from 1."""
    tokens, stage = found.tokens, found.stage.label
    weights = [w[layer - 1, head - 1] for w in (found.causal, found.other)]
    shares = [float(future_share(w)) for w in weights]
    ahead = np.triu(weights[1], 1)
    i, j = np.unravel_index(int(ahead.argmax()), ahead.shape)
    strongest = {"source": tokens[i], "target": tokens[j], "share": float(ahead[i, j])} if ahead.max() > 0 else None
    pictures = [
        charts.attention(
            tokens, w, f"{name}: attention of {len(tokens)} tokens, {share:.0%} to later ones", masked=masked
        )
        for w, name, share, masked in zip(weights, ("Causal", stage), shares, (True, False), strict=True)
    ]
    return render(
        "see/attention.html",
        layer=layer,
        head=head,
        stage=stage,
        shares=shares,
        ahead=strongest,
        charts=pictures,
        columns=("looks", "is looked at", "causal", "bidirectional"),
        rows=[
            [one, other, float(weights[0][i, j]), float(weights[1][i, j])]
            for i, one in enumerate(tokens)
            for j, other in enumerate(tokens)
        ],
    )


def heads(found: Heads) -> Markup:
    """All heads as thumbnails."""
    shares = found.future
    most, least = (np.unravel_index(int(f(shares)), shares.shape) for f in (np.argmax, np.argmin))
    return render(
        "see/heads.html",
        stage=found.stage.label,
        shares=shares,
        most=most,
        least=least,
        causal=float(future_share(found.causal).max()),
        chart=charts.heads(found),
        columns=("layer", "head", "share to later words"),
        rows=[[i + 1, j + 1, float(share)] for (i, j), share in np.ndenumerate(shares)],
    )


def lens(found: Lens) -> Markup:
    """Which words a vector leans to."""
    return render(
        "see/lens.html",
        lens=found,
        seen=found.seen,
        word=predicted,
        columns=("layer or pooling", "encoder", "word", "probability"),
        rows=[
            [row.name, encoder, predicted(word.token), word.probability]
            for row in found.rows
            for encoder, words in (("causal", row.causal), (found.stage.label, row.other))
            for word in words
        ],
    )
