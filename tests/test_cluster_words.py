"""Words and densities of groups on a picture, against closed forms and scikit-learn."""

from __future__ import annotations

import re
from collections import Counter
from math import log

import numpy as np
import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.neighbors import KernelDensity

from llm2vec_core.bundled_data import passages
from llm2vec_core.projection import class_tfidf, cluster_words, density_grid, named_groups
from llm2vec_core.projection.density import bandwidth

TEXTS = [passage.text for passage in passages()]
TOPICS = sorted({passage.topic for passage in passages()})
CLUSTERS = np.array([TOPICS.index(passage.topic) for passage in passages()])


def test_weights_are_the_published_formula_counted_by_hand():
    clusters = np.where(np.arange(len(TEXTS)) % 10 == 0, -1, CLUSTERS)
    counts, containing = ([Counter() for _ in TOPICS] for _ in range(2))
    for text, cluster in zip(TEXTS, clusters.tolist(), strict=True):
        found = [w for w in re.findall(r"\b[^\W\d_]{3,}\b", text.lower()) if w not in ENGLISH_STOP_WORDS]
        if cluster >= 0:
            counts[cluster].update(found)
            containing[cluster].update(set(found))
    weights, shares, words = class_tfidf(TEXTS, clusters)
    total, mean = sum(counts, Counter()), sum(count.total() for count in counts) / len(TOPICS)
    sizes = np.bincount(clusters[clusters >= 0])
    assert set(words) >= set(total)
    for cluster, count in enumerate(counts):
        expected = [count[w] / count.total() * log(1 + mean / total[w]) if total[w] else 0.0 for w in words]
        np.testing.assert_allclose(weights[cluster], expected, rtol=1e-9)
        np.testing.assert_allclose(shares[cluster], [containing[cluster][w] / sizes[cluster] for w in words])


def test_a_groups_words_are_its_own_and_usual_in_it():
    found = cluster_words(TEXTS, CLUSTERS)
    assert all(1 <= len(words) <= 3 for words in found)
    for cluster, words in enumerate(found):
        for word in words:
            holds = np.array([re.search(rf"\b{word}\b", text.lower()) is not None for text in TEXTS])
            inside, outside = holds[cluster == CLUSTERS], holds[cluster != CLUSTERS]
            assert inside.mean() >= max(0.12, 3 * outside.mean())
            assert inside.sum() >= 2
        assert not any(a != b and a.startswith(b) for a in words for b in words)


@pytest.mark.parametrize("texts", [["the and of"] * 30, ["12 34"] * 30, ["…"] * 30, ["", " "] * 15])
def test_texts_without_words_have_no_names(texts):
    assert cluster_words(texts, np.repeat([0, 1], 15)) == [(), ()]
    points = np.random.default_rng(0).normal(size=(30, 2)) * 0.01 + np.repeat([[0, 0], [1, 1]], 15, axis=0)
    assert named_groups(points, texts) == ([], [])
    assert cluster_words(texts, np.full(30, -1)) == []


def blobs() -> tuple[np.ndarray, list[str]]:
    """Two groups far from each other, the second of two parts that touch."""
    middles = np.repeat([[0.0, 0.0], [10.0, 0.0], [10.0, 0.6]], 20, axis=0)
    texts = [
        f"{word} matter{' metal' * (word != 'river')}" for word in ("river", "copper", "silver") for _ in range(20)
    ]
    return middles + np.random.default_rng(0).normal(size=(60, 2)) * 0.15, texts


def test_groups_have_two_levels_and_do_not_depend_on_the_frame():
    points, texts = blobs()
    coarse, fine = named_groups(points, texts)
    assert [(group.size, group.words) for group in coarse] == [(40, ("metal", "copper", "silver")), (20, ("river",))]
    # The group that has no parts is on both levels; "matter" is in all texts and describes none.
    assert coarse[1] in fine
    assert {group.words[0] for group in fine} == {"river", "silver", "copper"}
    for group in (*coarse, *fine):
        assert group.words[0] in texts[group.row]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert named_groups(7.0 * points @ turn + 3.0, texts) == (coarse, fine)
    assert named_groups(points[:10], texts[:10]) == named_groups(np.zeros((60, 2)), texts) == ([], [])


def test_density_is_a_kernel_density():
    points = blobs()[0]
    low, high = points.min(axis=0) - 1, points.max(axis=0) + 1
    found = density_grid(points, low, high, 12)
    grid = np.stack(np.meshgrid(np.linspace(low[0], high[0], 12), np.linspace(low[1], high[1], 12)), axis=-1)
    expected = np.exp(KernelDensity(bandwidth=bandwidth(points)).fit(points).score_samples(grid.reshape(-1, 2)))
    np.testing.assert_allclose(found, (expected / expected.max()).reshape(12, 12), atol=1e-9)
    assert np.isfinite(density_grid(np.zeros((5, 2)), low, high)).all()
