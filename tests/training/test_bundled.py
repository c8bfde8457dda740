from __future__ import annotations

import pytest

from llm2vec_core.bundled_data import queries, sentence_pairs
from llm2vec_core.training.bundled import bundled_pairs, bundled_texts, measured_pairs


def test_what_is_measured_is_never_trained_on():
    train, held_out = bundled_pairs()
    seen = {text for pair in train for text in (pair.query, pair.positive, pair.negative)}
    for pairs in measured_pairs().values():
        assert not seen & {text for pair in pairs for text in pair}
    assert not {pair.query for pair in train} & {pair.query for pair in held_out}
    # Half of the queries are left for whoever wants to measure on them.
    assert {q.query for q in queries()[1::2]}.isdisjoint(seen)


def test_measured_pairs_are_the_labelled_ones():
    known = {(p.sentence1, p.sentence2): p.label for p in sentence_pairs()}
    assert all(known[pair] == label for label, pairs in measured_pairs().items() for pair in pairs)


def test_hard_negatives_are_of_the_topic_and_no_answer():
    by_query = {q.query: q for q in queries()}
    labelled = [pair for pair in bundled_pairs()[0] if pair.task == "queries"]
    assert labelled
    assert all(pair.negative and pair.negative != pair.positive for pair in labelled)
    assert {pair.query for pair in labelled} == {q.query for q in queries()[::2]}
    assert sum(len(by_query[q.query].relevant) for q in queries()[::2]) == len(labelled)


@pytest.mark.parametrize("objective", ["mntp", "simcse"])
def test_texts_are_held_out(objective):
    train, held_out = bundled_texts(objective)
    assert not set(train) & set(held_out)
    assert 6 < len(train) / len(held_out) <= 8
