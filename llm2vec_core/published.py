"""Scores that others published, as data, each with its source. Nothing here was measured by this project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedScore:
    """One number from a paper.

    Attributes:
        model: whose embeddings.
        encoder: what was made of it.
        direction: "causal" or "bidirectional"; decides the colour.
        supervised: whether labelled pairs were trained on.
        score: mean over the 56 English tasks of MTEB, from 0 to 100.
    """

    model: str
    encoder: str
    direction: str
    supervised: bool
    score: float


SOURCE = "BehnamGhader et al., 2024, “LLM2Vec: Large Language Models Are Secretly Powerful Text Encoders”, COLM 2024"
ADDRESS = "https://arxiv.org/abs/2404.05961"
SCALE = "mean over the 56 English tasks of MTEB"

# The encoders of each model, as the paper's tables have them.
_UNSUPERVISED = (
    ("causal, weighted mean", "causal"),
    ("causal, echo", "causal"),
    ("bidirectional + MNTP", "bidirectional"),
    ("bidirectional + MNTP + SimCSE", "bidirectional"),
)
_SUPERVISED = (
    ("causal, weighted mean", "causal"),
    ("bidirectional + MNTP", "bidirectional"),
    ("bidirectional + MNTP + SimCSE", "bidirectional"),
)
_TABLE = {
    "S-LLaMA-1.3B": ((35.05, 39.10, 41.43, 49.42), (60.44, 61.85, 61.96)),
    "Llama-2-7B": ((44.54, 45.36, 45.70, 55.36), (62.96, 64.14, 64.04)),
    "Mistral-7B": ((42.46, 50.26, 49.43, 56.80), (63.20, 64.80, 64.72)),
}

MTEB: tuple[PublishedScore, ...] = (
    PublishedScore("BERT", "as it is", "bidirectional", False, 38.33),
    PublishedScore("BERT", "+ SimCSE", "bidirectional", False, 45.45),
    *(
        PublishedScore(model, encoder, direction, supervised, score)
        for model, tables in _TABLE.items()
        for supervised, encoders, scores in zip((False, True), (_UNSUPERVISED, _SUPERVISED), tables, strict=True)
        for (encoder, direction), score in zip(encoders, scores, strict=True)
    ),
)
