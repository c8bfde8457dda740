from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.query_scores import MEASURES, score_difference, score_queries


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    cosines = rng.normal(size=(60, 80))
    return cosines, [set(rng.choice(80, size=rng.integers(1, 5), replace=False).tolist()) for _ in range(60)]


def test_mrr_is_one_over_the_number_of_texts_above_the_best_answer(drawn):
    cosines, relevant = drawn
    ranks = [1 + sum(row > max(row[i] for i in answers)) for row, answers in zip(cosines, relevant, strict=True)]
    scores = score_queries(cosines, relevant)
    assert scores.first_ranks.tolist() == ranks
    assert scores.estimate("mrr").score == pytest.approx(np.mean([1 / rank for rank in ranks]), abs=1e-12)
    assert scores.values["recall_at_10"][0] == np.mean([np.sum(cosines[0] > cosines[0][i]) < 10 for i in relevant[0]])


def test_the_same_numbers_as_scikit_learn(drawn):
    cosines, relevant = drawn
    truth = np.zeros(cosines.shape)
    for row, answers in zip(truth, relevant, strict=True):
        row[list(answers)] = 1
    ndcg = score_queries(cosines, relevant).estimate("ndcg_at_10").score
    assert ndcg == pytest.approx(ndcg_score(truth, cosines, k=10), abs=1e-12)
    # With one answer a query, scikit-learn's measure is the mean reciprocal rank.
    single = [{min(answers)} for answers in relevant]
    truth = np.zeros(cosines.shape)
    truth[range(60), [min(answers) for answers in single]] = 1
    mrr = score_queries(cosines, single).estimate("mrr").score
    assert mrr == pytest.approx(label_ranking_average_precision_score(truth, cosines), abs=1e-12)


def test_closed_form():
    cosines = np.linspace(1.0, 0.0, 20)[None]  # ranks are 1, 2, 3, ...
    for answers, ndcg, rank, recall in (
        ({0}, 1.0, 1, 1.0),
        ({2}, 1 / np.log2(4), 3, 1.0),
        ({15}, 0.0, 16, 0.0),
        ({0, 2}, (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3)), 1, 1.0),
        ({9, 10}, (1 / np.log2(11)) / (1 + 1 / np.log2(3)), 10, 0.5),
    ):
        scores = score_queries(cosines, [answers])
        assert [float(scores.values[m][0]) for m in MEASURES] == pytest.approx([ndcg, 1 / rank, recall])
        assert scores.first_ranks.tolist() == [rank]


def test_ties_keep_the_order_of_the_texts():
    assert score_queries(np.ones((1, 30)), [{4}]).first_ranks.tolist() == [5]


def test_a_text_that_asks_does_not_find_itself():
    cosines = np.array([[1.0, 0.2, 0.5], [0.2, 1.0, 0.1]])
    assert score_queries(cosines, [{1}, {0}], [0, 1]).first_ranks.tolist() == [2, 1]


def test_an_interval_holds_the_score_and_a_difference_is_paired(drawn):
    cosines, relevant = drawn
    better = cosines.copy()
    for row, answers in zip(better, relevant, strict=True):
        row[list(answers)] += 0.5
    low, high = score_queries(cosines, relevant), score_queries(better, relevant)
    for measure in MEASURES:
        estimate = low.estimate(measure)
        assert estimate.low < estimate.score < estimate.high
        lead, back = score_difference(high, low, measure), score_difference(low, high, measure)
        assert 0 < lead.low < lead.score < lead.high
        assert (back.score, back.low, back.high) == pytest.approx((-lead.score, -lead.high, -lead.low))
        assert score_difference(low, low, measure).high == 0


def test_of_one_query_there_is_no_interval():
    estimate = score_queries(np.array([[0.5, 0.1]]), [{0}]).estimate("mrr")
    assert estimate.score == 1
    assert np.isnan([estimate.low, estimate.high]).all()


def test_nothing_to_score():
    with pytest.raises(InputError, match="no query"):
        score_queries(np.zeros((0, 3)), [])
    with pytest.raises(InputError, match="query 2 has no relevant text"):
        score_queries(np.zeros((2, 3)), [{1}, set()])
