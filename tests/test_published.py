from __future__ import annotations

from llm2vec_core.published import MTEB


def test_rows_are_told_apart_and_within_the_scale():
    keys = [(row.model, row.encoder, row.supervised) for row in MTEB]
    assert len(set(keys)) == len(keys) == 23
    assert all(0 < row.score < 100 and row.direction in ("causal", "bidirectional") for row in MTEB)


def test_numbers_stand_where_the_paper_has_them():
    """The same numbers, read row by row instead of column by column."""
    rows = {(row.model, row.encoder, row.supervised): row.score for row in MTEB}
    models = ("S-LLaMA-1.3B", "Llama-2-7B", "Mistral-7B")
    for encoder, supervised, scores in (
        ("causal, weighted mean", False, (35.05, 44.54, 42.46)),
        ("causal, echo", False, (39.10, 45.36, 50.26)),
        ("bidirectional + MNTP", False, (41.43, 45.70, 49.43)),
        ("bidirectional + MNTP + SimCSE", False, (49.42, 55.36, 56.80)),
        ("causal, weighted mean", True, (60.44, 62.96, 63.20)),
        ("bidirectional + MNTP", True, (61.85, 64.14, 64.80)),
        ("bidirectional + MNTP + SimCSE", True, (61.96, 64.04, 64.72)),
    ):
        assert tuple(rows[model, encoder, supervised] for model in models) == scores
    assert (rows["BERT", "as it is", False], rows["BERT", "+ SimCSE", False]) == (38.33, 45.45)
